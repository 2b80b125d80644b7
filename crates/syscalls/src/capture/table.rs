//! The rules that do not follow from a declaration: buffers, vectors, messages, addresses and small structures.
//!
//! A `char *` that is a buffer is listed here with its right length and time; the rest of the `char *` parameters are
//! strings, which `rules` adds on its own. Positions are the same in every ABI, and names that only 32-bit tables
//! have (`send`, `clock_nanosleep_time64`) stand next to their relatives.

use super::CaptureKind::{Array, Bytes, Iovec, MsgBuf, MsgHdr, MsgHdrs, Str, StrVec};
use super::Len::{Arg, Fixed, MinArgReturn, PointedU32, Return};
use super::{CaptureKind, CaptureRule, Direction, Element, IovecLen, Len, Only, When};

/// `struct __kernel_timespec` and `struct __kernel_old_timeval`; two 32-bit numbers for the old calls of 32-bit ABIs.
const TIMESPEC_BYTES: u32 = 16;
/// Two of them.
const TIMESPECS_BYTES: u32 = 32;
/// `struct stat`, which is the longest on x86-64.
const STAT_BYTES: u32 = 144;
/// `struct stat64` of 32-bit ABIs.
const STAT64_BYTES: u32 = 96;
const STATX_BYTES: u32 = 256;
const STATFS_BYTES: u32 = 120;
const SIGACTION_BYTES: u32 = 32;
/// `stack_t`.
const STACK_BYTES: u32 = 24;
/// Of `siginfo_t` as much as the end of a child fills.
const SIGINFO_BYTES: u32 = 48;
/// Of `struct sigevent` what all kinds have.
const SIGEVENT_BYTES: u32 = 16;
const RUSAGE_BYTES: u32 = 144;
const UTSNAME_BYTES: u32 = 390;
const SYSINFO_BYTES: u32 = 112;
const TMS_BYTES: u32 = 32;
/// All descriptors that `select` knows.
const FD_SET_BYTES: u32 = 128;
/// `struct rlimit64` and, on 64-bit ABIs, `struct rlimit`.
const RLIMIT_BYTES: u32 = 16;
/// `struct flock` and `struct flock64`.
const FLOCK_BYTES: u32 = 32;
/// `F_SETLK`, `F_SETLKW`, those with 64 of 32-bit ABIs, and `F_OFD_SETLK`, `F_OFD_SETLKW` (include/uapi/asm-generic/fcntl.h).
const SETS_LOCK: &[u8] = &[6, 7, 13, 14, 37, 38];
/// `F_GETLK`, `F_GETLK64`, `F_OFD_GETLK`.
const GETS_LOCK: &[u8] = &[5, 12, 36];
/// Of the operation without its flags (include/uapi/linux/futex.h).
const FUTEX_CMD_MASK: u32 = !(128 | 256);
/// Those that take a time: `FUTEX_WAIT`, `FUTEX_LOCK_PI`, `FUTEX_WAIT_BITSET`, `FUTEX_WAIT_REQUEUE_PI`, `FUTEX_LOCK_PI2`.
const FUTEX_WAITS: &[u8] = &[0, 6, 9, 11, 13];
/// include/uapi/linux/prctl.h.
const PR_SET_NAME: u8 = 15;
const PR_GET_NAME: u8 = 16;
/// `int [2]`, filled with two descriptors.
const FD_PAIR_BYTES: u32 = 8;

const fn enter(arg: u8, kind: CaptureKind) -> CaptureRule {
    CaptureRule {
        arg,
        kind,
        when: When::Enter,
        only: None,
    }
}

const fn exit(arg: u8, kind: CaptureKind) -> CaptureRule {
    CaptureRule {
        arg,
        kind,
        when: When::Exit,
        only: None,
    }
}

/// Only where an argument is one of some numbers, of which a `mask` counts.
const fn only(rule: CaptureRule, arg: u8, mask: u32, numbers: &[u8]) -> CaptureRule {
    let (mut values, mut at) = (0, 0);
    while at < numbers.len() {
        values |= 1 << numbers[at];
        at += 1;
    }
    CaptureRule {
        only: Some(Only { arg, mask, values }),
        ..rule
    }
}

/// Bytes that the caller passes.
const fn input(arg: u8, len: Len) -> CaptureRule {
    enter(arg, Bytes { len })
}

/// Bytes that the kernel writes.
const fn output(arg: u8, len: Len) -> CaptureRule {
    exit(arg, Bytes { len })
}

/// Structures that the caller passes.
const fn inputs(arg: u8, element: Element, count: Len) -> CaptureRule {
    enter(arg, Array { element, count })
}

/// Structures that the kernel writes.
const fn outputs(arg: u8, element: Element, count: Len) -> CaptureRule {
    exit(arg, Array { element, count })
}

