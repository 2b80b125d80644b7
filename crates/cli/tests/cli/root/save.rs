//! Runs that are saved: what is shown of the file is what the run has shown.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::live::{Counting, assert_exact};
use super::{Turn, syscalls, turn};
use crate::support::Ran;

#[track_caller]
fn show(turn: &Turn, flags: &[&str]) -> String {
    let file = turn.name("run.gzr");
    let mut args = vec!["show", &file];
    args.extend(flags);
    let ran = turn.ok(args);
    assert_eq!(ran.stderr(), "");
    ran.stdout()
}

/// `gizmo run traceloop --save run.gzr FLAGS -- COMMAND` with events in JSON, which are returned.
#[track_caller]
fn save(turn: &Turn, flags: &[&str], command: &[&str]) -> (Ran, String) {
    let (file, events) = (turn.name("run.gzr"), turn.name("events.json"));
    let mut all = vec!["--save", &file, "-o", "json", "--output-file", &events];
    all.extend(flags);
    let ran = turn.trace(&all, command);
    let events = fs::read_to_string(&events).expect("UTF-8");
    (ran, events)
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn what_is_shown_of_a_file_is_what_the_run_has_shown() {
    let turn = turn();
    let script = "cat /no/such; exec /bin/ls /usr/bin";
    let (ran, live) = save(&turn, &[], &["sh", "-c", script]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    assert!(live.lines().count() > 100, "{live}");
    assert_eq!(show(&turn, &["-o", "json"]), live);
    // The other forms are made of the same events by the same code.
    let columns = show(&turn, &[]);
    assert!(columns.trim_start().starts_with("PID COMM "), "{columns}");
    let openat = show(
        &turn,
        &["-o", "json", "-F", "syscall==openat,error==ENOENT"],
    );
    let openat = super::parse_events(&openat);
    assert!(!openat.is_empty() && syscalls(&openat).iter().all(|name| *name == "openat"));
    let mode = fs::metadata(turn.path("run.gzr"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// More calls than the rings hold: what is lost is said in its place, in the file, too.
#[test]
#[ignore = "root: loads eBPF programs"]
fn losses_keep_their_places() {
    let turn = turn();
    let script = "i=0; while [ $i -lt 40000 ]; do : </dev/null; i=$((i+1)); done";
    let (ran, live) = save(
        &turn,
        &["--ring-size", "64K"],
        &["taskset", "-c", "0", "sh", "-c", script],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    assert!(
        live.contains("\"reason\":\"overwritten\""),
        "nothing was lost"
    );
    assert_eq!(show(&turn, &["-o", "json"]), live);
    let info = show(&turn, &["--info"]);
    assert!(info.contains("overwritten"), "{info}");
}

/// A filter of the output, and no output at all, leave the file whole.
#[test]
#[ignore = "root: loads eBPF programs"]
fn everything_is_saved_whatever_is_shown() {
    let turn = turn();
    let (ran, live) = save(&turn, &["-F", "syscall==openat"], &["cat", "/etc/hostname"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    let all = super::parse_events(&show(&turn, &["-o", "json"]));
    assert!(syscalls(&all).contains(&"read"), "{all:?}");
    assert_eq!(show(&turn, &["-o", "json", "-F", "syscall==openat"]), live);
    let file = turn.name("run.gzr");
    let ran = turn.trace(&["--save", &file, "-o", "none"], &["true"]);
    assert_eq!((ran.code, ran.stderr()), (Some(0), String::new()));
    assert!(show(&turn, &["-o", "json"]).contains("exit_group"));
    let info = show(&turn, &["--info"]);
    for line in [
        "gadget     traceloop",
        "command    true",
        "data       traceloop_lost, 0 events",
    ] {
        assert!(info.contains(line), "{info}");
    }
}

/// The file of a run that is killed holds what happened up to about a second before.
#[test]
#[ignore = "root: loads eBPF programs"]
fn the_file_of_a_killed_run_opens() {
    let turn = turn();
    let file = turn.name("run.gzr");
    let flags = [
        "--syscall-filters",
        "write",
        "--follow",
        "--save",
        &file,
        "-o",
        "none",
    ];
    let counting = Counting::start_as(&turn, "count", "sleep 0.001", &flags);
    let at_least = || counting.number("recorded");
    let before = at_least();
    std::thread::sleep(Duration::from_millis(2500));
    counting.signal(Signal::KILL);
    drop(counting);
    let ran = turn.run(["show", &file, "-o", "json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    assert!(
        ran.stderr().contains("ends before its end"),
        "{}",
        ran.stderr()
    );
    let shown = assert_exact(&ran.stdout(), 0);
    assert!(shown > before, "{shown} of {before}");
}

/// Somebody who looks at the run sees what he asks for; the file does not get it twice.
#[test]
#[ignore = "root: loads eBPF programs"]
fn what_others_look_at_is_not_saved() {
    let turn = turn();
    let file = turn.name("run.gzr");
    let flags = ["--syscall-filters", "write", "--save", &file, "-o", "none"];
    let mut counting = Counting::start(&turn, &flags);
    let seen = turn.ok(["snapshot", "-o", "json"]);
    assert!(seen.stdout().lines().count() > 0);
    counting.end();
    super::live::assert_increasing(&super::live::counted(&super::live::events(&show(
        &turn,
        &["-o", "json"],
    ))));
}

/// A file system of 32 KiB in place of a full disk.
struct Tiny<'t>(&'t Path);

impl<'t> Tiny<'t> {
    #[track_caller]
    fn mount(folder: &'t Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32k", "tmpfs"])
            .arg(folder)
            .status();
        assert!(mount.unwrap().success(), "a tmpfs cannot be mounted");
        Self(folder)
    }
}

impl Drop for Tiny<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_full_disk_is_said_once_and_ends_the_file_alone() {
    let turn = turn();
    let folder = turn.path("tiny");
    let _tiny = Tiny::mount(&folder);
    let file = turn.name("tiny/run.gzr");
    let events = turn.name("events.json");
    let script =
        "i=0; while [ $i -lt 300 ]; do cat /etc/hostname /etc/passwd; i=$((i+1)); done >/dev/null";
    let flags = ["--save", &file, "-o", "json", "--output-file", &events];
    let ran = turn.trace(&flags, &["sh", "-c", script]);
    let text = ran.stderr();
    assert_eq!(ran.code, Some(1), "{text}");
    assert_eq!(text.matches("No space left").count(), 1, "{text}");
    assert!(text.contains("level=error"), "{text}");
    let live = fs::read_to_string(&events).unwrap();
    assert!(live.contains("exit_group"), "the run has not gone on");
    // The command's own failure says more than ours.
    let script = format!("{script}; exit 7");
    assert_eq!(turn.trace(&flags, &["sh", "-c", &script]).code, Some(7));
    let ran = turn.ok(["show", &file, "-o", "none"]);
    assert!(
        ran.stderr().contains("ends before its end"),
        "{}",
        ran.stderr()
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_file_is_the_owners_and_no_link_is_followed() {
    let turn = turn();
    let file = turn.write(
        "run.gzr",
        "old and long content, visible to all".repeat(100),
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    // A run that fails early leaves it alone.
    let name = turn.name("run.gzr");
    turn.fails(
        [
            "run",
            "traceloop",
            "--save",
            &name,
            "--syscall-filters",
            "nosuch",
            "--",
            "true",
        ],
        &["nosuch"],
    );
    assert!(fs::read_to_string(&file).unwrap().starts_with("old"));
    let (ran, live) = save(&turn, &[], &["true"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    assert_eq!(show(&turn, &["-o", "json"]), live);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let link = turn.path("link.gzr");
    symlink(&file, &link).unwrap();
    let link = link.to_str().unwrap();
    turn.fails(
        ["run", "traceloop", "--save", link, "--", "true"],
        &[link, "symbolic link"],
    );
    turn.fails(
        ["run", "traceloop", "--save", "/no/such/x", "--", "true"],
        &["/no/such/x"],
    );
}

/// A run without a command, ended by Ctrl-C, ends its file properly.
#[test]
#[ignore = "root: loads eBPF programs"]
fn a_run_that_is_interrupted_ends_its_file() {
    let turn = turn();
    let file = turn.path("run.gzr");
    let mut child = turn
        .command([
            "run",
            "traceloop",
            "--host",
            "--timeout",
            "60",
            "-o",
            "none",
            "--save",
        ])
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    super::wait_until("the file is begun", || {
        fs::metadata(&file).is_ok_and(|file| file.len() > 1000)
    });
    std::thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    let info: serde_json::Value =
        serde_json::from_str(&show(&turn, &["--info", "-o", "json"])).unwrap();
    assert_eq!(info["is_complete"], true, "{info}");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn statistics_of_a_file_are_those_of_the_run() {
    let turn = turn();
    let (file, own) = (turn.name("calls.gzr"), turn.name("own.json"));
    let flags = [
        "--save",
        &file,
        "--summary=process",
        "--with-events",
        "-o",
        "json",
    ];
    let ran = turn.trace(
        &[&flags[..], &["--output-file", &own]].concat(),
        &[
            "sh",
            "-c",
            "cat /etc/hostname /no/such >/dev/null; exec true",
        ],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    let own = std::fs::read_to_string(own).unwrap();
    let own = own.lines().find(|line| line.starts_with('[')).unwrap();
    let own: Vec<serde_json::Value> = serde_json::from_str(own).unwrap();
    let args = ["show", &file, "--summary=process", "-o", "json"];
    let shown = turn.ok(args).stdout();
    let shown: Vec<serde_json::Value> = serde_json::from_str(shown.trim()).unwrap();
    let rows = |rows: &[serde_json::Value]| {
        let names = [
            "pid",
            "abi",
            "syscall",
            "calls",
            "failed",
            "errors",
            "total_raw",
            "p50",
            "p99",
            "max",
            "buckets",
        ];
        let row = |row: &serde_json::Value| names.map(|name| row[name].to_string());
        let mut rows: Vec<_> = rows.iter().map(row).collect();
        rows.sort();
        rows
    };
    assert_eq!(rows(&shown), rows(&own));
    assert!(shown.len() > 20);
    // Only what is meant is counted, and saved statistics are not shown beside.
    let failed = turn
        .ok(["show", &file, "--summary", "--syscall-filters", "failed"])
        .stdout();
    let lines: Vec<&str> = failed.lines().collect();
    assert!(
        lines[0].starts_with("RUNTIME.CONTAINERNAME") && lines.len() < 10,
        "{failed}"
    );
    assert!(
        lines[1..].iter().all(|line| line.contains(" E")),
        "{failed}"
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn two_runs_differ_by_what_they_did() {
    let turn = turn();
    let record = |name: &str, path: &str| {
        let file = turn.name(name);
        let ran = turn.trace(&["--save", &file, "-o", "none"], &["cat", path]);
        assert!(!ran.stderr().contains("Error"), "{}", ran.stderr());
        file
    };
    let (a, b) = (
        record("a.gzr", "/etc/hostname"),
        record("b.gzr", "/no/such"),
    );
    let differences = turn.ok(["diff", &a, &b, "-o", "json"]).json();
    let has = |what: &str, syscall: &str, detail: &str, a: u64, b: u64| {
        let wanted =
            serde_json::json!({"what": what, "syscall": syscall, "detail": detail, "a": a, "b": b});
        assert!(
            differences.as_array().unwrap().contains(&wanted),
            "{wanted} {differences}"
        );
    };
    has("path", "openat", "/etc/hostname", 1, 0);
    has("path", "openat", "/no/such", 0, 1);
    let columns = turn
        .ok(["diff", &a, &b, "--syscall-filters", "openat"])
        .stdout();
    let row = columns.lines().find(|line| line.ends_with("/etc/hostname"));
    let cells: Vec<&str> = row.unwrap_or_default().split_whitespace().collect();
    assert_eq!(
        cells,
        ["path", "openat", "1", "0", "/etc/hostname"],
        "{columns}"
    );
    let same = turn.ok(["diff", &a, &a]).stdout();
    assert_eq!(same, "no differences\n");
    turn.fails(["diff", &a], &["nothing to compare with", "-c"]);
    turn.fails(["diff", &a, "/etc/hostname"], &["/etc/hostname"]);
    turn.fails(
        ["diff", &a, &b, "--syscall-filters", "opnat"],
        &["`openat`"],
    );
}
