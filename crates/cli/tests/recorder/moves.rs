//! Processes that change sides: into a recorded container, out of it, from one to another, and between mount namespaces.

use std::process::{Command, Stdio};

use gizmo_test_runtimes::Cgroups;

use crate::fixture::{Fixture, Link};
use crate::recording::turn;
use crate::shown::Call;
use crate::start::{Marker, finish};

const FILTER: [&str; 2] = ["--syscall-filters", "lseek"];

/// A marker outside of all containers.
#[track_caller]
fn outside(fixture: &Fixture) -> Marker {
    let mut command = Command::new(fixture.program());
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Marker::new(command.spawn().expect("it starts"))
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn moves_between_cgroups_are_noticed_at_once() {
    let turn = turn();
    let fixture = Fixture::compile("marks", Link::Static);
    let cgroups = Cgroups::new();
    let recording = turn.record(&FILTER);
    let [a, b] = [0, 1].map(Cgroups::id);
    let (mut marker, first) = Marker::contained(&cgroups, 0, &fixture);
    let (mut stays, second) = Marker::contained(&cgroups, 1, &fixture);
    // Threads, too, whose answers are remembered one by one.
    marker.mark(1);
    marker.tell("thread");
    let pid = marker.pid;
    cgroups.make("outside");
    for round in [10, 20, 30] {
        marker.mark(round);
        cgroups.enter("outside", pid);
        marker.mark(round + 1);
        cgroups.enter(&b, pid);
        marker.mark(round + 2);
        cgroups.enter(&a, pid);
        marker.mark(round + 3);
        // Deeper inside is inside.
        let inner = format!("{a}/inner{round}");
        cgroups.make(&inner);
        cgroups.enter(&inner, pid);
        marker.mark(round + 4);
        cgroups.enter(&a, pid);
        stays.mark(round + 5);
    }
    marker.end();
    stays.end();
    let shown = recording.stop();
    let (first, second) = (shown.of(first), shown.of(second));
    assert_eq!(first.marks(), [1, 10, 13, 14, 20, 23, 24, 30, 33, 34]);
    assert_eq!(second.marks(), [12, 15, 22, 25, 32, 35]);
    first.assert_nothing_lost();
    second.assert_nothing_lost();
    assert_eq!(shown.cgroups().len(), 2, "those outside were recorded");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn who_moves_in_is_recorded_from_then_on() {
    let turn = turn();
    let fixture = Fixture::compile("marks", Link::Static);
    let cgroups = Cgroups::new();
    let recording = turn.record(&FILTER);
    let (mut inside, cgroup) = Marker::contained(&cgroups, 0, &fixture);
    let mut guest = outside(&fixture);
    inside.mark(1);
    guest.mark(2);
    cgroups.make("outside");
    cgroups.enter(&Cgroups::id(0), guest.pid);
    guest.mark(3);
    guest.tell("thread");
    guest.mark(4);
    cgroups.enter("outside", guest.pid);
    guest.mark(5);
    inside.mark(6);
    let pids = [&inside, &guest].map(|marker| marker.pid);
    guest.end();
    inside.end();
    let history = recording.stop().of(cgroup);
    assert_eq!(history.marks(), [1, 3, 4, 6]);
    let by: Vec<u32> = history.named("lseek").map(|call| call.pid).collect();
    assert_eq!(by, [pids[0], pids[1], pids[1], pids[0]]);
    let tids: Vec<&Call> = history
        .calls()
        .filter(|call| call.tid != call.pid)
        .collect();
    assert_eq!(tids.len(), 1, "the thread of the guest: {tids:?}");
}

/// A container is its cgroup: a mount namespace of one of its processes makes it no other.
#[test]
#[ignore = "root: loads eBPF programs"]
fn a_new_mount_namespace_leaves_a_process_in_its_container() {
    let turn = turn();
    let fixture = Fixture::compile("marks", Link::Static);
    let cgroups = Cgroups::new();
    let recording = turn.record(&FILTER);
    let (mut marker, cgroup) = Marker::contained(&cgroups, 0, &fixture);
    marker.mark(1);
    marker.tell("unshare");
    marker.mark(2);
    marker.tell(&format!("setns /proc/{}/ns/mnt", std::process::id()));
    marker.mark(3);
    marker.end();
    assert_eq!(recording.stop().of(cgroup).marks(), [1, 2, 3]);
}

/// And the mount namespace of a container does not make a process of another cgroup part of it.
#[test]
#[ignore = "root: loads eBPF programs"]
fn who_enters_only_the_mount_namespace_is_not_recorded() {
    let turn = turn();
    let fixture = Fixture::compile("marks", Link::Static);
    let cgroups = Cgroups::new();
    let recording = turn.record(&FILTER);
    let (mut inside, cgroup) = Marker::contained(&cgroups, 0, &fixture);
    inside.mark(1);
    let mut guest = outside(&fixture);
    guest.tell(&format!("setns {}", inside.namespace()));
    guest.mark(2);
    guest.end();
    inside.end();
    let shown = recording.stop();
    assert_eq!(shown.of(cgroup).marks(), [1]);
    assert_eq!(shown.cgroups().len(), 1);
}

/// Where there is no cgroup for a command it is known by its mount namespace.
#[test]
#[ignore = "root: loads eBPF programs"]
fn without_a_cgroup_the_mount_namespace_tells() {
    let turn = turn();
    let fixture = Fixture::compile("marks", Link::Static);
    let events = fixture.output("events");
    let run = turn.run(&events, &FILTER, &[fixture.program()]);
    // The hierarchy is hidden from gizmo, whose mounts are nobody else's.
    let script = "for point in $(awk '$3 == \"cgroup2\" {print $2}' /proc/self/mounts); do \
                  umount -l \"$point\" || exit 99; done; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]);
    command.arg(run.get_program()).args(run.get_args());
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut marker = Marker::new(command.spawn().expect("`unshare` is installed"));
    marker.mark(1);
    let mut guest = outside(&fixture);
    guest.mark(2);
    guest.tell(&format!("setns {}", marker.namespace()));
    guest.mark(3);
    guest.tell(&format!("setns /proc/{}/ns/mnt", std::process::id()));
    guest.mark(4);
    marker.mark(5);
    marker.tell("unshare");
    marker.mark(6);
    guest.end();
    let shown = finish(&events, marker.let_go());
    let history = shown.only();
    assert_eq!(history.marks(), [1, 3, 5]);
    history.assert_nothing_lost();
}
