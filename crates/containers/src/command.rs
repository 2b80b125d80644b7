//! A command as a pseudo-container: started, held, let go, waited for.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use gizmo_model::container::Container;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, wait, waitpid,
};
use tracing::{debug, warn};

use crate::cgroup::Cgroup;
use crate::launch::LAUNCH_COMMAND;
use crate::resolve::Resolved;

/// Why a command could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such file.
    #[error("command `{0}` was not found")]
    NotFound(String),
    /// There is a file, but it cannot be executed.
    #[error("command `{0}` cannot be executed: {1}")]
    NotExecutable(String, String),
    /// The process that becomes the command could not be prepared.
    #[error("failed to prepare the command: {0}")]
    Prepare(&'static str, #[source] io::Error),
    /// The process that becomes the command ended early; it has said why on stderr.
    #[error("failed to give the command a mount namespace of its own")]
    Namespace,
}

impl CommandError {
    /// The exit code that shells use: 127 for a missing command, 126 for one that cannot be executed.
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::NotFound(_) => 127,
            CommandError::NotExecutable(..) => 126,
            CommandError::Prepare(..) | CommandError::Namespace => 1,
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exited(u8),
    /// By a signal.
    Signaled(u8),
}

impl Ended {
    /// The exit code that shells use: the command's, or 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Ended::Exited(code) => code,
            Ended::Signaled(signal) => 128u8.saturating_add(signal),
        }
    }
}

/// A command that exists as a process but has not executed anything of its own.
#[derive(Debug)]
pub struct HeldCommand {
    pid: Pid,
    cgroup: Option<Cgroup>,
    container: Container,
    is_released: bool,
}

impl HeldCommand {
    /// Starts the process and holds it.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn start(command: &Resolved) -> Result<Self, CommandError> {
        // Descendants whose parents die become our children, so that we see the end of all of them.
        set_child_subreaper(Some(getpid()))
            .map_err(|error| CommandError::Prepare("no subreaper", error.into()))?;
        let child = std::process::Command::new("/proc/self/exe")
            .arg(LAUNCH_COMMAND)
            .arg(&command.path)
            .args(&command.args)
            .spawn()
            .map_err(|error| CommandError::Prepare("no process", error))?;
        let pid = Pid::from_child(&child);
        let held = wait_until_stopped(pid).and_then(|()| Self::describe(pid, command));
        held.inspect_err(|_| end(pid))
    }

    fn describe(pid: Pid, command: &Resolved) -> Result<Self, CommandError> {
        let raw = pid.as_raw_nonzero().get();
        let mntns_id = fs::metadata(format!("/proc/{raw}/ns/mnt"))
            .map_err(|error| CommandError::Prepare("no mount namespace", error))?
            .ino();
        let cgroup =
            Cgroup::create().and_then(|cgroup| cgroup.add(raw.unsigned_abs()).map(|()| cgroup));
        let cgroup = cgroup
            .inspect_err(|error| warn!(%error, "no cgroup of its own for the command; using its mount namespace"))
            .ok();
        let name = command.name();
        let container = Container {
            id: format!("{name}-{raw}"),
            name,
            mntns_id,
            cgroup_id: cgroup.as_ref().map_or(0, Cgroup::id),
            cgroup_path: cgroup.as_ref().map_or_else(String::new, |cgroup| {
                cgroup.path().to_string_lossy().into_owned()
            }),
            ..Container::default()
        };
        debug!(?container, "command held");
        Ok(Self {
            pid,
            cgroup,
            container,
            is_released: false,
        })
    }

    /// Who it is, for data sources and filters.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Process id, as this process sees it.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Lets the command run.
    ///
    /// # Errors
    /// The process is gone.
    pub fn release(mut self) -> Result<Command, CommandError> {
        kill_process(self.pid, Signal::CONT)
            .map_err(|error| CommandError::Prepare("no signal", error.into()))?;
        self.is_released = true;
        Ok(Command {
            pid: self.pid,
            _cgroup: self.cgroup.take(),
        })
    }
}

impl Drop for HeldCommand {
    /// A command that was not let go never runs.
    fn drop(&mut self) {
        if !self.is_released {
            end(self.pid);
        }
    }
}

/// Ends a child at once and takes note of its end.
fn end(pid: Pid) {
    let _ = kill_process(pid, Signal::KILL);
    let _ = waitpid(Some(pid), WaitOptions::empty());
}

fn wait_until_stopped(pid: Pid) -> Result<(), CommandError> {
    loop {
        match waitpid(Some(pid), WaitOptions::UNTRACED) {
            Ok(Some((_, status))) if status.stopped() => return Ok(()),
            Ok(Some((_, status))) if status.exited() || status.signaled() => {
                return Err(CommandError::Namespace);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(CommandError::Prepare("no child", error.into())),
        }
    }
}

/// A command that runs.
///
/// When it is dropped before its end, its processes go back to the cgroup that they came from and live on.
#[derive(Debug)]
pub struct Command {
    pid: Pid,
    _cgroup: Option<Cgroup>,
}

impl Command {
    /// Ends the command's process, politely or not.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid, signal);
    }
}

/// Waits until this process has no children left, i.e. for the command `pid` and all its descendants; `ended` is called
/// when the command itself has ended.
pub fn wait_for_all(pid: Pid, mut ended: impl FnMut(Ended)) {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((child, status))) if child == pid => {
                if let Some(how) = how_ended(status) {
                    ended(how);
                }
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // No children are left.
            Err(_) => return,
        }
    }
}

fn how_ended(status: WaitStatus) -> Option<Ended> {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    status
        .exit_status()
        .map(|code| Ended::Exited(byte(code)))
        .or_else(|| {
            status
                .terminating_signal()
                .map(|signal| Ended::Signaled(byte(signal)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_shells() {
        assert_eq!(Ended::Exited(3).exit_code(), 3);
        assert_eq!(Ended::Signaled(9).exit_code(), 137);
        assert_eq!(CommandError::NotFound("x".into()).exit_code(), 127);
        assert_eq!(
            CommandError::NotExecutable("x".into(), String::new()).exit_code(),
            126
        );
    }
}
