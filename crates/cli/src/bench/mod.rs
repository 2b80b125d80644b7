//! `gizmo bench`: what Gizmo costs on this host.
//!
//! `cases` says what is measured, `workload` is the program that is measured, `process` runs it and the recorders, `results`
//! makes medians and ratios of what came out, `report` prints them.

mod cases;
mod overhead;
mod process;
mod quiet;
mod report;
mod results;
mod workload;

use std::path::PathBuf;

use anyhow::bail;

pub(crate) use self::workload::{WORKLOAD_COMMAND, run as run_workload};
use crate::context::{Context, GlobalArgs};

/// Commands of `gizmo bench`.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Measure what traceloop costs per system call, against the least that seeing every call can cost
    #[command(after_help = OVERHEAD_HELP)]
    Overhead(OverheadArgs),
}

// One line per paragraph: clap breaks them where the terminal ends.
const OVERHEAD_HELP: &str = "\
A small program makes three calls in a loop, on one CPU: getppid, read of one byte, openat of a missing file. \
It is measured with nothing attached, with two empty programs at the system call tracepoints (the floor), while \
something else is recorded, while it is recorded and its calls are filtered out, and while it is recorded.

Each time is the fastest of many batches of about a millisecond, since whatever else the machine does only makes \
batches slower. Everything is measured once per round, which takes a few seconds; the table shows medians of the \
rounds, and ratios taken within each round.";

/// Arguments of `gizmo bench overhead`.
#[derive(clap::Args, Debug)]
pub(crate) struct OverheadArgs {
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// How long a recording is put under load, in which nobody looks at it, to see what CPU time it takes itself
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3600))]
    load_seconds: u16,
    /// Print JSON, with every sample
    #[arg(long)]
    json: bool,
    /// Also measure under other programs: a JSON list of `name` and `command`, which runs `gizmo __workload`
    #[arg(long, value_name = "FILE", hide = true)]
    peers: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, global: &GlobalArgs, command: &Command) -> anyhow::Result<()> {
    let Command::Overhead(args) = command;
    crate::run::require_rights("gizmo bench")?;
    if !gizmo_ebpf::kernel_has_btf() {
        bail!(
            "the kernel has no BTF (/sys/kernel/btf/vmlinux is missing), so there is nothing to measure; \
             use a kernel built with CONFIG_DEBUG_INFO_BTF"
        );
    }
    overhead::run(context, global, args)
}
