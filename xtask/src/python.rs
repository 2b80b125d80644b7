//! Python environments of this project's own, below the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// Installs packages, `NAME==VERSION`, into an environment in a folder, unless they are there; the folder of its programs.
pub(crate) fn install(folder: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let programs = folder.join("bin");
    let list = folder.join("installed");
    let wanted = packages.join("\n");
    if fs::read_to_string(&list).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    fs::create_dir_all(folder)?;
    shell::run(
        Command::new("/usr/bin/python3")
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )?;
    shell::run(
        Command::new(programs.join("pip"))
            .args(["install", "--quiet"])
            .args(packages),
    )?;
    fs::write(list, wanted)?;
    Ok(programs)
}
