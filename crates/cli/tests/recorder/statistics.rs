//! Statistics are exact: what the programs count is what was made, also when the rings have long been overwritten; and what
//! they say of durations is what the records say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fixture::{Fixture, Link};
use crate::recording::{Turn, turn};

/// Calls and statistics of a run.
struct Summed {
    calls: Vec<Value>,
    /// Each list that was shown.
    stats: Vec<Vec<Value>>,
    code: Option<i32>,
}

impl Turn {
    #[track_caller]
    fn sum(&self, flags: &[&str], program: &Path) -> Summed {
        let events = self.dir.path().join("events");
        let output = self
            .run(&events, flags, &[program])
            .output()
            .expect("gizmo starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("Error: "), "{stderr}");
        let json = fs::read_to_string(&events).unwrap_or_else(|error| panic!("{error}: {stderr}"));
        let mut summed = Summed {
            calls: Vec::new(),
            stats: Vec::new(),
            code: output.status.code(),
        };
        for line in json.lines() {
            match serde_json::from_str(line).unwrap() {
                Value::Array(rows) => summed.stats.push(rows),
                event if event.get("lost").is_none() => summed.calls.push(event),
                _ => {}
            }
        }
        summed
    }
}

impl Summed {
    /// The row of a call in the last list.
    #[track_caller]
    fn row(&self, syscall: &str) -> &Value {
        let rows = self.stats.last().expect("statistics");
        let mut rows = rows.iter().filter(|row| row["syscall"] == syscall);
        let row = rows.next().unwrap_or_else(|| panic!("no {syscall}"));
        assert!(rows.next().is_none(), "one row");
        row
    }

    #[track_caller]
    fn assert_counts(&self, syscall: &str, calls: u64, errors: &str) {
        let row = self.row(syscall);
        assert_eq!(
            (&row["calls"], &row["errors"]),
            (&calls.into(), &errors.into())
        );
    }

    /// Asserts that each row says what the calls say that are selected by its key.
    fn assert_agree(&self, key: impl Fn(&Value) -> String) {
        let mut durations: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut failed: BTreeMap<String, u64> = BTreeMap::new();
        for call in &self.calls {
            let times = durations.entry(key(call)).or_default();
            if call["ret"] != "X" {
                times.push(call["duration_raw"].as_u64().unwrap());
            }
            *failed.entry(key(call)).or_default() += u64::from(call["error"] != "");
        }
        let rows = self.stats.last().expect("statistics");
        assert_eq!(rows.len(), durations.len());
        for row in rows {
            let key = key(row);
            let times = durations
                .get_mut(&key)
                .unwrap_or_else(|| panic!("{key} was not called"));
            times.sort_unstable();
            let number = |name: &str| row[name].as_u64().unwrap();
            assert_eq!(number("failed"), failed[&key], "{key}");
            assert_eq!(number("total_raw"), times.iter().sum::<u64>(), "{key}");
            assert_eq!(
                number("max_raw"),
                times.last().copied().unwrap_or(0),
                "{key}"
            );
            for percent in [50, 90, 99] {
                let told = number(&format!("p{percent}_raw"));
                let rank = (times.len() * percent).div_ceil(100).max(1);
                let exact = times.get(rank - 1).copied().unwrap_or(0);
                assert!(
                    told.abs_diff(exact) <= exact / 16 + 1,
                    "{key} p{percent}: {told} {exact}"
                );
            }
            let buckets = row["buckets"].as_array().unwrap();
            let counted: u64 = buckets.iter().map(|pair| pair[1].as_u64().unwrap()).sum();
            assert_eq!(counted, times.len() as u64, "{key}");
        }
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn statistics_cover_what_was_overwritten() {
    const ROUNDS: u64 = 100_000;
    let rounds = if std::env::var_os("GIZMO_SMALL_LOOPS").is_some() {
        ROUNDS / 50
    } else {
        ROUNDS
    };
    let turn = turn();
    let flood = Fixture::compile("flood", Link::Bare);
    let events = turn.dir.path().join("flood");
    for flags in [
        &["--summary"][..],
        &["--summary", "--with-events", "--ring-size", "128K"],
    ] {
        let mut run = turn.run(&events, flags, &[flood.program()]);
        let output = run.arg(rounds.to_string()).output().expect("gizmo starts");
        let cpus = output.status.code().unwrap() as u64;
        let json = fs::read_to_string(&events).unwrap();
        let lists: Vec<Value> = json
            .lines()
            .filter(|line| line.starts_with('['))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [Value::Array(rows)] = &lists[..] else {
            panic!("{} lists", lists.len())
        };
        let summed = Summed {
            calls: Vec::new(),
            stats: vec![rows.clone()],
            code: None,
        };
        let thousands = format!("EBADF {}", cpus * rounds);
        summed.assert_counts("lseek", cpus * rounds, &thousands);
        let tries = cpus * rounds.div_ceil(4);
        assert_eq!(summed.row("access")["calls"], tries);
        // Long names are refused; everything else is not there.
        assert_eq!(summed.row("access")["failed"], tries);
        summed.assert_counts("fork", cpus, "");
        summed.assert_counts("exit_group", cpus + 1, "");
        assert_eq!(rows.len(), 9, "{rows:?}");
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn statistics_say_what_the_records_say() {
    let turn = turn();
    let busy = Fixture::compile("busy", Link::Static);
    let text = |value: &Value, name: &str| value[name].to_string();
    let flags = |summary| [summary, "--with-events", "--memory-budget", "64M"];
    let by_container = turn.sum(&flags("--summary"), busy.program());
    assert_eq!(by_container.code, Some(0));
    by_container.assert_counts("getppid", 8000, "");
    by_container.assert_agree(|row| text(row, "syscall"));
    let by_process = turn.sum(&flags("--summary=process"), busy.program());
    by_process.assert_agree(|row| text(row, "pid") + &text(row, "syscall"));
    let by_thread = turn.sum(&flags("--summary=thread"), busy.program());
    by_thread.assert_agree(|row| text(row, "tid") + &text(row, "syscall"));
    let threads = by_thread.stats[0]
        .iter()
        .filter(|row| row["syscall"] == "getppid");
    assert_eq!(threads.count(), 8);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn statistics_are_of_what_the_filter_selects() {
    let turn = turn();
    let busy = Fixture::compile("busy", Link::Static);
    let of = |filter| turn.sum(&["--summary", "--syscall-filters", filter], busy.program());
    let failed = of("failed, comm=busy");
    assert!(failed.calls.is_empty());
    failed.assert_counts("openat", 8000, "ENOENT 8000");
    // Nobody has looked at beginnings.
    assert_eq!(failed.row("openat").get("total_raw"), None);
    let slow = of("getppid, duration>1h");
    assert!(slow.stats.iter().all(Vec::is_empty));
}
