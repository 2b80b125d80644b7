//! `gizmo snapshot`, `recordings`, `forget` and `filter`.

use std::io::Write;
use std::process::Stdio;

use super::{
    Counting, assert_exact, assert_increasing, counted, events, is_loss, lost, number, snapshot,
    wait_until,
};
use crate::root::inflight::{WRITERS, assert_shown_once};
use crate::root::{parse_events, syscalls, turn};
use crate::support::Ran;

/// Only what the shell counts with.
const WRITES: [&str; 2] = ["--syscall-filters", "write"];

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_snapshot_lacks_what_was_overwritten_and_says_how_much() {
    let turn = turn();
    let mut run = Counting::start(&turn, &[&WRITES[..], &["-o", "none"]].concat());
    // More than a ring of 2 MiB holds.
    run.wait_for(60_000);
    let mut last = 0;
    for _ in 0..3 {
        let text = turn.ok(["snapshot", "-o", "json"]).stdout();
        let made = assert_exact(&text, 0);
        assert!(events(&text).len() > 100 && made > 60_000);
        assert!(made > last, "nothing has happened between two snapshots");
        last = made;
    }
    run.end();
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_snapshot_has_a_form_of_its_own() {
    let turn = turn();
    let file = turn.name("events");
    let flags = ["-o", "json", "--output-file", &file];
    let mut run = Counting::start(&turn, &flags);
    let text = turn.ok(["snapshot", "--fields", "syscall,ret"]).stdout();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split_whitespace().collect();
    assert_eq!(header, ["SYSCALL", "RET"]);
    assert!(lines.count() > 100);
    let (masks, _) = snapshot(&turn, &["-F", "syscall==umask"]);
    assert!(!masks.is_empty() && syscalls(&masks).iter().all(|name| *name == "umask"));
    let yaml = turn
        .ok(["snapshot", "-o", "yaml", "--filter", "syscall==umask"])
        .stdout();
    assert!(yaml.contains("syscall: umask"), "{yaml}");
    let page = turn.ok(["snapshot", "-o", "html"]).stdout();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(page.contains("\n{\"end\":1}\n"), "the page is whole");
    for (flags, word) in [
        (["-o", "xml"], "xml"),
        (["--fields", "nosuch"], "nosuch"),
        (["-F", "nosuch==1"], "nosuch"),
        (["-c", "nobody"], "`nobody`"),
    ] {
        turn.fails(["snapshot"].iter().chain(&flags), &[word]);
    }
    // The run itself has shown nothing of it.
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    run.end();
    let all = events(&std::fs::read_to_string(&file).unwrap());
    assert_increasing(&counted(&all));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn what_is_recorded_is_listed() {
    let turn = turn();
    assert_eq!(turn.ok(["recordings"]).stdout().lines().count(), 1);
    turn.fails(["snapshot"], &["nothing runs", "gizmo run traceloop"]);
    let mut run = Counting::start(&turn, &["-o", "none", "--syscall-filters", "write, umask"]);
    let before = run.recording();
    assert_eq!(before["name"], "taskset");
    assert!(number(&before, "cgroup_id") > 0 && number(&before, "mntns_id") > 0);
    assert_eq!(number(&before, "lost"), 0);
    run.wait_for(number(&before, "recorded") + 1000);
    let runs = turn.ok(["recordings", "-o", "json"]).json();
    let pid = u64::from(run.child.id());
    assert_eq!(
        (&runs[0]["gadget"], &runs[0]["image"]),
        (&"traceloop".into(), &"traceloop".into())
    );
    assert_eq!(runs[0]["pid"], pid);
    assert_eq!(runs[0]["params"]["syscall-filters"], "write, umask");
    let table = turn.ok(["recordings"]).stdout();
    let row: Vec<&str> = table
        .lines()
        .nth(1)
        .expect("a row")
        .split_whitespace()
        .collect();
    assert_eq!(row[..3], [&run.name(), "traceloop", &pid.to_string()]);
    assert_eq!(row[4], "taskset");
    run.end();
    assert_eq!(turn.ok(["recordings"]).stdout().lines().count(), 1);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn of_two_runs_one_is_named() {
    let turn = turn();
    let flags = ["-o", "none", "--syscall-filters", "umask"];
    let mut first = Counting::start_as(&turn, "first", "umask 11", &flags);
    let mut second = Counting::start_as(&turn, "second", "umask 22", &flags);
    let names = [first.name(), second.name()];
    turn.fails(["snapshot"], &["several runs", &names[0], &names[1]]);
    turn.fails(["forget", "nosuch"], &["`nosuch`", &names[0], &names[1]]);
    for (run, own, other) in [(&first, "011", "022"), (&second, "022", "011")] {
        let pid = run.child.id().to_string();
        for name in [run.name(), pid] {
            let (events, _) = snapshot(&turn, &[&name]);
            let has = |mask| {
                let parameters = format!("mask={mask}");
                events.iter().any(|event| event.parameters == parameters)
            };
            assert!(has(own) && !has(other), "{name}");
        }
    }
    first.end();
    second.end();
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn what_is_forgotten_is_not_shown_again() {
    let turn = turn();
    let file = turn.name("events");
    let flags = [&WRITES[..], &["-o", "json", "--output-file", &file]].concat();
    let mut run = Counting::start(&turn, &flags);
    let (before, _) = snapshot(&turn, &[]);
    turn.fails(["forget", "-c", "nobody"], &["`nobody`"]);
    turn.ok(["forget", "-c", "taskset"]);
    let (after, _) = snapshot(&turn, &[]);
    let last = *counted(&before).last().expect("numbers");
    assert!(counted(&after).first().is_none_or(|first| *first > last));
    run.end();
    let rest = std::fs::read_to_string(&file).unwrap();
    let mut numbers = counted(&events(&rest)).into_iter();
    assert!(numbers.next().expect("numbers") > last);
    // What is missing is missing from the time on at which everything was forgotten.
    let missing: u64 = rest
        .lines()
        .take_while(|line| is_loss(line))
        .map(lost)
        .sum();
    let first = counted(&events(&rest))[0] - missing;
    assert!(first > last);
    assert!(assert_exact(&rest, first) > 0);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn the_filter_of_a_recording_can_be_changed() {
    let turn = turn();
    let mut run = Counting::start(&turn, &["-o", "none", "--syscall-filters", "write"]);
    let (before, _) = snapshot(&turn, &[]);
    assert!(before.iter().all(|event| event.syscall == "write"));
    assert_eq!(turn.ok(["filter", "show"]).stdout(), "write\n");

    // What was selected and still is goes on without a gap.
    turn.ok(["filter", "set", "umask,write"]);
    assert_eq!(
        turn.ok(["filter", "show", &run.name()]).stdout(),
        "umask,write\n"
    );
    run.wait_for(number(&run.recording(), "recorded") + 1000);
    let (both, _) = snapshot(&turn, &[]);
    assert!(syscalls(&both).contains(&"umask"));
    assert_increasing(&counted(&both));

    turn.ok(["filter", "set", &run.name(), "umask"]);
    turn.ok(["forget"]);
    run.wait_for(1000);
    let (after, _) = snapshot(&turn, &[]);
    assert!(
        after.iter().all(|event| event.syscall == "umask"),
        "{:?}",
        after[0]
    );

    // What cannot be is said, and changes nothing.
    turn.fails(["filter", "set", "umaks"], &["`umaks`"]);
    assert_eq!(turn.ok(["filter", "show"]).stdout(), "umask\n");
    run.end();
    let mut run = Counting::start(&turn, &["-o", "none"]);
    turn.fails(["filter", "set", "umask"], &["--syscall-filters"]);
    run.end();
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_filter_can_become_anything_that_the_programs_can_see() {
    let turn = turn();
    let flags = ["-o", "none", "--attach", "tracepoint", "--syscall-filters"];
    let started = |filter| [&flags[..], &[filter]].concat();
    let mut run = Counting::start(&turn, &started("write"));
    let after = |filter: &str| {
        turn.ok(["filter", "set", filter]);
        turn.ok(["forget"]);
        run.wait_for(1000);
        snapshot(&turn, &[]).0
    };
    let others = after("! write");
    assert!(!syscalls(&others).contains(&"write") && syscalls(&others).contains(&"umask"));
    let all = after("");
    assert!(syscalls(&all).contains(&"write") && syscalls(&all).contains(&"umask"));
    // The programs have no tests: what they record is tested when it is shown.
    let long = after("write, ret>4");
    assert!(
        !long.is_empty()
            && long
                .iter()
                .all(|event| event.ret.parse::<u32>().unwrap() > 4)
    );
    // What was recorded before the next filter is shown as that filter says.
    turn.ok(["filter", "set", "write, ret=1"]);
    let (events, _) = snapshot(&turn, &[]);
    assert!(
        !events.is_empty()
            && events
                .iter()
                .all(|event| event.ret.parse::<u32>().unwrap() > 4)
    );
    run.end();

    // Tests that are in the programs get other values, or let everything pass.
    let mut run = Counting::start(&turn, &started("write, ret>1000"));
    assert_eq!(snapshot(&turn, &[]).0, []);
    turn.ok(["filter", "set", "write, ret<100"]);
    run.wait_for(1000);
    turn.ok(["filter", "set", "umask"]);
    turn.ok(["forget"]);
    run.wait_for(1000);
    assert!(syscalls(&snapshot(&turn, &[]).0).contains(&"umask"));
    run.end();

    // Nobody looks at the beginnings of calls there.
    let mut run = Counting::start(&turn, &started("failed"));
    turn.fails(["filter", "set", "ok"], &["failed calls"]);
    turn.ok(["filter", "set", "error=ENOENT"]);
    run.end();
}

/// What has not returned is looked for before the rings are read, and may have when they are.
#[test]
#[ignore = "root: loads eBPF programs"]
fn a_snapshot_shows_a_call_once_returned_or_unfinished() {
    let turn = turn();
    let mut command = turn.command(["run", "traceloop", "-o", "none"]);
    // So little that snapshots are shown while the writers write.
    command.args(["--syscall-filters", "write,read", "--ring-size", "256K"]);
    command.args(["--", "sh", "-c", WRITERS]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let is_running = || {
        turn.command(["snapshot"])
            .output()
            .unwrap()
            .status
            .success()
    };
    wait_until("the run can be found", is_running);
    for _ in 0..3 {
        let ran = turn.ok(["snapshot", "-o", "json"]);
        let events = parse_events(&ran.stdout());
        assert!(events.len() > 100, "{} events", events.len());
        assert_shown_once(events);
    }
    assert!(child.wait().unwrap().success());
}

/// Nobody sees the end of a call that is not selected any more, so nobody may say how it ended, or that it has not.
#[test]
#[ignore = "root: loads eBPF programs"]
fn a_call_that_is_deselected_meanwhile_is_not_shown() {
    let turn = turn();
    let has_read = turn.path("has-read");
    let script = format!("read line; : >{}; sleep 2", has_read.display());
    let mut command = turn.command(["run", "traceloop", "-o", "json"]);
    command.args(["--syscall-filters", "read", "--", "sh", "-c", &script]);
    let command = command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let is_reading = || {
        let asked = turn.command(["snapshot", "-o", "json"]).output().unwrap();
        String::from_utf8_lossy(&asked.stdout).contains(r#""ret":"unfinished""#)
    };
    wait_until("the shell reads", is_reading);
    turn.ok(["filter", "set", "write"]);
    assert!(!is_reading());
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    // Selected again, it is not the call that the shell is in now.
    wait_until("the shell has read", || has_read.exists());
    turn.ok(["filter", "set", "read"]);
    assert!(!is_reading());
    let shown = Ran::from(child.wait_with_output().unwrap()).stderr();
    for wrong in [r#""ret":"killed""#, r#""ret":"unfinished""#] {
        assert!(!shown.contains(wrong), "{shown}");
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn followers_see_everything_once_and_leave_when_they_like() {
    let turn = turn();
    let mut run = Counting::start(&turn, &["-o", "none", "--syscall-filters", "write"]);
    let follow = |flags: &[&str]| {
        let mut command = turn.command(["snapshot", "--follow", "-o", "json"]);
        let command = command
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut leaving = follow(&[]);
    let staying = [follow(&[]), follow(&["-F", "ret>3"])];
    let reader =
        staying.map(|child| std::thread::spawn(|| Ran::from(child.wait_with_output().unwrap())));
    run.wait_for(number(&run.recording(), "recorded") + 5000);
    leaving.kill().unwrap();
    leaving.wait().unwrap();
    run.wait_for(number(&run.recording(), "recorded") + 1000);
    run.end();
    let [all, some] = reader.map(|reader| reader.join().unwrap());
    for ran in [&all, &some] {
        assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    }
    assert!(assert_exact(&all.stdout(), 0) > 6000);
    let some = events(&some.stdout());
    assert!(
        some.iter()
            .all(|event| event.ret.parse::<u64>().unwrap() > 3)
    );
}
