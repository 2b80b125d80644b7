//! A register's value as a number, by the declared type of its parameter.
//!
//! Owns the C types (signed or not, how wide, address or not) and the few parameters whose declared type hides what
//! they are: descriptors declared unsigned, addresses declared as integers, modes.

use crate::{Abi, Parameter};

#[cfg(test)]
mod tests;

/// A parameter's value: the number itself and, if there is one, what it stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub value: String,
    pub text: Option<String>,
}

/// How a C type is passed in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Address,
    Signed(u32),
    Unsigned(u32),
}

/// The value of a parameter of the call `name`.
pub(super) fn number(abi: Abi, name: &str, parameter: &Parameter, raw: u64) -> Number {
    let plain = |value: String| Number { value, text: None };
    let parameter_name = parameter.name.as_ref();
    match class(&parameter.ctype, abi) {
        Class::Address => {
            let text = (masked(raw, word_bits(abi)) == 0).then(|| "NULL".to_owned());
            Number {
                value: address(raw, abi),
                text,
            }
        }
        Class::Signed(_) | Class::Unsigned(_) if is_descriptor(parameter_name) => {
            let fd = raw as i32;
            let is_cwd = fd == AT_FDCWD && is_directory_descriptor(name, parameter_name);
            Number {
                value: fd.to_string(),
                text: is_cwd.then(|| "AT_FDCWD".to_owned()),
            }
        }
        Class::Unsigned(bits) if bits == word_bits(abi) && is_address_name(parameter_name) => {
            plain(address(raw, abi))
        }
        Class::Unsigned(bits) if is_mode_type(&parameter.ctype) => {
            let mode = masked(raw, bits);
            Number {
                value: mode.to_string(),
                text: Some(octal(mode)),
            }
        }
        Class::Signed(bits) if name == "umask" => Number {
            value: signed(raw, bits).to_string(),
            text: Some(octal(masked(raw, bits))),
        },
        Class::Unsigned(bits) if (name, parameter_name) == ("ioctl", "cmd") => {
            let cmd = masked(raw, bits);
            Number {
                value: cmd.to_string(),
                text: Some(format!("{cmd:#x}")),
            }
        }
        Class::Signed(bits) => plain(signed(raw, bits).to_string()),
        Class::Unsigned(bits) => plain(masked(raw, bits).to_string()),
    }
}

/// A length or count that a parameter holds; `None` if it is negative. Without a parameter the whole register counts.
pub(super) fn length(abi: Abi, parameter: Option<&Parameter>, raw: u64) -> Option<u64> {
    match parameter.map(|parameter| class(&parameter.ctype, abi)) {
        Some(Class::Signed(bits)) => u64::try_from(signed(raw, bits)).ok(),
        Some(Class::Unsigned(bits)) => Some(masked(raw, bits)),
        Some(Class::Address) | None => Some(masked(raw, word_bits(abi))),
    }
}

/// An address in hex, cut to the ABI's pointers.
pub(super) fn address(raw: u64, abi: Abi) -> String {
    format!("{:#x}", masked(raw, word_bits(abi)))
}

/// A file mode as C writes it.
pub(super) fn octal(mode: u64) -> String {
    if mode == 0 {
        "0".to_owned()
    } else {
        format!("0{mode:o}")
    }
}

/// Bits of a register. x32 passes 64-bit registers although its pointers and longs are narrow.
pub(super) fn word_bits(abi: Abi) -> u32 {
    match abi {
        Abi::I386 | Abi::Arm => 32,
        Abi::X86_64
        | Abi::X32
        | Abi::Aarch64
        | Abi::Riscv64
        | Abi::S390x
        | Abi::Ppc64le
        | Abi::LoongArch64 => 64,
    }
}

pub(super) fn masked(raw: u64, bits: u32) -> u64 {
    if bits >= 64 {
        raw
    } else {
        raw & ((1 << bits) - 1)
    }
}

pub(super) fn signed(raw: u64, bits: u32) -> i64 {
    let unused = 64 - bits.clamp(1, 64);
    ((raw << unused) as i64) >> unused
}

/// Stands for the current directory where a directory descriptor is expected.
const AT_FDCWD: i32 = -100;

