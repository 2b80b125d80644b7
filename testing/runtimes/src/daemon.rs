//! Processes that serve: started, waited for, ended.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Machines are shared: starting takes a second, or twenty.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Waits for something that has to happen.
///
/// # Panics
/// It did not happen.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a command to its end and returns what it printed, without the line's end.
///
/// # Panics
/// It is not there or fails.
#[track_caller]
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {stderr}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// A folder for a runtime. Sockets have to be short (108 bytes), so it is not below a test's own folder.
pub(crate) fn folder(name: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("gizmo-{name}-"))
        .tempdir()
        .expect("a temporary folder can be made")
}

/// A process that listens on a socket.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it and waits until it takes connections.
    #[track_caller]
    pub(crate) fn start(mut command: Command, folder: &Path, socket: &Path) -> Self {
        let log = folder.join("log");
        let file = File::create(&log).expect("a log can be made");
        let copy = file.try_clone().expect("a descriptor can be copied");
        // Signals to the test's group (an interrupt) would end it before its containers.
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .process_group(0)
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
        let mut daemon = Self { child, log };
        let end = Instant::now() + START_LIMIT;
        while UnixStream::connect(socket).is_err() {
            let ended = daemon.child.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && Instant::now() < end,
                "{command:?} does not serve {}:\n{}",
                socket.display(),
                std::fs::read_to_string(&daemon.log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    /// Makes it take connections without answering, or answer again.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        self.signal(if is_frozen {
            Signal::STOP
        } else {
            Signal::CONT
        });
    }

    /// Sends a signal.
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        let end = Instant::now() + STOP_LIMIT;
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Unmounts what a runtime left below its folder, so that the folder can be removed.
pub(crate) fn unmount_below(folder: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let mut below: Vec<_> = points
        .filter(|it| Path::new(it).starts_with(folder))
        .collect();
    below.sort_unstable_by_key(|it| std::cmp::Reverse(it.len()));
    for point in below {
        let _ = rustix::mount::unmount(point, rustix::mount::UnmountFlags::DETACH);
    }
}

/// Cleaning up goes on whatever fails.
pub(crate) fn ignore(result: io::Result<std::process::Output>) {
    let _ = result;
}
