//! The kinds of differences that stay, each with its reason.

use crate::recording::Arg;
use crate::strace::Call;

/// Kinds and reasons.
const KINDS: &[(&str, &str)] = &[
    (
        "by option",
        "what an ioctl points to depends on its number, and there are too many for the recorder",
    ),
    (
        "pointers",
        "a structure with pointers to others, which the recorder does not follow",
    ),
    (
        "failed call",
        "the recorder takes nothing from a call that failed, and this one is among the few that write all the same",
    ),
    (
        "not filled",
        "strace shows the places of a vector into which nothing was read, gizmo its address",
    ),
    (
        "the kernel's own",
        "strace names a constant that no header for programs has; gizmo shows it in hex",
    ),
    (
        "no such flags",
        "strace names flags that this call refuses; gizmo shows them in hex",
    ),
    (
        "not in strace",
        "strace 6.1 has no name for it, the kernel's headers have",
    ),
    ("pages", "strace shows bytes where the call counts pages"),
    (
        "bit fields",
        "a structure of bits, which has no layout in gizmo",
    ),
    (
        "short address",
        "an address that is too short for its family: gizmo shows all bytes, strace those behind the family",
    ),
];

/// The kind of a difference; one that nobody has explained is called by its place.
pub fn kind(call: &Call, text: &str, arg: &Arg) -> String {
    let kind = match (call.name.as_str(), arg.name.as_str()) {
        ("ioctl", "arg") => "by option",
        ("seccomp", "uargs") => "pointers",
        ("nanosleep" | "clock_nanosleep", "rmtp") => "failed call",
        ("readv" | "preadv", "vec") if text.starts_with("[{iov_base=0x") => "not filled",
        ("statfs" | "fstatfs", "buf") if text.contains("ST_VALID") => "the kernel's own",
        ("mmap2", "pgoff") => "pages",
        ("set_thread_area", "u_info") => "bit fields",
        ("sched_setscheduler", "policy") if text.contains("SCHED_???") => "not in strace",
        ("execveat", "flags") => "no such flags",
        ("bind" | "connect", _) if text.contains("sa_data=") => "short address",
        (call, argument) => return format!("{call} {argument}"),
    };
    kind.to_owned()
}

/// Why a kind of difference stays.
pub fn reason(kind: &str) -> Option<&'static str> {
    KINDS
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, reason)| *reason)
}
