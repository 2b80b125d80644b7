//! What `/proc` tells about a container's first process.
//!
//! Every answer may come too late: the process can be gone, and its number can belong to another one. Whoever puts several
//! answers together checks with [`ProcessFacts::is_same`] that they are about one process.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::{ffi::OsString, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::host::{HostRoot, read_limited};

/// `/proc/PID/stat`, `status` and `cgroup` have a few hundred bytes; paths in them up to 4096 each.
const MAX_PROC_BYTES: u64 = 1 << 20;
/// The kernel's unit for times in `/proc/PID/stat`; the same on every architecture that Linux supports (proc(5), `USER_HZ`).
const TICKS_PER_SECOND: i64 = 100;
const NANOS_PER_TICK: i64 = 1_000_000_000 / TICKS_PER_SECOND;

/// The namespaces of a process that identify a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces {
    /// Inode number of the mount namespace.
    pub mntns_id: u64,
    /// Inode number of the network namespace.
    pub netns_id: u64,
    /// Whether that is the host's network namespace.
    pub host_network: bool,
}

/// Where a process is in the cgroup hierarchies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupFacts {
    /// Path in the v1 hierarchy `name=systemd`, empty without one.
    pub v1: String,
    /// Path in the v2 hierarchy, empty without one.
    pub v2: String,
    /// The folder of the v2 path where that hierarchy is mounted, else the v1 path's.
    pub path: String,
    /// What eBPF calls the cgroup's id: of the v2 hierarchy, 0 without one.
    pub id: u64,
}

impl CgroupFacts {
    /// The path that names the container: that of the v2 hierarchy, unless it only says "root".
    #[must_use]
    pub fn naming_path(&self) -> &str {
        if self.v2.len() > 1 {
            &self.v2
        } else {
            &self.v1
        }
    }
}

/// A process of the host, as `/proc` shows it.
#[derive(Debug, Clone)]
pub struct ProcessFacts<'a> {
    host: &'a HostRoot,
    pid: u32,
    start_ticks: u64,
    parent: u32,
    has_ended: bool,
}

impl<'a> ProcessFacts<'a> {
    /// Finds a process.
    ///
    /// # Errors
    /// There is none of this number.
    pub fn of(host: &'a HostRoot, pid: u32) -> io::Result<Self> {
        let stat = read_proc(host, pid, "stat")?;
        let stat = parse_stat(&stat).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self {
            host,
            pid,
            start_ticks: stat.start_ticks,
            parent: stat.parent,
            has_ended: stat.has_ended,
        })
    }

    /// When it started, in ticks after the host's boot. Number and start together identify a process.
    #[must_use]
    pub fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// Whether it has ended and only waits for its parent to take note.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether the number still belongs to the process that was found.
    #[must_use]
    pub fn is_same(&self) -> bool {
        Self::of(self.host, self.pid).is_ok_and(|now| now.start_ticks == self.start_ticks)
    }

    /// Its parent; for a container's first process the runtime's shim or monitor.
    pub(crate) fn parent(&self) -> u32 {
        self.parent
    }

    /// Its namespaces.
    ///
    /// # Errors
    /// It is gone, or this process may not look.
    pub fn namespaces(&self) -> io::Result<Namespaces> {
        let inode = |pid: &str, kind: &str| {
            let path = self.host.kernel_path(format!("/proc/{pid}/ns/{kind}"));
            fs::metadata(path).map(|it| it.ino())
        };
        let pid = self.pid.to_string();
        let netns_id = inode(&pid, "net")?;
        // Where even root may not look at process 1 (a sandbox), this process is taken for one of the host.
        let host_netns = inode("1", "net").or_else(|_| inode("self", "net"));
        Ok(Namespaces {
            mntns_id: inode(&pid, "mnt")?,
            netns_id,
            host_network: host_netns.is_ok_and(|host| host == netns_id),
        })
    }

    /// Its cgroups.
    ///
    /// # Errors
    /// It is gone.
    pub fn cgroups(&self) -> io::Result<CgroupFacts> {
        let text = read_in_host_cgroups(self.host, self.pid)?;
        let (v1, v2) = parse_cgroups(&text);
        let folder = |mount: &str, path: &str| {
            (!path.is_empty()).then(|| format!("{mount}/{}", path.trim_start_matches('/')))
        };
        let v2_path = v2_mount(self.host).and_then(|mount| folder(mount, v2));
        let id = v2_path.as_ref().and_then(|path| {
            // On kernfs the inode number of a folder is the 64-bit id that its file handle carries (since Linux 5.5).
            fs::metadata(self.host.kernel_path(path))
                .ok()
                .map(|it| it.ino())
        });
        Ok(CgroupFacts {
            v1: v1.to_owned(),
            v2: v2.to_owned(),
            path: v2_path
                .or_else(|| folder("/sys/fs/cgroup/systemd", v1))
                .unwrap_or_default(),
            id: id.unwrap_or(0),
        })
    }

    /// When it started, in nanoseconds since 1970: the age of its folder in `/proc`, which is exact for a process that was
    /// looked at soon, or its start as the kernel counts it (to 10 ms), if that is earlier.
    pub fn started_at_ns(&self) -> io::Result<i64> {
        let folder = fs::metadata(self.host.kernel_path(format!("/proc/{}", self.pid)))?;
        let seen = folder
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(folder.mtime_nsec());
        let stat = read_limited(
            File::open(self.host.kernel_path("/proc/stat"))?,
            MAX_PROC_BYTES * 16,
        )?;
        let counted = boot_seconds(&String::from_utf8_lossy(&stat)).map(|boot| {
            let ticks = i64::try_from(self.start_ticks).unwrap_or(i64::MAX);
            // The boot time is cut to seconds; without the rounding the start could come out too early.
            (boot + 1)
                .saturating_mul(1_000_000_000)
                .saturating_add(ticks.saturating_mul(NANOS_PER_TICK))
        });
        Ok(counted.map_or(seen, |counted| seen.min(counted)))
    }
}

