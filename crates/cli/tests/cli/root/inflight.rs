//! Calls in flight when a recording ends. The kernel's own account of each thread, `/proc/PID/task/TID/syscall`, is what
//! they must agree with.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Event, Turn, read_events, turn};

#[path = "../../oracle/fixture.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests against strace, which use all of it"
)]
mod fixture;

use fixture::{Fixture, Link};

/// The fixture's calls, by ABI and name, and their numbers.
#[cfg(target_arch = "x86_64")]
const CALLS: [(&str, &str, u64); 8] = [
    ("x86_64", "read", 0),
    ("x86_64", "readv", 19),
    ("x86_64", "pause", 34),
    ("x86_64", "nanosleep", 35),
    ("x86_64", "futex", 202),
    ("x86_64", "ppoll", 271),
    ("i386", "read", 3),
    ("i386", "recv", 102),
];
#[cfg(target_arch = "aarch64")]
const CALLS: [(&str, &str, u64); 5] = [
    ("arm64", "read", 63),
    ("arm64", "readv", 65),
    ("arm64", "ppoll", 73),
    ("arm64", "futex", 98),
    ("arm64", "nanosleep", 101),
];

#[cfg(target_arch = "x86_64")]
const FILTER: &str = "read,readv,pause,nanosleep,futex,ppoll,i386:recv";
#[cfg(target_arch = "aarch64")]
const FILTER: &str = "read,readv,ppoll,futex,nanosleep";

#[cfg(target_arch = "x86_64")]
const READV: u64 = 19;
#[cfg(target_arch = "aarch64")]
const READV: u64 = 65;

/// Threads, so that every kind of call is made several times.
const THREADS: usize = 24;

/// The number and arguments of the calls that the threads of a process are blocked in, by thread. Who is running, or
/// blocked elsewhere, is not among them.
fn blocked(pid: u32) -> BTreeMap<u32, [u64; 7]> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    let of_task = |task: fs::DirEntry| {
        // A thread may end at any moment.
        let text = fs::read_to_string(task.path().join("syscall")).ok()?;
        let mut words = text.split_whitespace();
        let mut call = [words.next()?.parse().ok()?, 0, 0, 0, 0, 0, 0];
        for (argument, word) in call[1..].iter_mut().zip(words) {
            *argument = u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()?;
        }
        Some((task.file_name().to_str()?.parse().ok()?, call))
    };
    tasks.flatten().filter_map(of_task).collect()
}

/// Whether an argument is shown as what is in its register.
fn agrees(value: &str, register: u64) -> bool {
    match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16) == Ok(register),
        // Integers may have 32 bits, and the register more.
        None => value
            .parse::<i64>()
            .is_ok_and(|value| value as u32 == register as u32),
    }
}

/// Every blocked thread is there once with its call, and nothing else.
#[track_caller]
fn assert_same(events: &[&Event], blocked: &BTreeMap<u32, [u64; 7]>) {
    let shown: Vec<u32> = events.iter().map(|event| event.tid).collect();
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    let expected: Vec<u32> = blocked.keys().copied().collect();
    assert_eq!(sorted, expected);
    for event in events {
        let call = CALLS
            .iter()
            .find(|call| (call.0, call.1) == (event.abi.as_str(), event.syscall.as_str()));
        let truth = &blocked[&event.tid];
        assert_eq!(call.map(|call| call.2), Some(truth[0]), "{event:?}");
        // The arguments of recv lie in memory.
        if event.syscall != "recv" {
            for (argument, register) in event.args.iter().zip(&truth[1..]) {
                assert!(agrees(&argument.value, *register), "{event:?}: {truth:x?}");
            }
        }
        assert!(event.unfinished && event.ret == "unfinished" && event.error.is_empty());
    }
}

/// `blocked THREADS` outside of a recording; killed when it is dropped.
struct Outside(Child);

