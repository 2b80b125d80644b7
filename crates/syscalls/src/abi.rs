//! The ABIs a task can call the kernel through.
//!
//! An architecture is what a kernel runs on; an ABI is the table a call's number is looked up in. One kernel serves
//! several ABIs (x86-64: native, i386 and x32), so a number means nothing without its ABI. The 32-bit ABIs of s390x,
//! ppc64le and riscv64 kernels are not known here.

use std::fmt;
use std::str::FromStr;

/// A system call ABI. The discriminant is the number that eBPF programs, records and guests use, so it never changes.
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
    /// 64-bit RISC-V.
    Riscv64 = 5,
    /// 64-bit IBM Z, the only one here that stores the highest byte of a number first.
    S390x = 6,
    /// 64-bit POWER, little-endian.
    Ppc64le = 7,
    /// 64-bit LoongArch.
    LoongArch64 = 8,
}

impl Abi {
    /// Every ABI, in the order of its number.
    pub const ALL: [Abi; 9] = [
        Abi::X86_64,
        Abi::I386,
        Abi::X32,
        Abi::Aarch64,
        Abi::Arm,
        Abi::Riscv64,
        Abi::S390x,
        Abi::Ppc64le,
        Abi::LoongArch64,
    ];

    /// The name used in filters (`i386:openat`) and output: `x86_64`, `i386`, `x32`, `arm64`, `arm`, `riscv64`, `s390x`,
    /// `ppc64le` or `loongarch64`.
    pub const fn name(self) -> &'static str {
        match self {
            Abi::X86_64 => "x86_64",
            Abi::I386 => "i386",
            Abi::X32 => "x32",
            Abi::Aarch64 => "arm64",
            Abi::Arm => "arm",
            Abi::Riscv64 => "riscv64",
            Abi::S390x => "s390x",
            Abi::Ppc64le => "ppc64le",
            Abi::LoongArch64 => "loongarch64",
        }
    }

    /// The ABI with this number, as written by an eBPF program.
    pub fn from_number(number: u8) -> Option<Abi> {
        Abi::ALL.get(usize::from(number)).copied()
    }

    /// The native ABI of a kernel whose `uname -m` is `machine`. Says nothing about whether anything can be recorded
    /// there: that takes eBPF programs for the architecture.
    pub fn native(machine: &str) -> Option<Abi> {
        match machine {
            "x86_64" => Some(Abi::X86_64),
            "aarch64" => Some(Abi::Aarch64),
            "riscv64" => Some(Abi::Riscv64),
            "s390x" => Some(Abi::S390x),
            "ppc64le" => Some(Abi::Ppc64le),
            "loongarch64" => Some(Abi::LoongArch64),
            _ => None,
        }
    }

    /// Bytes of a pointer and of a `long`.
    pub const fn word_bytes(self) -> usize {
        match self {
            Abi::X86_64
            | Abi::Aarch64
            | Abi::Riscv64
            | Abi::S390x
            | Abi::Ppc64le
            | Abi::LoongArch64 => 8,
            Abi::I386 | Abi::X32 | Abi::Arm => 4,
        }
    }

    /// Whether numbers in memory begin with their highest byte.
    pub const fn is_big_endian(self) -> bool {
        matches!(self, Abi::S390x)
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Abi {
    type Err = ();

    /// Accepts the names of [`Abi::name`] and the spellings of the kernel, Go and Debian.
    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "x86_64" | "amd64" => Abi::X86_64,
            "i386" | "x86" => Abi::I386,
            "x32" => Abi::X32,
            "arm64" | "aarch64" => Abi::Aarch64,
            "arm" => Abi::Arm,
            "riscv64" => Abi::Riscv64,
            "s390x" => Abi::S390x,
            "ppc64le" | "ppc64el" | "powerpc64le" => Abi::Ppc64le,
            "loongarch64" | "loong64" => Abi::LoongArch64,
            _ => return Err(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positions_and_names_are_read_back() {
        for (number, abi) in (0u8..).zip(Abi::ALL) {
            assert_eq!(abi as u8, number);
            assert_eq!(Abi::from_number(number), Some(abi));
            assert_eq!(abi.name().parse(), Ok(abi));
            assert_eq!(abi.to_string(), abi.name());
        }
        assert_eq!(Abi::from_number(Abi::ALL.len() as u8), None);
        assert_eq!("mips".parse::<Abi>(), Err(()));
    }

    #[test]
    fn machines_and_other_spellings_are_known() {
        for (machine, abi) in [
            ("x86_64", Abi::X86_64),
            ("aarch64", Abi::Aarch64),
            ("riscv64", Abi::Riscv64),
            ("s390x", Abi::S390x),
            ("ppc64le", Abi::Ppc64le),
            ("loongarch64", Abi::LoongArch64),
        ] {
            assert_eq!(Abi::native(machine), Some(abi));
            assert_eq!(machine.parse(), Ok(abi));
        }
        // Big-endian POWER has the numbers of the little-endian one, and memory that would be read wrongly.
        assert_eq!(Abi::native("ppc64"), None);
        assert_eq!("loong64".parse(), Ok(Abi::LoongArch64));
        assert_eq!("ppc64el".parse(), Ok(Abi::Ppc64le));
    }
}
