//! What a person may say about room: of a ring, of all rings, of a call's content; and that calls are not to be timed.

use gizmo_test_runtimes::{Cgroups, wait_until};

use crate::fixture::{Fixture, Link};
use crate::flood::{Flood, LONGEST, record_flood};
use crate::recording::{LIMIT, turn};
use crate::shown::{Arg, Call, Reason};
use crate::size::said;
use crate::start::Marker;

const MIB: u64 = 1 << 20;

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_ring_is_as_large_as_was_asked_for() {
    let turn = turn();
    let fixture = Fixture::compile("flood", Link::Bare);
    let rounds = 100_000;
    let [small, large] = [1, 4].map(|mib| {
        let flags = ["--ring-size", &format!("{mib}M")];
        let (shown, cpus) = record_flood(&turn, &flags, &fixture, rounds);
        let history = shown.only();
        Flood { cpus, rounds }.assert_exact(&history);
        let (calls, bytes) = said(&shown.stderr, "flood");
        assert_eq!(calls, history.calls().count() as u64);
        // All CPUs have flooded theirs: but for what was just overwritten, rings are full.
        assert!(
            (mib * MIB / 2..=mib * MIB).contains(&bytes),
            "{bytes} of {mib} MiB"
        );
        calls
    });
    assert!(small < large, "{small}, {large}");
}

/// As many containers as there are rings, and no more; the others are told, and rings are given to those who come later.
#[test]
#[ignore = "root: loads eBPF programs"]
fn all_rings_together_keep_to_the_budget() {
    const RINGS: usize = 8;
    let turn = turn();
    let fixture = Fixture::compile("marks", Link::Static);
    let cgroups = Cgroups::new();
    let flags = ["--ring-size", "1M", "--memory-budget", "8M"];
    let filter = ["--syscall-filters", "execve,lseek,exit_group"];
    let recording = turn.record(&[&flags[..], &filter].concat());
    let start = |number| Marker::contained(&cgroups, number, &fixture);
    let mut crowd: Vec<(Marker, u64)> = (0..RINGS + 4).map(start).collect();
    crowd.iter_mut().for_each(|(marker, _)| marker.mark(1));
    let all: Vec<u64> = crowd.iter().map(|(_, cgroup)| *cgroup).collect();
    crowd.into_iter().for_each(|(marker, _)| marker.end());
    wait_until("some are shown", LIMIT, || !recording.output().is_empty());
    let (mut late, of_late) = start(RINGS + 4);
    late.mark(2);
    late.end();

    let shown = recording.stop();
    let recorded: Vec<u64> = all
        .into_iter()
        .filter(|it| shown.of(*it).calls().count() > 0)
        .collect();
    assert!(
        (1..=RINGS).contains(&recorded.len()),
        "{} of {RINGS}",
        recorded.len()
    );
    let mut is_kept_used = false;
    for (cgroup, mark) in recorded.iter().map(|it| (*it, 1)).chain([(of_late, 2)]) {
        let history = shown.of(cgroup);
        history.assert_nothing_lost();
        let calls: Vec<&str> = history.calls().map(|call| &*call.syscall).collect();
        // One ring is kept for containers that were there before; who gets it here had begun without one.
        let begin = usize::from(calls.first() != Some(&"execve") && !is_kept_used);
        is_kept_used |= begin > 0;
        assert_eq!(calls, ["execve", "lseek", "exit_group"][begin..]);
        assert_eq!(history.marks(), [mark]);
    }
    let is_left_out = |line: &&str| line.contains("warning") && line.contains("is not recorded");
    let left_out = shown.stderr.lines().filter(is_left_out);
    assert_eq!(
        left_out.count(),
        RINGS + 4 - recorded.len(),
        "{}",
        shown.stderr
    );
}

/// The longest path that is kept whole, whatever is kept of buffers.
const LONGEST_PATH: u64 = 256;

