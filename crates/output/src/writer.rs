//! The writer that all data sources share: one lock, one write per line, and what happened when it failed.
//!
//! Nothing is kept back between events, since a run may be killed at any time and what was seen must be on disk or in
//! the pipe by then; only while whoever emits has said that more follows at once, some are written together. After the
//! first failure nothing is written any more: a line may have been cut in half.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Error;

type Callback = Box<dyn FnOnce() + Send>;

/// So many bytes are written at once, though more follow.
const HELD_BYTES: usize = 64 << 10;

struct Sink {
    writer: Box<dyn Write + Send>,
    /// How many batches are under way.
    batches: usize,
    /// What is to be written when they end, whole writes in the order in which they came.
    held: Vec<u8>,
    /// How many writes that are.
    held_writes: u64,
}

impl Sink {
    fn write_held(&mut self) -> std::io::Result<()> {
        let outcome = self.writer.write_all(&self.held);
        self.held.clear();
        // One large event shall not cost memory for ever.
        self.held.shrink_to(2 * HELD_BYTES);
        outcome.and_then(|()| self.writer.flush())
    }
}

struct Shared {
    sink: Mutex<Sink>,
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
            sink: Mutex::new(Sink {
                writer: Box::new(writer),
                batches: 0,
                held: Vec::new(),
                held_writes: 0,
            }),
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
        let mut sink = lock(&self.0.sink);
        if self.is_closed() {
            self.count_dropped();
            return;
        }
        sink.held.extend_from_slice(bytes);
        sink.held_writes += 1;
        if sink.batches == 0 || sink.held.len() >= HELD_BYTES {
            self.write_held(sink);
        }
    }

    /// More will follow at once: from now on writes may wait for each other, until [`SharedWriter::release`].
    pub(crate) fn hold(&self) {
        lock(&self.0.sink).batches += 1;
    }

    /// That was all.
    pub(crate) fn release(&self) {
        let mut sink = lock(&self.0.sink);
        sink.batches = sink.batches.saturating_sub(1);
        if sink.batches == 0 && !sink.held.is_empty() {
            self.write_held(sink);
        }
    }

    fn write_held(&self, mut sink: MutexGuard<'_, Sink>) {
        let writes = std::mem::take(&mut sink.held_writes);
        let Err(error) = sink.write_held() else {
            return;
        };
        self.0.closed.store(true, Ordering::Release);
        drop(sink);
        self.0.dropped.fetch_add(writes, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes what each write is given.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<usize>>>);

    impl Write for Notes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            lock(&self.0).push(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn writes_wait_for_each_other_until_the_last_batch_ends() {
        let notes = Notes::default();
        let writer = SharedWriter::new(notes.clone());
        writer.write(b"one");
        writer.hold();
        writer.hold();
        writer.write(b"two");
        writer.write(b"three");
        writer.release();
        assert_eq!(*lock(&notes.0), [3]);
        writer.release();
        writer.write(b"four");
        assert_eq!(*lock(&notes.0), [3, 8, 4]);
    }

    #[test]
    fn what_is_held_has_an_end() {
        let notes = Notes::default();
        let writer = SharedWriter::new(notes.clone());
        writer.hold();
        for _ in 0..3 {
            writer.write(&[b'x'; HELD_BYTES / 2 + 1]);
        }
        assert_eq!(*lock(&notes.0), [HELD_BYTES + 2]);
        writer.release();
        assert_eq!(lock(&notes.0).len(), 2);
    }

    #[test]
    fn everything_that_was_held_counts_as_dropped_when_writing_fails() {
        let writer = SharedWriter::new(&mut [][..]);
        writer.hold();
        writer.write(b"one");
        writer.write(b"two");
        assert!(!writer.is_closed());
        writer.release();
        writer.write(b"three");
        assert!(writer.is_closed());
        assert_eq!(writer.dropped(), 3);
    }
}
