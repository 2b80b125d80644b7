//! What the processes of a container have open, as `/proc` shows it.
//!
//! Processes open and close files while this looks, and end. Whoever uses the answer notes the time before and after, and knows
//! that what a process has changed in between may be told as it was before or after.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gizmo_model::container::Container;

use crate::host::HostRoot;
use crate::process::{ProcessFacts, read_proc, v2_mount};

/// Descriptors that are looked at in all: some milliseconds. A container with more is not told whole.
const MOST: usize = 4096;

/// Links that are longer than most paths are left out.
const LONGEST: usize = 512;

/// Cgroups below each other that are looked into.
const DEEPEST: usize = 8;

/// `O_CLOEXEC`, as `/proc/PID/fdinfo` shows it on all architectures (`seq_show` in fs/proc/fd.c).
const CLOEXEC: u32 = 0o2_000_000;

/// A descriptor or the current folder of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFile {
    /// The process, as the host numbers it.
    pub pid: u32,
    /// When it started, in ticks of 10 ms after the host's boot.
    pub start_ticks: u64,
    /// `None` for the current folder.
    pub fd: Option<i32>,
    /// Whether it is closed when the process executes another program.
    pub ends_with_exec: bool,
    /// The link in `/proc`: a path, or `socket:[123]` and the like. Those with control characters or more than 512 bytes are left out.
    pub target: String,
}

/// What all processes of a container have open; empty if nobody can look.
#[must_use]
pub fn open_files(host: &HostRoot, container: &Container) -> Vec<OpenFile> {
    let mut pids = Vec::new();
    match cgroup(host, container) {
        Some(folder) => add_processes(&folder, DEEPEST, &mut pids),
        None => pids.push(container.pid),
    }
    let mut files = Vec::new();
    for pid in pids {
        if files.len() < MOST {
            add_files(host, pid, &mut files).ok();
        }
    }
    files
}

/// The folder of the container's cgroup.
fn cgroup(host: &HostRoot, container: &Container) -> Option<PathBuf> {
    if !container.cgroup_path.is_empty() {
        return Some(host.kernel_path(&container.cgroup_path));
    }
    // That of the host has all its processes.
    let below =
        Some(container.cgroup_v2.trim_start_matches('/')).filter(|path| !path.is_empty())?;
    Some(host.kernel_path(v2_mount(host)?).join(below))
}

/// Adds the processes of a cgroup and of those below it.
fn add_processes(folder: &Path, depth: usize, pids: &mut Vec<u32>) {
    let list = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    // 0 is a process that our namespace has no number for.
    let here = list.lines().filter_map(|line| line.parse().ok());
    pids.extend(here.filter(|pid: &u32| *pid != 0));
    if depth == 0 || pids.len() >= MOST {
        return;
    }
    let below = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        add_processes(&entry.path(), depth - 1, pids);
    }
}

/// Adds what a process has open, unless it is another one by now.
fn add_files(host: &HostRoot, pid: u32, files: &mut Vec<OpenFile>) -> io::Result<()> {
    let process = ProcessFacts::of(host, pid)?;
    let begin = files.len();
    let file = |fd, ends_with_exec, link: PathBuf| {
        let target = link.into_os_string().into_string().ok()?;
        let is_fit = target.len() <= LONGEST && !target.contains(char::is_control);
        is_fit.then(|| OpenFile {
            pid,
            start_ticks: process.start_ticks(),
            fd,
            ends_with_exec,
            target,
        })
    };
    let folder = host.kernel_path(format!("/proc/{pid}"));
    let current = fs::read_link(folder.join("cwd"))?;
    files.extend(file(None, false, current));
    for entry in fs::read_dir(folder.join("fd"))?.take(MOST - begin.min(MOST)) {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|it| it.parse().ok());
        // A descriptor may be closed at any time.
        if let (Some(fd), Ok(link)) = (number, fs::read_link(entry.path()))
            && let Some(ends_with_exec) = ends_with_exec(host, pid, fd)
        {
            files.extend(file(Some(fd), ends_with_exec, link));
        }
    }
    if !process.is_same() {
        files.truncate(begin);
    }
    Ok(())
}

fn ends_with_exec(host: &HostRoot, pid: u32, fd: i32) -> Option<bool> {
    let text = read_proc(host, pid, &format!("fdinfo/{fd}")).ok()?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = u32::from_str_radix(flags.trim(), 8).ok()?;
    Some(flags & CLOEXEC != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn our_own_descriptors_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let [plain, strange] = ["plain", "a\nb"].map(|name| folder.path().join(name));
        let opened = [&plain, &strange].map(|path| File::create(path).unwrap());
        let kept = rustix::io::dup(&opened[0]).unwrap();
        let own = Container {
            pid: std::process::id(),
            ..Container::default()
        };
        let files = open_files(&HostRoot::default(), &own);
        let find = |fd: Option<i32>| files.iter().find(|file| file.fd == fd);
        let target = plain.to_str().unwrap();
        let first = find(Some(opened[0].as_raw_fd())).unwrap();
        assert_eq!(
            (first.target.as_str(), first.ends_with_exec),
            (target, true)
        );
        assert_eq!(first.pid, std::process::id());
        let second = find(Some(kept.as_raw_fd())).unwrap();
        assert_eq!(
            (second.target.as_str(), second.ends_with_exec),
            (target, false)
        );
        assert!(find(Some(opened[1].as_raw_fd())).is_none());
        let current = std::env::current_dir().unwrap();
        assert_eq!(find(None).unwrap().target, current.to_str().unwrap());
    }

    #[test]
    fn what_is_gone_has_nothing_open() {
        let gone = Container {
            cgroup_path: "/sys/fs/cgroup/none".to_owned(),
            ..Container::default()
        };
        assert_eq!(open_files(&HostRoot::default(), &gone), []);
        assert_eq!(open_files(&HostRoot::default(), &Container::default()), []);
    }
}
