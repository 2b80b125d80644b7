//! What descriptors refer to, where it is known and where it must not be. That it is right of real programs is tested against
//! strace, in the tests of `oracle`.

use std::fs;

use super::live::events;
use super::{Event, turn};

/// A shell that opens a file as 7, and reads from it itself and in a child.
const READER: [&str; 3] = [
    "sh",
    "-c",
    "exec 7</etc/hostname 8</dev/null; read x <&7; cat <&8",
];

/// What the first argument of all calls of a name is shown as.
fn first<'e>(events: &'e [Event], syscall: &str) -> Vec<&'e str> {
    let own = events.iter().filter(|event| event.syscall == syscall);
    own.map(|event| {
        let arg = &event.args[0];
        arg.text.as_deref().unwrap_or(&arg.value)
    })
    .collect()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn what_is_inherited_and_opened_is_known() {
    let events = turn().events(&[], &READER);
    let duplicated = first(&events, "dup2");
    assert!(duplicated.contains(&"7</etc/hostname>"), "{duplicated:?}");
    let read = first(&events, "read");
    assert!(read.contains(&"0</etc/hostname>"), "{read:?}");
    assert!(read.contains(&"0</dev/null>"), "of the child: {read:?}");
    let value = events.iter().find(|event| event.syscall == "read");
    assert_eq!(value.unwrap().args[0].value, "3", "a number for programs");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_filter_that_leaves_out_what_opens_and_closes_leaves_numbers() {
    let turn = turn();
    for filter in ["read", "!close", "%desc", "ret>=0"] {
        let events = turn.events(&["--syscall-filters", filter], &READER);
        let read = first(&events, "read");
        assert!(!read.is_empty());
        let is_number = |text: &&str| text.parse::<u32>().is_ok();
        assert!(read.iter().all(is_number), "{filter}: {read:?}");
    }
    // What is only shown by a test in user space was recorded all the same.
    for filter in [
        "!getpid",
        "path~\"/etc/hostname\"|\"*\"",
        "%file,%desc,%process,%network,close_range",
    ] {
        let flags = ["--syscall-filters", filter];
        let events = turn.events(&flags, &READER);
        let known = |event: &Event| event.parameters.contains("</etc/hostname>");
        let is_of_path = filter.starts_with("path");
        assert!(is_of_path || events.iter().any(known), "{filter}");
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn after_a_loss_nothing_is_known_but_what_is_opened_then() {
    let script = "exec 7</etc/hostname; i=0; while [ $i != 60000 ]; do umask 22; i=$((i+1)); done; \
                  read x <&7; exec 8</etc/hostname; read y <&8";
    let flags = ["--ring-size", "1M"];
    let turn = turn();
    let command = ["taskset", "-c", "0", "sh", "-c", script];
    let file = turn.name("events.json");
    let all = [&["-o", "json", "--output-file", &file][..], &flags].concat();
    let ran = turn.trace(&all, &command);
    assert!(ran.stderr().contains("overwritten"), "{}", ran.stderr());
    let events = events(&fs::read_to_string(&file).unwrap());
    let duplicated = first(&events, "dup2");
    assert!(duplicated.contains(&"7"), "{duplicated:?}");
    assert!(duplicated.contains(&"8</etc/hostname>"), "{duplicated:?}");
    // The duplicate of something unknown is unknown, whatever its number was before.
    let read = first(&events, "read");
    let known = read.iter().position(|text| *text == "0</etc/hostname>");
    let (before, behind) = read.split_at(known.expect("what was opened later is known"));
    assert_eq!(before.last(), Some(&"0"), "{read:?}");
    assert!(
        behind.iter().all(|text| *text == "0</etc/hostname>"),
        "{read:?}"
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn followers_know_it_too() {
    let script = "i=0; while [ $i != 300 ]; do echo $i; sleep 0.001; i=$((i+1)); done >/dev/null";
    let events = turn().events(&["--follow"], &["sh", "-c", script]);
    let written = first(&events, "write");
    let mut others = written.clone();
    others.retain(|text| *text != "1</dev/null>");
    // What was made a moment before somebody looked may not be in its order.
    assert!(others.iter().all(|text| *text == "1"), "{others:?}");
    assert!(others.len() < written.len() / 2, "{}", others.len());
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_call_that_has_not_returned_says_what_it_waits_for() {
    let turn = turn();
    let pipe = turn.name("pipe");
    // The run ends before the shell does.
    let script = format!("mkfifo {pipe}; exec 7<>{pipe}; (sleep 4; echo >&7) & read x <&7");
    let events = turn.events(&["-t", "2"], &["sh", "-c", &script]);
    let is_waiting = |event: &&Event| event.unfinished && event.syscall == "read";
    let waiting: Vec<&Event> = events.iter().filter(is_waiting).collect();
    let [read] = waiting[..] else {
        panic!("{waiting:?}");
    };
    assert_eq!(read.args[0].text, Some(format!("0<{pipe}>")));
}
