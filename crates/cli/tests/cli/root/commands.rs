//! The recorded command: its exit code, its streams, its namespace and its descendants.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::{read_events, turn};
use crate::support::Ran;

#[test]
#[ignore = "root: loads eBPF programs"]
fn the_exit_code_is_the_commands() {
    let turn = turn();
    for code in [0, 1, 7, 126, 127, 255] {
        let ran = turn.trace(&["-o", "none"], &["sh", "-c", &format!("exit {code}")]);
        assert_eq!((ran.code, ran.stderr()), (Some(code), String::new()));
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_signal_is_128_and_its_number() {
    let turn = turn();
    for (name, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11)] {
        let ran = turn.trace(&["-o", "none"], &["sh", "-c", &format!("kill -{name} $$")]);
        assert_eq!(
            (ran.code, ran.stderr()),
            (Some(128 + number), String::new())
        );
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_file_that_only_the_kernel_refuses_is_not_executable() {
    let turn = turn();
    // Executable by its mode, but with an interpreter that does not exist.
    let path = turn.write("script", "#!/no/such/interpreter\n");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = path.to_str().unwrap();
    let ran = turn.trace(&["-o", "none"], &[path]);
    assert!(matches!(ran.code, Some(126 | 127)), "{:?}", ran.code);
    assert!(ran.stderr().contains(path), "{}", ran.stderr());
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn stdin_and_stdout_are_the_commands() {
    let turn = turn();
    let mut child = turn
        .command(["run", "traceloop", "-o", "none", "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"one\ntwo\0\xff")
        .unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.out, b"one\ntwo\0\xff");
    assert_eq!(ran.stderr(), "");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn events_go_to_stderr_or_to_a_file() {
    let turn = turn();
    let command = ["printf", "hello"];
    let ran = turn.trace(&["--syscall-filters", "write"], &command);
    assert_eq!((ran.code, ran.stdout().as_str()), (Some(0), "hello"));
    assert!(ran.stderr().contains("write"), "{}", ran.stderr());

    let file = turn.name("events");
    let flags = [
        "--syscall-filters",
        "write",
        "-o",
        "json",
        "--output-file",
        &file,
    ];
    let ran = turn.trace(&flags, &command);
    assert_eq!((ran.code, ran.stdout().as_str()), (Some(0), "hello"));
    assert_eq!(ran.stderr(), "");
    let events = read_events(file.as_ref());
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].parameters, "fd=1, buf=\"hello\", count=5");

    let ran = turn.trace(&["--output-file", "/proc/nowhere/events"], &command);
    ran.is_error(1, &["`/proc/nowhere/events`"]);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn arguments_and_environment_arrive_as_they_are() {
    let turn = turn();
    let words = [
        "sh",
        "-c",
        "printf '%s|' \"$@\"; printf \"$MARK\"",
        "sh",
        "",
        "--",
        "-o",
        "a b",
        "@x",
    ];
    let mut args = vec!["run", "traceloop", "-o", "none", "--"];
    args.extend(words);
    let ran = Ran::of(turn.command(args).env("MARK", "mark"));
    assert_eq!(ran.stdout(), "|--|-o|a b|@x|mark");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_descendant_that_outlives_the_command_is_recorded() {
    let turn = turn();
    let file = turn.name("events");
    let flags = [
        "--syscall-filters",
        "write",
        "-o",
        "json",
        "--output-file",
        &file,
    ];
    let ran = turn.trace(&flags, &["sh", "-c", "(sleep 0.7; printf late) & exit 4"]);
    assert_eq!((ran.code, ran.stdout().as_str()), (Some(4), "late"));
    let events = read_events(file.as_ref());
    let is_late = |text: &str| text.contains("buf=\"late\"");
    assert!(
        events.iter().any(|event| is_late(&event.parameters)),
        "{events:?}"
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn the_mount_namespace_is_the_commands_own_and_mounts_propagate_as_before() {
    let turn = turn();
    let ours = fs::read_link("/proc/self/ns/mnt").unwrap();
    let ran = turn.trace(&["-o", "none"], &["readlink", "/proc/self/ns/mnt"]);
    let theirs = ran.stdout();
    assert!(theirs.starts_with("mnt:["), "{theirs}");
    assert_ne!(theirs.trim(), ours.to_str().unwrap());

    // Mount point and optional fields (`shared:1`, `master:2`) of every mount: the same peer groups.
    let propagation = |mountinfo: &str| -> Vec<String> {
        let lines = mountinfo.lines().map(|line| {
            let (left, _) = line.split_once(" - ").unwrap();
            let words: Vec<&str> = left.split(' ').collect();
            format!("{} {}", words[4], words[6..].join(" "))
        });
        let mut all: Vec<String> = lines.collect();
        all.sort();
        all
    };
    let theirs = turn.trace(&["-o", "none"], &["cat", "/proc/self/mountinfo"]);
    let ours = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(propagation(&theirs.stdout()), propagation(&ours));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn gizmo_runs_below_gizmo() {
    let turn = turn();
    let inner = crate::support::BINARY;
    let ran = turn.trace(&["-o", "none"], &[inner, "version"]);
    let version = format!("v{}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((ran.code, ran.stdout()), (Some(0), version));
    // A recorder that is recorded.
    let (outer_file, inner_file) = (turn.name("outer"), turn.name("inner"));
    let flags = ["-o", "json", "--syscall-filters", "write", "--output-file"];
    let mut outer = flags.to_vec();
    outer.push(&outer_file);
    let mut command = vec![inner, "run", "traceloop"];
    command.extend(flags);
    command.extend([inner_file.as_str(), "--", "printf", "hello"]);
    let ran = turn.trace(&outer, &command);
    assert_eq!(
        (ran.code, ran.stdout().as_str()),
        (Some(0), "hello"),
        "{}",
        ran.stderr()
    );
    let inner_events = read_events(inner_file.as_ref());
    assert_eq!(inner_events.len(), 1, "{inner_events:?}");
    assert_eq!(inner_events[0].comm, "printf");
}
