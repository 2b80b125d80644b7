//! A `gizmo run traceloop` in the background, and the calls it has printed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gizmo_test_runtimes::{Containerd, Docker, IMAGE, output, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Machines are shared; what takes longer does not work.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What gizmo logs with `-v` when new containers are seen.
const READY: &str = "following containers";

/// A turn: runs see the containers of the whole host. Ends when it is dropped.
pub struct Turn {
    pub dir: TempDir,
    _turn: gizmo_test_runtimes::Turn,
}

/// Waits for our turn. Fails at once without root: nothing here can be judged then.
#[track_caller]
pub fn turn() -> Turn {
    Turn {
        dir: tempfile::tempdir().expect("temporary folder"),
        _turn: gizmo_test_runtimes::Turn::wait(),
    }
}

impl Turn {
    /// `gizmo` with a store of its own.
    pub fn gizmo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gizmo"));
        command
            .arg("--store")
            .arg(self.dir.path().join("store"))
            .args(args)
            .env("GIZMO_RUN_DIR", self.dir.path().join("run"))
            .env_remove("GIZMO_STORE")
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::null());
        command
    }

    /// Starts `gizmo -v run GADGET FLAGS`.
    #[track_caller]
    pub fn spawn(&self, gadget: &str, flags: &[&str]) -> Recording {
        let (out, err) = (self.dir.path().join("out"), self.dir.path().join("err"));
        let child = self
            .gizmo(&["-v", "run", gadget])
            .args(flags)
            .stdout(File::create(&out).expect("a file can be made"))
            .stderr(File::create(&err).expect("a file can be made"))
            .spawn()
            .expect("gizmo starts");
        Recording { child, out, err }
    }

    /// Starts a recording and waits until it sees new containers.
    #[track_caller]
    pub fn record(&self, flags: &[&str]) -> Recording {
        let mut all = vec!["-o", "json"];
        all.extend(flags);
        let mut recording = self.spawn("traceloop", &all);
        recording.wait_ready();
        recording
    }
}

/// A run of gizmo. It is killed when it is dropped.
pub struct Recording {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// What a run has left.
pub struct Recorded {
    pub calls: Vec<Call>,
    pub stderr: String,
}

impl Recording {
    #[track_caller]
    pub fn wait_ready(&mut self) {
        wait_until("gizmo sees new containers", LIMIT, || {
            let text = self.stderr();
            let ended = self.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "gizmo has ended: {text}");
            text.contains(READY)
        });
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// Ends it as Ctrl-C does and reads what it has printed.
    #[track_caller]
    pub fn stop(self) -> Recorded {
        self.signal(Signal::INT);
        self.finish(LIMIT)
    }

    /// Waits for its own end.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Recorded {
        let end = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(
                Instant::now() < end,
                "gizmo does not end: {}",
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(10));
        };
        let stderr = self.stderr();
        assert_eq!(status.code(), Some(0), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        let text = fs::read_to_string(&self.out).expect("UTF-8");
        let calls = text
            .lines()
            .filter(|line| !line.contains("\"lost\":"))
            .map(Call::parse)
            .collect();
        Recorded { calls, stderr }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("gizmo runs");
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
