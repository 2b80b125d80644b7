//! Recordings of commands, and of containers made by hand.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use gizmo_test_runtimes::Cgroups;
use rustix::process::Signal;

use crate::fixture::Fixture;
use crate::recording::{LIMIT, Recording, Turn};
use crate::shown::Shown;

pub fn is_full() -> bool {
    std::env::var_os("GIZMO_FULL").is_some_and(|value| value == "1")
}

impl Turn {
    /// `gizmo run traceloop FLAGS -- PROGRAM`, with events in a file.
    pub fn run<S: AsRef<OsStr>>(&self, events: &Path, flags: &[&str], program: &[S]) -> Command {
        let mut command = self.gizmo(&["-v", "run", "traceloop", "-o", "json"]);
        command.arg("--output-file").arg(events);
        command.args(flags).arg("--").args(program);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What is shown of a fixture that ends with this code.
    #[track_caller]
    pub fn record_fixture(&self, flags: &[&str], fixture: &Fixture, code: i32) -> Shown {
        let events = fixture.output("events");
        let mut run = self.run(&events, flags, &[fixture.program()]);
        let run = run.current_dir(fixture.fresh_folder()).spawn();
        let shown = finish(&events, run.expect("gizmo starts"));
        assert_eq!(shown.code, Some(code), "{}", shown.stderr);
        shown
    }
}

/// What a run has shown, after it has ended.
#[track_caller]
pub fn finish(events: &Path, run: Child) -> Shown {
    let output = run.wait_with_output().expect("a child ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("Error: "), "{stderr}");
    let json = fs::read_to_string(events).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let mut shown = Shown::parse(&json, stderr);
    shown.code = output.status.code();
    shown.stdout = stdout;
    shown
}

impl Recording {
    /// Ends it. Not by Ctrl-C, which is ignored by what a script has put into the background.
    #[track_caller]
    pub fn stop(self) -> Shown {
        self.signal(Signal::TERM);
        let (json, stderr) = self.end(LIMIT);
        Shown::parse(&json, stderr)
    }
}

/// A program as the first process of a new container, and the number of its cgroup.
#[track_caller]
pub fn contain<S: AsRef<OsStr>>(cgroups: &Cgroups, number: usize, program: &[S]) -> (Child, u64) {
    let id = Cgroups::id(number);
    let cgroup = cgroups.make(&id);
    let mut command = cgroups.container(&id, program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    (command.spawn().expect("a shell starts"), cgroup)
}

/// `testing/fixtures/marks.c`, which does as it is told.
pub struct Marker {
    /// What was started: the program, or gizmo, which runs it.
    child: Child,
    /// Its own number.
    pub pid: u32,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Marker {
    #[track_caller]
    pub fn new(mut child: Child) -> Self {
        let orders = child.stdin.take().expect("a pipe");
        let answers = child.stdout.take().expect("a pipe");
        let mut answers = BufReader::new(answers).lines();
        let pid = answers.next().expect("it answers").expect("UTF-8");
        Self {
            child,
            pid: pid.parse().expect("its number"),
            orders,
            answers,
        }
    }

    /// As the first process of a new container, whose cgroup is told, too.
    #[track_caller]
    pub fn contained(cgroups: &Cgroups, number: usize, fixture: &Fixture) -> (Self, u64) {
        let (child, cgroup) = contain(cgroups, number, &[fixture.program()]);
        (Self::new(child), cgroup)
    }

    /// Returns when it is done.
    #[track_caller]
    pub fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("it listens");
        let answer = self.answers.next().expect("it answers");
        assert_eq!(answer.expect("UTF-8"), "done", "{order}");
    }

    #[track_caller]
    pub fn mark(&mut self, number: u32) {
        self.tell(&format!("mark {number}"));
    }

    /// Lets it end; what was started is about to.
    pub fn let_go(self) -> Child {
        self.child
    }

    #[track_caller]
    pub fn end(self) {
        let status = self.let_go().wait();
        assert!(status.expect("a child ends").success());
    }

    /// Its mount namespace.
    pub fn namespace(&self) -> String {
        format!("/proc/{}/ns/mnt", self.pid)
    }
}
