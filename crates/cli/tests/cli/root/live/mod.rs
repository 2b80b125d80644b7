//! Runs that are looked at while they go on.
//!
//! What is recorded is a shell that counts: each of its writes says which one it was, so that nothing can be missing, shown
//! twice or out of order without being seen. It stays on one CPU, where a ring drops the oldest calls and no others.

mod askers;
mod output;
mod socket;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Event, Turn, parse_events};
use crate::support::Ran;

/// A run in the background that records a counting shell. Both end when it is dropped.
pub(in crate::root) struct Counting<'t> {
    turn: &'t Turn,
    child: Child,
    /// The shell goes on as long as this exists.
    go: PathBuf,
    /// The run's standard error, and the command's.
    stderr: PathBuf,
}

impl<'t> Counting<'t> {
    /// Starts `gizmo run traceloop FLAGS` and waits until some calls have been made.
    #[track_caller]
    pub(in crate::root) fn start(turn: &'t Turn, flags: &[&str]) -> Self {
        Self::start_as(turn, "count", "umask 22", flags)
    }

    /// The same with a name for its files and something to do between writes.
    #[track_caller]
    pub(in crate::root) fn start_as(
        turn: &'t Turn,
        name: &str,
        between: &str,
        flags: &[&str],
    ) -> Self {
        let go = turn.write(&format!("{name}.go"), "");
        let at = turn.path(&format!("{name}.at"));
        let stderr = turn.path(&format!("{name}.stderr"));
        // After some numbers a file is made, for those who wait for them.
        let script = format!(
            "i=0; while [ -e {} ]; do echo $i; {between}; i=$((i+1)); [ $i != 1000 ] || : >{}; done >/dev/null",
            go.display(),
            at.display()
        );
        let child = turn
            .command(["run", "traceloop"])
            .args(flags)
            .args(["--", "taskset", "-c", "0", "sh", "-c", &script])
            .stdout(Stdio::null())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        let counting = Self {
            turn,
            child,
            go,
            stderr,
        };
        wait_until("the shell counts", || at.exists());
        // The socket is there a moment after the command has begun.
        wait_until("the run can be found", || counting.socket().exists());
        counting
    }

    fn name(&self) -> String {
        format!("traceloop-{}", self.child.id())
    }

    fn socket(&self) -> PathBuf {
        self.turn.path("run").join(format!("{}.sock", self.name()))
    }

    pub(in crate::root) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Lets the shell end, and the run with it.
    #[track_caller]
    pub(in crate::root) fn end(&mut self) {
        fs::remove_file(&self.go).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.stderr());
        assert!(!self.socket().exists(), "the socket is still there");
    }

    /// The only container of the run, as `gizmo recordings` shows it.
    #[track_caller]
    pub(in crate::root) fn recording(&self) -> Value {
        let runs = self.turn.ok(["recordings", "-o", "json"]).json();
        let runs = runs.as_array().expect("a list");
        let own = runs.iter().find(|run| run["run"] == self.name());
        let own = own.unwrap_or_else(|| panic!("{} is not in {runs:?}", self.name()));
        let recordings = own["recordings"].as_array().expect("a list");
        assert_eq!(recordings.len(), 1, "{own}");
        recordings[0].clone()
    }

    /// A number of it, such as `recorded`.
    #[track_caller]
    pub(in crate::root) fn number(&self, key: &str) -> u64 {
        number(&self.recording(), key)
    }

    /// Waits until so many calls have been recorded.
    #[track_caller]
    fn wait_for(&self, calls: u64) {
        wait_until("enough calls are made", || {
            number(&self.recording(), "recorded") >= calls
        });
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.go);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds; machines are shared.
#[track_caller]
fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    gizmo_test_runtimes::wait_until(what, Duration::from_secs(60), holds);
}

#[track_caller]
fn number(value: &Value, key: &str) -> u64 {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no `{key}` in {value}"))
}

/// The numbers that the counting shell has written, in the order of the events.
pub(in crate::root) fn counted(events: &[Event]) -> Vec<u64> {
    let number = |event: &Event| {
        let text = event.args.get(1)?.text.as_deref()?;
        text.trim_matches('"').strip_suffix("\\n")?.parse().ok()
    };
    let is_count = |event: &&Event| event.syscall == "write" && event.args[0].value == "1";
    events.iter().filter(is_count).filter_map(number).collect()
}

/// Whether a line of JSON says that something is missing.
fn is_loss(line: &str) -> bool {
    line.contains("\"reason\":")
}

/// How many calls were overwritten, according to such a line.
#[track_caller]
fn lost(line: &str) -> u64 {
    let loss: Value = serde_json::from_str(line).expect("JSON");
    if loss["reason"] == "overwritten" {
        number(&loss, "lost")
    } else {
        0
    }
}

/// The events among the lines.
#[track_caller]
pub(in crate::root) fn events(text: &str) -> Vec<Event> {
    let lines: Vec<&str> = text.lines().filter(|line| !is_loss(line)).collect();
    parse_events(&lines.join("\n"))
}

/// Walks through what was recorded of a shell of which nothing but its numbers is recorded: each is one more than that
/// before, or there is a mark that says how many are missing between them. Returns how many there are from `first` on.
#[track_caller]
pub(in crate::root) fn assert_exact(text: &str, first: u64) -> u64 {
    let mut next = first;
    for line in text.lines() {
        if is_loss(line) {
            next += lost(line);
        } else {
            assert_eq!(counted(&events(line)), [next], "{line}");
            next += 1;
        }
    }
    next - first
}

/// None is shown twice or out of order.
#[track_caller]
pub(in crate::root) fn assert_increasing(numbers: &[u64]) {
    let wrong = numbers.windows(2).find(|pair| pair[1] <= pair[0]);
    assert_eq!(wrong, None);
}

/// The events of `gizmo snapshot FLAGS` in JSON.
#[track_caller]
fn snapshot(turn: &Turn, flags: &[&str]) -> (Vec<Event>, Ran) {
    let ran = turn.ok(["snapshot", "-o", "json"].iter().chain(flags));
    (events(&ran.stdout()), ran)
}
