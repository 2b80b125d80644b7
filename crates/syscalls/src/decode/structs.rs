//! Small fixed structures as text: times, limits, descriptor pairs, wait states, the extensible arguments of `openat2`
//! and `clone3`.
//!
//! Which structure an argument points to follows from its declared type and, for a plain `int *`, from the call. What
//! is not known here, or is too short, is left to be shown as bytes.

use std::fmt::Write;

use super::memory::Memory;
use super::number::{octal, word_bits};
use crate::{Abi, Parameter};

/// The structure's text, if there is one for this parameter and `bytes` hold all of it.
pub(super) fn structure(
    abi: Abi,
    name: &str,
    parameter: &Parameter,
    bytes: &[u8],
) -> Option<String> {
    let ctype = parameter.ctype.as_ref();
    let len = bytes.len();
    let bytes = Memory::new(abi, bytes);
    // The old time calls of 32-bit ABIs have narrow structures; their successors carry `64` in the name.
    let is_narrow = word_bits(abi) == 32 && !name.contains("64");
    if ctype.contains("timespec") && !ctype.contains("itimerspec") {
        return timespec(bytes, is_narrow);
    }
    if ctype.contains("rlimit") {
        return rlimit(bytes, is_narrow);
    }
    if ctype.contains("open_how") {
        return open_how(bytes);
    }
    if ctype.contains("clone_args") {
        return clone_args(bytes);
    }
    match name {
        "pipe" | "pipe2" | "socketpair" => {
            Some(format!("[{}, {}]", i32_at(bytes, 0)?, i32_at(bytes, 1)?))
        }
        "wait4" | "waitpid" => Some(wait_status(i32_at(bytes, 0)?)),
        "setsockopt" | "getsockopt" if len == 4 => Some(format!("[{}]", i32_at(bytes, 0)?)),
        _ => None,
    }
}

fn timespec(bytes: Memory<'_>, is_narrow: bool) -> Option<String> {
    let (sec, nsec) = if is_narrow {
        (i32_at(bytes, 0)?.into(), i32_at(bytes, 1)?.into())
    } else {
        (u64_at(bytes, 0)? as i64, u64_at(bytes, 1)? as i64)
    };
    Some(format!("{{tv_sec={sec}, tv_nsec={nsec}}}"))
}

fn rlimit(bytes: Memory<'_>, is_narrow: bool) -> Option<String> {
    let limit = |index| {
        let (value, infinity) = if is_narrow {
            (u64::from(i32_at(bytes, index)? as u32), u64::from(u32::MAX))
        } else {
            (u64_at(bytes, index)?, u64::MAX)
        };
        Some(if value == infinity {
            "RLIM_INFINITY".to_owned()
        } else {
            value.to_string()
        })
    };
    Some(format!(
        "{{rlim_cur={}, rlim_max={}}}",
        limit(0)?,
        limit(1)?
    ))
}

fn open_how(bytes: Memory<'_>) -> Option<String> {
    let (flags, mode, resolve) = (u64_at(bytes, 0)?, u64_at(bytes, 1)?, u64_at(bytes, 2)?);
    Some(format!(
        "{{flags={flags:#x}, mode={}, resolve={resolve:#x}}}",
        octal(mode)
    ))
}

fn clone_args(bytes: Memory<'_>) -> Option<String> {
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
    let mut out = String::from("{");
    for (index, field) in FIELDS.into_iter().enumerate() {
        let value = u64_at(bytes, index)?;
        let separator = if index == 0 { "" } else { ", " };
        let written = match field {
            "exit_signal" => write!(out, "{separator}{field}={value}"),
            _ => write!(out, "{separator}{field}={value:#x}"),
        };
        written.expect("writing to a `String` never fails");
    }
    out.push('}');
    Some(out)
}

/// The encoding of `wait(2)`: exit code in the second byte, or a signal in the lowest seven bits.
fn wait_status(status: i32) -> String {
    let (low, high) = (status & 0x7f, (status >> 8) & 0xff);
    match status & 0xffff {
        0xffff => "[{WIFCONTINUED(s)}]".to_owned(),
        _ if low == 0 => format!("[{{WIFEXITED(s) && WEXITSTATUS(s) == {high}}}]"),
        _ if low == 0x7f => format!("[{{WIFSTOPPED(s) && WSTOPSIG(s) == {}}}]", signal(high)),
        _ => {
            let core = if status & 0x80 == 0 {
                ""
            } else {
                " && WCOREDUMP(s)"
            };
            format!(
                "[{{WIFSIGNALED(s) && WTERMSIG(s) == {}{core}}}]",
                signal(low)
            )
        }
    }
}

fn signal(number: i32) -> String {
    let name = u64::try_from(number).ok().and_then(crate::signal::name);
    name.map_or_else(|| number.to_string(), str::to_owned)
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
        structure(
            abi,
            name,
            &Parameter {
                name: "x".into(),
                ctype: ctype.into(),
            },
            bytes,
        )
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
