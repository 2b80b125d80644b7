//! Running iterator programs of the gadget's own eBPF object.

use crate::abi::{Input, Output};
use crate::raw;
use crate::{Error, Result};

/// How much is read at a time: the kernel hands out what it has collected, at most 32 KiB.
const CHUNK_BYTES: usize = 32 << 10;

/// What an iterator program (`SEC("iter/task")` and others) prints while it is read. Dropping it ends the program's run.
///
/// The program was loaded with the object and is attached to nothing. It may run from `start` to `stop`; what other
/// programs of the object would notice in the meantime they do only while they are attached, so `pre_stop` is the last
/// phase in which it sees what they see.
#[derive(Debug)]
pub struct ProgramOutput {
    handle: u32,
}

impl ProgramOutput {
    /// Begins to run the program of this name.
    pub fn of(program: &str) -> Result<ProgramOutput> {
        match raw::new_iterator(Input::text(program)) {
            0 => Err(Error::refused("newIterator", program)),
            handle => Ok(ProgramOutput { handle }),
        }
    }

    /// Reads the next bytes to the beginning of a buffer, which is not empty, and returns how many; 0 at the end. The
    /// boundaries of what the program writes mean nothing here.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = raw::iterator_read(self.handle, Output::bytes(into));
        usize::try_from(read)
            .map_err(|_| Error::refused_unnamed("iteratorRead", "an iterator program"))
    }

    /// Appends everything that is left, but no more than `most_bytes`; `false` when there is more.
    pub fn read_to_end(&mut self, into: &mut Vec<u8>, most_bytes: usize) -> Result<bool> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let end = into.len().saturating_add(most_bytes);
        loop {
            let bytes = self.read(&mut chunk)?;
            let read = chunk.get(..bytes).unwrap_or_default();
            if read.is_empty() {
                return Ok(true);
            }
            let room = end - into.len();
            if read.len() > room {
                into.extend(read.iter().take(room));
                return Ok(false);
            }
            into.extend_from_slice(read);
        }
    }
}

impl Drop for ProgramOutput {
    fn drop(&mut self) {
        // The host logs a failure.
        let _ = raw::release_handle(self.handle);
    }
}
