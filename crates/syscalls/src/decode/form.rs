//! How the register of an argument is shown: as which number, and what that stands for.
//!
//! Owns the words for what a number can stand for and the few parameters whose declared type hides what they are:
//! descriptors declared unsigned, addresses declared as integers, modes. Which parameters of which calls stand for
//! something is said in `meanings.rs`.

use super::constants::Group;
use super::number::{
    Class, address, class, decimal, digits, hex, masked, octal, signed, word_bits,
};
use crate::descriptors::AT_FDCWD;
use crate::{Abi, Parameter};

#[cfg(test)]
mod tests;

/// How the register of a parameter is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub class: Class,
    meaning: Meaning,
}

/// What a number stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    Itself,
    /// Nothing, if it is 0.
    Pointer,
    /// A resource's limit, which may be infinite.
    Limit,
    Descriptor,
    /// A descriptor, with a name for the current directory.
    Directory,
    /// Permissions.
    Octal,
    /// The type of a file and its permissions.
    Mode(&'static Group),
    /// Names, with permissions behind them.
    Permitted(&'static Group),
    /// Names, with a signal behind them.
    Signalled(&'static Group),
    Names(&'static Group),
    /// The number of an ioctl.
    Command(&'static Group),
    Signal,
    Device,
    Hex,
}

impl Form {
    /// That of a parameter of the call `name`, as far as it follows from its declaration.
    pub fn new(abi: Abi, name: &str, parameter: &Parameter) -> Form {
        let parameter_name = parameter.name.as_ref();
        let declared = class(&parameter.ctype, abi);
        let (class, meaning) = match declared {
            Class::Address => (declared, Meaning::Pointer),
            _ if is_descriptor(parameter_name) => (
                Class::Signed(32),
                match is_directory_descriptor(name, parameter_name) {
                    true => Meaning::Directory,
                    false => Meaning::Descriptor,
                },
            ),
            Class::Unsigned(bits) if bits == word_bits(abi) && is_address_name(parameter_name) => {
                (Class::Address, Meaning::Itself)
            }
            _ if is_mode_type(&parameter.ctype) || name == "umask" => (declared, Meaning::Octal),
            _ => (declared, Meaning::Itself),
        };
        Form { class, meaning }
    }

    /// A number of which nothing more is known.
    pub const fn of(class: Class) -> Form {
        Form {
            class,
            meaning: Meaning::Itself,
        }
    }

    /// An address, which may have a name.
    pub fn address(meaning: Meaning) -> Form {
        Form {
            class: Class::Address,
            meaning,
        }
    }

    /// The same with a meaning that the declaration does not tell. What is not an address is not shown as one.
    pub fn meaning(self, abi: Abi, meaning: Meaning) -> Form {
        let class = match (self.class, meaning) {
            (Class::Address, _) => Class::Unsigned(word_bits(abi)),
            (class, _) => class,
        };
        Form { class, meaning }
    }

    /// The bits of the register that belong to it.
    pub fn bits(self, abi: Abi, raw: u64) -> u64 {
        match self.class {
            Class::Address => masked(raw, word_bits(abi)),
            Class::Signed(bits) | Class::Unsigned(bits) => masked(raw, bits),
        }
    }

    /// Appends the number itself.
    pub fn value(self, abi: Abi, raw: u64, out: &mut String) {
        match self.class {
            Class::Address => address(raw, abi, out),
            Class::Signed(bits) => decimal(signed(raw, bits), out),
            Class::Unsigned(bits) => digits::<10>(masked(raw, bits), out),
        }
    }

    /// Appends what the number stands for, if that is more than the number.
    pub fn text(self, abi: Abi, raw: u64, out: &mut String) {
        let value = self.bits(abi, raw);
        match self.meaning {
            Meaning::Itself | Meaning::Descriptor => {}
            Meaning::Pointer if value == 0 => out.push_str("NULL"),
            Meaning::Pointer => {}
            Meaning::Limit if value == self.bits(abi, u64::MAX) => out.push_str("RLIM_INFINITY"),
            Meaning::Limit => {}
            Meaning::Directory if raw as i32 == AT_FDCWD => out.push_str("AT_FDCWD"),
            Meaning::Directory => {}
            Meaning::Octal => octal(value, out),
            Meaning::Mode(types) => mode(value, types, out),
            Meaning::Permitted(group) => beside(group, value, 0o777, octal, out),
            Meaning::Signalled(group) => beside(group, value, CSIGNAL, signal, out),
            Meaning::Names(group) => group.put(value, out),
            Meaning::Command(group) => command(abi, value, group, out),
            Meaning::Signal => signal(value, out),
            Meaning::Device => device(value, out),
            Meaning::Hex => hex(value, out),
        }
    }

    /// Appends what the number stands for, else the number.
    pub fn shown(self, abi: Abi, raw: u64, out: &mut String) {
        let start = out.len();
        self.text(abi, raw, out);
        if out.len() == start {
            self.value(abi, raw, out);
        }
    }

    /// Whether it is a descriptor.
    pub fn is_descriptor(self) -> bool {
        matches!(self.meaning, Meaning::Descriptor | Meaning::Directory)
    }

    /// Whether it is a pointer to nothing.
    pub fn is_null(self, abi: Abi, raw: u64) -> bool {
        matches!(self.meaning, Meaning::Pointer) && masked(raw, word_bits(abi)) == 0
    }
}

/// The bits of a signal among the flags of a new task (include/uapi/linux/sched.h).
const CSIGNAL: u64 = 0xff;

/// Appends the names of flags, and behind them what the bits of `mask` are.
fn beside(group: &Group, value: u64, mask: u64, put: impl Fn(u64, &mut String), out: &mut String) {
    if value & !mask != 0 {
        group.put(value & !mask, out);
    }
    if value & mask != 0 {
        out.push_str(if value & !mask == 0 { "" } else { "|" });
        put(value & mask, out);
    }
}

/// Appends the type of a file and its permissions.
pub(super) fn mode(mode: u64, types: &Group, out: &mut String) {
    const TYPE: u64 = 0o170_000;
    if let Some(name) = types.name(mode & TYPE) {
        out.push_str(name);
        out.push('|');
        octal(mode & !TYPE, out);
    } else {
        octal(mode, out);
    }
}

/// Appends the name of a signal; nothing for none. The kernel counts real-time signals from 32 on, libraries keep the first for themselves.
pub(super) fn signal(number: u64, out: &mut String) {
    match (crate::signal::name(number), number) {
        (Some(name), _) => out.push_str(name),
        (None, 32) => out.push_str("SIGRTMIN"),
        (None, 33..=64) => {
            out.push_str("SIGRT_");
            digits::<10>(number - 32, out);
        }
        _ => {}
    }
}

/// Appends the parts of a device's number: 12 bits of it are the major one (include/linux/kdev_t.h), of which
/// user space knows 32 in 64.
pub(super) fn device(number: u64, out: &mut String) {
    let major = (number >> 8 & 0xfff) | (number >> 32 & 0xffff_f000);
    let minor = (number & 0xff) | (number >> 12 & 0xffff_ff00);
    out.push_str("makedev(");
    hex(major, out);
    out.push_str(", ");
    hex(minor, out);
    out.push(')');
}

/// Appends the name of an ioctl's number, else its parts: which way data goes, the driver's letter, a number, how many
/// bytes (include/uapi/asm-generic/ioctl.h).
fn command(abi: Abi, number: u64, group: &Group, out: &mut String) {
    if let Some(name) = group.name(number) {
        out.push_str(name);
        return;
    }
    // POWER has three bits for the direction and other numbers for it.
    if abi == Abi::Ppc64le {
        hex(number, out);
        return;
    }
    out.push_str("_IOC(");
    out.push_str(match number >> 30 & 3 {
        0 => "_IOC_NONE",
        1 => "_IOC_WRITE",
        2 => "_IOC_READ",
        _ => "_IOC_READ|_IOC_WRITE",
    });
    for part in [number >> 8 & 0xff, number & 0xff, number >> 16 & 0x3fff] {
        out.push_str(", ");
        hex(part, out);
    }
    out.push(')');
}

/// The kernel declares many descriptors unsigned (`close`) or even `unsigned long` (`mmap`), but -1 is what was meant.
/// `max_fd` of `close_range` is a limit.
pub(crate) fn is_descriptor(parameter: &str) -> bool {
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
