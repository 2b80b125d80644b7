//! Reading the buffers of a perf event array.

use crate::abi::Output;
use crate::map::Map;
use crate::raw;
use crate::{Error, Result};

/// A reader of the buffers behind a perf event array. Dropping it closes the buffers.
#[derive(Debug)]
pub struct PerfReader {
    handle: u32,
}

impl PerfReader {
    /// Opens a buffer of at least `bytes_per_cpu` for every CPU and begins to record.
    ///
    /// The size is rounded up to a power of two of the *host's* pages. With `is_overwritable` new records replace old
    /// ones, and the reader must be paused before it is read.
    pub fn new(map: &Map, bytes_per_cpu: u32, is_overwritable: bool) -> Result<PerfReader> {
        match raw::new_perf_reader(map.handle(), bytes_per_cpu, u32::from(is_overwritable)) {
            0 => Err(refused("newPerfReader")),
            handle => Ok(PerfReader { handle }),
        }
    }

    /// Stops recording. May be repeated.
    pub fn pause(&self) -> Result<()> {
        self.check("perfReaderPause", raw::perf_reader_pause(self.handle))
    }

    /// Records again.
    pub fn resume(&self) -> Result<()> {
        self.check("perfReaderResume", raw::perf_reader_resume(self.handle))
    }

    /// Reads the next record; `false` means that there is none left.
    ///
    /// The host does not tell the record's length, and leaves the rest of the buffer as it was. The kernel pads records so
    /// that their length plus 4 is a multiple of 8: a buffer for events of 160 bytes needs 164. A record that does not
    /// fit is an error and lost. Overwritable buffers yield the newest record of a CPU first.
    pub fn read(&mut self, record: &mut [u8]) -> Result<bool> {
        match raw::perf_reader_read(self.handle, Output::bytes(record)) {
            0 => Ok(true),
            2 => Ok(false),
            _ => Err(refused("perfReaderRead")),
        }
    }

    /// As [`PerfReader::read`], into a vector that is given `bytes` first, all of them zero: those that the record lacks
    /// stay so.
    pub fn read_vec(&mut self, record: &mut Vec<u8>, bytes: usize) -> Result<bool> {
        record.clear();
        record.resize(bytes, 0);
        self.read(record)
    }

    /// Closes the buffers. Dropping does the same without telling whether it worked.
    pub fn close(self) -> Result<()> {
        let closed = raw::perf_reader_close(self.handle);
        let result = self.check("perfReaderClose", closed);
        std::mem::forget(self);
        result
    }

    fn check(&self, function: &'static str, result: u32) -> Result<()> {
        match result {
            0 => Ok(()),
            _ => Err(refused(function)),
        }
    }
}

impl Drop for PerfReader {
    fn drop(&mut self) {
        // The host logs a failure.
        let _ = raw::perf_reader_close(self.handle);
    }
}

fn refused(function: &'static str) -> Error {
    Error::refused_unnamed(function, "a perf reader")
}
