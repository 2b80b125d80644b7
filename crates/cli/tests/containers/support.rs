//! The calls that a recording has printed, and the runtimes whose containers made them.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use gizmo_test_runtimes::{Containerd, Docker, IMAGE, output};
use rustix::process::Signal;
use serde_json::Value;

pub use crate::recording::{LIMIT, Recording, Turn, turn};

/// What a run has left.
pub struct Recorded {
    pub calls: Vec<Call>,
    pub stderr: String,
}

impl Recording {
    /// Ends it as Ctrl-C does and reads what it has printed.
    #[track_caller]
    pub fn stop(self) -> Recorded {
        self.signal(Signal::INT);
        self.finish(LIMIT)
    }

    /// Waits for its own end.
    #[track_caller]
    pub fn finish(self, limit: Duration) -> Recorded {
        let (text, stderr) = self.end(limit);
        let calls = text
            .lines()
            .filter(|line| !line.contains("\"lost\":"))
            .map(Call::parse)
            .collect();
        Recorded { calls, stderr }
    }
}

/// A recorded call.
#[derive(Debug, Clone)]
pub struct Call {
    pub syscall: String,
    pub parameters: String,
    pub ret: String,
    pub comm: String,
    pub pid: u64,
    pub tid: u64,
    /// Name, id, runtime and image of the container.
    pub name: String,
    pub id: String,
    pub runtime: String,
    pub image: String,
    /// Namespace, pod and container.
    pub k8s: [String; 3],
    /// It began before the recording.
    pub is_at_least: bool,
    start_ns: u64,
}

impl Call {
    #[track_caller]
    fn parse(line: &str) -> Self {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let number = |key: &str| value[key].as_u64().unwrap_or_default();
        let (runtime, k8s) = (&value["runtime"], &value["k8s"]);
        Self {
            syscall: text(&value["syscall"]),
            parameters: text(&value["parameters"]),
            ret: text(&value["ret"]),
            comm: text(&value["comm"]),
            pid: number("pid"),
            tid: number("tid"),
            is_at_least: value["at_least"] == true,
            start_ns: number("timestamp_raw"),
            name: text(&runtime["containerName"]),
            id: text(&runtime["containerId"]),
            runtime: text(&runtime["runtimeName"]),
            image: text(&runtime["containerImageName"]),
            k8s: ["namespace", "podName", "containerName"].map(|key| text(&k8s[key])),
        }
    }

    /// What is the same whenever the same program runs: the call and its result, unless that is an address or the number of
    /// a process: runtimes have used some before.
    fn shape(&self) -> String {
        const BY_CHANCE: [&str; 9] = [
            "brk",
            "mmap",
            "mremap",
            "set_tid_address",
            "gettid",
            "clone",
            "fork",
            "vfork",
            "wait4",
        ];
        let is_chance = BY_CHANCE.contains(&self.syscall.as_str())
            && self.ret != "0"
            && !self.ret.starts_with('-');
        let ret = if is_chance { "*" } else { &self.ret };
        format!("{} = {ret}", self.syscall)
    }
}

/// Calls by the id of their container.
pub fn by_id(calls: &[Call]) -> BTreeMap<String, Vec<Call>> {
    let mut all: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for call in calls {
        all.entry(call.id.clone()).or_default().push(call.clone());
    }
    all
}

/// What each thread has done, in order; threads are in no order, since their numbers are given by chance. When the end of a
/// child is noticed is chance, too.
pub fn shapes(calls: &[Call]) -> Vec<Vec<String>> {
    let mut threads: BTreeMap<u64, Vec<&Call>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.syscall != "rt_sigreturn") {
        threads.entry(call.tid).or_default().push(call);
    }
    let mut shapes: Vec<Vec<String>> = threads
        .into_values()
        .map(|mut calls| {
            calls.sort_by_key(|call| call.start_ns);
            calls.iter().map(|call| call.shape()).collect()
        })
        .collect();
    shapes.sort();
    shapes
}

/// From the execve of the entry point to the end of the last process.
#[track_caller]
pub fn assert_whole(calls: &[Call]) {
    let (Some(first), Some(last)) = (calls.first(), calls.last()) else {
        panic!("nothing was recorded");
    };
    assert_eq!(
        (first.syscall.as_str(), first.ret.as_str()),
        ("execve", "0"),
        "the beginning is missing: {first:?}"
    );
    assert_eq!(last.syscall, "exit_group", "the end is missing: {last:?}");
    assert_eq!(
        first.pid, last.pid,
        "the first process is not the last: {last:?}"
    );
}

/// A runtime that runs a container to its end.
pub trait Runtime: Sync {
    /// Its name for `-r`.
    fn name(&self) -> &'static str;
    /// Flags that let gizmo follow this runtime only.
    fn flags(&self) -> Vec<String>;
    /// A command that starts a container, waits for its end and has its exit code.
    fn container(&self, name: &str, args: &[&str]) -> Command;

    /// Runs a container that must succeed, and returns what it has printed.
    #[track_caller]
    fn run_to_end(&self, name: &str, args: &[&str]) -> String {
        output(&mut self.container(name, args))
    }
}

impl Runtime for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn flags(&self) -> Vec<String> {
        flags("docker", &self.socket().to_string_lossy())
    }

    fn container(&self, name: &str, args: &[&str]) -> Command {
        let mut command = self.command(&["run", "--network=host", "--name", name, IMAGE]);
        command.args(args);
        command
    }
}

impl Runtime for Containerd {
    fn name(&self) -> &'static str {
        "containerd"
    }

    fn flags(&self) -> Vec<String> {
        flags("containerd", &self.socket().to_string_lossy())
    }

    fn container(&self, name: &str, args: &[&str]) -> Command {
        let mut command =
            Containerd::command(self, "default", &["run", "--rm", "--net-host", IMAGE, name]);
        command.args(args);
        command
    }
}

/// Flags that let gizmo follow one runtime.
pub fn flags(runtime: &str, socket: &str) -> Vec<String> {
    let socket_flag = format!("--{runtime}-socketpath");
    ["-r", runtime, &socket_flag, socket]
        .map(str::to_owned)
        .to_vec()
}

/// Flags and more flags.
pub fn with<'f>(flags: &'f [String], more: &[&'f str]) -> Vec<&'f str> {
    flags
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect()
}
