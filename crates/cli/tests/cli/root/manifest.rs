//! Runs that are written down.

use std::io::Write;
use std::process::Stdio;

use super::{Event, Turn, read_events, syscalls, turn};
use crate::support::Ran;

const HEAD: &str = "apiVersion: 1\nkind: instance-spec\nimage: traceloop\n";

/// The events of a run with these lines under `paramValues`, which ask for JSON.
#[track_caller]
fn events(turn: &Turn, lines: &str, command: &[&str]) -> Vec<Event> {
    let text = format!("{HEAD}paramValues:\n  operator.cli.output: json\n{lines}");
    let manifest = turn.write("run.yaml", text);
    let file = turn.name("events");
    let mut args = vec![
        "run",
        "-f",
        manifest.to_str().unwrap(),
        "--output-file",
        &file,
        "--",
    ];
    args.extend(command);
    let ran = turn.run(args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    read_events(file.as_ref())
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_quoted_list_selects_what_the_flag_selects() {
    let turn = turn();
    let command = ["printf", "x"];
    let by_flag = turn.events(&["--syscall-filters", "openat,write"], &command);
    let expected = syscalls(&by_flag);
    assert!(expected.contains(&"openat") && expected.contains(&"write"));
    for value in [
        r#"'"openat, write"'"#,
        r#""'openat','write'""#,
        r#""\"openat\", \"write\"""#,
        "openat, write",
        "openat,write",
        ">-\n    openat,\n    write",
    ] {
        let line = format!("  operator.oci.wasm.syscall-filters: {value}\n");
        let recorded = events(&turn, &line, &command);
        assert_eq!(syscalls(&recorded), expected, "{value}");
    }
    let everything = events(&turn, "  operator.oci.wasm.syscall-filters:\n", &command);
    assert_eq!(syscalls(&everything), syscalls(&turn.events(&[], &command)));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_list_that_is_none_is_told_as_for_the_flag() {
    let turn = turn();
    let created = turn.name("created");
    let text =
        format!("{HEAD}paramValues:\n  operator.oci.wasm.syscall-filters: '\"openat, wrte\"'\n");
    let manifest = turn.write("run.yaml", text);
    let ran = turn.run([
        "run",
        "-f",
        manifest.to_str().unwrap(),
        "--",
        "touch",
        &created,
    ]);
    ran.is_error(1, &["item 2", "`wrte`", "`write`"]);
    assert!(!turn.path("created").exists(), "the command was run");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn filters_of_events_and_of_data_sources_are_values_too() {
    let turn = turn();
    for key in ["operator.filter.filter", "operator.filter.filter.traceloop"] {
        let line = format!("  {key}: syscall==write\n");
        let recorded = events(&turn, &line, &["printf", "x"]);
        assert_eq!(syscalls(&recorded), ["write"], "{key}");
    }
    let manifest = turn.write(
        "run.yaml",
        format!("{HEAD}paramValues:\n  operator.filter.filter.nosuch: pid==1\n"),
    );
    let ran = turn.run(["run", "-f", manifest.to_str().unwrap(), "--", "true"]);
    ran.is_error(1, &["nosuch"]);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_manifest_from_stdin_records_a_command_with_its_exit_code() {
    let turn = turn();
    let mut command = turn.command(["run", "-f", "-", "-t", "30", "--", "sh", "-c", "exit 7"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let values = "paramValues:\n  operator.cli.output: columns\n  operator.cli.fields: syscall\n";
    write!(stdin, "{HEAD}{values}").unwrap();
    drop(stdin);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(7), "{}", ran.stderr());
    assert!(ran.stderr().starts_with("SYSCALL"), "{}", ran.stderr());
    assert!(ran.stderr().contains("\nexit_group"), "{}", ran.stderr());
}
