//! What a run has shown: calls, and how many are missing between them.

use std::collections::BTreeSet;

use serde::Deserialize;

/// A recorded call, as far as it is judged here.
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    pub abi: String,
    pub args: Vec<Arg>,
    pub cgroup_id: u64,
    pub comm: String,
    pub cpu: u16,
    /// Not of calls that are not timed.
    pub duration_raw: Option<u64>,
    pub error: String,
    pub parameters: String,
    pub pid: u32,
    pub ret: String,
    pub syscall: String,
    pub tid: u32,
    pub timestamp_raw: u64,
}

impl Call {
    /// When it was over, since 1970.
    fn end_ns(&self) -> u64 {
        self.timestamp_raw + self.duration_raw.unwrap_or(0)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Arg {
    pub value: String,
    pub text: Option<String>,
    pub len: Option<u64>,
    pub truncated: bool,
}

/// Calls that were made and are not shown: an object of the data source `traceloop_lost`.
#[derive(Debug, Clone, Deserialize)]
pub struct Loss {
    pub lost: u64,
    pub cpu: u16,
    pub reason: Reason,
    pub mntns_id: u64,
    pub cgroup_id: u64,
    pub timestamp_raw: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    Overwritten,
    Refused,
    /// Of nobody in particular: under no container.
    Missed,
    Truncated,
    Failed,
}

/// A line of the output. Losses are told by having the field `lost`.
#[derive(Debug, Clone)]
pub enum Line {
    Call(Call),
    Loss(Loss),
}

impl Line {
    #[track_caller]
    fn parse(line: &str) -> Self {
        let parsed = serde_json::from_str::<serde_json::Value>(line).and_then(|value| {
            if value.get("lost").is_some() {
                serde_json::from_value(value).map(Line::Loss)
            } else {
                serde_json::from_value(value).map(Line::Call)
            }
        });
        parsed.unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn cgroup_id(&self) -> u64 {
        match self {
            Line::Call(call) => call.cgroup_id,
            Line::Loss(loss) => loss.cgroup_id,
        }
    }
}

/// The calls and losses of one container, in the order in which they were shown.
#[derive(Debug)]
pub struct History(Vec<Line>);

impl History {
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.0.iter().filter_map(|line| match line {
            Line::Call(call) => Some(call),
            Line::Loss(_) => None,
        })
    }

    pub fn named<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h Call> {
        self.calls().filter(move |call| call.syscall == name)
    }

    pub fn losses(&self) -> impl Iterator<Item = &Loss> {
        self.0.iter().filter_map(|line| match line {
            Line::Loss(loss) => Some(loss),
            Line::Call(_) => None,
        })
    }

    pub fn lost(&self) -> u64 {
        self.losses().map(|loss| loss.lost).sum()
    }

    pub fn lost_on(&self, cpu: u16) -> u64 {
        let here = self.losses().filter(|loss| loss.cpu == cpu);
        here.map(|loss| loss.lost).sum()
    }

    /// Numbers that marks have shown: the offsets of `lseek`.
    #[track_caller]
    pub fn marks(&self) -> Vec<i64> {
        let number = |call: &Call| call.args[1].value.parse().expect("an offset");
        self.named("lseek").map(number).collect()
    }

    /// By the time when calls were over, and what is missing stands where it is missing: before what the same CPU has kept.
    #[track_caller]
    pub fn assert_in_order(&self) {
        let ends: Vec<u64> = self.calls().map(Call::end_ns).collect();
        let wrong = ends.windows(2).position(|pair| pair[0] > pair[1]);
        let around = wrong.map(|at| self.calls().skip(at).take(2).collect::<Vec<_>>());
        assert!(
            wrong.is_none(),
            "not in the order of their ends: {around:?}"
        );

        for (at, line) in self.0.iter().enumerate() {
            if let Line::Loss(loss) = line {
                self.assert_in_place(loss, at);
            }
        }
    }

    /// Before all that the CPU has kept, since it is older.
    #[track_caller]
    fn assert_in_place(&self, loss: &Loss, at: usize) {
        let kept = |lines: &[Line]| {
            lines.iter().find_map(|line| match line {
                Line::Call(call) if call.cpu == loss.cpu => Some(call.end_ns()),
                _ => None,
            })
        };
        if loss.reason == Reason::Overwritten {
            let (before, after) = self.0.split_at(at);
            assert_eq!(kept(before), None, "shown behind newer calls: {loss:?}");
            let is_older = kept(after).is_none_or(|end_ns| loss.timestamp_raw <= end_ns);
            assert!(is_older && loss.timestamp_raw > 0, "{loss:?}");
        }
    }

    #[track_caller]
    pub fn assert_nothing_lost(&self) {
        let losses: Vec<&Loss> = self.losses().collect();
        assert!(losses.is_empty(), "{losses:?}");
    }
}

/// Everything that a run has shown and said.
pub struct Shown {
    lines: Vec<Line>,
    pub stderr: String,
    /// Exit code and output of the recorded command.
    pub code: Option<i32>,
    pub stdout: String,
}

impl Shown {
    #[track_caller]
    pub fn parse(json: &str, stderr: String) -> Self {
        Self {
            lines: json.lines().map(Line::parse).collect(),
            stderr,
            code: None,
            stdout: String::new(),
        }
    }

    /// The history of a container, by the number of its cgroup.
    pub fn of(&self, cgroup_id: u64) -> History {
        let own = self
            .lines
            .iter()
            .filter(|line| line.cgroup_id() == cgroup_id);
        History(own.cloned().collect())
    }

    pub fn cgroups(&self) -> BTreeSet<u64> {
        self.lines.iter().map(Line::cgroup_id).collect()
    }

    /// The history of the command, which is all.
    #[track_caller]
    pub fn only(&self) -> History {
        assert_eq!(self.cgroups().len(), 1, "{}", self.stderr);
        History(self.lines.clone())
    }

    /// The history of the command, beside which calls may be missing that were nobody's in particular.
    #[track_caller]
    pub fn command(&self) -> History {
        let cgroup = self.cgroups().into_iter().find(|cgroup| *cgroup != 0);
        self.of(cgroup.expect("something is recorded"))
    }

    /// Calls that the kernel has not run the programs for, at most.
    pub fn missed(&self) -> u64 {
        let losses = self.of(0);
        let missed = losses.losses().filter(|loss| loss.reason == Reason::Missed);
        missed.map(|loss| loss.lost).sum()
    }

    /// Losses are also told on stderr, with the name of the container, or the beginning of its id.
    #[track_caller]
    pub fn assert_said(&self, name: &str, lost: u64) {
        let (name, lost) = (format!("`{name}"), lost.to_string());
        let has = |line: &str| {
            let mut numbers = line.split(|c: char| !c.is_ascii_digit());
            line.contains(&name) && numbers.any(|number| number == lost)
        };
        assert!(
            self.stderr.lines().any(has),
            "nobody says that {lost} calls of {name} are lost: {}",
            self.stderr
        );
    }
}
