//! A `list-containers --watch` that runs.

use std::io::{BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Machines are shared; what takes longer does not work.
const LIMIT: Duration = Duration::from_secs(20);

/// Killed when it is dropped.
pub struct Watch {
    child: Child,
    events: Receiver<Value>,
}

impl Watch {
    /// Starts a command that writes JSON.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("gizmo starts");
        let out = child.stdout.take().expect("a pipe");
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || read(out, &sender));
        Self { child, events }
    }

    /// The next event.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        self.events.recv_timeout(LIMIT).expect("an event")
    }

    /// Ends it with a signal: no further event, no failure.
    #[track_caller]
    pub fn ends(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        assert_eq!(self.child.wait().expect("a child").code(), Some(0));
        assert_eq!(self.events.recv_timeout(LIMIT).ok(), None);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(out: impl Read, events: &mpsc::Sender<Value>) {
    let objects = serde_json::Deserializer::from_reader(BufReader::new(out)).into_iter();
    for object in objects {
        if events.send(object.expect("JSON")).is_err() {
            return;
        }
    }
}
