//! A long history is shown whole, in order, and in little memory: it is read, decoded and written piece by piece.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::num::NonZero;
use std::process::Command;
use std::thread::available_parallelism;

use crate::fixture::{Fixture, Link};
use crate::flood::Flood;
use crate::recording::turn;
use crate::start::is_full;

/// What gizmo may take, guest and all, without the rings, which are the kernel's.
const MOST_RESIDENT_KIB: u64 = 64 << 10;

/// The number after a key of a JSON object without spaces.
fn number(line: &str, key: &str) -> Option<u64> {
    let (_, rest) = line.split_once(&format!("\"{key}\":"))?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

#[track_caller]
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("gizmo runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.trim().strip_suffix(" kB"));
    peak.and_then(|kib| kib.parse().ok())
        .expect("a number of KiB")
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn millions_of_calls_are_shown_whole_in_little_memory() {
    let (calls, budget) = if is_full() {
        (10_000_000, "1G")
    } else {
        (1_000_000, "256M")
    };
    let turn = turn();
    let fixture = Fixture::compile("flood", Link::Bare);
    let cpus = available_parallelism().map_or(1, NonZero::get) as u64;
    // One call in five is no lseek.
    let rounds = calls * 4 / 5 / cpus;
    let events = fixture.output("events");
    let made = Command::new("mkfifo").arg(&events).status();
    assert!(made.expect("a command").success());
    let program = [
        fixture.program().to_str().expect("UTF-8"),
        &rounds.to_string(),
    ];
    let mut run = turn.run(
        &events,
        &["--ring-size", budget, "--memory-budget", budget],
        &program,
    );
    let run = run.spawn().expect("gizmo starts");

    let mut lines = BufReader::new(File::open(&events).expect("a pipe"));
    let (mut line, mut shown, mut peak, mut last_end_ns) = (String::new(), 0u64, 0, 0);
    while lines.read_line(&mut line).expect("UTF-8") > 0 {
        let [start_ns, duration_ns] =
            ["timestamp_raw", "duration_raw"].map(|key| number(&line, key));
        let end_ns = start_ns.and_then(|start| Some(start + duration_ns?));
        let end_ns = end_ns.unwrap_or_else(|| panic!("no call: {line}"));
        assert!(end_ns >= last_end_ns, "too late: {line}");
        last_end_ns = end_ns;
        if shown.is_multiple_of(100_000) {
            peak = peak_kib(run.id());
        }
        shown += 1;
        line.clear();
    }
    let output = run.wait_with_output().expect("a child ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), i32::try_from(cpus).ok(), "{stderr}");
    println!("{shown} calls shown, {peak} KiB resident");
    assert_eq!(shown, Flood { cpus, rounds }.calls(), "{stderr}");
    assert!((1..MOST_RESIDENT_KIB).contains(&peak), "{peak} KiB");
}
