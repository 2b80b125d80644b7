//! containerd, with its part for Kubernetes.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::cri::Cri;
use crate::daemon::{Daemon, folder, ignore, output, unmount_below};
use crate::docker::Docker;
use crate::image::IMAGE;

/// The namespace of Kubernetes.
pub const K8S_NAMESPACE: &str = "k8s.io";
const DEFAULT_NAMESPACE: &str = "default";

/// A daemon.
#[derive(Debug)]
pub struct Containerd {
    daemon: Option<Daemon>,
    folder: TempDir,
}

impl Containerd {
    /// Starts it and gives it the image, in the namespaces `default` and `k8s.io`.
    ///
    /// # Panics
    /// It does not start.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        // Only Docker makes an image with all that containerd wants from a plain file system.
        let archive = folder("image");
        let saved = Docker::start().save_image(archive.path());
        let folder = folder("containerd");
        let mut containerd = Self {
            daemon: None,
            folder,
        };
        containerd.configure();
        containerd.resume();
        for namespace in [DEFAULT_NAMESPACE, K8S_NAMESPACE] {
            output(
                containerd
                    .command(namespace, &["images", "import"])
                    .arg(&saved),
            );
        }
        containerd
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("c.sock")
    }

    /// The command line client with these arguments.
    #[must_use]
    pub fn command(&self, namespace: &str, args: &[&str]) -> Command {
        let mut command = Command::new("ctr");
        command
            .arg("-a")
            .arg(self.socket())
            .args(["-n", namespace])
            .args(args);
        command
    }

    /// Starts a container in the namespace `default` that goes on by itself.
    #[track_caller]
    pub fn run(&self, id: &str, args: &[&str]) {
        self.run_in(DEFAULT_NAMESPACE, id, args);
    }

    /// Starts a container in any namespace that has the image.
    #[track_caller]
    pub fn run_in(&self, namespace: &str, id: &str, args: &[&str]) {
        output(
            self.command(namespace, &["run", "-d", "--net-host", IMAGE, id])
                .args(args),
        );
    }

    /// Makes the image known in another namespace.
    #[track_caller]
    pub fn share_image(&self, namespace: &str) {
        let archive = self.folder.path().join("share.tar");
        output(
            self.command(DEFAULT_NAMESPACE, &["images", "export"])
                .arg(&archive)
                .arg(IMAGE),
        );
        output(self.command(namespace, &["images", "import"]).arg(&archive));
    }

    /// Ends a container and removes it.
    #[track_caller]
    pub fn remove(&self, namespace: &str, id: &str) {
        ignore(
            self.command(namespace, &["task", "kill", "-s", "SIGKILL", id])
                .output(),
        );
        crate::wait_until(
            "a killed task can be deleted",
            std::time::Duration::from_secs(20),
            || {
                self.command(namespace, &["task", "delete", id])
                    .output()
                    .is_ok_and(|it| it.status.success())
            },
        );
        output(&mut self.command(namespace, &["container", "delete", id]));
    }

    /// A client for its part for Kubernetes.
    #[track_caller]
    #[must_use]
    pub fn cri(&self) -> Cri {
        Cri::connect(self.socket())
    }

    /// Makes the daemon take connections without answering, or answer again.
    pub fn freeze(&self, is_frozen: bool) {
        if let Some(daemon) = &self.daemon {
            daemon.freeze(is_frozen);
        }
    }

    /// Ends the daemon; its containers live on.
    pub fn stop(&mut self) {
        self.daemon = None;
        let _ = std::fs::remove_file(self.socket());
    }

    /// Starts the daemon again.
    #[track_caller]
    pub fn resume(&mut self) {
        let path = self.folder.path();
        let mut command = Command::new("containerd");
        command.arg("-c").arg(path.join("config.toml"));
        self.daemon = Some(Daemon::start(command, path, &self.socket()));
    }

    fn configure(&self) {
        let folder = self.folder.path().display();
        let text = format!(
            r#"version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{folder}/c.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{folder}/cni/bin"
    conf_dir = "{folder}/cni/conf"
"#
        );
        std::fs::write(self.folder.path().join("config.toml"), text)
            .expect("a file can be written");
    }

    fn remove_all(&self) {
        let list = |namespace: &str, args: &[&str]| -> Vec<String> {
            let output = self.command(namespace, args).output();
            let text = output
                .map(|it| String::from_utf8_lossy(&it.stdout).into_owned())
                .unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect()
        };
        for namespace in list(DEFAULT_NAMESPACE, &["namespaces", "ls", "-q"]) {
            for id in list(&namespace, &["task", "ls", "-q"]) {
                ignore(
                    self.command(&namespace, &["task", "kill", "-s", "SIGKILL", &id])
                        .output(),
                );
                ignore(
                    self.command(&namespace, &["task", "delete", "-f", &id])
                        .output(),
                );
            }
        }
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.freeze(false);
        if self.daemon.is_some() {
            self.remove_all();
        }
        self.daemon = None;
        unmount_below(self.folder.path());
    }
}
