//! `gizmo bench`, and what a recording takes of the CPU while nobody looks. No time is judged but that one, which is none.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::turn;
use crate::support::{BINARY, Ran};

#[test]
#[ignore = "root: loads eBPF programs"]
fn every_case_is_measured_or_left_out_with_a_reason() {
    let turn = turn();
    let peers = turn.write(
        "peers.json",
        format!(
            r#"[{{"name": "alone", "command": ["{BINARY}", "__workload", "measure", "2", "1"]}},
                {{"name": "absent", "command": ["/no/such/tracer"]}}]"#
        ),
    );
    let ran = turn.ok([
        "bench",
        "overhead",
        "--json",
        "--rounds=1",
        "--load-seconds=1",
        "--peers",
        peers.to_str().unwrap(),
    ]);
    let results = ran.json();
    assert_eq!(results["rounds"], 1);
    for key in ["kernel", "cpu"] {
        assert_ne!(results["machine"][key].as_str().unwrap(), "");
    }
    let rows = results["rows"].as_array().unwrap();
    let measured: BTreeSet<(&str, &str)> = rows
        .iter()
        .map(|row| (row["case"].as_str().unwrap(), row["call"].as_str().unwrap()))
        .collect();
    for case in [
        "nothing attached",
        "floor: two empty programs",
        "not recorded",
        "recorded, call filtered out",
        "recorded",
        "alone",
    ] {
        for call in ["getppid", "read", "openat"] {
            assert!(measured.contains(&(case, call)), "{case}, {call}");
        }
    }
    for row in rows {
        let samples = row["samples_ns"].as_array().unwrap();
        assert_eq!((samples.len(), &samples[0]), (1, &row["ns"]["median"]));
        assert!(row["ns"]["median"].as_f64().unwrap() > 0.0, "{row}");
    }
    let left_out = results["left_out"].as_array().unwrap();
    let absent = left_out.iter().find(|case| case["case"] == "absent");
    assert!(
        absent.unwrap()["why"]
            .as_str()
            .unwrap()
            .contains("/no/such/tracer")
    );
    let load = &results["recorder_under_load"];
    assert!(
        load["calls"].as_u64().unwrap() > 0 && load["seconds"] == 1,
        "{load}"
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn the_table_names_machine_cases_and_bars() {
    let turn = turn();
    let ran = turn.ok(["bench", "overhead", "--rounds=1", "--load-seconds=1"]);
    let text = ran.stdout();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("Linux "), "{text}");
    let recorded = lines.find(|line| line.starts_with("recorded  ")).unwrap();
    assert!(
        recorded.contains("getppid") && recorded.contains("3.0 (2.4)"),
        "{text}"
    );
    assert!(text.contains("while nobody looks: "), "{text}");
}

/// CPU time of a process so far, in ticks: utime and stime, fields 14 and 15 of proc(5).
#[track_caller]
fn ticks(child: &Child) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Records with these flags while the load runs, and says how many ticks the recorder took of two seconds of it.
#[track_caller]
fn ticks_under_load(flags: &[&str]) -> u64 {
    let turn = turn();
    let mut recorder = turn
        .command(["run", "traceloop", "-o", "none"].iter().chain(flags))
        .args(["--", BINARY, "__workload", "busy"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = recorder.stdin.take();
    let mut lines = BufReader::new(recorder.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    sleep(Duration::from_millis(300));
    let before = ticks(&recorder);
    sleep(Duration::from_secs(2));
    let used = ticks(&recorder) - before;
    drop(stdin);
    let calls: u64 = lines.next().unwrap().unwrap().parse().unwrap();
    assert!(calls > 10_000, "there was no load: {calls} calls");
    let ran = Ran::from(recorder.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    used
}

/// A tick may fall into the moment at which the process is looked at; a second one into the end of its beginning.
const TICKS_BY_CHANCE: u64 = 2;

#[test]
#[ignore = "root: loads eBPF programs"]
fn nobody_wakes_while_nobody_looks() {
    let used = ticks_under_load(&[]);
    assert!(used <= TICKS_BY_CHANCE, "{used} ticks");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn calls_that_are_filtered_out_wake_nobody_either() {
    let used = ticks_under_load(&["--syscall-filters", "ptrace"]);
    assert!(used <= TICKS_BY_CHANCE, "{used} ticks");
}
