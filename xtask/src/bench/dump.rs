//! `cargo xtask bench dump`: how fast a full ring becomes JSON, and what memory that takes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use rustix::time::ClockId;
use serde_json::{Value, json};

use super::{clock_ns, gizmo, machine};
use crate::shell;

/// Bars: records per second, and MiB of resident memory. The rings are the kernel's and are not part of it.
const BAR_PER_SECOND: f64 = 400_000.0;
const BAR_MIB: f64 = 64.0;

/// What may stand after the name.
struct Flags {
    records: u64,
    budget: String,
    json: bool,
}

impl Flags {
    fn parse(words: &[&str]) -> anyhow::Result<Self> {
        let mut flags = Flags {
            records: 10_000_000,
            budget: "1G".to_owned(),
            json: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .with_context(|| format!("{word} needs a value"))
            };
            match *word {
                "--json" => flags.json = true,
                "--records" => flags.records = value()?.parse().context("--records")?,
                "--budget" => flags.budget = (*value()?).to_owned(),
                other => bail!("unknown flag `{other}`"),
            }
        }
        Ok(flags)
    }
}

pub(crate) fn run(flags: &[&str]) -> anyhow::Result<()> {
    Flags::parse(flags)?;
    let gizmo = gizmo()?;
    // Memory is that of the largest child, and the compilers were children of this process.
    shell::run(
        Command::new(std::env::current_exe()?)
            .arg("measure-dump")
            .arg(gizmo)
            .args(flags),
    )
}

/// What one dump took.
struct Dump {
    /// From the command's end to the end of gizmo.
    seconds: f64,
    /// CPU time of gizmo from its start on, which other programs on the machine change less than the time on the clock.
    cpu_seconds: f64,
    events: u64,
    json_bytes: u64,
    peak_mib: f64,
    /// What gizmo said, such as how much was lost.
    said: String,
}

/// The bench itself, in a process that has had no other children.
pub(crate) fn measure(gizmo: &str, flags: &[&str]) -> anyhow::Result<()> {
    let flags = Flags::parse(flags)?;
    let (sizes, missing) = ring_flags(gizmo, &flags.budget)?;
    let dump = dump(gizmo, &sizes, flags.records)?;
    let per_second = dump.events as f64 / dump.seconds;
    if flags.json {
        println!(
            "{}",
            json!({"machine": machine(), "calls": flags.records, "events": dump.events, "seconds": dump.seconds,
                "events_per_second": per_second, "cpu_seconds": dump.cpu_seconds, "bar_per_second": BAR_PER_SECOND,
                "json_bytes_per_event": dump.json_bytes as f64 / dump.events as f64,
                "peak_resident_mib": dump.peak_mib, "bar_mib": BAR_MIB, "ring_flags": sizes, "unknown_flags": missing,
                "said": dump.said})
        );
        return Ok(());
    }
    let machine: Value = machine();
    println!(
        "Linux {}, {} ({} CPUs)\n",
        machine["kernel"].as_str().unwrap_or("?"),
        machine["cpu"].as_str().unwrap_or("?"),
        machine["cpus"]
    );
    println!("calls made      {:>12}", flags.records);
    println!("events          {:>12}", dump.events);
    println!("dump            {:>12.2} s", dump.seconds);
    println!("events per s    {per_second:>12.0}   bar >= {BAR_PER_SECOND}");
    println!(
        "CPU time        {:>12.2} s, that is {:.0} events per s",
        dump.cpu_seconds,
        dump.events as f64 / dump.cpu_seconds
    );
    println!(
        "bytes of JSON   {:>12.1} per event",
        dump.json_bytes as f64 / dump.events as f64
    );
    println!(
        "peak memory     {:>12.1} MiB, without the rings   bar <= {BAR_MIB}",
        dump.peak_mib
    );
    if !missing.is_empty() {
        println!("this traceloop has no flag {missing}: the ring has its own size");
    }
    if !dump.said.is_empty() {
        println!("gizmo said: {}", dump.said);
    }
    Ok(())
}

