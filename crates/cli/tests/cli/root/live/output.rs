//! SIGUSR1, `--every` and `--follow`: the run's own output.

use std::fs;

use rustix::process::Signal;

use super::{Counting, assert_exact, counted, events, is_loss, wait_until};
use crate::gadgets::metadata;
use crate::root::{read_events, turn};

const WRITES: [&str; 2] = ["--syscall-filters", "write"];

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_signal_shows_what_is_held() {
    let turn = turn();
    let file = turn.name("events");
    let flags = [&WRITES[..], &["-o", "json", "--output-file", &file]].concat();
    let mut run = Counting::start(&turn, &flags);
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
    run.signal(Signal::USR1);
    wait_until("something is shown", || {
        fs::metadata(&file).unwrap().len() > 0
    });
    run.end();
    // The end shows everything that is held, once more. Until then a part of the first time may have waited to be written.
    let all = fs::read_to_string(&file).unwrap();
    let (first, again) = split_where_numbers_fall(&all);
    let first = assert_exact(first, 0);
    assert!(first > 900, "{first}");
    assert!(assert_exact(again, 0) > first);
}

/// What was shown first, and what was shown again: from the line on whose number is smaller than the one before, or from
/// the mark above it that says what is missing.
fn split_where_numbers_fall(text: &str) -> (&str, &str) {
    let (mut at, mut mark, mut last) = (0, None, None);
    for line in text.split_inclusive('\n') {
        if is_loss(line) {
            mark.get_or_insert(at);
        } else {
            let number = counted(&events(line)).first().copied();
            if number < last {
                return text.split_at(mark.unwrap_or(at));
            }
            (mark, last) = (None, number);
        }
        at += line.len();
    }
    panic!("it was shown once only");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn what_is_held_is_shown_again_and_again() {
    let turn = turn();
    let file = turn.name("events");
    let flags = [
        "--every",
        "200ms",
        "--fields",
        "syscall,ret",
        "--output-file",
        &file,
    ];
    let mut run = Counting::start(&turn, &[&flags[..], &WRITES].concat());
    let headers = || {
        let text = fs::read_to_string(&file).unwrap();
        text.lines()
            .filter(|line| line.starts_with("SYSCALL"))
            .count()
    };
    wait_until("three dumps", || headers() >= 3);
    run.end();
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_run_can_follow_itself() {
    let turn = turn();
    let file = turn.name("events");
    let flags = ["--follow", "-o", "json", "--output-file", &file];
    let mut run = Counting::start(&turn, &[&flags[..], &WRITES].concat());
    wait_until("calls are shown", || {
        fs::read_to_string(&file).unwrap().lines().count() > 1000
    });
    run.end();
    let text = fs::read_to_string(&file).unwrap();
    assert!(assert_exact(&text, 0) > 1000);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_short_command_is_followed_to_its_end() {
    let turn = turn();
    let script = "for i in 0 1 2 3 4 5 6 7 8 9; do echo $i; done >/dev/null; exit 3";
    let file = turn.name("events.json");
    let flags = [
        "--follow",
        "-o",
        "json",
        "--output-file",
        &file,
        WRITES[0],
        WRITES[1],
    ];
    let ran = turn.trace(&flags, &["sh", "-c", script]);
    assert_eq!((ran.code, ran.stderr()), (Some(3), String::new()));
    let numbers = counted(&read_events(file.as_ref()));
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn gadgets_that_cannot_be_looked_at_say_so_and_go_on() {
    let turn = turn();
    let source = "#include <gizmo/types.h>\n#include <bpf/bpf_helpers.h>\nchar LICENSE[] SEC(\"license\") = \"GPL\";\n\
                  SEC(\"raw_tp/sys_exit\") int idle(void *ctx) { return 0; }\n";
    turn.write("blind/program.bpf.c", source);
    turn.write("blind/gadget.yaml", metadata("blind"));
    turn.ok(["image", "build", &turn.name("blind"), "--tag", "blind"]);
    let words = ["gadget `blind` cannot be looked at while it runs"];
    turn.fails(["run", "blind", "--follow", "-t", "1"], &words);
    turn.fails(["run", "blind", "--every", "1s", "-t", "1"], &words);

    let stderr = turn.path("stderr");
    let mut child = turn
        .command(["run", "blind"])
        .stderr(fs::File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let name = format!("blind-{}", child.id());
    wait_until("the run can be found", || {
        turn.path("run").join(format!("{name}.sock")).exists()
    });
    for command in [&["snapshot"][..], &["forget"], &["snapshot", "--follow"]] {
        turn.fails(command, &words);
    }
    turn.fails(
        ["filter", "set", "write"],
        &["`blind`", "`syscall-filters`"],
    );
    let list = turn.ok(["recordings"]).stdout();
    assert!(
        list.lines().nth(1).expect("a row").starts_with(&name),
        "{list}"
    );
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::USR1).unwrap();
    wait_until("a warning", || {
        fs::read_to_string(&stderr).unwrap().contains(words[0])
    });
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
