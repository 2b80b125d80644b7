//! What the kernel says about this process and its mounts: parsers for text below `/proc`, and what the text means.

use std::fs;
use std::io;
use std::path::Path;

use super::{Check, Status};

/// Where system calls are described, below a mounted tracefs.
const SYSCALL_EVENTS: &str = "events/syscalls";

/// The places of tracefs that the runtime looks at.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Capabilities that matter, with their numbers (include/uapi/linux/capability.h).
const CAPABILITIES: [(&str, u32); 5] = [
    ("CAP_SYS_ADMIN", 21),
    ("CAP_BPF", 39),
    ("CAP_PERFMON", 38),
    ("CAP_SYS_PTRACE", 19),
    ("CAP_SYS_RESOURCE", 24),
];

/// What this process may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    effective: u64,
}

impl Rights {
    /// Reads `/proc/self/status` (proc_pid_status(5)); what cannot be read is no right.
    pub(super) fn parse(status: &str) -> Self {
        let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        Self {
            effective: effective.unwrap_or_default(),
        }
    }

    fn has(self, name: &str) -> bool {
        CAPABILITIES
            .iter()
            .any(|(known, bit)| *known == name && self.effective & (1 << bit) != 0)
    }

    /// Whether `gizmo run` lets this process try.
    pub(super) fn may_load(self) -> bool {
        self.has("CAP_SYS_ADMIN")
    }
}

/// Kernel and architecture.
pub(super) fn machine() -> Check {
    let name = rustix::system::uname();
    let machine = name.machine().to_string_lossy();
    let found = format!(
        "{} {}, {machine}",
        name.sysname().to_string_lossy(),
        name.release().to_string_lossy()
    );
    let (status, advice) = match machine.as_ref() {
        "x86_64" => (Status::Ok, ""),
        "aarch64" => (Status::Warn, "arm64 is built, and not tested"),
        _ => (Status::Missing, "use a machine with x86_64 or aarch64"),
    };
    Check::new("kernel", status, &found, advice)
}

/// Root, and the capabilities that are there.
pub(super) fn rights(rights: &Rights, is_root: bool) -> Check {
    let (has, lacks): (Vec<&str>, Vec<&str>) = CAPABILITIES
        .iter()
        .map(|(name, _)| *name)
        .partition(|name| rights.has(name));
    let mut found = if is_root { "root" } else { "not root" }.to_owned();
    for (word, names) in [("has", has), ("lacks", lacks)] {
        if !names.is_empty() {
            found.push_str(&format!("; {word} {}", names.join(", ")));
        }
    }
    if !rights.may_load() {
        let advice =
            "run gizmo as root, or with CAP_SYS_ADMIN, which includes CAP_BPF and CAP_PERFMON";
        return Check::new("rights", Status::Missing, &found, advice);
    }
    if !rights.has("CAP_SYS_PTRACE") {
        let advice = "give CAP_SYS_PTRACE, too: without it, processes of others and so containers cannot be looked at";
        return Check::new("rights", Status::Warn, &found, advice);
    }
    Check::ok("rights", &found)
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Which part of the file system is mounted; `/` is all of it.
    root: String,
    /// Where.
    point: String,
    /// Its type.
    kind: String,
}

