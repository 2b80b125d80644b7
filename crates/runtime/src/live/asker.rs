//! Whoever has asked: their end of the socket, in frames.
//!
//! An asker that does not read holds up the run, which waits while it emits. So waiting has a limit: some seconds at first,
//! and more for what is read. Who exceeds it is dropped, and the run goes on.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::protocol::{Answer, Kind, head};
use super::socket::Permit;

/// How long a run waits for an asker that reads nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of it comes back with each byte that was read: all of it with 5 MiB.
const PER_BYTE: Duration = Duration::from_nanos(1000);

/// Packets wait for each other until there are so many bytes of them.
const BUFFER_BYTES: usize = 64 << 10;

/// An asker that can be shared by the writers of one thread.
#[derive(Debug, Clone)]
pub(super) struct Asker(Arc<Mutex<Connection>>);

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    output: Vec<u8>,
    patience: Duration,
    is_gone: bool,
    _permit: Permit,
}

/// Whether an asker can take more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// At least something.
    Ready,
    /// Nothing now.
    Full,
    /// Nothing ever.
    Gone,
}

impl Asker {
    pub(super) fn new(stream: UnixStream, permit: Permit) -> Self {
        Self(Arc::new(Mutex::new(Connection {
            stream,
            output: Vec::new(),
            patience: PATIENCE,
            is_gone: false,
            _permit: permit,
        })))
    }

    /// Sends a log line after what was printed before it.
    pub(super) fn log(&self, line: &str) {
        let mut connection = self.lock();
        connection.flush();
        connection.frame(Kind::Log, line.as_bytes());
    }

    /// Sends what was printed.
    pub(super) fn flush(&self) {
        self.lock().flush();
    }

    /// Drops what was printed and not sent.
    pub(super) fn discard(&self) {
        self.lock().output.clear();
    }

    /// Sends the end of an answer.
    pub(super) fn done(&self, answer: &Answer) {
        match serde_json::to_vec(answer) {
            Ok(text) => self.end(Kind::Done, &text),
            Err(error) => self.failed(&error.to_string()),
        }
    }

    /// Sends why there is no answer.
    pub(super) fn failed(&self, text: &str) {
        self.end(Kind::Failed, text.as_bytes());
    }

    fn end(&self, kind: Kind, content: &[u8]) {
        let mut connection = self.lock();
        connection.flush();
        connection.frame(kind, content);
        connection.leave();
    }

    /// Whether there is room on the way to the asker.
    pub(super) fn readiness(&self) -> Readiness {
        let connection = self.lock();
        let mut fds = [PollFd::new(&connection.stream, PollFlags::OUT)];
        let asked = poll(
            &mut fds,
            Some(&Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            }),
        );
        let found = fds[0].revents();
        if connection.is_gone || found.intersects(PollFlags::HUP | PollFlags::ERR) {
            Readiness::Gone
        } else if asked.is_ok() && found.contains(PollFlags::OUT) {
            Readiness::Ready
        } else {
            Readiness::Full
        }
    }

    /// Drops the asker: it takes nothing any more.
    pub(super) fn leave(&self) {
        self.lock().leave();
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Asker {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut connection = self.lock();
        connection.output.extend_from_slice(bytes);
        if connection.output.len() >= BUFFER_BYTES {
            connection.flush();
        }
        if connection.is_gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    /// Whoever prints flushes after each line; what is sent at once is decided here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Connection {
    fn flush(&mut self) {
        let output = std::mem::take(&mut self.output);
        if !output.is_empty() {
            self.frame(Kind::Output, &output);
        }
        self.output = output;
        self.output.clear();
    }

    fn frame(&mut self, kind: Kind, content: &[u8]) {
        let sent = self
            .send(&head(kind, content.len()))
            .and_then(|()| self.send(content));
        if sent.is_err() {
            self.leave();
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && !self.is_gone {
            self.stream.set_write_timeout(Some(self.patience))?;
            let start = Instant::now();
            let written = match self.stream.write(bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(error) => return Err(error),
            };
            let earned = PER_BYTE.saturating_mul(u32::try_from(written).unwrap_or(u32::MAX));
            let left = self.patience.saturating_sub(start.elapsed()) + earned;
            self.patience = left.min(PATIENCE);
            if self.patience.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            bytes = &bytes[written..];
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.is_gone = true;
        // An asker that has gone by itself is no failure.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
