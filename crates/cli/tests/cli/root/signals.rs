//! Signals for gizmo and for its command.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};

use super::{Turn, turn, wait_until};

/// Starts a shell script below gizmo in a process group of its own, and waits until it has made the file `ready`.
#[track_caller]
fn start(turn: &Turn, script: &str) -> Child {
    let script = format!(
        "{script}\ntouch {}\nwhile :; do sleep 0.05; done",
        turn.name("ready")
    );
    start_plain(turn, &script)
}

#[track_caller]
fn start_plain(turn: &Turn, script: &str) -> Child {
    let _ = fs::remove_file(turn.path("ready"));
    let child = turn
        .command(["run", "traceloop", "-o", "none", "--", "sh", "-c", script])
        .stdout(Stdio::null())
        .stderr(fs::File::create(turn.path("stderr")).unwrap())
        .process_group(0)
        .spawn()
        .unwrap();
    wait_until("the command runs", || turn.path("ready").exists());
    child
}

/// The exit code of a child that ends in time; another one is killed.
#[track_caller]
fn code(turn: &Turn, mut child: Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(fs::read_to_string(turn.path("stderr")).unwrap(), "");
            return status.code();
        }
        if start.elapsed() > Duration::from_secs(10) {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            panic!("gizmo does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn sigterm_is_passed_on_to_the_command() {
    let turn = turn();
    let child = start(&turn, "trap 'exit 7' TERM");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(code(&turn, child), Some(7));
    let child = start(&turn, "");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(code(&turn, child), Some(128 + 15));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn ctrl_c_reaches_the_command_and_gizmo_waits_for_it() {
    let turn = turn();
    // The terminal sends it to the whole group.
    let child = start(&turn, "trap 'sleep 0.3; exit 5' INT");
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(code(&turn, child), Some(5));
    let child = start(&turn, "");
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(code(&turn, child), Some(128 + 2));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_signal_ends_the_wait_for_descendants() {
    for signal in [Signal::INT, Signal::TERM] {
        let turn = turn();
        let (pid, ready) = (turn.name("pid"), turn.name("ready"));
        let script =
            format!("(trap '' INT; exec sleep 100) & echo $! >{pid}; touch {ready}; exit 3");
        let child = start_plain(&turn, &script);
        // The command itself is about to end; a moment later only the descendant is left.
        std::thread::sleep(Duration::from_millis(500));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let code = code(&turn, child);
        let left: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        let left = Pid::from_raw(left).unwrap();
        let is_alive = test_kill_process(left).is_ok();
        let _ = kill_process(left, Signal::KILL);
        assert_eq!((code, is_alive), (Some(3), true), "{signal:?}");
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn the_command_has_the_usual_signal_dispositions() {
    let turn = turn();
    let ran = turn.trace(
        &["-o", "none"],
        &["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"],
    );
    let mut plain = std::process::Command::new("grep");
    let plain = plain
        .args(["-E", "^Sig(Blk|Ign)", "/proc/self/status"])
        .output()
        .unwrap();
    assert_eq!(ran.stdout(), String::from_utf8(plain.stdout).unwrap());
}
