//! The writer that all data sources share: one lock, one write per line, and what happened when it failed.
//!
//! Nothing is kept back between events, since a run may be killed at any time and what was seen must be on disk or in
//! the pipe by then. After the first failure nothing is written any more: a line may have been cut in half.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Error;

type Callback = Box<dyn FnOnce() + Send>;

struct Shared {
    writer: Mutex<Box<dyn Write + Send>>,
    closed: AtomicBool,
    error: Mutex<Option<std::io::Error>>,
    on_closed: Mutex<Option<Callback>>,
    dropped: AtomicU64,
}

/// A writer that can be cloned; clones write to the same place.
#[derive(Clone)]
pub struct SharedWriter(Arc<Shared>);

impl std::fmt::Debug for SharedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedWriter")
            .field("closed", &self.is_closed())
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

impl SharedWriter {
    /// Shares a writer. It should not buffer; it is flushed after every line in case it does.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Shared {
            writer: Mutex::new(Box::new(writer)),
            closed: AtomicBool::new(false),
            error: Mutex::new(None),
            on_closed: Mutex::new(None),
            dropped: AtomicU64::new(0),
        }))
    }

    /// Sets what is called once when writing has failed, whether the reader has gone or the disk is full. It runs on
    /// the thread that wrote and must not emit packets; ask the run to stop and return.
    #[must_use]
    pub fn on_closed(self, callback: impl FnOnce() + Send + 'static) -> Self {
        *lock(&self.0.on_closed) = Some(Box::new(callback));
        self
    }

    /// Whether nothing can be written any more: the reader has gone, or another error is waiting in
    /// [`SharedWriter::take_error`].
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// The error that ended writing; a closed pipe is none. It is given once.
    pub fn take_error(&self) -> Option<Error> {
        lock(&self.0.error).take().map(Error::Write)
    }

    /// Writes that were not made, or not wholly, because of a failure.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Counts a packet that is not even laid out, because nothing can be written any more.
    pub(crate) fn count_dropped(&self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the bytes in one go, and drops them when an earlier write has failed.
    pub fn write(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let outcome = {
            let mut writer = lock(&self.0.writer);
            if self.is_closed() {
                self.count_dropped();
                return;
            }
            let outcome = writer.write_all(bytes).and_then(|()| writer.flush());
            if let Err(error) = outcome {
                self.0.closed.store(true, Ordering::Release);
                Err(error)
            } else {
                Ok(())
            }
        };
        let Err(error) = outcome else { return };
        self.count_dropped();
        if error.kind() != ErrorKind::BrokenPipe {
            *lock(&self.0.error) = Some(error);
        }
        let callback = lock(&self.0.on_closed).take();
        if let Some(callback) = callback {
            callback();
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
