//! The one image: busybox with the names of its applets.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::daemon::output;

/// Its name, as every runtime of this crate knows it.
pub const IMAGE: &str = "docker.io/library/gizmo-busybox:1";
const BUSYBOX: &str = "/bin/busybox";
const APPLETS: [&str; 16] = [
    "cat", "cp", "date", "echo", "env", "false", "id", "ls", "mkdir", "nc", "rm", "sh", "sleep",
    "touch", "true", "wget",
];

/// A tar of the file system.
pub(crate) fn file_system(folder: &Path) -> PathBuf {
    let root = folder.join("image");
    for name in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
        std::fs::create_dir_all(root.join(name)).expect("a folder can be made");
    }
    std::fs::copy(BUSYBOX, root.join("bin/busybox")).expect("busybox-static is installed");
    for applet in APPLETS {
        let link = root.join("bin").join(applet);
        if !link.exists() {
            symlink("busybox", link).expect("a link can be made");
        }
    }
    let tar = folder.join("image.tar");
    output(
        Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-cf")
            .arg(&tar)
            .arg("."),
    );
    tar
}
