//! The socket of a run: `RUN.sock` in a folder that only its owner can enter.
//!
//! Each connection is read on a thread of its own, within a limit of time and bytes, and becomes a [`Call`] for the run's
//! main loop. Nothing wakes up while nobody connects.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{Shutdown, getsockopt, shutdown, sockopt::PeerCredentials};
use rustix::process::geteuid;
use tracing::debug;

use super::asker::Asker;
use super::protocol::{MAX_REQUEST_BYTES, Request};
use crate::wait::{Event, spawn_joinable};

/// Askers at a time, followers included.
const MAX_ASKERS: usize = 16;

/// How long somebody may take to ask.
const ASKING_LIMIT: Duration = Duration::from_secs(5);

/// How long to wait when nobody can be let in, such as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the sockets of runs are: `GIZMO_RUN_DIR`, else `/run/gizmo` for root, else a folder of the user's session.
pub fn default_folder() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = named("GIZMO_RUN_DIR") {
        return Some(folder.into());
    }
    if geteuid().is_root() {
        return Some("/run/gizmo".into());
    }
    named("XDG_RUNTIME_DIR").map(|session| Path::new(&session).join("gizmo"))
}

/// A request, and who has made it.
pub(crate) struct Call {
    pub(super) request: Request,
    pub(super) asker: Asker,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Call").field(&self.request).finish()
    }
}

/// One of the places that askers share; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<AtomicUsize>);

impl Permit {
    fn take(count: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < MAX_ASKERS).then_some(count + 1)
        });
        taken.ok().map(|_| Self(Arc::clone(count)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The open socket of a run. It vanishes when it is dropped.
pub(super) struct Socket {
    path: PathBuf,
    listener: Arc<UnixListener>,
}

impl Socket {
    /// Makes the socket, and its folder if need be.
    ///
    /// # Errors
    /// The folder is somebody else's or open to others, or there is a run of this name.
    pub(super) fn open(folder: &Path, run: &str, calls: Sender<Event>) -> io::Result<Self> {
        make_folder(folder)?;
        let path = folder.join(format!("{run}.sock"));
        // Process ids of other namespaces may be the same.
        if UnixStream::connect(&path).is_ok() {
            return Err(ErrorKind::AddrInUse.into());
        }
        // Somebody who finds the name finds a socket that is listened to: it is made under another one.
        let hidden = folder.join(format!(".{run}"));
        remove(&hidden)?;
        let listener = UnixListener::bind(&hidden)?;
        let shown = fs::set_permissions(&hidden, Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&hidden, &path));
        if let Err(error) = shown {
            remove(&hidden)?;
            return Err(error);
        }
        let socket = Self {
            path,
            listener: Arc::new(listener),
        };
        let listener = Arc::clone(&socket.listener);
        spawn_joinable("socket", move || listen(&listener, &calls)).map_err(io::Error::other)?;
        Ok(socket)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            debug!(%error, path = %self.path.display(), "the socket stays");
        }
        use std::os::fd::AsRawFd;
        // Wakes the thread that waits for askers; it ends then.
        let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes a folder that only its owner can enter, or finds it.
fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // A link would lead to a folder that others may exchange.
    let found = fs::symlink_metadata(folder)?;
    let is_ours = found.is_dir() && found.uid() == geteuid().as_raw();
    if is_ours && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let text = "it is not a folder that belongs to this user alone (mode 0700)";
    Err(io::Error::new(ErrorKind::PermissionDenied, text))
}

fn listen(listener: &UnixListener, calls: &Sender<Event>) {
    let count = Arc::new(AtomicUsize::new(0));
    loop {
        match listener.accept() {
            Ok((stream, _)) => welcome(stream, &count, calls),
            // Shut down: the run is over.
            Err(error) if error.kind() == ErrorKind::InvalidInput => return,
            Err(error) => {
                debug!(%error, "nobody can be let in");
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

fn welcome(stream: UnixStream, count: &Arc<AtomicUsize>, calls: &Sender<Event>) {
    // Too many are turned away without a word: telling them would take time and memory that they do not deserve.
    let Some(permit) = Permit::take(count) else {
        debug!("too many askers");
        return;
    };
    let calls = calls.clone();
    let spawned = spawn_joinable("asker", move || {
        if let Some(call) = hear(stream, permit) {
            // Nobody takes it when the run is over; the asker sees the end of the stream.
            let _ = calls.send(Event::Call(call));
        }
    });
    if let Err(error) = spawned {
        debug!(%error, "nobody can be heard");
    }
}

/// What somebody wants; who has no right to anything, or says what makes no sense, is told so.
fn hear(mut stream: UnixStream, permit: Permit) -> Option<Call> {
    let peer = getsockopt(&stream, PeerCredentials).map(|peer| peer.uid());
    let is_known = peer.is_ok_and(|uid| uid == 0 || uid == geteuid().as_raw());
    let heard = if is_known {
        read_request(&mut stream)
    } else {
        Err("this run belongs to another user".to_owned())
    };
    let asker = Asker::new(stream, permit);
    match heard {
        Ok(request) => Some(Call { request, asker }),
        Err(text) => {
            asker.failed(&text);
            None
        }
    }
}

fn read_request(stream: &mut UnixStream) -> Result<Request, String> {
    let deadline = Instant::now() + ASKING_LIMIT;
    let mut line = Vec::new();
    let mut piece = [0; 4096];
    while !line.contains(&b'\n') {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("the request took too long".to_owned());
        }
        let read = stream
            .set_read_timeout(Some(left))
            .and_then(|()| stream.read(&mut piece));
        match read {
            Ok(0) => return Err("the request has no end".to_owned()),
            Ok(bytes) => line.extend_from_slice(&piece[..bytes]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err("the request took too long".to_owned()),
        }
        if line.len() > MAX_REQUEST_BYTES {
            return Err(format!(
                "the request is longer than {MAX_REQUEST_BYTES} bytes"
            ));
        }
    }
    serde_json::from_slice(&line).map_err(|error| format!("the request makes no sense: {error}"))
}
