//! `cargo xtask bench start`: how long until the first call is recorded, and how much memory it takes.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

use super::{Flags, gizmo, machine, spread};
use crate::shell;

/// Bars: ms to the first recorded call, MiB of resident memory.
const BAR_MS: f64 = 150.0;
const BAR_MIB: f64 = 40.0;

pub(crate) fn run(flags: &[&str]) -> anyhow::Result<()> {
    let gizmo = gizmo()?;
    // Memory is that of the largest child, and the compilers were children of this process.
    shell::run(
        Command::new(std::env::current_exe()?)
            .arg("measure-start")
            .arg(gizmo)
            .args(flags),
    )
}

/// The bench itself, in a process that has had no other children.
pub(crate) fn measure(gizmo: &str, flags: &[&str]) -> anyhow::Result<()> {
    let flags = Flags::parse(flags, 20)?;
    let folder = tempfile::tempdir()?;
    let events = folder.path().join("events");
    let mut times = Vec::new();
    let mut first_ms = f64::NAN;
    let mut first_mib = f64::NAN;
    for round in 0..=flags.rounds {
        let before = now_ns()?;
        // The first round finds an empty store and an empty cache.
        let status = Command::new(gizmo)
            .arg("--store")
            .arg(folder.path().join("oci-store"))
            .args(["run", "traceloop", "-o", "json", "--output-file"])
            .arg(&events)
            .args(["--", "true"])
            .stderr(Stdio::null())
            .status()?;
        if !status.success() {
            bail!("gizmo failed ({status})");
        }
        let text = std::fs::read_to_string(&events)?;
        let first: Value =
            serde_json::from_str(text.lines().next().context("nothing was recorded")?)?;
        let began = first["timestamp_raw"]
            .as_u64()
            .context("the first event has no timestamp")?;
        let ms = began.saturating_sub(before) as f64 / 1e6;
        if round == 0 {
            (first_ms, first_mib) = (ms, peak_mib()?);
        } else {
            times.push(ms);
        }
    }
    let [low, median, high] = spread(&mut times);
    let mib = peak_mib()?;
    if flags.json {
        println!(
            "{}",
            json!({"machine": machine(), "first_call_ms": {"median": median, "min": low, "max": high, "first_run": first_ms,
            "bar": BAR_MS}, "peak_resident_mib": {"first_run": first_mib, "all": mib, "bar": BAR_MIB}})
        );
        return Ok(());
    }
    let machine = machine();
    println!(
        "Linux {}, {} ({} CPUs)\n",
        machine["kernel"].as_str().unwrap_or("?"),
        machine["cpu"].as_str().unwrap_or("?"),
        machine["cpus"]
    );
    println!("gizmo run traceloop -- true, to the first recorded call:");
    println!("  first run  {first_ms:>8.1} ms");
    println!("  cached     {median:>8.1} ms ({low:.1} to {high:.1})   bar <= {BAR_MS}");
    println!("peak resident memory:");
    println!("  first run  {first_mib:>8.1} MiB");
    println!("  all runs   {mib:>8.1} MiB   bar <= {BAR_MIB}");
    Ok(())
}

fn now_ns() -> anyhow::Result<u64> {
    Ok(u64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos(),
    )?)
}

/// The largest of all children so far (getrusage(2): KiB).
fn peak_mib() -> anyhow::Result<f64> {
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() as f64 / 1024.0)
}
