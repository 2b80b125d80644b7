//! Pictures of real recordings, for those who read them.

use std::process::Command;

use super::turn;
use crate::pictures::reader;
use crate::support::{Ran, clean};

/// A shell with children, one of which has children.
const SCRIPT: &str = "(ls /no/such; cat /etc/hostname) >/dev/null 2>&1; sh -c 'true; uname \"$0 $1\" \"a, b]\"' x; echo done";

/// The processes that a program for files of strace finds in one, without their numbers and times.
#[track_caller]
fn tree(path: &str) -> Vec<String> {
    let ran = Ran::of(Command::new(reader("strace-process-tree")).arg(path));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    let without = |line: &str| {
        let line = line.rsplit_once(" [").map_or(line, |(line, _)| line);
        line.chars().filter(|c| !c.is_ascii_digit()).collect()
    };
    ran.stdout().lines().map(without).collect()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_script_for_files_of_strace_finds_the_same_processes() {
    let turn = turn();
    let (file, ours, theirs) = (turn.name("a.gzr"), turn.name("ours"), turn.name("theirs"));
    let command = ["sh", "-c", SCRIPT];
    let ran = turn.trace(&["--save", &file, "-o", "none"], &command);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    turn.write("ours", turn.ok(["show", &file, "-o", "strace"]).out);
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-ttt", "-T", "-s", "128", "-o", &theirs])
        .args(command);
    clean(&mut strace);
    assert_eq!(Ran::of(&mut strace).code, Some(0));
    let expected = tree(&theirs);
    assert!(expected.len() >= 4, "{expected:?}");
    assert_eq!(tree(&ours), expected);
}
