//! `--filter` and `--syscall-filters`.

use std::fs;
use std::process::Command;

use super::{WRITE, syscalls, turn};
use crate::support::{BINARY, Ran, clean};

#[test]
#[ignore = "root: loads eBPF programs"]
fn rules_select_events() {
    let turn = turn();
    let command = ["cat", "/etc/passwd", "/no/such/file"];
    let events = |rules: &str| {
        let file = turn.name("events");
        let flags = ["-F", rules, "-o", "json", "--output-file", &file];
        // `cat` fails because of the second file.
        assert_eq!(turn.trace(&flags, &command).code, Some(1));
        super::read_events(file.as_ref())
    };
    let three = events("ret==3");
    assert!(
        !three.is_empty() && three.iter().all(|event| event.ret == "3"),
        "{three:?}"
    );
    let opens = events("syscall~^open");
    assert!(opens.iter().all(|event| event.syscall.starts_with("open")));
    assert!(
        opens
            .iter()
            .any(|event| event.parameters.contains("\"/etc/passwd\""))
    );
    let failed = events("syscall==openat,error==ENOENT");
    assert!(
        failed
            .iter()
            .any(|event| event.parameters.contains("\"/no/such/file\""))
    );
    assert!(
        failed
            .iter()
            .all(|event| event.syscall == "openat" && event.error == "ENOENT")
    );
    let others = events("syscall!~^(open|read|write)");
    assert!(!others.is_empty() && !syscalls(&others).contains(&"openat"));
    assert!(events("pid==1").is_empty());
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn every_quoting_selects_the_same() {
    let turn = turn();
    let command = ["printf", "x"];
    let all = turn.events(&[], &command);
    let expected: Vec<&str> = syscalls(&all)
        .into_iter()
        .filter(|name| ["openat", "write"].contains(name))
        .collect();
    assert!(
        expected.contains(&"openat") && expected.contains(&"write"),
        "{expected:?}"
    );
    let by_number = format!("openat,{WRITE}");
    for list in [
        "openat,write",
        "openat, write",
        " openat , write ",
        "\"openat\",\"write\"",
        "\"openat, write\"",
        "'openat,write'",
        "'openat','write'",
        "write,openat,write",
        &by_number,
    ] {
        let events = turn.events(&["--syscall-filters", list], &command);
        assert_eq!(syscalls(&events), expected, "{list}");
    }
    let flag = turn.events(&["--syscall-filters=openat,write"], &command);
    assert_eq!(syscalls(&flag), expected);
    let none = turn.events(&["--syscall-filters", ""], &command);
    assert_eq!(syscalls(&none), syscalls(&all), "an empty list selects all");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_list_may_be_long_and_may_come_from_a_file() {
    let turn = turn();
    let names = [
        "getpid",
        "getppid",
        "getuid",
        "geteuid",
        "getgid",
        "getegid",
        "gettid",
        "getpgid",
        "getsid",
        "getgroups",
        "getresuid",
        "getresgid",
        "getrlimit",
        "getrusage",
        "getpriority",
        "getitimer",
        "clock_gettime",
        "clock_settime",
        "clock_getres",
        "clock_nanosleep",
        "timer_create",
        "timer_settime",
        "timer_gettime",
        "timer_getoverrun",
        "timer_delete",
        "sched_setaffinity",
        "sched_getaffinity",
        "write",
    ];
    let list = names.join(",");
    assert!(names.len() > 16 && list.len() > 256);
    let events = turn.events(&["--syscall-filters", &list], &["printf", "x"]);
    assert!(syscalls(&events).contains(&"write"), "{events:?}");
    assert!(
        syscalls(&events).iter().all(|name| names.contains(name)),
        "{events:?}"
    );
    let file = format!("@{}", turn.write("list", &list).display());
    let again = turn.events(&["--syscall-filters", &file], &["printf", "x"]);
    assert_eq!(syscalls(&again), syscalls(&events));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_list_that_is_none_names_item_and_position() {
    let turn = turn();
    let file = turn.name("created");
    for (list, words) in [
        ("openat,,write", vec!["item 2", "empty", "column 8"]),
        ("openat,write,", vec!["item 3", "empty", "column 14"]),
        (",openat", vec!["item 1", "empty", "column 1"]),
        ("openat,\"write", vec!["item 2", "quote", "column 8"]),
        ("'openat", vec!["item 1", "quote", "column 1"]),
        (
            "openat,wrte",
            vec!["item 2", "`wrte`", "column 8", "`write`"],
        ),
        (
            "opnat",
            vec!["item 1", "`opnat`", "column 1", "did you mean `openat`"],
        ),
    ] {
        let ran = turn.trace(&["--syscall-filters", list], &["touch", &file]);
        ran.is_error(1, &words);
        assert!(
            !turn.path("created").exists(),
            "{list}: the command was run"
        );
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_number_that_no_kernel_has_is_accepted_with_a_warning() {
    let turn = turn();
    let flags = ["-o", "none", "--syscall-filters", "4000"];
    let ran = turn.trace(&flags, &["true"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    assert!(ran.stderr().contains("level=warning"), "{}", ran.stderr());
    assert!(
        ran.stderr().contains("4000"),
        "not as it was typed: {}",
        ran.stderr()
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_bad_list_fails_before_anything_reaches_the_kernel() {
    let turn = turn();
    let (calls, created) = (turn.name("calls"), turn.name("created"));
    // What gizmo asks of bpf(2), the command included; strace belongs to what set-up installs.
    let loads = |list: &str| {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=bpf,perf_event_open", "-o", &calls]);
        command.arg(BINARY).arg("--store").arg(turn.store());
        command.args(["run", "traceloop", "-o", "none", "--syscall-filters", list]);
        clean(command.args(["--", "touch", &created]));
        let ran = Ran::of(&mut command);
        let text = fs::read_to_string(&calls).expect("strace writes its file");
        (
            ran.code,
            // Whether the kernel knows something is asked with programs and maps that are neither.
            text.matches("BPF_PROG_TYPE_TRACING").count(),
            text.matches(r#"map_name="rings""#).count(),
        )
    };
    let (code, programs, maps) = loads("opnat");
    assert_eq!((code, programs, maps), (Some(1), 0, 0));
    assert!(!turn.path("created").exists(), "the command was run");
    // The measure itself works.
    let (code, programs, maps) = loads("openat");
    assert!(
        code == Some(0) && programs > 0 && maps > 0,
        "{code:?} {programs} {maps}"
    );
    assert!(turn.path("created").exists());
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_call_that_this_kernel_lacks_is_accepted_with_a_warning() {
    let turn = turn();
    // Gone since Linux 2.6; arm64 never had it.
    let name = if cfg!(target_arch = "aarch64") {
        "nfsservctl"
    } else {
        "create_module"
    };
    let flags = ["-o", "json", "--syscall-filters", &format!("{name},write")];
    let ran = turn.trace(&flags, &["printf", "x"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    let text = ran.stderr();
    let (warning, event) = text.split_once('\n').unwrap();
    assert!(
        warning.contains("level=warning") && warning.contains(name),
        "{text}"
    );
    assert_eq!(syscalls(&super::parse_events(event)), ["write"]);
}
