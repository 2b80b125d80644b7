//! `gizmo doctor` where something can be tried.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use gizmo_ebpf::probe::Probe;

use super::turn;
use crate::doctor::{checks, find};
use crate::support::{BINARY, Ran, clean};

#[test]
#[ignore = "root: loads eBPF programs"]
fn the_doctor_agrees_with_a_run() {
    let turn = turn();
    assert_eq!(
        turn.trace(&["-o", "none"], &["true"]).code,
        Some(0),
        "traceloop runs"
    );
    let ran = turn.run(["doctor", "-o", "json"]);
    assert_eq!(ran.code, Some(0));
    let checks = checks(&ran);
    for name in [
        "kernel types (BTF)",
        "tracing programs",
        "maps of maps",
        "traceloop",
    ] {
        assert_eq!(find(&checks, name).status, "ok");
    }
}

/// Some kernels have fentry and some do not, and it makes no difference to traceloop: the answer is the kernel's own.
#[test]
#[ignore = "root: loads eBPF programs"]
fn features_that_are_not_needed_are_reported_as_they_are() {
    let turn = turn();
    let ran = turn.run(["doctor", "-o", "json"]);
    let checks = checks(&ran);
    let probe = Probe::new();
    for (name, answer) in [
        ("fentry (trampolines)", probe.trampoline()),
        ("task storage", probe.task_storage()),
        ("kprobes", probe.kprobe()),
        ("ring buffers", probe.ring_buffer()),
        ("raw tracepoints", probe.raw_tracepoint_program()),
    ] {
        let check = find(&checks, name);
        match answer {
            Ok(()) => assert_eq!(
                (check.status.as_str(), check.found.as_str()),
                ("ok", "works")
            ),
            Err(refusal) => {
                assert_eq!(check.status, "warn");
                assert_eq!(check.found, refusal.to_string());
            }
        }
    }
}

#[test]
#[ignore = "root: becomes another user"]
fn without_root_the_doctor_says_what_it_cannot_find_out() {
    let turn = turn();
    // Where another user can read and execute it.
    fs::set_permissions(turn.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    let binary = turn.path("gizmo");
    fs::copy(BINARY, &binary).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--clear-groups"])
        .arg(&binary)
        .args(["doctor", "-o", "json"]);
    clean(&mut command);
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr());
    let checks = checks(&ran);
    let rights = find(&checks, "rights");
    assert_eq!(rights.status, "missing");
    assert!(rights.found.starts_with("not root; lacks CAP_SYS_ADMIN"));
    assert!(rights.advice.contains("as root"), "{rights:?}");
    let storage = find(&checks, "task storage");
    assert_eq!(storage.status, "warn");
    assert!(
        storage.found.contains("cannot be found out") && storage.found.contains("EPERM"),
        "{storage:?}"
    );
    // What needs no rights is found out all the same.
    assert_eq!(find(&checks, "kernel types (BTF)").status, "ok");
    assert_eq!(find(&checks, "traceloop").status, "ok");
}
