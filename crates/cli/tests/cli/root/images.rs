//! Runs of images from other places than the binary.

use std::thread;

use super::{Turn, read_events, syscalls, turn};
use crate::gadgets::{build, copy_of_store};

const COMMAND: [&str; 3] = ["sh", "-c", "printf x; exit 3"];

/// The system calls of [`COMMAND`] as an image records them.
#[track_caller]
fn recorded(turn: &Turn, image: &str) -> Vec<String> {
    let file = turn.name("events");
    let flags = ["run", image, "-o", "json", "--output-file", &file, "--"];
    let ran = turn.run(flags.iter().chain(&COMMAND));
    assert_eq!(
        (ran.code, ran.stdout().as_str()),
        (Some(3), "x"),
        "{image}: {}",
        ran.stderr()
    );
    assert_eq!(ran.stderr(), "", "{image}");
    let events = read_events(file.as_ref());
    syscalls(&events).into_iter().map(str::to_owned).collect()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn an_image_runs_the_same_from_everywhere() {
    let turn = turn();
    let embedded = recorded(&turn, "traceloop");
    assert_eq!(embedded.first().map(String::as_str), Some("execve"));
    assert_eq!(embedded.last().map(String::as_str), Some("exit_group"));
    let archive = turn.name("traceloop.tar");
    turn.ok(["image", "export", "traceloop", &archive]);
    assert_eq!(recorded(&turn, &archive), embedded, "archive");
    turn.ok(["image", "import", &archive]);
    assert_eq!(turn.list()[1][3], "imported");
    assert_eq!(recorded(&turn, "traceloop"), embedded, "imported");
    let layout = copy_of_store(&turn, "layout");
    assert_eq!(recorded(&turn, &layout), embedded, "layout");
    turn.ok(["image", "tag", "traceloop", "other:v1"]);
    assert_eq!(recorded(&turn, "other:v1"), embedded, "tagged");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_tag_that_moves_does_not_disturb_a_run() {
    let turn = turn();
    turn.ok(["image", "tag", "traceloop", "mine"]);
    let (events, started) = (turn.name("events"), turn.name("started"));
    let script = format!("touch {started}; sleep 1.5; printf end");
    let flags = [
        "run",
        "mine",
        "-o",
        "json",
        "--output-file",
        &events,
        "--",
        "sh",
        "-c",
        &script,
    ];
    let ran = thread::scope(|scope| {
        let run = scope.spawn(|| turn.run(flags));
        super::wait_until("the command runs", || turn.path("started").exists());
        build(&turn, "mine");
        turn.ok(["image", "remove", "mine"]);
        assert!(!run.is_finished(), "the run ended too early to tell");
        run.join().unwrap()
    });
    assert_eq!(
        (ran.code, ran.stdout().as_str()),
        (Some(0), "end"),
        "{}",
        ran.stderr()
    );
    assert_eq!(ran.stderr(), "");
    let events = read_events(events.as_ref());
    assert!(
        events
            .iter()
            .any(|event| event.parameters.contains("buf=\"end\""))
    );
}
