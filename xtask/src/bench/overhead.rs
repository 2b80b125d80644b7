//! `cargo xtask bench overhead`: `gizmo bench overhead`, with other tools measured between its cases in every round.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::gizmo;
use crate::{setup, shell};

/// Batches, and ms of each, of the measured program under tools that do nothing but count in the kernel, or nothing at all:
/// as under Gizmo.
const SHORT: [&str; 2] = ["60", "1"];

/// Under tools whose own process has something to do for each call, and does it in bursts: each batch is to hold some.
const LONG: [&str; 2] = ["6", "20"];

/// The calls that the measured program makes.
const CALLS: &str = "getppid,read,openat";

/// A call that it makes none of.
const OTHER_CALL: &str = "ptrace";

pub(crate) fn run(flags: &[&str]) -> anyhow::Result<()> {
    let gizmo = gizmo()?;
    // Who cannot have the other tools has the rest of the table all the same: it says which are missing.
    if let Err(error) = setup::run(setup::Purpose::Bench) {
        eprintln!("bench: not all tools to compare with are there: {error:#}");
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("peers.json");
    std::fs::write(&file, peers(&gizmo).to_string())?;
    shell::run(
        Command::new(&gizmo)
            .args(["bench", "overhead", "--peers"])
            .arg(&file)
            .args(flags),
    )
}

/// What `--peers` reads.
fn peers(gizmo: &Path) -> Value {
    let gizmo = gizmo.display().to_string();
    let workload = |[batches, ms]: [&str; 2]| {
        [&gizmo, "__workload", "measure", batches, ms].map(str::to_owned)
    };
    let peer = |name: &str, tool: &str, kind| {
        let words = tool.split_whitespace().map(str::to_owned);
        let command: Vec<String> = words.chain(workload(kind)).collect();
        json!({"name": name, "command": command})
    };
    let strace = |selected| format!("strace --seccomp-bpf -f -e trace={selected} -o /dev/null");
    let counting = "tracepoint:raw_syscalls:sys_enter { @[args->id] = count(); }";
    let counted = workload(SHORT).join(" ");
    json!([
        peer("strace -f", "strace -f -o /dev/null", LONG),
        peer("strace --seccomp-bpf, not selected", &strace(OTHER_CALL), SHORT),
        peer("strace --seccomp-bpf, selected", &strace(CALLS), LONG),
        peer("perf trace", "perf trace -o /dev/null", LONG),
        {
            "name": "bpftrace, count by number",
            "command": ["bpftrace", "-o", "/dev/null", "-e", counting, "-c", counted],
        },
    ])
}
