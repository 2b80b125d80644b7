//! More containers than there are rings, made by hand.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};

use gizmo_test_runtimes::{Cgroups, wait_until};

use crate::support::{LIMIT, assert_whole, by_id, flags, turn, with};

/// More than the rings of any number of processors.
const CROWD: usize = 1100;

/// A container that ends when its stdin does.
fn start(cgroups: &Cgroups, number: usize, program: &str) -> Child {
    let id = Cgroups::id(number);
    cgroups.make(&id);
    let mut command = cgroups.container(&id, &[program]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null());
    command.spawn().expect("a shell starts")
}

fn is_running(cgroups: &Cgroups, number: usize) -> bool {
    let comm = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let pids = cgroups.processes(&Cgroups::id(number));
    pids.into_iter().any(|pid| comm(pid) == "cat\n")
}

#[test]
#[ignore = "root: starts container runtimes"]
fn those_who_find_no_ring_are_reported() {
    let turn = turn();
    let socket = turn.dir.path().join("hung.sock");
    let _listener = UnixListener::bind(&socket).expect("a socket can be made");
    let cgroups = Cgroups::new();
    // The ids alone do not tell a runtime, so none is asked for.
    let socket = flags("docker", &socket.to_string_lossy())[2..].to_vec();
    let recording = turn.record(&with(&socket, &["--syscall-filters", "execve,exit_group"]));
    let mut crowd: Vec<Child> = (0..CROWD)
        .map(|number| start(&cgroups, number, "/bin/cat"))
        .collect();
    wait_until("the crowd runs", LIMIT, || {
        (0..CROWD).all(|number| is_running(&cgroups, number))
    });
    for child in &mut crowd {
        drop(child.stdin.take());
    }
    for mut child in crowd {
        assert!(child.wait().expect("a child ends").success());
    }
    wait_until("rings are free again", LIMIT, || {
        recording.output().lines().count() >= 32
    });
    let status = start(&cgroups, CROWD, "/bin/true").wait();
    assert!(status.expect("it ends").success());
    let recorded = recording.stop();
    let warned = |text: &str| recorded.stderr.contains(text);
    assert!(warned("rings"), "nobody was told of a lack of rings");
    let histories = by_id(&recorded.calls);
    for (id, calls) in &histories {
        assert_eq!(id.len(), 64);
        if calls[0].syscall == "execve" {
            assert_whole(calls);
        }
    }
    assert!(histories.len() < CROWD);
    assert!(
        histories.contains_key(&Cgroups::id(CROWD)),
        "rings were not given back"
    );
}
