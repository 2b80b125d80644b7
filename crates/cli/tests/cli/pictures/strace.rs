//! `-o strace`.

use super::{Call, few, recording, shown};
use crate::support::Gizmo;

#[track_caller]
fn lines(calls: Vec<Call>) -> Vec<String> {
    let gizmo = Gizmo::new();
    let file = recording(&gizmo, calls);
    let text = String::from_utf8(shown(&gizmo, &file, "strace")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn lines_are_those_of_strace() {
    let expected = [
        "7     1700000000.000001 openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC) = 3 <0.000002>",
        "--- 70 are missing </script><img src=x onerror=alert(1)>\\x1b[2J\\u202e\\u2028 ---",
        "7     1700000000.000003 openat(AT_FDCWD, \"/no/such\", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory) <0.000002>",
        "8     1700000000.000004 close(3)        = 0 <0.001500>",
        "7     1700000000.000009 [ Process PID=7 runs in 32 bit mode. ]",
        "7     1700000000.000009 close(3)        = 0 <0.000000>",
        "7     1700000000.000010 [ Process PID=7 runs in 64 bit mode. ]",
        "7     1700000000.000010 close(3)        = 0 <0.000001>",
        "20    1700000000.000012 openat(AT_FDCWD, \"</script><img src=x onerror=alert(1)>\\u{1b}[2J\\u{202e}\\u{2028}\", O_RDONLY|O_CLOEXEC) = 3 <0.000002>",
        "7     1700000000.000020 exit_group(3)   = ?",
        "7     1700000000.000020 +++ exited with 3 +++",
        "7     1700000000.000005 read(3 <unfinished ...>",
    ];
    assert_eq!(lines(few()), expected);
}

#[test]
fn arguments_stand_as_strace_has_them() {
    let call = |syscall, args: &[(&'static str, &str, Option<&str>)]| Call {
        syscall,
        args: args
            .iter()
            .map(|(name, value, text)| (*name, (*value).to_owned(), text.map(str::to_owned)))
            .collect(),
        ..Call::new(0, 0)
    };
    let exec = call(
        "execve",
        &[
            ("filename", "0x10", Some("\"/bin/sh\"")),
            ("argv", "0x20", Some("[\"sh\", \"-c\"]")),
            ("envp", "0x30", Some(r#"["A=\"1\", \\", "B=2", "C"...]"#)),
        ],
    );
    let clone = call(
        "clone",
        &[
            (
                "clone_flags",
                "0x1200011",
                Some("CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"),
            ),
            ("newsp", "0x0", None),
            ("parent_tidptr", "0x0", None),
            ("child_tidptr", "0x7f10", None),
            ("tls", "0x0", None),
        ],
    );
    let create = call(
        "openat",
        &[
            ("dfd", "-100", Some("AT_FDCWD")),
            ("filename", "0x10", Some("\"/new\"")),
            ("flags", "0x41", Some("O_WRONLY|O_CREAT")),
            ("mode", "0x1b6", Some("0666")),
        ],
    );
    let killed = Call {
        ret: "killed".to_owned(),
        ..call("pause", &[])
    };
    let shown = lines(vec![exec, clone, create, killed]);
    let shown: Vec<&str> = shown.iter().map(|line| &line[24..]).collect();
    assert_eq!(
        shown[0],
        "execve(\"/bin/sh\", [\"sh\", \"-c\"], 0x30 /* 3 vars */) = 0"
    );
    assert_eq!(
        shown[2],
        "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f10) = 0"
    );
    assert_eq!(
        shown[3],
        "openat(AT_FDCWD, \"/new\", O_WRONLY|O_CREAT, 0666) = 0"
    );
    assert_eq!(shown[4], "pause( <unfinished ...>) = ?");
}