/// The kernel declares many descriptors unsigned (`close`) or even `unsigned long` (`mmap`), but -1 is what was meant.
/// `max_fd` of `close_range` is a limit.
fn is_descriptor(parameter: &str) -> bool {
    matches!(parameter, "fildes" | "fdin" | "fdout")
        || parameter.starts_with("fd_")
        || (parameter.ends_with("fd") && parameter != "max_fd")
}

fn is_directory_descriptor(name: &str, parameter: &str) -> bool {
    matches!(parameter, "dfd" | "olddfd" | "newdfd")
        || parameter.ends_with("_dfd")
        || parameter.ends_with("dirfd")
        || name == "execveat"
}

/// Addresses declared as `unsigned long`, by the names the kernel gives them. `arg` and `arg2` are what `ioctl`,
/// `fcntl` and `prctl` take: more often an address or bits than a count.
fn is_address_name(parameter: &str) -> bool {
    matches!(
        parameter,
        "addr"
            | "start"
            | "brk"
            | "new_addr"
            | "old_addr"
            | "newsp"
            | "tls"
            | "shmaddr"
            | "child_tidptr"
    ) || parameter
        .strip_prefix("arg")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_mode_type(ctype: &str) -> bool {
    ctype
        .split_ascii_whitespace()
        .any(|word| matches!(word, "umode_t" | "mode_t" | "compat_mode_t"))
}

fn class(ctype: &str, abi: Abi) -> Class {
    // Most parameters, without taking their type apart.
    match ctype {
        "int" => return Class::Signed(32),
        "unsigned int" => return Class::Unsigned(32),
        "unsigned long" | "size_t" => return Class::Unsigned(word_bits(abi)),
        _ => {}
    }
    if ctype.contains('*') {
        return Class::Address;
    }
    let words = || {
        ctype
            .split_ascii_whitespace()
            .filter(|word| !matches!(*word, "const" | "volatile" | "__user"))
    };
    let first = words().next().unwrap_or_default();
    if !matches!(
        first,
        "unsigned" | "signed" | "char" | "short" | "int" | "long"
    ) {
        return typedef(first, word_bits(abi));
    }
    let count = |wanted: &str| words().filter(|word| *word == wanted).count();
    let bits = match count("long") {
        _ if count("char") > 0 => 8,
        _ if count("short") > 0 => 16,
        0 => 32,
        1 => word_bits(abi),
        _ => 64,
    };
    if count("unsigned") > 0 {
        Class::Unsigned(bits)
    } else {
        Class::Signed(bits)
    }
}

/// The kernel's type names, without the prefixes of their user space and compat twins. A type that is not known is
/// taken for an unsigned word: nothing of the register is lost.
fn typedef(name: &str, word: u32) -> Class {
    let name = name
        .strip_prefix("compat_")
        .or_else(|| name.strip_prefix("__kernel_"))
        .unwrap_or(name);
    match name.trim_start_matches('_') {
        "cap_user_header_t" | "cap_user_data_t" | "sighandler_t" | "aio_context_t" | "uptr_t"
        | "uintptr_t" => Class::Address,
        "pid_t" | "key_t" | "clockid_t" | "timer_t" | "mqd_t" | "key_serial_t" | "rwf_t"
        | "s32" | "int32_t" | "int_t" | "daddr_t" => Class::Signed(32),
        "ssize_t" | "off_t" | "long_t" | "time_t" | "old_time_t" | "old_time32_t" | "clock_t"
        | "suseconds_t" => Class::Signed(word),
        "loff_t" | "s64" | "int64_t" | "time64_t" => Class::Signed(64),
        "u32" | "uint32_t" | "uint_t" | "uint" | "uid_t" | "gid_t" | "qid_t" | "uid32_t"
        | "gid32_t" | "dev_t" | "enum" => Class::Unsigned(32),
        "umode_t" | "mode_t" | "u16" | "uint16_t" | "old_uid_t" | "old_gid_t" => {
            Class::Unsigned(16)
        }
        "u8" | "uint8_t" | "bool" => Class::Unsigned(8),
        "u64" | "uint64_t" => Class::Unsigned(64),
        _ => Class::Unsigned(word),
    }
}
