//! Docker Engine.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::{Daemon, folder, ignore, output, unmount_below};
use crate::image::{IMAGE, file_system};

/// A daemon with its own containerd.
#[derive(Debug)]
pub struct Docker {
    daemon: Option<Daemon>,
    folder: TempDir,
}

impl Docker {
    /// Starts it and gives it the image.
    ///
    /// # Panics
    /// It does not start.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        let folder = folder("docker");
        let mut docker = Self {
            daemon: None,
            folder,
        };
        docker.resume();
        let tar = file_system(docker.folder.path());
        output(
            docker
                .command(&["import", "-c", "CMD [\"/bin/sleep\", \"600\"]"])
                .arg(tar)
                .arg(IMAGE),
        );
        docker
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// The socket of its own containerd, which keeps Docker's containers in the namespace `moby`.
    #[must_use]
    pub fn containerd_socket(&self) -> PathBuf {
        self.folder.path().join("exec/containerd/containerd.sock")
    }

    /// The command line client with these arguments.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()))
            .args(args);
        command
    }

    /// Starts a container that goes on by itself and returns its id.
    #[track_caller]
    pub fn run(&self, name: &str, args: &[&str]) -> String {
        self.run_with(&[], name, args)
    }

    /// Like [`Docker::run`], with further flags of `docker run`.
    #[track_caller]
    pub fn run_with(&self, flags: &[&str], name: &str, args: &[&str]) -> String {
        let mut command = self.command(&["run", "-d", "--network=host", "--name", name]);
        output(command.args(flags).arg(IMAGE).args(args))
    }

    /// Ends a container and removes it.
    #[track_caller]
    pub fn remove(&self, name: &str) {
        output(&mut self.command(&["rm", "-f", name]));
    }

    /// What `docker inspect` says, by a template of Go.
    #[track_caller]
    #[must_use]
    pub fn inspect(&self, name: &str, template: &str) -> String {
        output(&mut self.command(&["inspect", "-f", template, name]))
    }

    /// The whole image as an archive that other runtimes import.
    #[track_caller]
    #[must_use]
    pub fn save_image(&self, folder: &Path) -> PathBuf {
        let archive = folder.join("saved.tar");
        output(self.command(&["save", IMAGE, "-o"]).arg(&archive));
        archive
    }

    /// Makes the daemon take connections without answering, or answer again.
    pub fn freeze(&self, is_frozen: bool) {
        if let Some(daemon) = &self.daemon {
            daemon.freeze(is_frozen);
        }
    }

    /// Ends the daemon; its containers end with it.
    pub fn stop(&mut self) {
        self.daemon = None;
        let _ = std::fs::remove_file(self.socket());
    }

    /// Starts the daemon again.
    #[track_caller]
    pub fn resume(&mut self) {
        let path = self.folder.path();
        let mut command = Command::new("dockerd");
        command
            .args([
                "--iptables=false",
                "--bridge=none",
                "--storage-driver=overlay2",
                "--shutdown-timeout=1",
            ])
            .arg("--data-root")
            .arg(path.join("data"))
            .arg("--exec-root")
            .arg(path.join("exec"))
            .arg("--pidfile")
            .arg(path.join("pid"))
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()));
        self.daemon = Some(Daemon::start(command, path, &self.socket()));
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.freeze(false);
        if self.daemon.is_some() {
            let list = self.command(&["ps", "-aq"]).output();
            let ids = list
                .map(|it| String::from_utf8_lossy(&it.stdout).into_owned())
                .unwrap_or_default();
            let ids: Vec<&str> = ids.split_whitespace().collect();
            if !ids.is_empty() {
                ignore(self.command(&["rm", "-f"]).args(ids).output());
            }
        }
        self.daemon = None;
        unmount_below(self.folder.path());
    }
}
