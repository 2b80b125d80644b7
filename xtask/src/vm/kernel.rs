//! Debian's kernels: found, downloaded and verified by apt in a folder of its own, unpacked and not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::shell;

/// A kernel to test with.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// As people call it.
    pub(crate) version: &'static str,
    /// The Debian release that has it.
    suite: &'static str,
}

/// From the oldest that is supported on.
pub(crate) const KERNELS: [Kernel; 3] = [
    Kernel {
        version: "5.10",
        suite: "bullseye",
    },
    Kernel {
        version: "6.1",
        suite: "bookworm",
    },
    Kernel {
        version: "6.12",
        suite: "trixie",
    },
];

/// Depends on the release's current kernel.
const PACKAGE: &str = "linux-image-amd64";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

pub(crate) fn named(version: &str) -> anyhow::Result<&'static Kernel> {
    let found = KERNELS.iter().find(|kernel| kernel.version == version);
    found.with_context(|| {
        let known: Vec<&str> = KERNELS.iter().map(|kernel| kernel.version).collect();
        format!("no kernel `{version}`: there are {}", known.join(", "))
    })
}

impl Kernel {
    /// The kernel's image, with its modules where the runner of machines finds them; downloaded if it is not there yet.
    pub(crate) fn fetch(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let folder = folder.join(self.version);
        let root = folder.join("root");
        if !root.exists() {
            fs::create_dir_all(&folder)?;
            let package = self.download(&folder)?;
            // Renamed when it is whole.
            let partial = folder.join("root.part");
            shell::run(
                Command::new("dpkg-deb")
                    .arg("-x")
                    .arg(&package)
                    .arg(&partial),
            )?;
            fs::rename(&partial, &root)?;
            fs::remove_file(&package)?;
        }
        image_in(&root.join("boot"))
    }

    /// Downloads the package; apt verifies the index by the archive's key and the package by the index.
    fn download(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let apt = Apt::new(&folder.join("apt"), &mirror()?, self.suite)?;
        shell::run(apt.command("apt-get").args(["-qq", "update"]))?;
        let depends = shell::output(apt.command("apt-cache").args(["depends", PACKAGE]))?;
        let name = depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))
            .with_context(|| format!("`{PACKAGE}` of {} depends on no kernel", self.suite))?;
        let name = format!("linux-image-{name}");
        shell::run(
            apt.command("apt-get")
                .args(["-qq", "download", &name])
                .current_dir(folder),
        )?;
        only(folder, |file| {
            file.starts_with(&name) && file.ends_with(".deb")
        })
    }
}

/// apt with nothing of the system but its keys and its ways to reach the mirror.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn new(folder: &Path, mirror: &str, suite: &str) -> anyhow::Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let list = folder.join("sources.list");
        fs::write(
            &list,
            format!("deb [arch=amd64 signed-by={KEYRING}] {mirror} {suite} main\n"),
        )?;
        let status = folder.join("status");
        fs::write(&status, "")?;
        let set = |name: &str, path: &Path| format!("{name}={}", path.display());
        let none = Path::new("/dev/null");
        Ok(Self {
            options: vec![
                set("Dir::State", &folder.join("state")),
                set("Dir::State::status", &status),
                set("Dir::Cache", &folder.join("cache")),
                set("Dir::Etc::SourceList", &list),
                set("Dir::Etc::SourceParts", none),
                set("Dir::Etc::Preferences", none),
                set("Dir::Etc::PreferencesParts", none),
                "APT::Architecture=amd64".to_owned(),
                "APT::Sandbox::User=root".to_owned(),
            ],
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }
}

/// Where this machine gets Debian's packages from.
fn mirror() -> anyhow::Result<String> {
    let mut query = Command::new("apt-get");
    query.args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
        "Label: Debian",
    ]);
    let uris = shell::output(&mut query)?;
    let first = uris.lines().next();
    first
        .map(str::to_owned)
        .context("apt has no mirror of Debian; kernels are taken from there")
}

fn image_in(boot: &Path) -> anyhow::Result<PathBuf> {
    only(boot, |file| file.starts_with("vmlinuz-"))
}

/// The one file in a folder whose name fits.
fn only(folder: &Path, fits: impl Fn(&str) -> bool) -> anyhow::Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if fits(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    let count = found.len();
    match found.pop() {
        Some(path) if count == 1 => Ok(path),
        _ => bail!(
            "not one but {count} files that fit in `{}`",
            folder.display()
        ),
    }
}
