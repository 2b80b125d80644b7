//! System calls: names, numbers and declarations, as the host knows them.

use crate::abi::{Input, Output};
use crate::raw;
use crate::scratch::text_until_nul;
use crate::{Error, Result};

/// A system call's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyscallDeclaration {
    /// The name that was asked for; the host keeps 32 bytes of it.
    pub name: String,
    /// The parameters in order, at most six.
    pub parameters: Vec<SyscallParameter>,
}

/// One parameter of a system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyscallParameter {
    /// Its name.
    pub name: String,
    /// Whether it is an address.
    pub is_pointer: bool,
}

/// Longer than any name in the kernel's tables (32 bytes) and than `syscall_` with a number.
const NAME_BYTES: usize = 64;

/// The name of the system call with this number on the host, `syscall_` and the number in hexadecimal if it has none.
pub fn syscall_name(id: u16) -> Result<String> {
    let mut name = [0; NAME_BYTES];
    match raw::get_syscall_name(u32::from(id), Output::bytes(&mut name)) {
        0 => Ok(text_until_nul(&name)),
        _ => Err(Error::refused("getSyscallName", &id.to_string())),
    }
}

/// The number of the system call with this name in the host's own ABI.
pub fn syscall_id(name: &str) -> Option<u32> {
    u32::try_from(raw::get_syscall_id(Input::text(name))).ok()
}

/// The parameters of the system call with this name, as the kernel declares them.
pub fn syscall_declaration(name: &str) -> Result<SyscallDeclaration> {
    let mut record = [0; record::BYTES];
    match raw::get_syscall_declaration(Input::text(name), Output::bytes(&mut record)) {
        0 => Ok(record::decode(&record)),
        _ => Err(Error::refused("getSyscallDeclaration", name)),
    }
}

#[cfg(feature = "host-gizmo")]
pub use by_abi::{Abi, syscall_function, syscall_id_for_abi};

#[cfg(feature = "host-gizmo")]
mod by_abi {
    use super::*;

    /// A table of system calls. One kernel serves several, and a number means nothing without its table.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[repr(u32)]
    pub enum Abi {
        /// 64-bit x86.
        X86_64 = 0,
        /// 32-bit x86.
        I386 = 1,
        /// x86-64 with 32-bit pointers.
        X32 = 2,
        /// 64-bit Arm.
        Arm64 = 3,
        /// 32-bit Arm.
        Arm = 4,
        /// 64-bit RISC-V.
        Riscv64 = 5,
        /// 64-bit IBM Z.
        S390x = 6,
        /// 64-bit POWER, little-endian.
        Ppc64le = 7,
        /// 64-bit LoongArch.
        LoongArch64 = 8,
    }

    #[cfg(feature = "list")]
    impl From<gizmo_syscalls::Abi> for Abi {
        fn from(abi: gizmo_syscalls::Abi) -> Abi {
            match abi {
                gizmo_syscalls::Abi::X86_64 => Abi::X86_64,
                gizmo_syscalls::Abi::I386 => Abi::I386,
                gizmo_syscalls::Abi::X32 => Abi::X32,
                gizmo_syscalls::Abi::Aarch64 => Abi::Arm64,
                gizmo_syscalls::Abi::Arm => Abi::Arm,
                gizmo_syscalls::Abi::Riscv64 => Abi::Riscv64,
                gizmo_syscalls::Abi::S390x => Abi::S390x,
                gizmo_syscalls::Abi::Ppc64le => Abi::Ppc64le,
                gizmo_syscalls::Abi::LoongArch64 => Abi::LoongArch64,
            }
        }
    }

    /// The number of the system call with this name in an ABI.
    pub fn syscall_id_for_abi(abi: impl Into<Abi>, name: &str) -> Option<u32> {
        u32::try_from(raw::get_syscall_id_for_abi(
            abi.into() as u32,
            Input::text(name),
        ))
        .ok()
    }

    /// The function of the running kernel that a system call begins in, to which `fentry` and `fexit` programs can be
    /// attached; `None` when it has none, or none that it describes.
    ///
    /// It takes one `struct pt_regs *`, the registers of the caller. One function may serve several ABIs: x32 shares most
    /// with x86-64, and what has no parameters (`getpid`) is one function for all of x86. Those of `exit` and `exit_group`
    /// never return, which newer kernels refuse `fexit` programs for.
    pub fn syscall_function(abi: impl Into<Abi>, number: u32) -> Result<Option<String>> {
        let mut name = [0; NAME_BYTES];
        let abi = abi.into() as u32;
        let written = raw::get_syscall_function(abi, number, Output::bytes(&mut name));
        let bytes = usize::try_from(written).ok();
        match bytes.and_then(|bytes| name.get(..bytes)) {
            Some([]) => Ok(None),
            Some(text) => Ok(Some(String::from_utf8_lossy(text).into_owned())),
            None => Err(Error::refused("getSyscallFunction", &number.to_string())),
        }
    }
}

/// The host's record of a declaration: a name, a count, and six parameters of equal size.
mod record {
    use super::*;

    const TEXT_BYTES: usize = 32;
    const PARAMETER_BYTES: usize = TEXT_BYTES + 4;
    const COUNT_OFFSET: usize = 32;
    const PARAMETERS_OFFSET: usize = 36;
    const FLAG_POINTER: u8 = 1;

    pub(super) const BYTES: usize = PARAMETERS_OFFSET + 6 * PARAMETER_BYTES;

    pub(super) fn decode(record: &[u8; BYTES]) -> SyscallDeclaration {
        let (head, parameters) = record.split_at(PARAMETERS_OFFSET);
        let count = head.get(COUNT_OFFSET).copied().unwrap_or_default();
        let parameters = parameters
            .chunks_exact(PARAMETER_BYTES)
            .take(usize::from(count));
        SyscallDeclaration {
            name: text_until_nul(head.get(..TEXT_BYTES).unwrap_or_default()),
            parameters: parameters.map(decode_parameter).collect(),
        }
    }

    fn decode_parameter(parameter: &[u8]) -> SyscallParameter {
        let (name, flags) = parameter.split_at(TEXT_BYTES);
        SyscallParameter {
            name: text_until_nul(name),
            is_pointer: flags.first().is_some_and(|flags| flags & FLAG_POINTER != 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(record: &mut [u8], offset: usize, bytes: &[u8]) {
        record[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    #[test]
    fn a_declaration_has_as_many_parameters_as_the_record_counts() {
        let mut record = [0; record::BYTES];
        put(&mut record, 0, b"execve");
        record[32] = 2;
        put(&mut record, 36, b"filename");
        record[68] = 1;
        put(&mut record, 72, b"flags");
        put(&mut record, 108, b"beyond the count");

        let declaration = record::decode(&record);
        assert_eq!(declaration.name, "execve");
        let parameters: Vec<_> = declaration
            .parameters
            .iter()
            .map(|p| (p.name.as_str(), p.is_pointer))
            .collect();
        assert_eq!(parameters, [("filename", true), ("flags", false)]);
    }

    #[test]
    fn a_record_that_lies_about_its_count_yields_six_parameters() {
        let record = [0xff; record::BYTES];
        let declaration = record::decode(&record);
        assert_eq!(record::BYTES, 252);
        assert_eq!(declaration.parameters.len(), 6);
        assert_eq!(declaration.name.chars().count(), 32);
    }
}
