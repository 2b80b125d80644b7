//! A busy program: what fits the ring is recorded, every call once and in its thread's order.

use crate::compare::by_thread;
use crate::fixture::{Fixture, Link};
use crate::recording::Record;
use crate::run::{self, Filter};

const THREADS: usize = 8;
const ROUNDS: usize = 1000;

/// The thread whose calls these are, after each of them was found in its place.
#[track_caller]
fn assert_complete(records: &[&Record]) -> String {
    let own: Vec<&&Record> = records
        .iter()
        .filter(|record| {
            let path = record.args.get(1).and_then(|arg| arg.text.as_deref());
            record.syscall == "getppid"
                || record.syscall == "openat"
                    && path.is_some_and(|path| path.starts_with("\"/none/"))
        })
        .collect();
    assert_eq!(own.len(), 2 * ROUNDS);
    let thread = own[1].args[1]
        .text
        .as_deref()
        .and_then(|path| path.strip_prefix("\"/none/")?.strip_suffix("/0\""))
        .expect("the first round is number 0")
        .to_owned();
    for (round, pair) in own.chunks(2).enumerate() {
        assert_eq!(pair[0].syscall, "getppid");
        let path = format!("\"/none/{thread}/{round}\"");
        assert_eq!(pair[1].args[1].text.as_ref(), Some(&path));
        assert_eq!(pair[1].error, "ENOENT");
    }
    thread
}

#[track_caller]
fn assert_busy_is_complete(filter: Option<&str>, others: usize) {
    let fixture = Fixture::compile("busy", Link::Static);
    let filter = filter.map(|calls| Filter {
        calls,
        attach: "tracepoint",
    });
    let recording = run::under_gizmo(&fixture, filter.as_ref());
    let threads = by_thread(&recording.records);
    let busy: Vec<_> = threads
        .values()
        .filter(|records| records.iter().any(|record| record.syscall == "getppid"))
        .collect();
    assert_eq!(threads.len(), THREADS + others);
    let mut seen: Vec<String> = busy
        .iter()
        .map(|records| assert_complete(records))
        .collect();
    seen.sort();
    let all: Vec<String> = (0..THREADS).map(|thread| thread.to_string()).collect();
    assert_eq!(seen, all);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn every_call_of_busy_threads_is_recorded_once() {
    assert_busy_is_complete(None, 1);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn every_selected_call_of_busy_threads_is_recorded_once() {
    assert_busy_is_complete(Some("getppid,openat"), 0);
}
