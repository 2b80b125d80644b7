//! Small fixed structures as text: times, limits, descriptor pairs, wait states, the extensible arguments of `openat2`
//! and `clone3`.
//!
//! Which structure an argument points to follows from its declared type and, for a plain `int *`, from the call. What
//! is not known here, or is too short, is left to be shown as bytes.

use super::memory::Memory;
use super::number::{decimal, octal, word_bits};
use super::text::push;
use crate::{Abi, Parameter};

/// What an argument points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pointee {
    Bytes,
    SocketAddress,
    Timespec { is_narrow: bool },
    Limits { is_narrow: bool },
    OpenHow,
    CloneArgs,
    TwoDescriptors,
    WaitStatus,
    Option,
}

impl Pointee {
    /// That of a parameter of the call `name`.
    pub fn new(abi: Abi, name: &str, parameter: &Parameter) -> Pointee {
        let points_to = |word: &str| parameter.ctype.contains(word);
        // The old time calls of 32-bit ABIs have narrow structures; their successors carry `64` in the name.
        let is_narrow = word_bits(abi) == 32 && !name.contains("64");
        if points_to("sockaddr") {
            return Pointee::SocketAddress;
        }
        if points_to("timespec") && !points_to("itimerspec") {
            return Pointee::Timespec { is_narrow };
        }
        if points_to("rlimit") {
            return Pointee::Limits { is_narrow };
        }
        if points_to("open_how") {
            return Pointee::OpenHow;
        }
        if points_to("clone_args") {
            return Pointee::CloneArgs;
        }
        match name {
            "pipe" | "pipe2" | "socketpair" => Pointee::TwoDescriptors,
            "wait4" | "waitpid" => Pointee::WaitStatus,
            "setsockopt" | "getsockopt" => Pointee::Option,
            _ => Pointee::Bytes,
        }
    }
}

/// Appends the structure's text; nothing and `None` if there is none for this argument or `bytes` do not hold all of it.
pub(super) fn structure(abi: Abi, pointee: Pointee, bytes: &[u8], out: &mut String) -> Option<()> {
    let len = bytes.len();
    let bytes = Memory::new(abi, bytes);
    match pointee {
        Pointee::Timespec { is_narrow } => timespec(bytes, is_narrow, out),
        Pointee::Limits { is_narrow } => limits(bytes, is_narrow, out),
        Pointee::OpenHow => open_how(bytes, out),
        Pointee::CloneArgs => clone_args(bytes, out),
        Pointee::TwoDescriptors => {
            let (first, second) = (i32_at(bytes, 0)?, i32_at(bytes, 1)?);
            push(out, format_args!("[{first}, {second}]"));
            Some(())
        }
        Pointee::WaitStatus => {
            wait_status(i32_at(bytes, 0)?, out);
            Some(())
        }
        Pointee::Option if len == 4 => {
            push(out, format_args!("[{}]", i32_at(bytes, 0)?));
            Some(())
        }
        Pointee::Option | Pointee::Bytes | Pointee::SocketAddress => None,
    }
}

fn timespec(bytes: Memory<'_>, is_narrow: bool, out: &mut String) -> Option<()> {
    let (sec, nsec): (i64, i64) = if is_narrow {
        (i32_at(bytes, 0)?.into(), i32_at(bytes, 1)?.into())
    } else {
        (u64_at(bytes, 0)? as i64, u64_at(bytes, 1)? as i64)
    };
    out.push_str("{tv_sec=");
    decimal(sec, out);
    out.push_str(", tv_nsec=");
    decimal(nsec, out);
    out.push('}');
    Some(())
}