impl Outside {
    #[track_caller]
    fn start(fixture: &Fixture, threads: usize) -> Self {
        let child = Command::new(fixture.program())
            .args([threads.to_string().as_str(), "spin"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let outside = Self(child);
        outside.wait_blocked(threads);
        outside
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Until all threads have come to rest: the blocked ones and the first.
    #[track_caller]
    fn wait_blocked(&self, threads: usize) {
        wait_long("all threads are blocked", || {
            blocked(self.pid()).len() == threads + 1
        });
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something holds; a crowd takes its time on a machine that does other things, too.
#[track_caller]
fn wait_long(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(100), "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[track_caller]
fn read_pid(path: &Path) -> u32 {
    let text = fs::read_to_string(path).expect("the command has run");
    text.trim().parse().expect("a number")
}

/// `blocked THREADS spin` under gizmo until all threads are blocked: the events, and what they are blocked in.
#[track_caller]
fn inside(turn: &Turn, threads: usize, filter: &str) -> (Vec<Event>, BTreeMap<u32, [u64; 7]>) {
    let fixture = Fixture::compile("blocked", Link::Static);
    let (events, pid) = (turn.name("events"), turn.name("pid"));
    let program = fixture.program().display();
    // A signal ends the recording when the command has ended and descendants are left. These do not keep gizmo's output.
    let script = format!(
        "{program} {threads} spin </dev/null >/dev/null 2>&1 & echo $! >{pid}.new; mv {pid}.new {pid}"
    );
    let args = [
        "run",
        "traceloop",
        // At functions gizmo may have to say that calls were missed, which is tested elsewhere.
        "--attach",
        "tracepoint",
        "--syscall-filters",
        filter,
        "-o",
        "json",
    ];
    let mut gizmo = turn
        .command(args)
        .args(["--output-file", &events, "--", "sh", "-c", &script])
        .stdout(Stdio::null())
        .stderr(fs::File::create(turn.path("stderr")).unwrap())
        .spawn()
        .unwrap();
    wait_long("the command has ended", || turn.path("pid").exists());
    let pid = read_pid(&turn.path("pid"));
    // The first thread sleeps for ever when it has read nothing.
    wait_long("all threads are blocked", || {
        let calls = blocked(pid);
        calls.len() == threads + 1 && calls.get(&pid).is_some_and(|call| call[0] != READV)
    });
    // A moment later gizmo knows that only descendants are left.
    std::thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&gizmo), Signal::TERM).unwrap();
    let status = gizmo.wait().unwrap();
    let blocked = blocked(pid);
    let killed = Pid::from_raw(pid.cast_signed()).expect("a process");
    kill_process(killed, Signal::KILL).expect("the threads are there");
    let said = fs::read_to_string(turn.path("stderr")).unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    (read_events(events.as_ref()), blocked)
}

fn unfinished(events: &[Event]) -> Vec<&Event> {
    events.iter().filter(|event| event.unfinished).collect()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn calls_in_flight_are_shown_with_arguments_and_age() {
    let turn = turn();
    let (events, blocked) = inside(&turn, THREADS, FILTER);
    let shown = unfinished(&events);
    assert_same(&shown, &blocked);
    // What was captured when a call began is shown, for calls behind socketcall, too.
    let has = |name: &str, parameters: &str| {
        let is_it =
            |event: &&&Event| event.syscall == name && event.parameters.contains(parameters);
        shown.iter().find(is_it).is_some()
    };
    assert!(has("nanosleep", "rqtp={tv_sec=1000000, tv_nsec=5}"));
    assert!(cfg!(not(target_arch = "x86_64")) || has("recv", "size=9, flags=0"));
    // They come last, by their beginnings, and the age of all leads to the same moment.
    let first = events.iter().position(|event| event.unfinished);
    assert_eq!(first, Some(events.len() - shown.len()));
    assert!(shown.is_sorted_by_key(|event| event.timestamp_raw));
    let ends = shown
        .iter()
        .map(|event| event.timestamp_raw + event.duration_raw);
    let finished = events.iter().filter(|event| !event.unfinished);
    let last = finished
        .map(|event| event.timestamp_raw + event.duration_raw)
        .max();
    assert!(ends.min() >= last, "somebody was looked at before the end");
    assert!(
        shown
            .iter()
            .all(|event| !event.at_least && event.duration_raw > 0)
    );
    // The thread that has ended has made its call, and is not in it.
    let ended = |event: &&Event| event.syscall == "nanosleep" && event.ret == "0";
    assert_eq!(events.iter().filter(ended).count(), 1);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn only_selected_calls_in_flight_are_shown() {
    let turn = turn();
    let (events, blocked) = inside(&turn, THREADS, "futex");
    let number = CALLS
        .iter()
        .find(|call| call.1 == "futex")
        .map(|call| call.2);
    let futexes = blocked
        .into_iter()
        .filter(|(_, call)| Some(call[0]) == number);
    let futexes: BTreeMap<_, _> = futexes.collect();
    assert!(!futexes.is_empty());
    assert_same(&unfinished(&events), &futexes);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn nothing_is_in_flight_when_the_command_has_ended() {
    let turn = turn();
    let events = turn.events(&[], &["sh", "-c", "sleep 0.1 & sleep 0.2; wait"]);
    assert!(events.len() > 100);
    assert_eq!(unfinished(&events), Vec::<&Event>::new());
}

/// Programs that do nothing but write for some seconds, alone and in each other's way.
pub(super) const WRITERS: &str =
    "(for i in 1 2; do timeout 5 yes & timeout 5 yes | cat & done; wait) >/dev/null 2>&1";

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_call_is_shown_once_returned_or_unfinished() {
    let turn = turn();
    let file = turn.name("events");
    let ran = turn.trace(
        &[
            "--timeout",
            "3",
            "--syscall-filters",
            "write,read",
            "-o",
            "json",
            "--output-file",
            &file,
        ],
        &["sh", "-c", WRITERS],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    assert_shown_once(read_events(file.as_ref()));
}

/// A thread's unfinished call begins when all others of it have returned.
#[track_caller]
pub(super) fn assert_shown_once(events: Vec<Event>) {
    let mut last_end_ns: BTreeMap<u32, u64> = BTreeMap::new();
    let mut open: BTreeMap<u32, u64> = BTreeMap::new();
    for event in events {
        let end_ns = event.timestamp_raw + event.duration_raw;
        if event.unfinished {
            let other = open.insert(event.tid, event.timestamp_raw);
            assert_eq!(other, None, "two calls of one thread: {event:?}");
        } else {
            last_end_ns.insert(event.tid, end_ns);
        }
    }
    assert!(last_end_ns.len() > 1, "{last_end_ns:?}");
    for (tid, start_ns) in open {
        let last = last_end_ns.get(&tid).copied().unwrap_or_default();
        assert!(
            start_ns >= last,
            "{tid}: begins at {start_ns}, has returned at {last}"
        );
    }
}

/// Records the host for a moment while something is done.
#[track_caller]
fn record_host(turn: &Turn, recording: &[&str], pid: u32, meanwhile: impl FnOnce()) -> Vec<Event> {
    let (out, err) = (turn.path("host.json"), turn.path("host.err"));
    let flags = [
        "-v",
        "run",
        "traceloop",
        "--host",
        "--timeout",
        "3",
        "-o",
        "json",
    ];
    let mut gizmo = turn
        .command(flags)
        .args(recording)
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&err).unwrap_or_default();
    wait_long("the recording begins", || said().contains("recording ``"));
    meanwhile();
    assert!(gizmo.wait().unwrap().success(), "{}", said());
    let text = fs::read_to_string(&out).unwrap();
    let own = format!("\"pid\":{pid},");
    let own = text.lines().filter(|line| line.contains(&own));
    own.map(parse_of_host).collect()
}

/// An event of a run that follows containers: the same fields, and those of the container, which are empty for the host.
#[track_caller]
fn parse_of_host(line: &str) -> Event {
    let mut event: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
    for container in ["k8s", "runtime"] {
        assert!(event.remove(container).is_some(), "{line}");
    }
    serde_json::from_value(Value::Object(event)).unwrap()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn of_calls_begun_before_the_recording_the_least_age_is_shown() {
    let turn = turn();
    let fixture = Fixture::compile("blocked", Link::Static);
    let outside = Outside::start(&fixture, THREADS);
    let pid = outside.pid();
    let events = record_host(&turn, &["--syscall-filters", FILTER], pid, || {});
    let shown = unfinished(&events);
    assert_same(&shown, &blocked(pid));
    for event in &shown {
        assert!(
            event.at_least && event.duration.starts_with('≥'),
            "{event:?}"
        );
    }
    for event in shown.iter().filter(|event| event.syscall == "recv") {
        assert_eq!(event.parameters, "fd=?, ubuf=?, size=?, flags=?");
    }
    assert_eq!(events.len(), shown.len(), "{events:?}");

    // Selected are those of one ABI, of one kind, or none.
    let cases: &[(&str, &str)] = if cfg!(target_arch = "x86_64") {
        &[
            ("i386:recv", "recv"),
            ("i386:connect", ""),
            ("ppoll", "ppoll"),
        ]
    } else {
        &[("ppoll", "ppoll"), ("connect", "")]
    };
    for (filter, name) in cases {
        let events = record_host(&turn, &["--syscall-filters", filter], pid, || {});
        let count = events.iter().filter(|event| event.syscall == *name).count();
        assert_eq!(count, events.len(), "{filter}: {events:?}");
        assert_eq!(count > 0, !name.is_empty(), "{filter}");
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_call_begun_before_that_returns_is_a_record_and_the_next_is_in_flight() {
    let turn = turn();
    let fixture = Fixture::compile("blocked", Link::Static);
    let mut outside = Outside::start(&fixture, 0);
    let (pid, stdin) = (outside.pid(), outside.0.stdin.take());
    // At the function itself nobody would be told that the call returns.
    let recording = ["--attach", "tracepoint", "--syscall-filters", "readv"];
    let events = record_host(&turn, &recording, pid, || {
        stdin.as_ref().unwrap().write_all(b"x").unwrap();
    });
    let [returned, open] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((returned.ret.as_str(), returned.unfinished), ("1", false));
    assert!(open.unfinished && !open.at_least, "{open:?}");
    assert_same(&[open], &blocked(pid));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn ten_thousand_blocked_threads_are_all_shown() {
    const CROWD: usize = 10_000;
    let turn = turn();
    let (events, blocked) = inside(&turn, CROWD, FILTER);
    assert_same(&unfinished(&events), &blocked);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn ten_thousand_threads_blocked_before_the_recording_are_all_shown() {
    const CROWD: usize = 10_000;
    let turn = turn();
    let fixture = Fixture::compile("blocked", Link::Static);
    let outside = Outside::start(&fixture, CROWD);
    let events = record_host(&turn, &["--syscall-filters", FILTER], outside.pid(), || {});
    let shown = unfinished(&events);
    assert_same(&shown, &blocked(outside.pid()));
    assert!(shown.iter().all(|event| event.at_least));
}
