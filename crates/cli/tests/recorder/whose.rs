//! Who made a call: process, thread and name, as the maker itself has written them down.

use std::collections::BTreeMap;

use crate::fixture::{Fixture, Link};
use crate::recording::turn;
use crate::shown::{Call, Shown};

/// Number of the mark, process, thread, name.
type Mark = (i64, u32, u32, String);

#[track_caller]
fn written(stdout: &str) -> Vec<Mark> {
    let parse = |line: &str| {
        let mut words = line.splitn(4, ' ');
        let mut next = || words.next().expect("four words");
        let number = |text: &str| text.parse().expect("a number");
        let mark = next().parse().expect("a number");
        (mark, number(next()), number(next()), next().to_owned())
    };
    stdout.lines().map(parse).collect()
}

#[track_caller]
fn recorded(shown: &Shown) -> Vec<Mark> {
    let history = shown.only();
    let marks = history.marks();
    let calls = history.named("lseek").zip(marks);
    let mut all: Vec<Mark> = calls
        .map(|(call, mark)| (mark, call.pid, call.tid, call.comm.clone()))
        .collect();
    all.sort();
    all
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn marks_of_processes_and_threads_of_every_kind() {
    let turn = turn();
    let fixture = Fixture::compile("whose", Link::Static);
    for filter in ["lseek", ""] {
        let flags = ["--syscall-filters", filter];
        let shown = turn.record_fixture(&flags, &fixture, 0);
        let written = written(&shown.stdout);
        assert_eq!(written.len(), 21, "the program does not know itself");
        assert_eq!(recorded(&shown), written, "filter `{filter}`");
        // A number that was used again is in it, and so is an execve of another thread than the first.
        let by_mark: BTreeMap<i64, &Mark> = written.iter().map(|mark| (mark.0, mark)).collect();
        assert_eq!(
            (by_mark[&6].2, &*by_mark[&7].3),
            (by_mark[&10].2, "the first")
        );
        assert_ne!(by_mark[&40].2, by_mark[&41].2);
        assert_eq!(by_mark[&40].1, by_mark[&41].2);
    }
}

/// A child leaves by the same exit as its maker, but it was never inside.
#[test]
#[ignore = "root: loads eBPF programs"]
fn a_call_that_makes_a_process_returns_once() {
    let turn = turn();
    let fixture = Fixture::compile("whose", Link::Static);
    let expected = [("clone", 3), ("vfork", 2), ("clone3", 2 + 4), ("execve", 3)];
    let all: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let all = all.join(",");
    for filter in ["clone", "vfork", "clone3", "execve", &all] {
        let flags = ["--syscall-filters", filter];
        let shown = turn.record_fixture(&flags, &fixture, 0);
        let history = shown.only();
        for (name, count) in expected {
            let count = if filter.split(',').any(|it| it == name) {
                count
            } else {
                0
            };
            assert_eq!(history.named(name).count(), count, "{name} of `{filter}`");
        }
        let made = history.calls().filter(|call| call.syscall != "execve");
        for call in made {
            let child: u32 = call.ret.parse().expect("the number of a child");
            assert!(child > 1 && child != call.tid, "{call:?}");
        }
    }
}

/// The thread that makes it has another number when it is over.
#[test]
#[ignore = "root: loads eBPF programs"]
fn execve_of_a_thread_is_its_own_and_ends_the_others() {
    let turn = turn();
    let fixture = Fixture::compile("whose", Link::Static);
    let shown = turn.record_fixture(&[], &fixture, 0);
    let history = shown.only();
    let is_last = |call: &&Call| call.parameters.contains("again");
    let mut last = history.named("execve").filter(is_last);
    let (exec, none) = (last.next().expect("it was recorded"), last.next());
    assert!(none.is_none(), "twice: {none:?}");
    assert_eq!(exec.ret, "0");
    assert_ne!(exec.tid, exec.pid);
    let before: Vec<&Call> = history
        .calls()
        .filter(|call| call.tid == exec.tid)
        .collect();
    assert_eq!(
        before.last().map(|call| &*call.syscall),
        Some("execve"),
        "nothing follows under the old number"
    );
    assert_eq!(
        before.iter().filter(|call| call.syscall == "lseek").count(),
        1
    );
    // The one that only waited, and the first, which waited for its end.
    let pauses: Vec<&Call> = history.named("pause").collect();
    assert_eq!(pauses.len(), 1);
    assert!(pauses[0].tid != exec.tid && pauses[0].tid != exec.pid);
    assert!(pauses[0].ret != "0", "{:?}", pauses[0]);
    let of_leader: Vec<&Call> = history
        .calls()
        .filter(|call| call.tid == exec.pid)
        .collect();
    let end = of_leader.last().expect("it makes calls");
    assert_eq!((&*end.syscall, &*end.comm), ("exit_group", "exe"));
}