/// The flags that make the ring as large as the budget, as far as traceloop has them, and those that it does not have.
fn ring_flags(gizmo: &str, budget: &str) -> anyhow::Result<(Vec<String>, String)> {
    let help = shell::read(gizmo, &["run", "traceloop", "--help"]);
    let help = help.context("`gizmo run traceloop --help` failed")?;
    let (known, missing): (Vec<&str>, Vec<&str>) = ["--memory-budget", "--ring-size"]
        .into_iter()
        .partition(|flag| help.split_whitespace().any(|word| word == *flag));
    let flags = known
        .iter()
        .flat_map(|flag| [(*flag).to_owned(), budget.to_owned()]);
    Ok((flags.collect(), missing.join(" and ")))
}

fn dump(gizmo: &str, sizes: &[String], calls: u64) -> anyhow::Result<Dump> {
    let folder = tempfile::tempdir()?;
    let pipe = folder.path().join("events");
    shell::run(Command::new("mkfifo").arg(&pipe).stderr(Stdio::null()))?;
    // Somebody reads the events, as fast as can be.
    let counter = Command::new("wc")
        .args(["-l", "-c"])
        .arg(&pipe)
        .stdout(Stdio::piped())
        .spawn()
        .context("`wc`")?;
    let (seconds, cpu_seconds, said) = record(gizmo, sizes, calls, &pipe)?;
    let counted = String::from_utf8(counter.wait_with_output()?.stdout)?;
    let mut numbers = counted
        .split_whitespace()
        .map_while(|word| word.parse().ok());
    let (Some(events), Some(json_bytes)) = (numbers.next(), numbers.next()) else {
        bail!("`wc` printed `{counted}`");
    };
    // getrusage(2): KiB.
    let peak_mib = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() as f64 / 1024.0;
    Ok(Dump {
        seconds,
        cpu_seconds,
        events,
        json_bytes,
        peak_mib,
        said,
    })
}

/// Records the flood and returns how many seconds gizmo ran on after it, its CPU time in seconds, and what it said.
fn record(
    gizmo: &str,
    sizes: &[String],
    calls: u64,
    to: &Path,
) -> anyhow::Result<(f64, f64, String)> {
    let before = children_cpu_seconds()?;
    let mut child = Command::new(gizmo)
        .args(["run", "traceloop", "-o", "json", "--output-file"])
        .arg(to)
        .args(sizes)
        .arg("--")
        .arg(std::env::current_exe()?)
        .args(["flood", &calls.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("gizmo")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
    let output = child.wait_with_output()?;
    let end = clock_ns(ClockId::Monotonic);
    let said = String::from_utf8_lossy(&output.stderr)
        .trim_end()
        .to_owned();
    if !output.status.success() {
        bail!("gizmo failed ({}): {said}", output.status);
    }
    let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
    let (Some(done), Some(flood_ns)) = (numbers.next(), numbers.next()) else {
        bail!("the flood printed `{line}`");
    };
    let seconds = |ns: u64| ns as f64 / 1e9;
    // Gizmo has waited for the flood, whose time is a part of its own.
    let cpu = children_cpu_seconds()? - before - seconds(flood_ns);
    Ok((seconds(end.saturating_sub(done)), cpu, said))
}

/// CPU time of the children that have been waited for, and of theirs.
fn children_cpu_seconds() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_values() {
        let flags = Flags::parse(&["--records", "5", "--budget", "2G", "--json"]).unwrap();
        assert_eq!(
            (flags.records, flags.budget.as_str(), flags.json),
            (5, "2G", true)
        );
        assert!(Flags::parse(&["--records"]).is_err());
        assert!(Flags::parse(&["--records", "many"]).is_err());
        assert!(Flags::parse(&["--rounds", "3"]).is_err());
    }
}
