//! `cargo xtask bench overhead`: what one system call costs more, in the cases that users meet.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Flags, gizmo, machine, spread};
use crate::shell;

const WORKLOADS: [&str; 3] = ["getppid", "read", "openat"];

/// Calls per measurement: long enough that what the kernel still does after a program was loaded is a small part.
const CALLS: &str = "420000";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Nothing,
    Floor,
    NotRecorded,
    FilteredOut,
    Recorded,
}

const CASES: [Case; 5] = [
    Case::Nothing,
    Case::Floor,
    Case::NotRecorded,
    Case::FilteredOut,
    Case::Recorded,
];

impl Case {
    fn name(self) -> &'static str {
        match self {
            Case::Nothing => "nothing attached",
            Case::Floor => "floor: two empty programs",
            Case::NotRecorded => "recording somebody else",
            Case::FilteredOut => "recorded, call filtered out",
            Case::Recorded => "recorded",
        }
    }

    /// What this issue of the engine promises, as a multiple of the floor.
    fn bar(self) -> Option<f64> {
        match self {
            Case::FilteredOut => Some(1.3),
            Case::Recorded => Some(5.0),
            _ => None,
        }
    }
}

pub(crate) fn run(flags: &[&str]) -> anyhow::Result<()> {
    let flags = Flags::parse(flags, 15)?;
    let bench = Bench::prepare()?;
    let mut samples = vec![vec![Vec::new(); WORKLOADS.len()]; CASES.len()];
    for round in 0..flags.rounds {
        eprint!("\rround {} of {}", round + 1, flags.rounds);
        for (case, row) in CASES.iter().zip(&mut samples) {
            let times = bench.measure(*case)?;
            for (cell, time) in row.iter_mut().zip(times) {
                cell.push(time);
            }
        }
    }
    eprintln!();
    let results = Results::from_samples(samples);
    if flags.json {
        print_json(&results);
    } else {
        print_table(&results);
    }
    Ok(())
}

struct Bench {
    gizmo: PathBuf,
    floor: PathBuf,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn prepare() -> anyhow::Result<Self> {
        let gizmo = gizmo()?;
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store");
        let floor = folder.path().join("floor.tar");
        let gadget = shell::root().join("testing/gadgets/floor");
        let image = |words: &[&Path]| {
            let mut command = Command::new(&gizmo);
            command
                .arg("--store")
                .arg(&store)
                .arg("image")
                .args(words)
                .stderr(Stdio::null());
            shell::run(&mut command)
        };
        image(&[
            Path::new("build"),
            &gadget,
            Path::new("--tag"),
            Path::new("floor"),
        ])?;
        image(&[Path::new("export"), Path::new("floor"), &floor])?;
        Ok(Self {
            gizmo,
            floor,
            _folder: folder,
        })
    }

    /// The ns per call of each workload.
    fn measure(&self, case: Case) -> anyhow::Result<Vec<f64>> {
        let background = match case {
            Case::Floor => Some(Background::start(self.run_gizmo(&self.floor, &[]))?),
            Case::NotRecorded => {
                let mut command = self.run_gizmo("traceloop".as_ref(), &[]);
                command.args(["--", "sleep", "1000"]);
                Some(Background::start(command)?)
            }
            _ => None,
        };
        let times = WORKLOADS
            .iter()
            .map(|workload| self.victim(case, workload))
            .collect();
        drop(background);
        times
    }

    fn run_gizmo(&self, image: &Path, flags: &[&str]) -> Command {
        let mut command = Command::new(&self.gizmo);
        command
            .arg("run")
            .arg(image)
            .args(["-o", "none", "-v"])
            .args(flags);
        command
    }

