//! Many short containers at once, on a busy machine: none is missing, and all are whole.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use gizmo_test_runtimes::{Containerd, Docker, output};

use crate::support::{Call, Runtime, Turn, assert_whole, by_id, shapes, turn, with};

const PARALLEL: usize = 8;
const COMMANDS: [&[&str]; 2] = [&["true"], &["sh", "-c", "echo a; echo b; cat /x || true"]];

fn how_many() -> usize {
    if std::env::var_os("GIZMO_FULL").is_some_and(|value| value == "1") {
        1000
    } else {
        200
    }
}

/// The calls of a command that nothing disturbs.
fn reference(turn: &Turn, runtime: &dyn Runtime, index: usize) -> Vec<Call> {
    let own = runtime.flags();
    let recording = turn.record(&with(&own, &[]));
    runtime.run_to_end(&format!("alone{index}"), COMMANDS[index]);
    let calls = recording.stop().calls;
    assert_whole(&calls);
    calls
}

/// Keeps a processor busy while `work` is done.
fn under_load(work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        work();
        is_over.store(true, Ordering::Relaxed);
    });
}

fn run_all(runtime: &dyn Runtime, count: usize) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let command = COMMANDS[index % COMMANDS.len()];
                    output(&mut runtime.container(&format!("n{index}"), command));
                }
            });
        }
    });
}

fn check_many(runtime: &dyn Runtime, count: usize, selector: &[&str]) {
    let turn = turn();
    let references = [0, 1].map(|index| shapes(&reference(&turn, runtime, index)));
    let own = runtime.flags();
    let recording = turn.record(&with(&own, selector));
    under_load(|| run_all(runtime, count));
    let recorded = recording.stop();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (id, calls) in by_id(&recorded.calls) {
        let name = calls[0].name.clone();
        *found.entry(name.clone()).or_default() += 1;
        let Some(index) = name
            .strip_prefix('n')
            .and_then(|it| it.parse::<usize>().ok())
        else {
            wrong.push(format!("{id}: name `{name}`, {} calls", calls.len()));
            continue;
        };
        let (shapes, expected) = (shapes(&calls), &references[index % COMMANDS.len()]);
        if shapes != *expected {
            wrong.push(format!("{name}: {shapes:?}\n    instead of {expected:?}"));
            continue;
        }
        assert_whole(&calls);
    }
    let missing: Vec<String> = (0..count)
        .map(|index| format!("n{index}"))
        .filter(|name| found.get(name) != Some(&1))
        .collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "{} of {count} missing or double: {missing:?}\nwrong:\n{}\n{}",
        missing.len(),
        wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n"),
        warnings(&recorded.stderr)
    );
}

fn warnings(stderr: &str) -> String {
    let lines = stderr.lines().filter(|line| line.contains("WARN"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
#[ignore = "root: starts container runtimes"]
fn many_short_containers_of_docker() {
    check_many(&Docker::start(), how_many(), &[]);
}

#[test]
#[ignore = "root: starts container runtimes"]
fn many_short_containers_of_containerd() {
    check_many(&Containerd::start(), how_many(), &[]);
}

#[test]
#[ignore = "root: starts container runtimes"]
fn many_short_containers_that_are_named() {
    let count = how_many() / 4;
    let names: Vec<String> = (0..count).map(|index| format!("n{index}")).collect();
    check_many(&Docker::start(), count, &["-c", &names.join(",")]);
}