const fn gather(arg: u8) -> CaptureRule {
    enter(
        arg,
        Iovec {
            count_arg: arg + 1,
            len: IovecLen::Own,
        },
    )
}

const fn scatter(arg: u8) -> CaptureRule {
    exit(
        arg,
        Iovec {
            count_arg: arg + 1,
            len: IovecLen::Return,
        },
    )
}

static LISTED: &[(&[&str], &[CaptureRule])] = &[
    // Files.
    (&["read", "pread64"], &[output(1, Return)]),
    (&["write", "pwrite64"], &[input(1, Arg(2))]),
    (&["readv", "preadv", "preadv2"], &[scatter(1)]),
    (&["writev", "pwritev", "pwritev2", "vmsplice"], &[gather(1)]),
    (&["process_vm_readv"], &[scatter(1)]),
    (&["process_vm_writev"], &[gather(1)]),
    (&["getcwd"], &[exit(0, Str)]),
    (&["readlink"], &[output(1, Return)]),
    (&["readlinkat"], &[output(2, Return)]),
    (&["openat2"], &[input(2, Arg(3))]),
    (&["pipe", "pipe2"], &[output(0, Fixed(FD_PAIR_BYTES))]),
    (&["stat", "lstat", "fstat"], &[output(1, Fixed(STAT_BYTES))]),
    (&["newfstatat"], &[output(2, Fixed(STAT_BYTES))]),
    (
        &["stat64", "lstat64", "fstat64"],
        &[output(1, Fixed(STAT64_BYTES))],
    ),
    (&["fstatat64"], &[output(2, Fixed(STAT64_BYTES))]),
    (&["statx"], &[output(4, Fixed(STATX_BYTES))]),
    (&["statfs", "fstatfs"], &[output(1, Fixed(STATFS_BYTES))]),
    (&["_llseek"], &[output(3, Fixed(8))]),
    (&["getdents64"], &[outputs(1, Element::Byte, Return)]),
    (&["sendfile", "sendfile64"], &[input(2, Fixed(8))]),
    (
        &["fcntl", "fcntl64"],
        &[
            only(input(2, Fixed(FLOCK_BYTES)), 1, u32::MAX, SETS_LOCK),
            only(output(2, Fixed(FLOCK_BYTES)), 1, u32::MAX, GETS_LOCK),
        ],
    ),
    (
        &["utimensat", "utimensat_time64", "futimesat"],
        &[input(2, Fixed(TIMESPECS_BYTES))],
    ),
    (&["utimes"], &[input(1, Fixed(TIMESPECS_BYTES))]),
    // Options of most file systems are a string; binary ones end at their first NUL.
    (&["mount"], &[enter(4, Str)]),
    (&["fsconfig"], &[enter(3, Str)]),
    // Extended attributes.
    (
        &["getxattr", "lgetxattr", "fgetxattr"],
        &[output(2, MinArgReturn(3))],
    ),
    (&["setxattr", "lsetxattr", "fsetxattr"], &[input(2, Arg(3))]),
    (
        &["listxattr", "llistxattr", "flistxattr"],
        &[output(1, MinArgReturn(2))],
    ),
    (&["listxattrat"], &[output(3, MinArgReturn(4))]),
    // Sockets.
    (&["bind", "connect"], &[input(1, Arg(2))]),
    (
        &["accept", "accept4", "getsockname", "getpeername"],
        &[
            output(1, PointedU32(2)),
            input(2, Fixed(4)),
            output(2, Fixed(4)),
        ],
    ),
    (&["send"], &[input(1, Arg(2))]),
    (&["sendto"], &[input(1, Arg(2)), input(4, Arg(5))]),
    (&["recv"], &[output(1, MinArgReturn(2))]),
    (
        &["recvfrom"],
        &[
            output(1, MinArgReturn(2)),
            output(4, PointedU32(5)),
            input(5, Fixed(4)),
            output(5, Fixed(4)),
        ],
    ),
    (
        &["sendmsg"],
        &[enter(
            1,
            MsgHdr {
                direction: Direction::Send,
            },
        )],
    ),
    (
        &["recvmsg"],
        &[exit(
            1,
            MsgHdr {
                direction: Direction::Receive,
            },
        )],
    ),
    (
        &["sendmmsg"],
        &[enter(
            1,
            MsgHdrs {
                direction: Direction::Send,
            },
        )],
    ),
    (
        &["recvmmsg", "recvmmsg_time64"],
        &[
            exit(
                1,
                MsgHdrs {
                    direction: Direction::Receive,
                },
            ),
            input(4, Fixed(TIMESPEC_BYTES)),
        ],
    ),
    (&["setsockopt"], &[input(3, Arg(4))]),
    (
        &["getsockopt"],
        &[
            output(3, PointedU32(4)),
            input(4, Fixed(4)),
            output(4, Fixed(4)),
        ],
    ),
    (&["socketpair"], &[output(3, Fixed(FD_PAIR_BYTES))]),
    // Processes.
    (
        &["execve"],
        &[enter(0, Str), enter(1, StrVec), enter(2, StrVec)],
    ),
    (
        &["execveat"],
        &[enter(1, Str), enter(2, StrVec), enter(3, StrVec)],
    ),
    (&["clone3"], &[input(0, Arg(1))]),
    (
        &["wait4"],
        &[output(1, Fixed(4)), output(3, Fixed(RUSAGE_BYTES))],
    ),
    (&["waitpid"], &[output(1, Fixed(4))]),
    (
        &["waitid"],
        &[
            output(2, Fixed(SIGINFO_BYTES)),
            output(4, Fixed(RUSAGE_BYTES)),
        ],
    ),
    (&["getrusage"], &[output(1, Fixed(RUSAGE_BYTES))]),
    (
        &["prctl"],
        &[
            only(enter(1, Str), 0, u32::MAX, &[PR_SET_NAME]),
            only(exit(1, Str), 0, u32::MAX, &[PR_GET_NAME]),
        ],
    ),
    (&["sched_setscheduler"], &[input(2, Fixed(4))]),
    (&["sched_getaffinity"], &[output(2, Return)]),
    (&["sched_setaffinity"], &[input(2, Arg(1))]),
    (&["sched_setparam"], &[input(1, Fixed(4))]),
    (&["sched_getparam"], &[output(1, Fixed(4))]),
    (
        &["getgroups", "getgroups32"],
        &[outputs(1, Element::Int, MinArgReturn(0))],
    ),
    (
        &["setgroups", "setgroups32"],
        &[inputs(1, Element::Int, Arg(0))],
    ),
    (
        &["getresuid", "getresuid32", "getresgid", "getresgid32"],
        &[
            output(0, Fixed(4)),
            output(1, Fixed(4)),
            output(2, Fixed(4)),
        ],
    ),
    (&["uname"], &[output(0, Fixed(UTSNAME_BYTES))]),
    (&["sysinfo"], &[output(0, Fixed(SYSINFO_BYTES))]),
    (&["times"], &[output(0, Fixed(TMS_BYTES))]),
    // Signals.
    (
        &["rt_sigaction"],
        &[
            input(1, Fixed(SIGACTION_BYTES)),
            output(2, Fixed(SIGACTION_BYTES)),
        ],
    ),
    (&["rt_sigprocmask"], &[input(1, Arg(3)), output(2, Arg(3))]),
    (&["rt_sigpending"], &[output(0, Arg(1))]),
    (&["rt_sigsuspend"], &[input(0, Arg(1))]),
    (&["signalfd", "signalfd4"], &[input(1, Arg(2))]),
    (
        &["sigaltstack"],
        &[input(0, Fixed(STACK_BYTES)), output(1, Fixed(STACK_BYTES))],
    ),
    (&["setrlimit"], &[input(1, Fixed(RLIMIT_BYTES))]),
    (
        &["getrlimit", "ugetrlimit"],
        &[output(1, Fixed(RLIMIT_BYTES))],
    ),
    (
        &["prlimit64"],
        &[
            input(2, Fixed(RLIMIT_BYTES)),
            output(3, Fixed(RLIMIT_BYTES)),
        ],
    ),
    // Time.
    (&["nanosleep"], &[input(0, Fixed(TIMESPEC_BYTES))]),
    (
        &["futex", "futex_time64"],
        &[only(
            input(3, Fixed(TIMESPEC_BYTES)),
            1,
            FUTEX_CMD_MASK,
            FUTEX_WAITS,
        )],
    ),
    (&["futex_wait"], &[input(4, Fixed(TIMESPEC_BYTES))]),
    (&["futex_waitv"], &[input(3, Fixed(TIMESPEC_BYTES))]),
    (
        &["clock_nanosleep", "clock_nanosleep_time64"],
        &[input(2, Fixed(TIMESPEC_BYTES))],
    ),
    (
        &["clock_settime", "clock_settime64"],
        &[input(1, Fixed(TIMESPEC_BYTES))],
    ),
    (
        &[
            "clock_gettime",
            "clock_gettime64",
            "clock_getres",
            "clock_getres_time64",
        ],
        &[output(1, Fixed(TIMESPEC_BYTES))],
    ),
    (&["gettimeofday"], &[output(0, Fixed(TIMESPEC_BYTES))]),
    (
        &["timer_create"],
        &[input(1, Fixed(SIGEVENT_BYTES)), output(2, Fixed(4))],
    ),
    (
        &["setitimer"],
        &[
            input(1, Fixed(TIMESPECS_BYTES)),
            output(2, Fixed(TIMESPECS_BYTES)),
        ],
    ),
    (
        &[
            "getitimer",
            "timerfd_gettime",
            "timerfd_gettime64",
            "timer_gettime",
            "timer_gettime64",
        ],
        &[output(1, Fixed(TIMESPECS_BYTES))],
    ),
    (
        &[
            "timerfd_settime",
            "timerfd_settime64",
            "timer_settime",
            "timer_settime64",
        ],
        &[
            input(2, Fixed(TIMESPECS_BYTES)),
            output(3, Fixed(TIMESPECS_BYTES)),
        ],
    ),
    // Waiting. What was asked for is kept, too, since a wait may be seen before its end.
    (
        &["poll"],
        &[
            inputs(0, Element::PollFd, Arg(1)),
            outputs(0, Element::PollFd, Arg(1)),
        ],
    ),
    (
        &["ppoll", "ppoll_time64"],
        &[
            inputs(0, Element::PollFd, Arg(1)),
            outputs(0, Element::PollFd, Arg(1)),
            input(2, Fixed(TIMESPEC_BYTES)),
            input(3, Arg(4)),
        ],
    ),
    (
        &["select", "_newselect", "pselect6", "pselect6_time64"],
        &[
            input(1, Fixed(FD_SET_BYTES)),
            input(2, Fixed(FD_SET_BYTES)),
            input(3, Fixed(FD_SET_BYTES)),
            input(4, Fixed(TIMESPEC_BYTES)),
        ],
    ),
    (&["epoll_ctl"], &[inputs(3, Element::EpollEvent, Fixed(1))]),
    (&["epoll_wait"], &[outputs(1, Element::EpollEvent, Return)]),
    (
        &["epoll_pwait"],
        &[outputs(1, Element::EpollEvent, Return), input(4, Arg(5))],
    ),
    (
        &["epoll_pwait2"],
        &[
            outputs(1, Element::EpollEvent, Return),
            input(3, Fixed(TIMESPEC_BYTES)),
            input(4, Arg(5)),
        ],
    ),
    (
        &["rt_sigtimedwait", "rt_sigtimedwait_time64"],
        &[
            input(0, Arg(3)),
            output(1, Fixed(SIGINFO_BYTES)),
            input(2, Fixed(TIMESPEC_BYTES)),
        ],
    ),
    (&["semop"], &[inputs(1, Element::SemBuf, Arg(2))]),
    (
        &["semtimedop", "semtimedop_time64"],
        &[
            inputs(1, Element::SemBuf, Arg(2)),
            input(3, Fixed(TIMESPEC_BYTES)),
        ],
    ),
    // Message queues, keys, the machine.
    (&["msgsnd"], &[enter(1, MsgBuf { len: Arg(2) })]),
    (&["msgrcv"], &[exit(1, MsgBuf { len: Return })]),
    (
        &["mq_timedsend", "mq_timedsend_time64"],
        &[input(1, Arg(2)), input(4, Fixed(TIMESPEC_BYTES))],
    ),
    (
        &["mq_timedreceive", "mq_timedreceive_time64"],
        &[output(1, Return), input(4, Fixed(TIMESPEC_BYTES))],
    ),
    (&["add_key"], &[input(2, Arg(3))]),
    (&["sethostname", "setdomainname"], &[input(0, Arg(1))]),
    (&["syslog"], &[output(1, MinArgReturn(2))]),
    (&["getrandom"], &[output(0, Return)]),
    (&["kexec_file_load"], &[input(3, Arg(2))]),
];

