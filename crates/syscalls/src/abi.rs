//! The ABIs a task can call the kernel through.
//!
//! An architecture is what a kernel runs on; an ABI is the table a call's number is looked up in. One kernel serves
//! several ABIs (x86-64: native, i386 and x32), so a number means nothing without its ABI.

use std::fmt;
use std::str::FromStr;

/// A system call ABI. The discriminant is the number that eBPF programs and records use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Abi {
    /// 64-bit x86.
    X86_64 = 0,
    /// 32-bit x86, native or on a 64-bit kernel.
    I386 = 1,
    /// x86-64 with 32-bit pointers; its numbers carry bit 30, which the tables leave out.
    X32 = 2,
    /// 64-bit Arm.
    Aarch64 = 3,
    /// 32-bit Arm (EABI) on a 64-bit kernel.
    Arm = 4,
}

impl Abi {
    /// Every ABI, in the order of its number.
    pub const ALL: [Abi; 5] = [Abi::X86_64, Abi::I386, Abi::X32, Abi::Aarch64, Abi::Arm];

    /// The name used in filters (`i386:openat`) and output: `x86_64`, `i386`, `x32`, `arm64` or `arm`.
    pub const fn name(self) -> &'static str {
        match self {
            Abi::X86_64 => "x86_64",
            Abi::I386 => "i386",
            Abi::X32 => "x32",
            Abi::Aarch64 => "arm64",
            Abi::Arm => "arm",
        }
    }

    /// The ABI with this number, as written by an eBPF program.
    pub fn from_number(number: u8) -> Option<Abi> {
        Abi::ALL.get(usize::from(number)).copied()
    }

    /// The native ABI of a kernel whose `uname -m` is `machine`.
    pub fn native(machine: &str) -> Option<Abi> {
        match machine {
            "x86_64" => Some(Abi::X86_64),
            "aarch64" => Some(Abi::Aarch64),
            _ => None,
        }
    }

    /// Bytes of a pointer and of a `long`.
    pub const fn word_bytes(self) -> usize {
        match self {
            Abi::X86_64 | Abi::Aarch64 => 8,
            Abi::I386 | Abi::X32 | Abi::Arm => 4,
        }
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Abi {
    type Err = ();

    /// Accepts the names of [`Abi::name`] and the kernel's and Go's spellings.
    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "x86_64" | "amd64" => Abi::X86_64,
            "i386" | "x86" => Abi::I386,
            "x32" => Abi::X32,
            "arm64" | "aarch64" => Abi::Aarch64,
            "arm" => Abi::Arm,
            _ => return Err(()),
        })
    }
}
