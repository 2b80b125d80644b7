//! Containers that come and go leave nothing behind: no ring, no descriptor, no map, no memory.

use std::fs;
use std::ops::Range;

use gizmo_test_runtimes::{Cgroups, wait_until};

use crate::fixture::{Fixture, Link};
use crate::recording::{LIMIT, Recording, turn};
use crate::start::{contain, is_full};

/// Containers at a time: fewer than there are rings.
const BATCH: usize = 25;

/// More than there are rings, so that each has been used once, and with it its memory.
const FIRST: usize = 150;

/// More than are remembered for some minutes when they have ended (`containers::collection`), so that memory does not grow with
/// those that come then.
const REMEMBERED: usize = 4500;

/// What an allocator may take or give back by chance. The long version tells more: a few hundred bytes for each container are
/// more than this, then.
const CHANCE_KIB: u64 = 512;

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
    numbers: Range<usize>,
) -> Vec<u64> {
    let mut all = Vec::new();
    for first in numbers.clone().step_by(BATCH) {
        let numbers = first..numbers.end.min(first + BATCH);
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
    let (first, count) = if is_full() {
        (REMEMBERED, 5000)
    } else {
        (FIRST, 100)
    };
    let turn = turn();
    let fixture = Fixture::compile("narrow", Link::BareNarrow);
    let cgroups = Cgroups::new();
    let recording = turn.record(&[]);
    let mut all = churn(&recording, &cgroups, &fixture, 0..first);
    let before = Holds::now(&recording);
    all.extend(churn(&recording, &cgroups, &fixture, first..first + count));
    let after = Holds::now(&recording);
    println!("{count} containers: {before:?}, then {after:?}");
    assert!(before.maps > 0, "nothing was counted: {before:?}");
    assert_eq!(
        (after.descriptors, after.maps),
        (before.descriptors, before.maps)
    );
    assert!(
        after.resident_kib <= before.resident_kib + CHANCE_KIB,
        "{before:?}, then {after:?} after {count} containers"
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