fn limits(bytes: Memory<'_>, is_narrow: bool, out: &mut String) -> Option<()> {
    let limit = |index| {
        let (value, infinity) = if is_narrow {
            (u64::from(i32_at(bytes, index)? as u32), u64::from(u32::MAX))
        } else {
            (u64_at(bytes, index)?, u64::MAX)
        };
        Some((value != infinity).then_some(value))
    };
    for (before, limit) in [("{rlim_cur=", limit(0)?), (", rlim_max=", limit(1)?)] {
        out.push_str(before);
        match limit {
            Some(limit) => push(out, format_args!("{limit}")),
            None => out.push_str("RLIM_INFINITY"),
        }
    }
    out.push('}');
    Some(())
}

fn open_how(bytes: Memory<'_>, out: &mut String) -> Option<()> {
    let (flags, mode, resolve) = (u64_at(bytes, 0)?, u64_at(bytes, 1)?, u64_at(bytes, 2)?);
    push(out, format_args!("{{flags={flags:#x}, mode="));
    octal(mode, out);
    push(out, format_args!(", resolve={resolve:#x}}}"));
    Some(())
}

fn clone_args(bytes: Memory<'_>, out: &mut String) -> Option<()> {
    const FIELDS: [&str; 8] = [
        "flags",
        "pidfd",
        "child_tid",
        "parent_tid",
        "exit_signal",
        "stack",
        "stack_size",
        "tls",
    ];
    // All are there if the last is.
    u64_at(bytes, FIELDS.len() - 1)?;
    out.push('{');
    for (index, field) in FIELDS.into_iter().enumerate() {
        let value = u64_at(bytes, index)?;
        let separator = if index == 0 { "" } else { ", " };
        match field {
            "exit_signal" => push(out, format_args!("{separator}{field}={value}")),
            _ => push(out, format_args!("{separator}{field}={value:#x}")),
        }
    }
    out.push('}');
    Some(())
}

/// The encoding of `wait(2)`: exit code in the second byte, or a signal in the lowest seven bits.
fn wait_status(status: i32, out: &mut String) {
    let (low, high) = (status & 0x7f, (status >> 8) & 0xff);
    let core = if status & 0x80 == 0 {
        ""
    } else {
        " && WCOREDUMP(s)"
    };
    out.push_str("[{");
    match status & 0xffff {
        0xffff => out.push_str("WIFCONTINUED(s)"),
        _ if low == 0 => push(
            out,
            format_args!("WIFEXITED(s) && WEXITSTATUS(s) == {high}"),
        ),
        _ if low == 0x7f => {
            out.push_str("WIFSTOPPED(s) && WSTOPSIG(s) == ");
            signal(high, out);
        }
        _ => {
            out.push_str("WIFSIGNALED(s) && WTERMSIG(s) == ");
            signal(low, out);
            out.push_str(core);
        }
    }
    out.push_str("}]");
}

fn signal(number: i32, out: &mut String) {
    let name = u64::try_from(number).ok().and_then(crate::signal::name);
    match name {
        Some(name) => out.push_str(name),
        None => decimal(number.into(), out),
    }
}

fn i32_at(bytes: Memory<'_>, index: usize) -> Option<i32> {
    Some(bytes.u32_at(index * 4)? as i32)
}

