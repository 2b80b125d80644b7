//! `cargo xtask demo`: from a fresh clone to the first result.

use std::process::Command;

use anyhow::bail;

use crate::{setup, shell};

/// What is recorded: a program that opens a file that is there and one that is not, and writes.
const WORKLOAD: &str = "cat /etc/hostname /no/such/file; echo done";

const FILTER: &str = "openat, write";

pub(crate) fn run() -> anyhow::Result<()> {
    if !shell::is_root() {
        bail!("the demo loads eBPF programs: run it as root");
    }
    setup::run(setup::Purpose::Build)?;
    shell::run(shell::cargo().args(["build", "--package", "gizmo"]))?;
    let mut command = Command::new(shell::built("debug", "gizmo"));
    command.args([
        "run",
        "traceloop",
        "--syscall-filters",
        FILTER,
        "--",
        "sh",
        "-c",
        WORKLOAD,
    ]);
    // Cargo's library path and the person's locale would fill the screen with files that are looked for.
    command.env_remove("LD_LIBRARY_PATH").env("LC_ALL", "C");
    eprintln!();
    // `cat` fails on the missing file, but `echo` is the last.
    shell::run(&mut command)
}
