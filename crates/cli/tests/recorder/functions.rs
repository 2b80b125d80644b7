//! The recorder at the functions of selected calls sees what it sees at the tracepoints of all calls.
//!
//! Not every kernel lets programs stand at functions; the probe is asked which answer is right here. `cargo xtask test-vm` has
//! kernels that do.

use gizmo_ebpf::probe::Probe;
use gizmo_test_runtimes::Cgroups;

use crate::fixture::{Fixture, Link};
use crate::recording::{Turn, turn};
use crate::shown::{Call, Shown};
use crate::start::{Marker, finish};

/// A number of more than 32 bits.
fn has_address(text: &str) -> bool {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_hexdigit).count();
    text.split("0x").skip(1).any(|rest| digits(rest) > 8)
}

/// As programs write down what they do: name, ABI, arguments without addresses, and how it ended.
#[track_caller]
fn seen(shown: &Shown) -> Vec<String> {
    let history = shown.only();
    history.assert_nothing_lost();
    let text = |call: &Call| {
        let texts = call.args.iter().filter_map(|arg| arg.text.clone());
        // Of structures with addresses inside nothing is the same twice.
        let texts = texts.filter(|text| !has_address(text));
        let ended = if call.error.is_empty() {
            (call.ret == "X" || call.ret == "0").to_string()
        } else {
            call.error.clone()
        };
        format!(
            "{} {} {} -> {ended}",
            call.abi,
            call.syscall,
            texts.collect::<Vec<_>>().join(" ")
        )
    };
    let mut all: Vec<String> = history.calls().map(text).collect();
    // Threads run side by side.
    all.sort();
    all
}

/// Whether this kernel has functions to stand at. Where it has none, the answer to somebody who asks for it is looked at.
fn has_functions(turn: &Turn) -> bool {
    let answer = Probe::new().trampoline();
    if answer.is_ok() {
        return true;
    }
    let is_expected = std::env::var_os("GIZMO_HAS_TRAMPOLINES").is_some();
    assert!(!is_expected, "nothing can be tested here: {answer:?}");
    let fixture = Fixture::compile("whose", Link::Static);
    let flags = ["--attach", "function", "--syscall-filters", "lseek"];
    let mut run = turn.run(&fixture.output("events"), &flags, &[fixture.program()]);
    let output = run.output().expect("gizmo starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("--attach function: "), "{stderr}");
    assert!(stderr.contains("gizmo doctor"), "{stderr}");
    false
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn functions_see_what_tracepoints_see() {
    let turn = turn();
    if !has_functions(&turn) {
        return;
    }
    let cases = [
        ("whose", Link::Static, "lseek,execve,exit_group,pause", 0),
        ("whose", Link::Static, "clone,clone3,vfork,wait4", 0),
        ("everyabi", Link::Bare, "openat", 3),
        ("everyabi", Link::Bare, "i386:openat", 3),
    ];
    for (name, link, filter, code) in cases {
        let fixture = Fixture::compile(name, link);
        let record = |attach| {
            let flags = ["--attach", attach, "--syscall-filters", filter];
            turn.record_fixture(&flags, &fixture, code)
        };
        let (function, tracepoint) = (record("function"), record("tracepoint"));
        assert_eq!(seen(&function), seen(&tracepoint), "{name}, `{filter}`");
        assert!(!seen(&function).is_empty(), "{name}, `{filter}`");
        assert!(
            function.stderr.contains("recording at the kernel's __"),
            "{}",
            function.stderr
        );
    }
}

/// The execve that begins a container is not hooked here, and yet its container is found.
#[test]
#[ignore = "root: loads eBPF programs"]
fn a_container_is_recorded_from_its_first_selected_call() {
    let turn = turn();
    if !has_functions(&turn) {
        return;
    }
    let cgroups = Cgroups::new();
    let fixture = Fixture::compile("marks", Link::Static);
    let flags = ["--attach", "function", "--syscall-filters", "lseek"];
    let recording = turn.record(&flags);
    let (mut marker, cgroup) = Marker::contained(&cgroups, 1, &fixture);
    marker.mark(1);
    marker.mark(2);
    marker.end();
    let shown = recording.stop();
    assert_eq!(shown.of(cgroup).marks(), [1, 2], "{}", shown.stderr);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn what_functions_cannot_see_is_refused_with_a_reason() {
    let turn = turn();
    let fixture = Fixture::compile("whose", Link::Static);
    let refuses = |flags: &[&str], reason: &str| {
        let mut run = turn.run(&fixture.output("events"), flags, &[fixture.program()]);
        let output = run.output().expect("gizmo starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
    };
    refuses(&["--attach", "kprobe"], "--attach kprobe: ");
    refuses(&["--attach", "function"], "`--syscall-filters`");
    if has_functions(&turn) {
        let many = "openat,read,write,close,stat,fstat,lstat,poll,lseek";
        let flags = ["--attach", "function", "--syscall-filters", many];
        refuses(&flags, "16 functions");
    }
}

/// Two tasks on each CPU make the same call all the time, so that one is preempted in the middle of recording it.
#[test]
#[ignore = "root: loads eBPF programs"]
fn tasks_that_share_a_cpu_and_a_function_lose_only_what_is_counted() {
    const ROUNDS: u64 = 20_000;
    let turn = turn();
    if !has_functions(&turn) {
        return;
    }
    let fixture = Fixture::compile("flood", Link::Bare);
    let events = fixture.output("events");
    let path = fixture.program().to_str().expect("UTF-8");
    let both = format!("{path} {ROUNDS} & {path} {ROUNDS}; cpus=$?; wait; exit $cpus");
    let flags = [
        "--attach",
        "function",
        "--syscall-filters",
        "access",
        "--ring-size",
        "64M",
    ];
    let flags = [&flags[..], &["--memory-budget", "64M"]].concat();
    let mut run = turn.run(&events, &flags, &["sh", "-c", &both]);
    let shown = finish(&events, run.spawn().expect("gizmo starts"));
    let cpus = u64::try_from(shown.code.expect("it is not killed")).expect("a number");
    let made = 2 * cpus * ROUNDS.div_ceil(4);
    let missed = shown.missed();
    let history = shown.command();
    let of_floods = history.named("access").filter(|call| call.comm == "flood");
    let seen = of_floods.count() as u64;
    history.assert_in_order();
    assert_eq!(history.lost(), 0, "the ring is large enough");
    assert!(
        seen <= made && made <= seen + missed,
        "{seen} of {made}, {missed} missed"
    );
}