    fn victim(&self, case: Case, workload: &str) -> anyhow::Result<f64> {
        let own = std::env::current_exe()?;
        let mut command = match case {
            Case::FilteredOut => {
                self.run_gizmo("traceloop".as_ref(), &["--syscall-filters", "ptrace"])
            }
            Case::Recorded => self.run_gizmo("traceloop".as_ref(), &[]),
            _ => Command::new(&own),
        };
        if matches!(case, Case::FilteredOut | Case::Recorded) {
            command.arg("--").arg(&own);
        }
        let output = command
            .args(["victim", workload, CALLS])
            .stderr(Stdio::null())
            .output()?;
        if !output.status.success() {
            bail!("the measured program failed in case `{}`", case.name());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim()
            .parse()
            .with_context(|| format!("the measured program printed `{text}`"))
    }
}

/// A gizmo that runs while something else is measured.
struct Background(Child);

impl Background {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        use std::io::{BufRead, BufReader};
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("no stderr")?;
        let background = Self(child);
        let mut lines = BufReader::new(stderr).lines();
        loop {
            match lines.next() {
                Some(Ok(line)) if line.contains("running...") => break,
                Some(Ok(_)) => {}
                _ => bail!("gizmo ended before it was running"),
            }
        }
        // Whoever else wants to print must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(background)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.0);
        let _ = kill_process(pid, Signal::TERM);
        for _ in 0..100 {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What was measured, by case and workload.
struct Results {
    /// Smallest, median and largest ns per call.
    spreads: Vec<Vec<[f64; 3]>>,
    /// How many times the floor a case costs: the median of the ratios within each round, so that a machine that becomes
    /// slower between rounds does not matter.
    ratios: Vec<Vec<f64>>,
}

impl Results {
    fn from_samples(mut samples: Vec<Vec<Vec<f64>>>) -> Self {
        let ratio = |case: usize, workload: usize| {
            let of = |case: usize| &samples[case][workload];
            let rounds = of(0).iter().zip(of(1)).zip(of(case));
            let mut ratios: Vec<f64> = rounds
                .map(|((nothing, floor), case)| (case - nothing) / (floor - nothing))
                .collect();
            spread(&mut ratios)[1]
        };
        let by_workload = |case: usize| {
            (0..WORKLOADS.len())
                .map(|workload| ratio(case, workload))
                .collect()
        };
        let ratios = (0..CASES.len()).map(by_workload).collect();
        let spreads = samples
            .iter_mut()
            .map(|row| row.iter_mut().map(|cell| spread(cell)).collect())
            .collect();
        Self { spreads, ratios }
    }
}

fn print_table(results: &Results) {
    let spreads = &results.spreads;
    let machine = machine();
    println!(
        "Linux {}, {} ({} CPUs)",
        machine["kernel"].as_str().unwrap_or("?"),
        machine["cpu"].as_str().unwrap_or("?"),
        machine["cpus"]
    );
    println!(
        "ns per call: median (smallest to largest); added = more than with nothing attached; x = added / added by the floor, median of the rounds\n"
    );
    println!(
        "{:<30}{:<10}{:>9} {:>17} {:>9} {:>8}  bar",
        "case", "call", "median", "", "added", "x"
    );
    for (position, case) in CASES.iter().enumerate() {
        for (column, workload) in WORKLOADS.iter().enumerate() {
            let [low, median, high] = spreads[position][column];
            let added = median - spreads[0][column][1];
            let times = match case {
                Case::Nothing => String::new(),
                _ => format!("{:.2}", results.ratios[position][column]),
            };
            let bar = case.bar().map_or(String::new(), |bar| format!("<= {bar}"));
            let name = if column == 0 { case.name() } else { "" };
            println!(
                "{name:<30}{workload:<10}{median:>9.1} {:>17} {added:>+9.1} {times:>8}  {bar}",
                format!("({low:.1} to {high:.1})")
            );
        }
    }
}

fn print_json(results: &Results) {
    let spreads = &results.spreads;
    let mut rows = Vec::new();
    for (position, case) in CASES.iter().enumerate() {
        for (column, workload) in WORKLOADS.iter().enumerate() {
            let [low, median, high] = spreads[position][column];
            rows.push(json!({"case": case.name(), "call": workload, "median_ns": median, "min_ns": low, "max_ns": high,
                "times_floor": results.ratios[position][column], "bar": case.bar()}));
        }
    }
    println!("{}", json!({"machine": machine(), "rows": rows}));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The second round was measured on a machine at half the speed, the third was disturbed.
        let of = |rounds: [f64; 3]| vec![rounds.to_vec(); WORKLOADS.len()];
        let samples = vec![
            of([100.0, 200.0, 100.0]),
            of([150.0, 300.0, 150.0]),
            of([155.0, 310.0, 900.0]),
            of([155.0, 310.0, 155.0]),
            of([200.0, 400.0, 200.0]),
        ];
        let results = Results::from_samples(samples);
        assert_eq!(results.ratios[2][0], 1.1);
        assert_eq!(results.ratios[4][0], 2.0);
        assert_eq!(results.spreads[0][0], [100.0, 100.0, 200.0]);
    }
}
