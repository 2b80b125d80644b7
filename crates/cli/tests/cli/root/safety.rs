//! What a traced program writes, and who reads the events.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use super::turn;
use crate::support::Ran;

/// Nothing that a terminal would obey: control characters other than line ends and tabs, and no broken UTF-8.
#[track_caller]
fn is_harmless(bytes: &[u8], what: &str) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let bad = text
        .chars()
        .find(|c| c.is_control() && !"\n\t".contains(*c) || ('\u{202a}'..='\u{202e}').contains(c));
    assert_eq!(bad, None, "{what}: {}", text.escape_debug());
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn escape_sequences_of_the_command_never_reach_stderr() {
    let turn = turn();
    // The name of the program, and so of the process, an argument, and what is written.
    let program = turn.path("").join(OsStr::from_bytes(b"\x1b[2Jx\xff"));
    fs::copy("/usr/bin/printf", &program).unwrap();
    let text = OsStr::from_bytes(b"\x1b]0;t\x07\xff\xc2\x9b\xe2\x80\xae%b");
    let command = [program.as_os_str(), text, OsStr::new("\\033[2J\\0377")];
    for mode in ["columns", "json", "jsonpretty", "yaml", "none"] {
        for flags in [
            vec!["-o", mode],
            vec!["-v", "-o", mode],
            vec!["-o", mode, "--fields", "comm,args,parameters"],
        ] {
            let ran = turn.trace(&flags, &command);
            assert_eq!(ran.code, Some(0));
            assert!(ran.out.ends_with(b"\x1b[2J\xff"), "stdout is the command's");
            is_harmless(&ran.err, &format!("{flags:?}"));
            if mode != "none" {
                let text = ran.stderr();
                assert!(text.contains(r"x1b[2J"), "{flags:?}: {text}");
            }
        }
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_reader_of_events_that_has_seen_enough_is_no_failure() {
    let turn = turn();
    let script = "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); cd /; done";
    let mut child = turn
        .command([
            "run",
            "traceloop",
            "-o",
            "json",
            "--output-file",
            "/dev/stdout",
            "--",
            "sh",
            "-c",
            script,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut reader = BufReader::with_capacity(1024, child.stdout.take().unwrap());
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"abi\""), "{line}");
    drop(reader);
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!((ran.code, ran.stderr()), (Some(0), String::new()));
}

/// The command's own code in every mode: nobody told it, or us, to stop.
#[test]
#[ignore = "root: loads eBPF programs"]
fn a_stderr_that_nobody_reads_does_not_hide_the_commands_end() {
    let turn = turn();
    let done = turn.name("done");
    for mode in ["json", "none", "columns"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let script = format!("sleep 0.3; echo {mode} >{done}; exit 6");
        let status = turn
            .command(["run", "traceloop", "-o", mode, "--", "sh", "-c", &script])
            .stderr(writer)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(6), "{mode}");
        let text = fs::read_to_string(&done).unwrap_or_default();
        assert_eq!(text.trim(), mode, "gizmo ended before its command");
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_run_that_fails_early_leaves_the_old_recording_alone() {
    let turn = turn();
    let file = turn.write("calls.json", "yesterday's\n");
    let name = turn.name("calls.json");
    let flags = ["--output-file", &name];
    turn.trace(
        &[&flags[..], &["--syscall-filters", "opnat"]].concat(),
        &["true"],
    )
    .is_error(1, &["`opnat`"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "yesterday's\n");
    let ran = turn.trace(&[&flags[..], &["-o", "none"]].concat(), &["true"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn ignored_signals_stay_ignored() {
    let turn = turn();
    let file = turn.name("calls.json");
    let script = format!(
        "trap '' HUP CHLD; exec {} run traceloop -o none --output-file {file} -- sh -c 'kill -HUP $$; exit 7'",
        crate::support::BINARY
    );
    let ran = Ran::of(std::process::Command::new("sh").args(["-c", &script]));
    assert_eq!(ran.code, Some(7), "{}", ran.stderr());
}

/// An interrupt is never lost: the command has not begun, or it is the one that is interrupted.
#[test]
#[ignore = "root: loads eBPF programs"]
fn an_interrupt_during_start_up_is_not_lost() {
    use std::os::unix::process::ExitStatusExt;
    let turn = turn();
    for milliseconds in (0..120).step_by(10) {
        let file = turn.path("created");
        let script = format!("touch {}; exec sleep 60", file.display());
        let mut child = turn
            .command(["run", "traceloop", "-o", "none", "--", "sh", "-c", &script])
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        // Before the handler is there, the signal ends gizmo itself.
        let ended = status.code().or(status.signal().map(|signal| 128 + signal));
        assert_eq!(ended, Some(143), "after {milliseconds} ms");
        let _ = fs::remove_file(&file);
    }
}
