//! Thousands of threads, all inside a call at once: what is known of a call while it goes on has room for all of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};

use gizmo_test_runtimes::wait_until;

use crate::fixture::{Fixture, Link};
use crate::recording::{LIMIT, turn};
use crate::shown::Call;
use crate::start::finish;

const THREADS: u32 = 10_000;

/// How many threads of a process are inside a read. Its own folder says so: number and arguments of the call.
fn count_blocked(pid: u32) -> usize {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter();
    let calls = threads
        .flatten()
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("syscall")).ok());
    let read = if cfg!(target_arch = "aarch64") {
        "63 "
    } else {
        "0 "
    };
    calls.filter(|call| call.starts_with(read)).count()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn ten_thousand_threads_blocked_in_calls() {
    let turn = turn();
    let fixture = Fixture::compile("parked", Link::Dynamic);
    let program = [
        fixture.program().to_str().expect("UTF-8").to_owned(),
        THREADS.to_string(),
    ];
    let events = fixture.output("events");
    let filter = ["--syscall-filters", "read,exit"];
    let mut run = turn.run(&events, &filter, &program);
    let mut run = run.spawn().expect("gizmo starts");
    let mut answers = BufReader::new(run.stdout.take().expect("a pipe"));
    let mut line = String::new();
    answers.read_line(&mut line).expect("UTF-8");
    let pid: u32 = line.trim().parse().expect("its number");
    // The first thread is in a read, too.
    wait_until("all are blocked", LIMIT, || {
        count_blocked(pid) == THREADS as usize + 1
    });
    run.stdin
        .take()
        .expect("a pipe")
        .write_all(b"!")
        .expect("it listens");
    let mut tids = String::new();
    answers.read_to_string(&mut tids).expect("UTF-8");
    let tids: Vec<u32> = tids
        .lines()
        .map(|tid| tid.parse().expect("a number"))
        .collect();
    assert_eq!(tids.len(), THREADS as usize);
    let shown = finish(&events, run);

    let history = shown.only();
    history.assert_nothing_lost();
    history.assert_in_order();
    assert!(history.calls().all(|call| call.pid == pid));
    let own = |name| history.named(name).filter(|call| call.tid != pid);
    let reads: BTreeMap<u32, &Call> = own("read").map(|call| (call.tid, call)).collect();
    assert_eq!((reads.len(), own("read").count()), (tids.len(), tids.len()));
    for (thread, tid) in tids.iter().enumerate() {
        let call = reads[tid];
        assert_eq!(call.ret, "8");
        assert_eq!(call.args[2].value, (8 + thread).to_string(), "thread {tid}");
    }
    let mut exits: Vec<u32> = own("exit").map(|call| call.tid).collect();
    exits.sort_unstable();
    let mut expected = tids;
    expected.sort_unstable();
    assert_eq!(exits, expected);
}
