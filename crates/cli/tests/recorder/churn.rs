//! Containers that come and go leave nothing behind: no ring, no descriptor, no map, no memory.

use std::fs;

use gizmo_test_runtimes::{Cgroups, wait_until};

use crate::fixture::{Fixture, Link};
use crate::recording::{LIMIT, Recording, turn};
use crate::start::{contain, is_full};

/// Containers at a time: fewer than there are rings.
const BATCH: usize = 50;

/// Of the program, from its execve to its exit.
const CALLS: usize = 8;

/// What gizmo holds.
#[derive(Debug)]
struct Holds {
    descriptors: usize,
    maps: usize,
    resident_kib: u64,
}

impl Holds {
    #[track_caller]
    fn now(recording: &Recording) -> Self {
        let proc = format!("/proc/{}", recording.child.id());
        let descriptors: Vec<_> = fs::read_dir(format!("{proc}/fd"))
            .expect("gizmo runs")
            .flatten()
            .collect();
        let is_map = |path: &std::path::Path| {
            fs::read_link(path).is_ok_and(|to| to.ends_with("anon_inode:bpf-map"))
        };
        let status = fs::read_to_string(format!("{proc}/status")).expect("gizmo runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|line| line.trim().strip_suffix(" kB"));
        Self {
            descriptors: descriptors.len(),
            maps: descriptors
                .iter()
                .filter(|entry| is_map(&entry.path()))
                .count(),
            resident_kib: resident
                .and_then(|kib| kib.parse().ok())
                .expect("a number of KiB"),
        }
    }
}

/// Starts containers, waits for their ends and until they are shown, and takes them away.
#[track_caller]
fn churn(
    recording: &Recording,
    cgroups: &Cgroups,
    fixture: &Fixture,
    from: usize,
    to: usize,
) -> Vec<u64> {
    let mut all = Vec::new();
    for first in (from..to).step_by(BATCH) {
        let numbers = first..to.min(first + BATCH);
        let batch: Vec<_> = numbers
            .clone()
            .map(|number| contain(cgroups, number, &[fixture.program()]))
            .collect();
        for (mut child, cgroup) in batch {
            assert_eq!(child.wait().expect("a child ends").code(), Some(7));
            all.push(cgroup);
        }
        wait_until("they are shown", LIMIT, || {
            recording.output().lines().count() >= CALLS * numbers.end
        });
        numbers.for_each(|number| cgroups.remove(&Cgroups::id(number)));
    }
    all
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn thousands_of_containers_leave_nothing_behind() {
    let count = if is_full() { 5000 } else { 300 };
    let turn = turn();
    let fixture = Fixture::compile("narrow", Link::BareNarrow);
    let cgroups = Cgroups::new();
    let recording = turn.record(&[]);
    // What is made once is made with the first ones.
    let mut all = churn(&recording, &cgroups, &fixture, 0, 2 * BATCH);
    let before = Holds::now(&recording);
    all.extend(churn(&recording, &cgroups, &fixture, 2 * BATCH, count));
    let after = Holds::now(&recording);
    println!("{count} containers: {before:?}, then {after:?}");
    assert!(before.maps > 0, "nothing was counted: {before:?}");
    assert_eq!(
        (after.descriptors, after.maps),
        (before.descriptors, before.maps)
    );
    // A page for every tenth container would be a leak.
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    assert!(
        grown <= 1024 + count as u64 / 10 * 4,
        "{before:?}, then {after:?}"
    );

    let shown = recording.stop();
    assert_eq!(
        shown.cgroups(),
        all.iter().copied().collect(),
        "{}",
        shown.stderr
    );
    for cgroup in all {
        let history = shown.of(cgroup);
        history.assert_nothing_lost();
        assert_eq!(history.calls().count(), CALLS, "all calls of the program");
    }
}
