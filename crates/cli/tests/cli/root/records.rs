//! `--timeout`, and what a run leaves behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{read_events, turn, wait_until};

/// Folders of the cgroup v2 hierarchy with this name.
fn cgroups(name: &str) -> Vec<PathBuf> {
    fn search(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name() == *name {
                    found.push(entry.path());
                }
                search(&entry.path(), name, found);
            }
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let line = line.expect("a cgroup v2 hierarchy");
    let mut found = Vec::new();
    search(Path::new(line.split(' ').nth(4).unwrap()), name, &mut found);
    found
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_timeout_ends_the_recording_and_not_the_command() {
    let turn = turn();
    let (events, done, pid) = (turn.name("events"), turn.name("done"), turn.name("pid"));
    let go = turn.name("go");
    let script = format!(
        "echo $$ >{pid}; printf early; until [ -e {go} ] || ! [ -e {pid} ]; do sleep 0.1; done; cat /proc/self/cgroup >{done}"
    );
    let flags = [
        "run",
        "traceloop",
        "-t",
        "1",
        "-o",
        "json",
        "--output-file",
        &events,
        "--",
        "sh",
        "-c",
        &script,
    ];
    let start = Instant::now();
    let mut child = turn
        .command(flags)
        .stdout(Stdio::null())
        .stderr(fs::File::create(turn.path("stderr")).unwrap())
        .spawn()
        .unwrap();
    let cgroup = format!("gizmo-{}", child.id());
    wait_until("the command runs", || turn.path("pid").exists());
    assert_eq!(cgroups(&cgroup).len(), 1, "no cgroup to look for later");
    let status = child.wait().unwrap();
    let took = start.elapsed();
    assert_eq!(status.code(), Some(0));
    assert_eq!(fs::read_to_string(turn.path("stderr")).unwrap(), "");
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert_eq!(cgroups(&cgroup), Vec::<PathBuf>::new());
    let events = read_events(events.as_ref());
    assert!(
        events
            .iter()
            .any(|event| event.parameters.contains("buf=\"early\"")),
        "{events:?}"
    );

    let command = fs::read_to_string(&pid).unwrap();
    assert!(
        Path::new("/proc").join(command.trim()).exists(),
        "the command has ended, too"
    );
    turn.write("go", "");
    wait_until("the command ends by itself", || {
        fs::read_to_string(&done).is_ok_and(|text| text.contains("0::"))
    });
    let after = fs::read_to_string(&done).unwrap();
    assert!(!after.contains(&cgroup), "still in the cgroup: {after}");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_timeout_that_is_not_reached_changes_nothing() {
    let turn = turn();
    for seconds in ["0", "60", "18446744073709551615"] {
        let start = Instant::now();
        let ran = turn.trace(&["-t", seconds, "-o", "none"], &["sh", "-c", "exit 9"]);
        assert_eq!(
            (ran.code, ran.stderr()),
            (Some(9), String::new()),
            "{seconds}"
        );
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn no_cgroup_stays_behind() {
    let turn = turn();
    for script in ["true", "kill -9 $$", "(sleep 0.3) & true"] {
        let child = turn
            .command(["run", "traceloop", "-o", "none", "--", "sh", "-c", script])
            .spawn()
            .unwrap();
        let cgroup = format!("gizmo-{}", child.id());
        child.wait_with_output().unwrap();
        assert_eq!(cgroups(&cgroup), Vec::<PathBuf>::new(), "{script}");
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn the_host_is_recorded_whatever_is_selected() {
    let turn = turn();
    let mut child = turn
        .command(["run", "traceloop", "--host", "-c", "no-such-container"])
        .args(["--syscall-filters", "rmdir", "--timeout", "2", "-o", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let path = format!("/no/such/gizmo-{}", child.id());
    while child.try_wait().unwrap().is_none() {
        std::fs::remove_dir(&path).unwrap_err();
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(stdout.contains(&path), "{stdout} {stderr}");
    assert!(!stderr.contains("left out"), "{stderr}");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn without_a_command_containers_are_followed_and_not_the_host() {
    let turn = turn();
    let args = [
        "run",
        "traceloop",
        "-c",
        "no-such-container",
        "--timeout",
        "1",
        "-o",
        "json",
    ];
    let ran = turn.ok(args);
    assert_eq!(ran.stdout(), "");
    turn.fails(
        ["run", "traceloop", "-r", "dokcer"],
        &["`dokcer`", "containerd"],
    );
    let missing = [
        "run",
        "traceloop",
        "-r",
        "docker",
        "--docker-socketpath",
        "/no/such.sock",
    ];
    turn.fails(missing, &["docker", "/no/such.sock"]);
}
