//! What descriptors of containers refer to.

use gizmo_test_runtimes::{Docker, output};

use crate::support::{Call, Runtime, turn, with};

/// A shell that waits with a file open, then reads from it, itself and in a child.
const SCRIPT: &str = "echo 1 >/file; echo 2 >>/file; exec 7</file; until [ -e /go ]; do sleep 0.1; done; read x <&7; cat <&7 >/dev/null";

/// The parameters of a container's calls of a name.
fn parameters<'c>(calls: &'c [Call], name: &str, syscall: &str) -> Vec<&'c str> {
    let own = calls
        .iter()
        .filter(|call| call.name == name && call.syscall == syscall);
    own.map(|call| &*call.parameters).collect()
}

#[test]
#[ignore = "root: starts container runtimes"]
fn what_containers_have_open_is_known_though_they_are_gone() {
    let turn = turn();
    let docker = Docker::start();
    let own = docker.flags();
    docker.run("early", &["sh", "-c", SCRIPT]);
    let recording = turn.record(&with(&own, &["-c", "early,late"]));
    docker.run("late", &["sh", "-c", SCRIPT]);
    for name in ["early", "late"] {
        output(&mut docker.command(&["exec", name, "touch", "/go"]));
        output(&mut docker.command(&["wait", name]));
    }
    let calls = recording.stop().calls;
    for name in ["early", "late"] {
        let duplicated = parameters(&calls, name, "dup2");
        let is_known = |line: &&str| line.starts_with("oldfd=7</file>");
        assert!(duplicated.iter().any(is_known), "{name}: {duplicated:?}");
        let read = parameters(&calls, name, "read");
        let is_known = |line: &&&str| line.starts_with("fd=0</file>");
        // By the shell and by its child.
        assert!(read.iter().filter(is_known).count() > 1, "{name}: {read:?}");
    }
}
