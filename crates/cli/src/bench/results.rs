//! Medians and ratios of what was measured, round by round.

use std::path::Path;

use serde::Serialize;

use super::cases::{Bar, Case, FLOOR, NOTHING};
use super::quiet::Quiet;
use super::workload::{Call, Times};

/// Smallest, middle and largest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of at least one sample.
    fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |position: usize| sorted.get(position).copied().unwrap_or(f64::NAN);
        Self {
            median: at(sorted.len() / 2),
            min: at(0),
            max: at(sorted.len().saturating_sub(1)),
        }
    }
}

/// A call in a case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) case: String,
    pub(super) call: Call,
    /// What a call took.
    pub(super) ns: Spread,
    /// How much more than with nothing attached.
    pub(super) added_ns: Spread,
    /// How many times as much more as the floor: ratios within each round, so that a machine that becomes slower between
    /// rounds does not matter. None with nothing attached.
    pub(super) times_floor: Option<Spread>,
    pub(super) bar: Option<Bar>,
    /// What a call took, in each round.
    pub(super) samples_ns: Vec<f64>,
}

impl Row {
    /// Whether it costs more than is promised.
    pub(super) fn is_missed(&self) -> bool {
        let Some((bar, times)) = self.bar.zip(self.times_floor) else {
            return false;
        };
        times.median > bar.at_most
    }
}

/// A case that could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LeftOut {
    pub(super) case: String,
    pub(super) why: String,
}

/// Everything that is printed.
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) rounds: usize,
    pub(super) rows: Vec<Row>,
    pub(super) quiet: Quiet,
    pub(super) left_out: Vec<LeftOut>,
}

/// The rows of what was measured: `rounds` has for each round the times of each case.
pub(super) fn rows(cases: &[Case], rounds: &[Vec<Times>]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (position, case) in cases.iter().enumerate() {
        for (column, call) in Call::ALL.into_iter().enumerate() {
            let samples = |case: usize| rounds.iter().map(move |round| round[case][column]);
            let added = |case| {
                let pairs = samples(case).zip(samples(NOTHING));
                pairs.map(|(with, without)| with - without)
            };
            let times = added(position).zip(added(FLOOR));
            let times = Spread::of(times.map(|(case, floor)| case / floor));
            rows.push(Row {
                case: case.name.clone(),
                call,
                ns: Spread::of(samples(position)),
                added_ns: Spread::of(added(position)),
                times_floor: (position != NOTHING).then_some(times),
                bar: case.bars.map(|bars| bars[column]),
                samples_ns: samples(position).collect(),
            });
        }
    }
    rows
}

/// What figures mean nothing without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Machine {
    pub(super) kernel: String,
    pub(super) cpu: String,
    pub(super) cpus: usize,
}

impl Machine {
    pub(super) fn this() -> Self {
        let uname = rustix::system::uname();
        let cpuinfo = std::fs::read_to_string(Path::new("/proc/cpuinfo")).unwrap_or_default();
        Self {
            kernel: uname.release().to_string_lossy().into_owned(),
            cpu: cpu_name(&cpuinfo).unwrap_or("unknown CPU").to_owned(),
            cpus: cpuinfo.matches("processor\t").count(),
        }
    }
}

/// Of /proc/cpuinfo; arm64 has numbers only.
fn cpu_name(cpuinfo: &str) -> Option<&str> {
    let lines = cpuinfo.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    values.next().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::super::cases;
    use super::*;

    #[test]
    fn the_middle_of_three_is_the_median() {
        let spread = |median, min, max| Spread { median, min, max };
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of([5.0]), spread(5.0, 5.0, 5.0));
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let cases = &cases::own()[..5];
        let round = |speed: f64, recorded: f64| {
            let times = [100.0, 150.0, 155.0, 155.0, recorded];
            times.map(|ns| [ns * speed; 3]).to_vec()
        };
        // The second round was measured on a machine at half the speed, the third was disturbed.
        let rows = rows(
            cases,
            &[round(1.0, 200.0), round(2.0, 200.0), round(1.0, 900.0)],
        );
        let row = |case: usize| &rows[case * 3];
        assert_eq!(row(2).times_floor.unwrap().median, 1.1);
        assert_eq!(row(4).times_floor.unwrap().median, 2.0);
        assert_eq!(row(4).times_floor.unwrap().max, 16.0);
        assert_eq!(row(NOTHING).times_floor, None);
        assert_eq!(
            (row(FLOOR).added_ns.median, row(FLOOR).ns.max),
            (50.0, 300.0)
        );
        assert!(!row(4).is_missed() && !row(NOTHING).is_missed());
    }

    #[test]
    fn what_costs_more_than_promised_is_missed() {
        let cases = &cases::own()[..5];
        let round = [100.0, 150.0, 170.0, 150.0, 150.0]
            .map(|ns| [ns; 3])
            .to_vec();
        let rows = rows(cases, &[round]);
        let missed: Vec<&str> = rows
            .iter()
            .filter(|row| row.is_missed())
            .map(|row| row.case.as_str())
            .collect();
        assert_eq!(missed, ["not recorded"; 3]);
    }

    #[test]
    fn cpus_have_names_on_some_architectures() {
        assert_eq!(
            cpu_name("processor\t: 0\nmodel name\t: A B: 9\n"),
            Some("A B: 9")
        );
        assert_eq!(cpu_name("processor\t: 0\nCPU part\t: 0xd0c\n"), None);
    }
}
