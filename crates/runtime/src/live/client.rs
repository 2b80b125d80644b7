//! The other end: which runs there are, and what they say.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::debug;

use super::protocol::{Answer, Ask, Kind, Request, read_frame};

/// How long a run may be silent while it answers. It sees to one asker after the other.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// What the names of sockets end with.
const SUFFIX: &str = ".sock";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// There is no run.
    #[error("nothing runs that could be looked at")]
    NoRuns,
    /// There is more than one, and none was named.
    #[error("several runs are going on; name one: {}", .0.join(", "))]
    Several(Vec<String>),
    /// There is no run of this name.
    #[error("there is no run `{name}`; {}", known(.runs))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        runs: Vec<String>,
    },
    /// The folder, or a socket in it, is closed to this user.
    #[error("the runs in `{}` belong to another user", .0.display())]
    Denied(PathBuf),
    /// Something in the folder cannot be used.
    #[error("the runs in `{}` cannot be found", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    /// The run says why it does not answer.
    #[error("{0}")]
    Refused(String),
    /// The answer stops in the middle.
    #[error(
        "the run `{0}` has ended, or has dropped us for reading too slowly, before its answer was complete"
    )]
    CutOff(String),
    /// The run is silent.
    #[error("the run `{0}` does not answer")]
    Silent(String),
    /// The answer cannot be read.
    #[error("the answer of run `{0}` cannot be read")]
    Unreadable(String, #[source] io::Error),
    /// What was answered cannot be written.
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
}

fn known(runs: &[String]) -> String {
    match runs {
        [] => "nothing runs that could be looked at".to_owned(),
        runs => format!("there are: {}", runs.join(", ")),
    }
}

/// A run that listens.
#[derive(Debug)]
pub struct Run {
    name: String,
    stream: UnixStream,
}

/// A piece of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Printed packets, in pieces that may end anywhere.
    Output(&'a [u8]),
    /// Log lines, with their ends.
    Log(&'a [u8]),
}

/// The runs of a folder, by name. What dead runs have left is removed.
///
/// # Errors
/// The folder cannot be read.
pub fn runs(folder: &Path) -> Result<Vec<Run>, LookError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(refused(folder, error)),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| refused(folder, error))?;
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(SUFFIX)) else {
            continue;
        };
        if let Some(stream) = connect(&entry.path()).map_err(|error| refused(folder, error))? {
            let name = name.to_owned();
            runs.push(Run { name, stream });
        }
    }
    runs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(runs)
}

fn refused(folder: &Path, error: io::Error) -> LookError {
    match error.kind() {
        ErrorKind::PermissionDenied => LookError::Denied(folder.to_owned()),
        _ => LookError::Folder(folder.to_owned(), error),
    }
}

/// Connects to a run; nothing when it is dead. Its name is taken while it is listened to, so nobody else can have made the
/// socket meanwhile.
fn connect(path: &Path) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            debug!(path = %path.display(), "the run is dead; its socket is removed");
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(None),
            }
        }
        Err(error) => Err(error),
    }
}

/// The run that somebody means: the one of this name or process id, or the only one.
///
/// # Errors
/// None, or several.
pub fn choose(folder: &Path, name: Option<&str>) -> Result<Run, LookError> {
    let mut runs = runs(folder)?;
    let names = |runs: &[Run]| runs.iter().map(|run| run.name.clone()).collect();
    let Some(name) = name else {
        return match runs.len() {
            0 => Err(LookError::NoRuns),
            1 => Ok(runs.remove(0)),
            _ => Err(LookError::Several(names(&runs))),
        };
    };
    let is_meant = |run: &Run| run.name == name || run.pid() == Some(name);
    match runs.iter().position(is_meant) {
        Some(position) => Ok(runs.swap_remove(position)),
        None => Err(LookError::Unknown {
            name: name.to_owned(),
            runs: names(&runs),
        }),
    }
}

impl Run {
    /// The run's name: that of its gadget, and its process id.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn pid(&self) -> Option<&str> {
        self.name.rsplit_once('-').map(|(_, pid)| pid)
    }

    /// Asks, and passes on what comes until the answer is complete.
    ///
    /// # Errors
    /// The run refuses or ends, or `take` fails.
    pub fn ask(
        mut self,
        request: &Request,
        mut take: impl FnMut(Piece<'_>) -> io::Result<()>,
    ) -> Result<Answer, LookError> {
        let name = self.name.clone();
        // Who follows waits for something to happen.
        let limit = (request.ask != Ask::Follow).then_some(SILENCE_LIMIT);
        let sent = self.send(request, limit);
        // A run that turns somebody away may have done so before it was asked; then it has said why.
        if let Err(error) = sent
            && error.kind() != ErrorKind::BrokenPipe
        {
            return Err(LookError::Unreadable(name, error));
        }
        let mut content = Vec::new();
        loop {
            let frame = match read_frame(&mut self.stream, &mut content) {
                Ok(frame) => frame,
                Err(error) if is_timeout(&error) => return Err(LookError::Silent(name)),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
                Err(error) => return Err(LookError::Unreadable(name, error)),
            };
            let taken = match frame {
                None => return Err(LookError::CutOff(name)),
                Some(Kind::Output) => take(Piece::Output(&content)),
                Some(Kind::Log) => take(Piece::Log(&content)),
                Some(Kind::Done) => {
                    return serde_json::from_slice(&content)
                        .map_err(|error| LookError::Unreadable(name, error.into()));
                }
                Some(Kind::Failed) => {
                    let text = String::from_utf8_lossy(&content).into_owned();
                    return Err(LookError::Refused(text));
                }
            };
            taken.map_err(LookError::Write)?;
        }
    }

    fn send(&mut self, request: &Request, limit: Option<Duration>) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream.set_read_timeout(limit)?;
        self.stream.set_write_timeout(Some(SILENCE_LIMIT))?;
        self.stream.write_all(&line)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("gizmo-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn of_several_runs_one_must_be_named() {
        let folder = folder("several");
        assert!(matches!(choose(&folder, None), Err(LookError::NoRuns)));
        let _first = UnixListener::bind(folder.join("trace-1.sock")).unwrap();
        assert_eq!(choose(&folder, None).unwrap().name(), "trace-1");
        let _second = UnixListener::bind(folder.join("trace-22.sock")).unwrap();
        let error = choose(&folder, None).unwrap_err().to_string();
        assert!(error.contains("trace-1, trace-22"), "{error}");
        assert_eq!(choose(&folder, Some("22")).unwrap().name(), "trace-22");
        assert_eq!(choose(&folder, Some("trace-1")).unwrap().name(), "trace-1");
        let error = choose(&folder, Some("2")).unwrap_err().to_string();
        assert!(
            error.contains("`2`") && error.contains("trace-22"),
            "{error}"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_dead_run_has_left_is_removed() {
        let folder = folder("dead");
        let path = folder.join("trace-1.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(runs(&folder).unwrap().is_empty());
        assert!(!path.exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