/// The listed rules of a call; empty if it has none.
pub(super) fn listed(name: &str) -> &'static [CaptureRule] {
    LISTED
        .iter()
        .find(|(names, _)| names.contains(&name))
        .map_or(&[], |(_, rules)| rules)
}

/// Whether a `char *` parameter is not a string although no rule takes it: the place of a shared memory segment, and a
/// buffer that is not worth a rule since its call is gone (Linux 6.7) and its position differs between ABIs.
pub(super) fn is_no_string(name: &str, parameter: &str) -> bool {
    matches!(
        (name, parameter),
        ("shmat" | "shmdt", "shmaddr") | ("lookup_dcookie", "buf")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_listed_twice() {
        let mut names: Vec<&str> = LISTED
            .iter()
            .flat_map(|(names, _)| names.iter().copied())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn lengths_that_only_exist_after_the_call_are_never_asked_for_before() {
        for (names, rules) in LISTED {
            for rule in *rules {
                let late = match rule.kind {
                    Bytes { len } | MsgBuf { len } | Array { count: len, .. } => {
                        matches!(len, Return | MinArgReturn(_) | PointedU32(_))
                    }
                    Iovec { len, .. } => len == IovecLen::Return,
                    MsgHdr { direction } | MsgHdrs { direction } => direction == Direction::Receive,
                    Str | StrVec => false,
                };
                assert!(!late || rule.when == When::Exit, "{names:?}");
            }
        }
    }
}
