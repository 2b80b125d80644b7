//! Runs that load eBPF programs. Each takes its turn, in this process and among others that use the same lock.

mod bench;
mod commands;
mod containers;
mod descriptors;
mod doctor;
mod filters;
mod guests;
mod images;
mod inflight;
mod language;
mod live;
mod manifest;
mod modes;
mod objects;
mod perf;
mod pictures;
mod records;
mod rights;
mod safety;
mod save;
mod signals;

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::support::{Gizmo, Ran};

/// Number of `write` on this machine.
const WRITE: &str = if cfg!(target_arch = "aarch64") {
    "64"
} else {
    "1"
};

/// A turn: runs that are measured or signalled do not bear company. Ends when it is dropped.
struct Turn {
    gizmo: Gizmo,
    _turn: gizmo_test_runtimes::Turn,
}

impl std::ops::Deref for Turn {
    type Target = Gizmo;

    fn deref(&self) -> &Gizmo {
        &self.gizmo
    }
}

/// Waits for our turn. Fails at once without root: nothing here can be judged then.
#[track_caller]
fn turn() -> Turn {
    Turn {
        gizmo: Gizmo::new(),
        _turn: gizmo_test_runtimes::Turn::wait(),
    }
}

impl Turn {
    /// `gizmo run traceloop FLAGS -- COMMAND`, where `flags` has no `--`.
    #[track_caller]
    fn trace<S: AsRef<OsStr>>(&self, flags: &[&str], command: &[S]) -> Ran {
        let mut args: Vec<&OsStr> = vec!["run".as_ref(), "traceloop".as_ref()];
        args.extend(flags.iter().map(AsRef::<OsStr>::as_ref));
        args.push("--".as_ref());
        args.extend(command.iter().map(AsRef::as_ref));
        self.run(args)
    }

    /// The events of a run that must succeed.
    #[track_caller]
    fn events(&self, flags: &[&str], command: &[&str]) -> Vec<Event> {
        let file = self.name("events.json");
        let mut all = vec!["-o", "json", "--output-file", &file];
        all.extend(flags);
        let ran = self.trace(&all, command);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr());
        read_events(file.as_ref())
    }
}

/// An event in JSON and YAML: these fields, and no others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    abi: String,
    args: Vec<Argument>,
    at_least: bool,
    cgroup_id: u64,
    comm: String,
    cpu: u16,
    // Without these where it is not measured.
    #[serde(default)]
    duration: String,
    #[serde(default)]
    duration_raw: u64,
    error: String,
    mntns_id: u64,
    parameters: String,
    pid: u32,
    ret: String,
    syscall: String,
    tid: u32,
    timestamp: String,
    timestamp_raw: u64,
    uid: u32,
    unfinished: bool,
}

/// An argument in an event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Argument {
    name: String,
    value: String,
    text: Option<String>,
    len: Option<u64>,
    truncated: bool,
}

#[track_caller]
fn parse_events(text: &str) -> Vec<Event> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().filter(is_call).map(parse).collect()
}

/// What is missing is told apart from the calls.
fn is_call(line: &&str) -> bool {
    !line.contains("\"lost\":")
}

#[track_caller]
fn read_events(path: &Path) -> Vec<Event> {
    parse_events(&std::fs::read_to_string(path).expect("UTF-8"))
}

fn syscalls(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.syscall.as_str()).collect()
}

/// Waits until something holds; ten seconds are for a machine that does other things, too.
#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