/// Reads `/proc/self/mountinfo` (proc_pid_mountinfo(5)); lines that are none are passed over.
pub(super) fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ').skip(3);
        Some(Mount {
            root: unescape(fields.next()?),
            point: unescape(fields.next()?),
            kind: right.split(' ').next()?.to_owned(),
        })
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Blanks and backslashes in paths are octal there: `\040`.
fn unescape(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .and_then(|digits| str::from_utf8(digits).ok());
        let octal = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (byte, octal) {
            (b'\\', Some(octal)) => {
                bytes.push(octal);
                rest = &after[3..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn point_of<'a>(mounts: &'a [Mount], kind: &str) -> Option<&'a str> {
    let of_kind = || mounts.iter().filter(|mount| mount.kind == kind);
    let whole = of_kind().find(|mount| mount.root == "/");
    whole.or(of_kind().next()).map(|mount| mount.point.as_str())
}

/// Where the kernel describes its system calls.
pub(super) fn tracefs(mounts: &[Mount]) -> Check {
    let usable = mounts
        .iter()
        .find(|mount| mount.kind == "tracefs" && TRACEFS.contains(&mount.point.as_str()));
    let without =
        "; without it, names and arguments of system calls come from a table inside gizmo";
    let Some(mount) = usable else {
        let found = match point_of(mounts, "tracefs") {
            Some(elsewhere) => format!("mounted at {elsewhere} only, where gizmo does not look"),
            None => "not mounted".to_owned(),
        };
        let advice = format!("mount -t tracefs none {}{without}", TRACEFS[0]);
        return Check::new("tracefs", Status::Warn, &found, advice);
    };
    let found = format!("mounted at {}", mount.point);
    match fs::read_dir(Path::new(&mount.point).join(SYSCALL_EVENTS)) {
        Ok(_) => Check::ok("tracefs", &found),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let found = format!("{found}, and not readable for this user");
            Check::new("tracefs", Status::Warn, &found, "run gizmo as root")
        }
        Err(_) => {
            let found = format!("{found}, without {SYSCALL_EVENTS}");
            let advice = format!("use a kernel built with CONFIG_FTRACE_SYSCALLS{without}");
            Check::new("tracefs", Status::Warn, &found, advice)
        }
    }
}

/// Where maps and programs can be pinned.
pub(super) fn bpffs(mounts: &[Mount]) -> Check {
    match point_of(mounts, "bpf") {
        Some(point) => Check::ok("bpffs", &format!("mounted at {point}")),
        // Nothing that gizmo runs pins anything.
        None => Check::new("bpffs", Status::Absent, "not mounted, and not needed", ""),
    }
}

/// Which hierarchies of cgroups are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CgroupMode {
    /// Version 2 alone.
    Unified(String),
    /// Controllers of version 1, and version 2 beside them.
    Hybrid(String),
    /// Version 1 alone.
    Legacy,
    /// None.
    None,
}

impl CgroupMode {
    pub(super) fn of(mounts: &[Mount]) -> Self {
        let has_v1 = mounts.iter().any(|mount| mount.kind == "cgroup");
        match (point_of(mounts, "cgroup2"), has_v1) {
            (Some(point), false) => Self::Unified(point.to_owned()),
            (Some(point), true) => Self::Hybrid(point.to_owned()),
            (None, true) => Self::Legacy,
            (None, false) => Self::None,
        }
    }

    /// Whether processes have a cgroup id that eBPF programs see.
    pub(super) fn has_ids(&self) -> bool {
        matches!(self, Self::Unified(_) | Self::Hybrid(_))
    }
}

/// How a command and containers are told from everything else.
pub(super) fn cgroups(mode: &CgroupMode) -> Check {
    let advice = "mount version 2 (mount -t cgroup2 none /sys/fs/cgroup/unified), or boot with systemd.unified_cgroup_hierarchy=1: \
                  without it there are no cgroup ids, so starts of containers cannot be caught by them, and a command is known by \
                  its mount namespace alone";
    match mode {
        CgroupMode::Unified(point) => {
            Check::ok("cgroups", &format!("unified: version 2 at {point}"))
        }
        CgroupMode::Hybrid(point) => Check::ok(
            "cgroups",
            &format!("hybrid: version 1, and version 2 at {point}"),
        ),
        CgroupMode::Legacy => Check::new("cgroups", Status::Warn, "version 1 only", advice),
        CgroupMode::None => Check::new("cgroups", Status::Warn, "not mounted", advice),
    }
}

#[cfg(test)]
mod tests;
