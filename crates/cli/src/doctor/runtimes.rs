//! Container runtimes: where their sockets are, and whether somebody answers.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{Check, Status};

/// How long a runtime may take to accept. connect(2) waits while a socket's queue is full, with no end of its own.
const PATIENCE: Duration = Duration::from_secs(1);

/// A runtime, the variable that moves its socket, and where it is otherwise.
struct Runtime {
    name: &'static str,
    variable: &'static str,
    default: &'static str,
}

const RUNTIMES: [Runtime; 4] = [
    Runtime {
        name: "docker",
        variable: "INSPEKTOR_GADGET_DOCKER_SOCKETPATH",
        default: "/run/docker.sock",
    },
    Runtime {
        name: "containerd",
        variable: "INSPEKTOR_GADGET_CONTAINERD_SOCKETPATH",
        default: "/run/containerd/containerd.sock",
    },
    Runtime {
        name: "cri-o",
        variable: "INSPEKTOR_GADGET_CRIO_SOCKETPATH",
        default: "/run/crio/crio.sock",
    },
    Runtime {
        name: "podman",
        variable: "INSPEKTOR_GADGET_PODMAN_SOCKETPATH",
        default: "/run/podman/podman.sock",
    },
];

/// All runtimes, each asked.
pub(super) fn all() -> Vec<Check> {
    RUNTIMES
        .iter()
        .map(|runtime| runtime.check(env::var_os(runtime.variable)))
        .collect()
}

impl Runtime {
    fn check(&self, moved: Option<OsString>) -> Check {
        let moved = moved.filter(|path| !path.is_empty()).map(PathBuf::from);
        let is_moved = moved.is_some();
        let path = moved.unwrap_or_else(|| self.default.into());
        let shown = path.display();
        let warn =
            |found: String, advice: String| Check::new(self.name, Status::Warn, &found, advice);
        let Err(error) = connect(&path) else {
            return Check::ok(self.name, &format!("answers at {shown}"));
        };
        match error.kind() {
            io::ErrorKind::NotFound if !is_moved => {
                let found = format!("no socket at {shown}");
                Check::new(self.name, Status::Absent, &found, "")
            }
            io::ErrorKind::NotFound => warn(
                format!("no socket at {shown}, which {} names", self.variable),
                format!("start {}, or correct or unset the variable", self.name),
            ),
            io::ErrorKind::PermissionDenied => warn(
                format!("{shown} may not be opened by this user"),
                "run gizmo as root".to_owned(),
            ),
            io::ErrorKind::ConnectionRefused => warn(
                format!("nobody listens at {shown}"),
                format!("start {}", self.name),
            ),
            io::ErrorKind::TimedOut => warn(
                format!("no answer at {shown} within a second"),
                format!("see whether {} is stuck", self.name),
            ),
            _ => warn(
                format!("{shown} cannot be connected to: {error}"),
                format!("name the socket of {} in {}", self.name, self.variable),
            ),
        }
    }
}

/// Connects and hangs up. The thread of a call that does not return ends with the process.
fn connect(path: &Path) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    thread::Builder::new()
        .name("socket".to_owned())
        .stack_size(128 * 1024)
        .spawn(move || sender.send(UnixStream::connect(path).map(drop)))?;
    receiver
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn check(path: impl Into<OsString>) -> Check {
        RUNTIMES[0].check(Some(path.into()))
    }

    #[test]
    fn a_socket_answers_refuses_or_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let gone = check(&path);
        assert_eq!(gone.status, Status::Warn);
        assert!(gone.found.contains(RUNTIMES[0].variable), "{gone:?}");
        let listener = UnixListener::bind(&path).unwrap();
        let there = check(&path);
        assert_eq!(there.status, Status::Ok, "{there:?}");
        drop(listener);
        let refused = check(&path);
        assert_eq!(refused.status, Status::Warn);
        assert!(refused.found.starts_with("nobody listens"), "{refused:?}");
        let file = dir.path().join("f");
        std::fs::write(&file, "").unwrap();
        assert_eq!(check(&file).status, Status::Warn);
    }

    #[test]
    fn an_unset_or_empty_variable_means_the_usual_place() {
        let nowhere = Runtime {
            default: "/no/such/socket",
            ..RUNTIMES[1]
        };
        for moved in [None, Some(OsString::new())] {
            let check = nowhere.check(moved);
            assert_eq!(check.status, Status::Absent);
            assert!(check.found.contains("/no/such/socket"), "{check:?}");
        }
    }

    #[test]
    fn hostile_paths_are_shown_harmless() {
        let dir = b"/\x1b[2J\n\xff\xe2\x80\xae/x".to_vec();
        for path in [dir, b"/a\0b".to_vec(), vec![b'a'; 5000]] {
            let check = check(OsString::from_vec(path));
            assert_eq!(check.status, Status::Warn);
            assert!(!check.found.chars().any(char::is_control), "{check:?}");
            assert!(!check.found.contains('\u{202e}'), "{check:?}");
        }
    }
}