/// The folder that a process of the host is in.
pub(crate) fn current_folder(host: &HostRoot, pid: u32) -> io::Result<PathBuf> {
    fs::read_link(host.kernel_path(format!("/proc/{pid}/cwd")))
}

/// The arguments of a process of the host.
pub(crate) fn arguments(host: &HostRoot, pid: u32) -> io::Result<Vec<OsString>> {
    let file = File::open(host.kernel_path(format!("/proc/{pid}/cmdline")))?;
    let bytes = read_limited(file, MAX_PROC_BYTES)?;
    Ok(bytes
        .split(|byte| *byte == 0)
        .map(|argument| OsString::from_vec(argument.to_vec()))
        .collect())
}

/// Where the v2 hierarchy of the host is mounted, in the two places that distributions use.
pub(crate) fn v2_mount(host: &HostRoot) -> Option<&'static str> {
    ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .into_iter()
        .find(|mount| host.kernel_path(mount).join("cgroup.controllers").exists())
}

pub(crate) fn read_proc(host: &HostRoot, pid: u32, file: &str) -> io::Result<String> {
    let file = File::open(host.kernel_path(format!("/proc/{pid}/{file}")))?;
    let bytes = read_limited(file, MAX_PROC_BYTES)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Paths in `/proc/PID/cgroup` are relative to the reader's own cgroup namespace, so it is read in that of the host.
fn read_in_host_cgroups(host: &HostRoot, pid: u32) -> io::Result<String> {
    let inode = |path: &str| fs::metadata(path).map(|it| it.ino()).ok();
    let init = host.kernel_path("/proc/1/ns/cgroup");
    let own = inode("/proc/self/ns/cgroup");
    let host_ns = fs::metadata(&init).map(|it| it.ino()).ok();
    if own.is_none() || host_ns.is_none() || own == host_ns {
        return read_proc(host, pid, "cgroup");
    }
    // A thread of its own, for the namespace cannot be left again where the way back is not allowed.
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let namespace = File::open(&init)?;
            move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(LinkNameSpaceType::ControlGroup),
            )?;
            read_proc(host, pid, "cgroup")
        });
        reader
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the reader of cgroups failed")))
    })
    .or_else(|_: io::Error| read_proc(host, pid, "cgroup"))
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    start_ticks: u64,
    has_ended: bool,
}

/// Reads `/proc/PID/stat`. The name in parentheses may contain anything, also parentheses (proc(5)).
fn parse_stat(stat: &str) -> Option<Stat> {
    let (_, rest) = stat.rsplit_once(')')?;
    // Fields are counted from 1; here come the state (3) and the parent (4), later the start (22).
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Stat {
        parent: fields.next()?.parse().ok()?,
        start_ticks: fields.nth(22 - 5)?.parse().ok()?,
        has_ended: matches!(state, "Z" | "X" | "x"),
    })
}

/// The paths in the v1 hierarchy `name=systemd` and in the v2 hierarchy (cgroups(7)).
pub(crate) fn parse_cgroups(text: &str) -> (&str, &str) {
    let mut found = ("", "");
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("0"), Some(""), Some(path)) => found.1 = path,
            (Some(_), Some("name=systemd"), Some(path)) => found.0 = path,
            _ => {}
        }
    }
    found
}

fn boot_seconds(stat: &str) -> Option<i64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_name_in_stat_may_contain_anything() {
        let tail = "S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 1";
        for name in ["cat", "a b", ") S 1 (", "((", "x) y"] {
            let stat = Stat {
                parent: 7,
                start_ticks: 4711,
                has_ended: false,
            };
            assert_eq!(
                parse_stat(&format!("12 ({name}) {tail}")),
                Some(stat),
                "{name}"
            );
        }
        assert!(
            parse_stat(&format!("12 (x) Z{}", &tail[1..]))
                .unwrap()
                .has_ended
        );
        for text in ["", "12 (cat)", "12 (cat) S", "12 cat S 7", "1 (x) S 7 1 1"] {
            assert_eq!(parse_stat(text), None);
        }
    }

    #[test]
    fn both_hierarchies_are_found() {
        assert_eq!(
            parse_cgroups("12:cpu,x:/a\n1:name=systemd:/b\n0::/c:d\n"),
            ("/b", "/c:d")
        );
        assert_eq!(parse_cgroups("0::/\n"), ("", "/"));
        assert_eq!(parse_cgroups("garbage\n:::\n"), ("", ""));
    }

    #[test]
    fn this_process_can_be_described() {
        let host = HostRoot::default();
        let own = ProcessFacts::of(&host, std::process::id()).unwrap();
        assert!(own.is_same());
        assert_eq!(own.parent(), std::os::unix::process::parent_id());
        let namespaces = own.namespaces().unwrap();
        assert_eq!(
            namespaces.mntns_id,
            fs::metadata("/proc/self/ns/mnt").unwrap().ino()
        );
        assert!(own.cgroups().is_ok());
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos();
        let started = u128::try_from(own.started_at_ns().unwrap()).unwrap();
        assert!(started <= now + 1_000_000_000 && now - started.min(now) < 600_000_000_000);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let host = HostRoot::default();
        let facts = ProcessFacts::of(&host, pid).unwrap();
        child.wait().unwrap();
        assert!(!facts.is_same());
        assert!(
            facts.namespaces().is_err()
                && facts.cgroups().is_err()
                && facts.started_at_ns().is_err()
        );
        assert!(ProcessFacts::of(&host, u32::MAX).is_err());
    }
}
