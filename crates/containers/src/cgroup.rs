//! A cgroup of the command's own in the v2 hierarchy, where one can be made.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long the cgroup's last processes are waited for, and how often it is looked. Processes that fork while they are moved need
/// another round, and one that is ending is no longer listed but keeps the cgroup until it is gone (css_task_iter_next() in
/// kernel/cgroup/cgroup.c).
const DRAIN: Duration = Duration::from_secs(1);
const DRAIN_ROUND: Duration = Duration::from_millis(5);

/// A cgroup that is removed again when it is dropped and nobody lives in it any more.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    id: u64,
    /// Where the command's process came from.
    origin: PathBuf,
}

impl Cgroup {
    /// Makes `gizmo-PID` below the cgroup of this process, or below the root where that one takes no children.
    pub(crate) fn create() -> io::Result<Self> {
        let mount = v2_mount(&fs::read_to_string("/proc/self/mountinfo")?).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "no cgroup v2 hierarchy is mounted")
        })?;
        let cgroups = fs::read_to_string("/proc/self/cgroup")?;
        let own = own_path(&cgroups).unwrap_or_default();
        let name = format!("gizmo-{}", std::process::id());
        let origin = mount.join(own.trim_start_matches('/'));
        let path = make(origin.join(&name)).or_else(|_| make(mount.join(&name)))?;
        // The id that eBPF sees is the inode number of the folder (kernfs, 64-bit systems).
        let id = path.metadata()?.ino();
        Ok(Self { path, id, origin })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Moves a process in.
    pub(crate) fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// Sends everybody home and removes the folder, which is busy while anybody is left.
    fn drain(&self) -> io::Result<()> {
        let origin = self.origin.join("cgroup.procs");
        for pid in fs::read_to_string(self.path.join("cgroup.procs"))?.lines() {
            // The process may be gone by now.
            let _ = fs::write(&origin, pid);
        }
        fs::remove_dir(&self.path)
    }
}

/// Makes a folder; one that a killed process with our number has left is taken away first, unless somebody lives in it.
fn make(path: PathBuf) -> io::Result<PathBuf> {
    let made = fs::create_dir(&path);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_dir(&path)?;
            fs::create_dir(&path)?;
        }
        other => other?,
    }
    Ok(path)
}

impl Drop for Cgroup {
    /// Processes that live on go back to where they came from, so that nothing of us stays behind.
    fn drop(&mut self) {
        let deadline = Instant::now() + DRAIN;
        while let Err(error) = self.drain() {
            let busy = error.kind() == io::ErrorKind::ResourceBusy;
            if !busy || Instant::now() >= deadline {
                tracing::warn!(path = %self.path.display(), %error, "the command's cgroup could not be removed");
                return;
            }
            thread::sleep(DRAIN_ROUND);
        }
    }
}

/// Where the v2 hierarchy is mounted, from `/proc/self/mountinfo` (proc(5)).
fn v2_mount(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        (right.split(' ').next()? == "cgroup2")
            .then(|| Path::new(left.split(' ').nth(4).unwrap_or("/")).to_owned())
    })
}

/// The path of this process in the v2 hierarchy, from `/proc/self/cgroup` (cgroups(7)).
fn own_path(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v2_hierarchy_is_found_among_others() {
        let text = "30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                    31 23 0:27 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n";
        assert_eq!(v2_mount(text).unwrap(), Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(v2_mount("30 23 0:26 / /sys rw - sysfs sysfs rw\n"), None);
    }

    #[test]
    fn the_own_path_is_that_of_hierarchy_zero() {
        assert_eq!(
            own_path("12:cpu:/x\n0::/user.slice/a\n"),
            Some("/user.slice/a")
        );
        assert_eq!(own_path("12:cpu:/x\n"), None);
    }
}