/// A path of x with a length, as far as it may be shown.
#[track_caller]
fn assert_captured(call: &Call, round: u64) {
    let limit = LONGEST_PATH;
    let (path, length) = (&call.args[0], round % LONGEST);
    let kept = "x".repeat(length.min(limit).try_into().expect("it is short"));
    assert_eq!(
        (path.len, path.truncated),
        (Some(length), length > limit),
        "{path:?}"
    );
    let text = path.text.as_deref().unwrap_or_default();
    let rest = text.strip_prefix(&format!("\"{kept}\""));
    let is_cut = rest.map(|rest| rest.starts_with("..."));
    assert_eq!(is_cut, Some(length > limit), "{path:?}");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn paths_are_kept_whole_however_little_is_kept_of_buffers() {
    let turn = turn();
    let fixture = Fixture::compile("flood", Link::Bare);
    let rounds = 4 * LONGEST;
    for limit in [1, 16, 100, 256] {
        let limit_flag = limit.to_string();
        let flags = [
            "--syscall-filters",
            "access",
            "--capture-length",
            &limit_flag,
        ];
        let (shown, cpus) = record_flood(&turn, &flags, &fixture, rounds);
        let history = shown.only();
        assert_eq!(history.calls().count() as u64, cpus * rounds / 4);
        let mut rounds_of = std::collections::BTreeMap::new();
        for call in history.calls() {
            let round = rounds_of.entry(call.pid).or_insert(0);
            assert_captured(call, *round);
            *round += 4;
        }
    }
}

/// That a pointer is NULL is no content.
fn has_content(arg: &Arg) -> bool {
    let is_pointer = arg.value.starts_with("0x");
    is_pointer && arg.text.as_deref().is_some_and(|text| text != "NULL")
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn without_content_there_is_none() {
    let turn = turn();
    let fixture = Fixture::compile("flood", Link::Bare);
    let (shown, cpus) = record_flood(&turn, &["--capture-length", "0"], &fixture, 100);
    let history = shown.only();
    let flood = Flood { cpus, rounds: 100 };
    assert_eq!(history.calls().count() as u64, flood.calls());
    let with_text: Vec<&Call> = history
        .calls()
        .filter(|call| call.args.iter().any(has_content))
        .collect();
    assert!(with_text.is_empty(), "{with_text:?}");
    assert!(!history.calls().any(|call| call.parameters.contains('"')));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn calls_that_are_not_timed_are_as_complete() {
    let turn = turn();
    let fixture = Fixture::compile("flood", Link::Bare);
    let rounds = 60_000;
    let (shown, cpus) = record_flood(&turn, &["--no-duration"], &fixture, rounds);
    let history = shown.only();
    assert!(
        history.lost() > 0
            && history
                .losses()
                .all(|loss| loss.reason == Reason::Overwritten)
    );
    assert!(
        history
            .calls()
            .all(|call| call.duration_raw.is_none() && call.timestamp_raw > 0)
    );
    Flood { cpus, rounds }.assert_exact(&history);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn contents_that_are_missing_are_counted_by_reason() {
    let turn = turn();
    let fixture = Fixture::compile("toomuch", Link::Static);
    let flags = [
        "--syscall-filters",
        "sendmmsg,write",
        "--capture-length",
        "256",
    ];
    let shown = turn.record_fixture(&flags, &fixture, 7);
    let history = shown.only();
    let calls: Vec<&str> = history.calls().map(|call| &*call.syscall).collect();
    assert_eq!(calls, ["sendmmsg", "sendmmsg", "write"]);
    let cpu = history.calls().last().map(|call| call.cpu);
    let losses = history
        .losses()
        .map(|loss| (loss.reason, loss.lost, Some(loss.cpu)));
    assert_eq!(
        losses.collect::<Vec<_>>(),
        [(Reason::Truncated, 2, cpu), (Reason::Failed, 1, cpu)]
    );
    shown.assert_said("toomuch", 2);
    shown.assert_said("toomuch", 1);
}