fn u64_at(bytes: Memory<'_>, index: usize) -> Option<u64> {
    bytes.u64_at(index * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(abi: Abi, name: &str, ctype: &'static str, bytes: &[u8]) -> Option<String> {
        let parameter = Parameter {
            name: "x".into(),
            ctype: ctype.into(),
        };
        let mut out = String::new();
        let is_whole = structure(abi, Pointee::new(abi, name, &parameter), bytes, &mut out);
        assert!(is_whole.is_some() || out.is_empty());
        is_whole.map(|()| out)
    }

    fn wait_status(status: i32) -> String {
        let mut out = String::new();
        super::wait_status(status, &mut out);
        out
    }

    #[test]
    fn times_are_as_wide_as_the_call_has_them() {
        let mut bytes = [0u8; 16];
        (bytes[0], bytes[4], bytes[8]) = (1, 2, 3);
        let ctype = "const struct __kernel_timespec *";
        let wide = format!("{{tv_sec={}, tv_nsec=3}}", (2u64 << 32) + 1);
        assert_eq!(
            shown(Abi::X86_64, "nanosleep", ctype, &bytes),
            Some(wide.clone())
        );
        assert_eq!(
            shown(Abi::I386, "clock_nanosleep_time64", ctype, &bytes),
            Some(wide)
        );
        assert_eq!(
            shown(Abi::I386, "nanosleep", ctype, &bytes).as_deref(),
            Some("{tv_sec=1, tv_nsec=2}")
        );
        assert_eq!(shown(Abi::X86_64, "nanosleep", ctype, &bytes[..15]), None);
        assert_eq!(
            shown(
                Abi::X86_64,
                "timerfd_settime",
                "struct __kernel_itimerspec *",
                &bytes
            ),
            None
        );
    }

    #[test]
    fn the_highest_byte_comes_first_where_the_abi_has_it_so() {
        let mut bytes = [0u8; 16];
        (bytes[7], bytes[15]) = (1, 2);
        let ctype = "const struct __kernel_timespec *";
        assert_eq!(
            shown(Abi::S390x, "nanosleep", ctype, &bytes).as_deref(),
            Some("{tv_sec=1, tv_nsec=2}")
        );
        assert_eq!(
            shown(Abi::S390x, "wait4", "int *", &[0, 0, 3, 0]).as_deref(),
            Some("[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]")
        );
        assert_eq!(
            shown(Abi::S390x, "pipe2", "int *", &[0, 0, 0, 3, 0, 0, 0, 4]).as_deref(),
            Some("[3, 4]")
        );
    }

    #[test]
    fn limits_know_infinity() {
        let mut bytes = [0xff; 16];
        bytes[..8].copy_from_slice(&1024u64.to_le_bytes());
        assert_eq!(
            shown(Abi::X86_64, "prlimit64", "struct rlimit64 *", &bytes).as_deref(),
            Some("{rlim_cur=1024, rlim_max=RLIM_INFINITY}")
        );
    }

    #[test]
    fn descriptor_pairs_and_options_are_numbers() {
        assert_eq!(
            shown(Abi::X86_64, "pipe2", "int *", &[3, 0, 0, 0, 4, 0, 0, 0]).as_deref(),
            Some("[3, 4]")
        );
        assert_eq!(
            shown(Abi::X86_64, "setsockopt", "char *", &[1, 0, 0, 0]).as_deref(),
            Some("[1]")
        );
        assert_eq!(shown(Abi::X86_64, "setsockopt", "char *", b"eth0\0"), None);
    }

    #[test]
    fn wait_states_read_like_the_macros() {
        assert_eq!(
            wait_status(0x0300),
            "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]"
        );
        assert_eq!(
            wait_status(9),
            "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}]"
        );
        assert_eq!(
            wait_status(0x8b),
            "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}]"
        );
        assert_eq!(
            wait_status(0x137f),
            "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}]"
        );
        assert_eq!(wait_status(0xffff), "[{WIFCONTINUED(s)}]");
        assert_eq!(wait_status(64), "[{WIFSIGNALED(s) && WTERMSIG(s) == 64}]");
    }

    #[test]
    fn extensible_arguments_name_their_first_fields() {
        let mut how = [0u8; 24];
        (how[2], how[8], how[16]) = (8, 0o44, 4);
        let text = shown(Abi::X86_64, "openat2", "struct open_how *", &how);
        assert_eq!(
            text.as_deref(),
            Some("{flags=0x80000, mode=044, resolve=0x4}")
        );
        let mut args = [0u8; 64];
        (args[1], args[32]) = (0x40, 17);
        let text = shown(Abi::X86_64, "clone3", "struct clone_args *", &args).unwrap_or_default();
        assert!(
            text.starts_with("{flags=0x4000, pidfd=0x0, ") && text.contains("exit_signal=17, "),
            "{text}"
        );
    }
}
