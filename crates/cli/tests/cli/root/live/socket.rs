//! The socket of a run: dead runs, other users, and askers who mean no good.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::{Counting, number, snapshot, wait_until};
use crate::root::{Turn, turn};
use crate::support::{BINARY, Ran, clean};

const FLAGS: [&str; 4] = ["-o", "none", "--syscall-filters", "write"];

#[test]
#[ignore = "root: loads eBPF programs"]
fn what_a_dead_run_leaves_is_removed() {
    let turn = turn();
    let mut dead = Counting::start(&turn, &FLAGS);
    dead.child.kill().unwrap();
    dead.child.wait().unwrap();
    assert!(dead.socket().exists());
    assert_eq!(turn.ok(["recordings", "-o", "json"]).stdout(), "[]\n");
    assert!(!dead.socket().exists());
    // The next run is found without a word about the dead one.
    let mut run = Counting::start_as(&turn, "next", ":", &FLAGS);
    assert!(!snapshot(&turn, &[]).0.is_empty());
    run.end();
}

/// `gizmo ARGS` as another user, who looks into the folder of this test.
#[track_caller]
fn as_nobody(turn: &Turn, args: &[&str]) -> Ran {
    let binary = turn.path("gizmo");
    if !binary.exists() {
        fs::set_permissions(turn.path(""), Permissions::from_mode(0o755)).unwrap();
        fs::copy(BINARY, &binary).unwrap();
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--clear-groups"])
        .arg(&binary)
        .args(args);
    clean(&mut command);
    Ran::of(command.env("GIZMO_RUN_DIR", turn.path("run")))
}

#[test]
#[ignore = "root: becomes another user"]
fn runs_are_their_owners() {
    let turn = turn();
    let mut run = Counting::start(&turn, &FLAGS);
    let folder = turn.path("run");
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(run.socket()).unwrap().mode() & 0o777, 0o600);
    for command in ["snapshot", "recordings", "forget"] {
        as_nobody(&turn, &[command]).is_error(1, &["belong to another user"]);
    }
    // Who gets as far as the socket is told the same by the run.
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    as_nobody(&turn, &["snapshot"]).is_error(1, &["belong to another user"]);
    fs::set_permissions(run.socket(), Permissions::from_mode(0o666)).unwrap();
    as_nobody(&turn, &["snapshot"]).is_error(1, &["belongs to another user"]);
    assert!(!snapshot(&turn, &[]).0.is_empty());
    run.end();
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_folder_that_others_can_enter_gets_no_socket() {
    let turn = turn();
    fs::create_dir(turn.path("run")).unwrap();
    fs::set_permissions(turn.path("run"), Permissions::from_mode(0o755)).unwrap();
    let ran = turn.trace(&["-o", "none"], &["true"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr().contains("has no socket"), "{}", ran.stderr());
    assert_eq!(fs::read_dir(turn.path("run")).unwrap().count(), 0);
}

/// What a run answers to these bytes, all of it; `None` when it goes on and on.
fn say(run: &Counting<'_>, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(run.socket()).unwrap();
    // It may have had enough before the end.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn garbage_is_answered_with_what_is_wrong_and_does_no_harm() {
    let turn = turn();
    let mut run = Counting::start(&turn, &FLAGS);
    let long = vec![b'x'; 1 << 20];
    let deep = format!("{}\n", "[".repeat(60_000));
    for (bytes, word) in [
        (&b""[..], "no end"),
        (b"half a line", "no end"),
        (b"\n", "no sense"),
        (b"\xff\x00\x01\n", "no sense"),
        (b"{\"ask\": \"everything\"}\n", "everything"),
        (
            b"{\"ask\": \"snapshot\", \"form\": {\"output\": \"xml\"}}\n",
            "xml",
        ),
        (
            b"{\"ask\": {\"set-params\": {\"nosuch\": \"1\"}}}\n",
            "no parameter `nosuch`",
        ),
        (deep.as_bytes(), "no sense"),
        (&long, "longer than 65536 bytes"),
    ] {
        let answer = say(&run, bytes);
        assert!(
            answer.starts_with('f') && answer.contains(word),
            "{word}: {answer}"
        );
    }
    // More than may ask at once, and all of them silent.
    let silent: Vec<_> = (0..40)
        .map(|_| UnixStream::connect(run.socket()).unwrap())
        .collect();
    drop(silent);
    wait_until("there is room again", || {
        turn.run(["recordings"]).stdout().lines().count() == 2
    });
    assert!(number(&run.recording(), "recorded") > 0);
    run.end();
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn whoever_does_not_read_is_dropped_and_holds_up_nobody() {
    let turn = turn();
    let mut run = Counting::start(&turn, &FLAGS);
    // Far more than fits into the socket.
    run.wait_for(20_000);
    let mut stuck = UnixStream::connect(run.socket()).unwrap();
    stuck
        .write_all(b"{\"ask\": \"snapshot\", \"form\": {\"output\": \"json\"}}\n")
        .unwrap();
    // Served after it, when the run has lost its patience; recording has gone on meanwhile.
    let first = number(&run.recording(), "recorded");
    run.wait_for(first + 1000);
    let mut answer = Vec::new();
    stuck.read_to_end(&mut answer).unwrap();
    assert!(
        answer.starts_with(b"o") && answer.len() < 4 << 20,
        "{}",
        answer.len()
    );
    assert!(
        !answer.windows(8).any(|bytes| bytes == b"\"run\":\"t"),
        "the answer is complete"
    );
    run.end();
}
