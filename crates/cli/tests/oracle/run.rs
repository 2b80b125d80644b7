//! Programs under gizmo and under strace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fixture::Fixture;
use crate::recording::{self, Record};
use crate::strace::{self, Threads};

/// More than any program takes under both tools.
const TIME_LIMIT: &str = "90";

/// Without random addresses, so that results of different runs agree, and nothing outlives its time.
fn limited(fixture: &Fixture) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--foreground", "-k", "5", TIME_LIMIT, "setarch", "-R"])
        .current_dir(fixture.fresh_folder())
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("GIZMO_STORE", fixture.output("store"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// All contents, as numbers and bytes without names.
const RAW: &[&str] = &["-v", "-xx", "-X", "raw", "-s", "300"];
/// All that strace knows.
const NAMED: &[&str] = &["-v", "-x", "-y", "-s", "128"];

fn push_strace(command: &mut Command, fixture: &Fixture, style: &[&str]) -> PathBuf {
    let prefix = fixture.output("strace");
    let flags = ["strace", "-ff", "-n", "-a1"];
    command.args(flags).args(style).arg("-o").arg(&prefix);
    prefix
}

/// Which calls are selected, and where they are recorded.
pub struct Filter<'a> {
    pub calls: &'a str,
    /// `tracepoint`, or `auto`: at functions where the kernel allows it and the calls are few.
    pub attach: &'a str,
}

fn push_gizmo(command: &mut Command, output: &Path, filter: Option<&Filter<'_>>) {
    command
        .arg(env!("CARGO_BIN_EXE_gizmo"))
        .args(["run", "traceloop", "--capture-length", "256"])
        // strace itself makes several calls for each that it sees.
        .args(["--memory-budget", "512M"])
        .args(["-o", "json", "--output-file"])
        .arg(output);
    if let Some(filter) = filter {
        command.args(["--syscall-filters", filter.calls, "--attach", filter.attach]);
    }
    command.arg("--");
}

/// Runs it; the messages of gizmo and of the program.
#[track_caller]
fn finish(mut command: Command) -> String {
    let output = command.output().expect("`timeout` is installed");
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !matches!(output.status.code(), Some(124 | 125..=127 | 137)),
        "it did not run to its end: {command:?}: {messages}"
    );
    messages
}

/// What was recorded, and what was said besides.
pub struct Recording {
    pub records: Vec<Record>,
}

#[track_caller]
fn recording(output: &Path, messages: String) -> Recording {
    assert!(!messages.contains("Error: "), "gizmo failed: {messages}");
    for loss in ["overwritten", "could not be recorded", "damaged"] {
        assert!(!messages.contains(loss), "calls were lost: {messages}");
    }
    let json = fs::read_to_string(output).unwrap_or_else(|error| panic!("{error}: {messages}"));
    Recording {
        records: recording::parse(&json),
    }
}

/// The program under gizmo alone.
#[track_caller]
pub fn under_gizmo(fixture: &Fixture, filter: Option<&Filter<'_>>) -> Recording {
    let output = fixture.output("gizmo.json");
    let mut command = limited(fixture);
    push_gizmo(&mut command, &output, filter);
    command.arg(fixture.program());
    recording(&output, finish(command))
}

/// The program under strace alone.
#[track_caller]
pub fn under_strace(fixture: &Fixture) -> Threads {
    let mut command = limited(fixture);
    let prefix = push_strace(&mut command, fixture, RAW);
    command.arg(fixture.program());
    finish(command);
    strace::read(&prefix)
}

/// One execution that both see: gizmo records strace, too, and its calls are left out, as are those that its child
/// makes before it becomes the program.
#[track_caller]
fn both(fixture: &Fixture, args: &[&str], style: &[&str]) -> (Threads, Vec<Record>) {
    let output = fixture.output("gizmo.json");
    let mut command = limited(fixture);
    push_gizmo(&mut command, &output, None);
    let prefix = push_strace(&mut command, fixture, style);
    command.arg(fixture.program()).args(args);
    let recording = recording(&output, finish(command));
    let threads = strace::read(&prefix);

    let program = format!("{:?}", fixture.program());
    let is_start = |record: &Record| {
        record.syscall == "execve"
            && record.args[0].text.as_deref() == Some(program.as_str())
            && record.ret == "0"
    };
    let start = recording.records.iter().find(|record| is_start(record));
    let first = start
        .unwrap_or_else(|| panic!("no execve of {program} was recorded"))
        .tid;
    let mut is_running = false;
    let own = recording.records.into_iter().filter(|record| {
        is_running |= record.tid == first && is_start(record);
        threads.contains_key(&record.tid) && (record.tid != first || is_running)
    });
    let own = own.collect();
    (threads, own)
}

/// One execution, with names.
#[track_caller]
pub fn named(fixture: &Fixture, args: &[&str]) -> (Threads, Vec<Record>) {
    both(fixture, args, NAMED)
}

/// One execution, without names.
#[track_caller]
pub fn under_both(fixture: &Fixture) -> (Threads, Vec<Record>) {
    both(fixture, &[], RAW)
}
