//! The filter language in the kernel and behind it: what a filter records is what it would select of a whole recording.

use super::{Event, Turn, syscalls, turn};

/// Reads, fails, writes, and is another program in between.
const COMMAND: [&str; 3] = [
    "sh",
    "-c",
    "cat /etc/passwd /no/such/file >/dev/null; exec ls -l /etc/hostname",
];

/// What does not depend on where things lie in memory.
fn content(event: &Event) -> (String, String, String, String, String) {
    let texts: Vec<&str> = event
        .args
        .iter()
        .filter_map(|arg| arg.text.as_deref())
        .collect();
    let text = texts.join(", ");
    (
        event.syscall.clone(),
        event.comm.clone(),
        event.error.clone(),
        event.abi.clone(),
        // Processes and addresses differ.
        if event.syscall == "openat" {
            text
        } else {
            String::new()
        },
    )
}

impl Turn {
    /// Runs the command with a filter.
    #[track_caller]
    fn filtered(&self, expression: &str, command: &[&str]) -> Vec<Event> {
        let file = self.name("events");
        let saved = self.name("saved");
        let flags = [
            "--syscall-filters",
            expression,
            "-o",
            "json",
            "--output-file",
            &file,
        ];
        // Everything is kept, to be searched again.
        let save: &[&str] = match expression {
            "" => &["--save", &saved],
            _ => &[],
        };
        let ran = self.trace(&[&flags[..], save].concat(), command);
        assert!(!ran.stderr().contains("Error:"), "{}", ran.stderr());
        super::read_events(file.as_ref())
    }

    /// Asserts that a filter records of a command what `is_meant` selects of all of its calls.
    #[track_caller]
    fn assert_selects(&self, all: &[Event], expression: &str, is_meant: impl Fn(&Event) -> bool) {
        let contents = |events: &mut dyn Iterator<Item = &Event>| {
            let mut contents: Vec<_> = events.map(content).collect();
            // Programs run at once.
            contents.sort_by(|one, other| one.1.cmp(&other.1));
            contents
        };
        let expected = contents(&mut all.iter().filter(|event| is_meant(event)));
        let recorded = contents(&mut self.filtered(expression, &COMMAND).iter());
        let shown = self.ok([
            "show",
            &self.name("saved"),
            "-o",
            "json",
            "--syscall-filters",
            expression,
        ]);
        let shown = super::parse_events(&shown.stdout());
        // A file has the names that threads had when calls returned.
        let is_exec = |event: &&Event| event.syscall == "execve";
        assert_eq!(
            contents(&mut shown.iter().filter(|event| !is_exec(event))),
            contents(
                &mut all
                    .iter()
                    .filter(|event| is_meant(event) && !is_exec(event))
            ),
            "{expression} in a file"
        );
        let differs = (0..).find(|&at| expected.get(at) != recorded.get(at) || at > expected.len());
        let at = differs.unwrap_or_default();
        assert!(
            recorded == expected,
            "{expression}: number {at} is {:?} instead of {:?}",
            recorded.get(at),
            expected.get(at)
        );
        assert!(
            !expected.is_empty() && expected.len() < all.len(),
            "{expression} says nothing"
        );
    }
}

fn result(event: &Event) -> Option<i64> {
    match event.ret.split(' ').next()? {
        hex if hex.starts_with("0x") => i64::from_str_radix(&hex[2..], 16).ok(),
        _ if !event.error.is_empty() => Some(-1),
        number => number.parse().ok(),
    }
}

fn path(event: &Event) -> Option<&str> {
    let arg = event.args.iter().find(|arg| arg.name == "filename")?;
    arg.text.as_deref()
}

