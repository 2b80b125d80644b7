//! Benches: ratios within one run, interleaved, medians (CONTRIBUTING.md, "Measuring").

pub(crate) mod dump;
pub(crate) mod flood;
pub(crate) mod overhead;
pub(crate) mod start;

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::{setup, shell};

/// What may stand after the name of a bench.
struct Flags {
    json: bool,
    rounds: usize,
}

impl Flags {
    fn parse(words: &[&str], rounds: usize) -> anyhow::Result<Self> {
        let mut flags = Flags {
            json: false,
            rounds,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--json" => flags.json = true,
                "--rounds" => {
                    let count = words.next().context("--rounds needs a number")?;
                    flags.rounds = count.parse().context("--rounds")?;
                }
                other => bail!("unknown flag `{other}`"),
            }
        }
        Ok(flags)
    }
}

/// Builds the release binary and returns its path.
fn gizmo() -> anyhow::Result<PathBuf> {
    if !shell::is_root() {
        bail!("benches load eBPF programs: run them as root");
    }
    setup::run(setup::Purpose::Build)?;
    shell::run(shell::cargo().args(["build", "--release", "--quiet", "--package", "gizmo"]))?;
    Ok(shell::built("release", "gizmo"))
}

/// Kernel, CPU and number of CPUs, without which figures mean nothing.
fn machine() -> Value {
    let uname = rustix::system::uname();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo.lines().find_map(|line| {
        line.strip_prefix("model name")?
            .split_once(": ")
            .map(|(_, name)| name)
    });
    json!({
        "kernel": uname.release().to_string_lossy(),
        "cpu": cpu.unwrap_or("unknown"),
        "cpus": cpuinfo.matches("processor\t").count(),
    })
}

/// A clock's time.
fn clock_ns(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Smallest, middle and largest.
fn spread(samples: &mut [f64]) -> [f64; 3] {
    samples.sort_by(f64::total_cmp);
    let at = |position: usize| samples.get(position).copied().unwrap_or(f64::NAN);
    [
        at(0),
        at(samples.len() / 2),
        at(samples.len().saturating_sub(1)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_three_is_the_median() {
        assert_eq!(spread(&mut [3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
        assert_eq!(spread(&mut [5.0]), [5.0; 3]);
    }
}
