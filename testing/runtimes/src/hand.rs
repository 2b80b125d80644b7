//! Containers made by hand, as a runtime makes them, where hundreds of real ones would take minutes: a cgroup with an id, a
//! process in it, a mount namespace of its own, an execve. No runtime knows them, so they have no names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of cgroups, which are removed when this is dropped.
#[derive(Debug)]
pub struct Cgroups(PathBuf);

impl Cgroups {
    /// Makes the folder in the hierarchy of version 2, under a name of this process.
    #[track_caller]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts are known");
        let v2 = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (point, kind) = (words.next()?, words.next()?);
            (kind == "cgroup2").then_some(point)
        });
        let root = PathBuf::from(v2.expect("cgroups of version 2 are mounted"));
        let name = format!("gizmo-hand-{}", std::process::id());
        fs::create_dir(root.join(&name)).expect("a cgroup can be made");
        Self(root.join(name))
    }

    /// The id of the container with this number: 64 hexadecimal digits, by which Gizmo knows that it is one. The first twelve,
    /// which are usually shown, tell it from others.
    #[must_use]
    pub fn id(number: usize) -> String {
        format!("{number:012x}{:052}", 0)
    }

    /// Where the cgroup of a name is, or would be.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a cgroup and returns its number, by which the kernel and recordings know it.
    #[track_caller]
    pub fn make(&self, name: &str) -> u64 {
        let path = self.path(name);
        fs::create_dir(&path).expect("a cgroup can be made");
        // The inode of the folder (kernfs, 64-bit systems).
        path.metadata().expect("it is there").ino()
    }

    /// Moves a process, with all its threads.
    #[track_caller]
    pub fn enter(&self, name: &str, pid: u32) {
        let procs = self.path(name).join("cgroup.procs");
        fs::write(procs, pid.to_string()).expect("a process can be moved");
    }

    /// Takes away a cgroup in which nobody is any more.
    #[track_caller]
    pub fn remove(&self, name: &str) {
        fs::remove_dir(self.path(name)).expect("nobody is in it");
    }

    /// A command that becomes a program as the first process of a container; its cgroup is there already. The number of the
    /// process stays the same.
    pub fn container<S: AsRef<OsStr>>(&self, name: &str, program: &[S]) -> Command {
        const SCRIPT: &str = "echo $$ >\"$1\"/cgroup.procs; shift; exec unshare -m \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]);
        command.arg(self.path(name)).args(program);
        command
    }

    /// The processes in a cgroup.
    #[must_use]
    pub fn processes(&self, name: &str) -> Vec<u32> {
        let pids = fs::read_to_string(self.path(name).join("cgroup.procs")).unwrap_or_default();
        pids.lines().filter_map(|pid| pid.parse().ok()).collect()
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        remove_below(&self.0);
    }
}

/// What a test that failed has left: its processes, too.
fn remove_below(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
        }
    }
    let _ = fs::write(folder.join("cgroup.kill"), "1");
    // A process that was killed is gone a moment later.
    for _ in 0..100 {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            _ => break,
        }
    }
}
