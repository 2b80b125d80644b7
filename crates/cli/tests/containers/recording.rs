//! A `gizmo run` in the background.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gizmo_test_runtimes::wait_until;
use rustix::process::{Pid, Signal, kill_process};
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
    pub child: Child,
    out: PathBuf,
    err: PathBuf,
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

    /// Waits for its end, which must be a good one; what it has printed, and its messages.
    #[track_caller]
    pub fn end(mut self, limit: Duration) -> (String, String) {
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
        (text, stderr)
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
