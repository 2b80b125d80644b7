//! podman, with its service.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::{Daemon, folder, ignore, output, unmount_below};
use crate::image::{IMAGE, file_system};

/// A service and a store of containers.
#[derive(Debug)]
pub struct Podman {
    daemon: Option<Daemon>,
    folder: TempDir,
}

impl Podman {
    /// Starts the service and gives it the image.
    ///
    /// # Panics
    /// It does not start.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        let folder = folder("podman");
        let mut podman = Self {
            daemon: None,
            folder,
        };
        let service = format!("unix://{}", podman.socket().display());
        let command = podman.command(&["system", "service", "--time=0", &service]);
        podman.daemon = Some(Daemon::start(
            command,
            podman.folder.path(),
            &podman.socket(),
        ));
        let tar = file_system(podman.folder.path());
        output(podman.command(&["import"]).arg(tar).arg(IMAGE));
        podman
    }

    /// The service's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("podman.sock")
    }

    /// podman with these arguments.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let path = self.folder.path();
        let mut command = Command::new("podman");
        command
            .arg("--root")
            .arg(path.join("root"))
            .arg("--runroot")
            .arg(path.join("run"))
            .arg("--tmpdir")
            .arg(path.join("tmp"))
            // crun refuses machines with both cgroup hierarchies.
            .args([
                "--runtime",
                "/usr/sbin/runc",
                "--cgroup-manager",
                "cgroupfs",
                "--events-backend",
                "file",
            ])
            .args(args);
        command
    }

    /// Starts a container that goes on by itself and returns its id.
    #[track_caller]
    pub fn run(&self, name: &str, args: &[&str]) -> String {
        self.run_with(&[], name, args)
    }

    /// Like [`Podman::run`], with further flags of `podman run`.
    #[track_caller]
    pub fn run_with(&self, flags: &[&str], name: &str, args: &[&str]) -> String {
        // The limits of a sandboxed root cannot be raised, and podman tries.
        let limits = [
            "--ulimit",
            "nofile=1024:1024",
            "--ulimit",
            "nproc=1000:1000",
        ];
        let mut command = self.command(&["run", "-d", "--network=host", "--name", name]);
        output(command.args(limits).args(flags).arg(IMAGE).args(args))
    }

    /// Ends a container and removes it.
    #[track_caller]
    pub fn remove(&self, name: &str) {
        output(&mut self.command(&["rm", "-f", "-t", "0", name]));
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        ignore(self.command(&["rm", "-f", "-t", "0", "-a"]).output());
        self.daemon = None;
        unmount_below(self.folder.path());
    }
}