fn value(event: &Event, name: &str) -> Option<u64> {
    let arg = event.args.iter().find(|arg| arg.name == name)?;
    arg.value.parse().ok()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn tests_in_the_kernel_record_what_they_say() {
    let turn = turn();
    let all = turn.filtered("", &COMMAND);
    let pid = all[0].pid;
    assert!(all.iter().any(|event| event.pid != pid));
    turn.assert_selects(&all, "failed", |event| !event.error.is_empty());
    turn.assert_selects(&all, "ok", |event| {
        event.error.is_empty() && result(event).is_some()
    });
    turn.assert_selects(&all, "error=ENOENT|ENXIO", |event| event.error == "ENOENT");
    turn.assert_selects(&all, "error!=ENOENT", |event| {
        event.error != "ENOENT" && result(event).is_some()
    });
    turn.assert_selects(&all, "openat, ret>=3", |event| {
        event.syscall == "openat" && event.error.is_empty()
    });
    turn.assert_selects(&all, "ret=0", |event| result(event) == Some(0));
    // An execve begins under the old name.
    turn.assert_selects(&all, "comm=cat", |event| {
        event.comm == "cat" && event.syscall != "execve"
    });
    turn.assert_selects(&all, "comm~c*|l*, !mmap", |event| {
        ["cat", "ls"].contains(&event.comm.as_str())
            && !["mmap", "execve"].contains(&event.syscall.as_str())
    });
    turn.assert_selects(&all, "comm!=cat, failed, %file", |event| {
        event.comm != "cat"
            && !event.error.is_empty()
            && gizmo_syscalls::classes::Class::find("file")
                .is_some_and(|class| class.calls().any(|call| call == event.syscall))
    });
    // Each run has another user, process and thread.
    assert!(turn.filtered("uid!=0", &COMMAND).is_empty());
    assert!(turn.filtered("pid=1|2", &COMMAND).is_empty());
    assert!(turn.filtered("tid<2", &COMMAND).is_empty());
    turn.assert_selects(&all, "uid=0, pid>1, tid!=1, openat", |event| {
        event.syscall == "openat"
    });
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn tests_of_arguments_show_what_they_say() {
    let turn = turn();
    let all = turn.filtered("", &COMMAND);
    turn.assert_selects(&all, "openat, path~/etc/*", |event| {
        event.syscall == "openat" && path(event).is_some_and(|path| path.starts_with("\"/etc/"))
    });
    turn.assert_selects(&all, "openat, path!~/etc/*|/usr/*, failed", |event| {
        event.syscall == "openat"
            && !event.error.is_empty()
            && path(event)
                .is_some_and(|path| !path.starts_with("\"/etc/") && !path.starts_with("\"/usr/"))
    });
    turn.assert_selects(&all, "read, write, fd=3", |event| {
        ["read", "write"].contains(&event.syscall.as_str()) && value(event, "fd") == Some(3)
    });
    turn.assert_selects(&all, "arg.prot>=5, comm=cat", |event| {
        event.comm == "cat" && value(event, "prot").is_some_and(|prot| prot >= 5)
    });
    // Only calls that have such an argument are selected at all.
    let descriptors = turn.filtered("fd>=0", &COMMAND);
    assert!(!syscalls(&descriptors).contains(&"brk"));
    assert!(syscalls(&descriptors).contains(&"close"));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_class_and_its_complement_are_all_calls() {
    let turn = turn();
    let script = "import socket; a, b = socket.socketpair(); a.send(b'x'); b.recv(1); \
                  s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print(s.getsockname()[0])";
    let command = ["/usr/bin/python3", "-I", "-S", "-c", script];
    let names = |expression: &str| -> Vec<String> {
        let events = turn.filtered(expression, &command);
        // What the memory manager does depends on where things lie.
        let is_stable =
            |event: &&Event| !["brk", "mmap", "munmap"].contains(&event.syscall.as_str());
        events
            .iter()
            .filter(is_stable)
            .map(|event| event.syscall.clone())
            .collect()
    };
    let all = names("");
    let network = gizmo_syscalls::classes::Class::find("network").unwrap();
    let is_network = |name: &String| network.calls().any(|call| call == name);
    let of_class: Vec<_> = all
        .iter()
        .filter(|name| is_network(name))
        .cloned()
        .collect();
    let others: Vec<_> = all
        .iter()
        .filter(|name| !is_network(name))
        .cloned()
        .collect();
    assert!(of_class.contains(&"getsockname".to_owned()), "{of_class:?}");
    assert_eq!(names("%network"), of_class);
    assert_eq!(names("! %network"), others);
    assert_eq!(names("!%network"), others);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn only_slow_calls_are_recorded_also_those_that_go_on() {
    let turn = turn();
    let command = ["sh", "-c", "sleep 0.2; true"];
    let slow = turn.filtered("duration>=150ms", &command);
    assert!(syscalls(&slow).contains(&"clock_nanosleep"), "{slow:?}");
    assert!(slow.iter().all(|event| event.duration_raw >= 150_000_000));
    let fast = turn.filtered("duration<150ms, !exit_group", &command);
    assert!(fast.len() > 20 && !syscalls(&fast).contains(&"clock_nanosleep"));
    // What never returns takes no time that could be compared.
    let ends = turn.filtered("exit_group, duration<1h", &command);
    assert!(ends.is_empty(), "{ends:?}");
    let unfinished = |expression: &str| {
        let file = turn.name("unfinished");
        let flags = [
            "--syscall-filters",
            expression,
            "--timeout",
            "1",
            "-o",
            "json",
            "--output-file",
            &file,
        ];
        turn.trace(&flags, &["sleep", "3"]);
        let mut events = super::read_events(file.as_ref());
        events.retain(|event| event.unfinished);
        events
    };
    assert_eq!(syscalls(&unfinished("duration>100ms")), ["clock_nanosleep"]);
    // How long they will take, and how they will end, nobody knows.
    assert!(unfinished("duration>1h").is_empty());
    assert!(unfinished("ok").is_empty());
    assert!(unfinished("failed").is_empty());
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_thread_is_tested_when_its_call_begins() {
    let turn = turn();
    let script = "import ctypes; c = ctypes.CDLL(None); c.getppid(); c.prctl(15, b'renamed', 0, 0, 0); c.getppid(); \
                  c.setuid(1000); c.getppid(); c.prctl(15, b'python3', 0, 0, 0); c.getppid()";
    let command = ["/usr/bin/python3", "-I", "-S", "-c", script];
    let calls = |expression: &str| {
        let events = turn.filtered(&format!("getppid, prctl, setuid, {expression}"), &command);
        let name = |event: &Event| format!("{} {}", event.syscall, event.uid);
        events.iter().map(name).collect::<Vec<_>>()
    };
    // The call that changes the name belongs to the old name, as the note that is made when it ends cannot say.
    assert_eq!(
        calls("comm=renamed"),
        ["getppid 0", "setuid 1000", "getppid 1000", "prctl 1000"]
    );
    assert_eq!(
        calls("comm!=renamed"),
        ["getppid 0", "prctl 0", "getppid 1000"]
    );
    assert_eq!(
        calls("uid=1000"),
        ["getppid 1000", "prctl 1000", "getppid 1000"]
    );
    assert_eq!(
        calls("uid=0"),
        ["getppid 0", "prctl 0", "getppid 0", "setuid 1000"]
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn failures_need_no_beginnings_and_say_what_was_passed() {
    let turn = turn();
    let failed = turn.filtered("failed", &COMMAND);
    let opened = failed
        .iter()
        .find(|event| path(event) == Some("\"/no/such/file\""))
        .unwrap();
    assert_eq!((&*opened.syscall, &*opened.error), ("openat", "ENOENT"));
    // Where durations are asked for, beginnings are looked at again.
    let timed = turn.filtered("failed, duration>0ns", &COMMAND);
    assert_eq!(
        timed.iter().map(content).collect::<Vec<_>>(),
        failed.iter().map(content).collect::<Vec<_>>()
    );
    assert!(timed.iter().all(|event| event.duration_raw > 0));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn what_cannot_be_is_pointed_at() {
    let turn = turn();
    let file = turn.name("created");
    for (expression, words) in [
        (
            "openat, ret>\"x\"",
            "is no number\n  openat, ret>\"x\"\n              ^^^",
        ),
        (
            "error=ENOENTT",
            "did you mean `ENOENT`?\n  error=ENOENTT\n        ^^^^^^^",
        ),
        ("%netwrk", "did you mean `%network`?\n  %netwrk\n  ^^^^^^^"),
        ("cmm=x", "did you mean `comm`?"),
        (
            "ok, failed",
            "no call can pass this together with the tests before it\n  ok, failed\n      ^^^^^^",
        ),
    ] {
        let ran = turn.trace(&["--syscall-filters", expression], &["touch", &file]);
        assert_eq!(ran.code, Some(1), "{expression}");
        assert!(
            ran.stderr().contains(words),
            "{expression}: {}",
            ran.stderr()
        );
    }
    let refused = |flag: &str, value: &str, expression: &str| {
        let ran = turn.trace(&[flag, value, "--syscall-filters", expression], &["true"]);
        assert_eq!(ran.code, Some(1), "{expression}");
        ran.stderr()
    };
    assert!(refused("--capture-length", "0", "path~/x*").contains("--capture-length 0"));
    let ran = turn.trace(
        &["--no-duration", "--syscall-filters", "duration>1s"],
        &["true"],
    );
    assert!(ran.stderr().contains("--no-duration"), "{}", ran.stderr());
    assert!(!std::path::Path::new(&file).exists(), "nothing has run");
}
