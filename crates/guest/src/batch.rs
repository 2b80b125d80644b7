//! Many events in one call to the host.
//!
//! Emitting an event field by field takes a call to the host for each; where thousands of events are emitted one after the
//! other, that is most of the time. A [`Batch`] collects them as bytes (docs/host-api-gizmo.md, `emitBatch`).

use crate::abi::Input;
use crate::field::{Bytes, Field, Scalar, Text};
use crate::source::DataSource;
use crate::{Error, Result, raw};

/// A batch is emitted when it has so many bytes: some hundred events, which stay in the CPU's cache.
const FULL_BYTES: usize = 64 << 10;

/// Events of a source of single events that are emitted together. What is not emitted when it is dropped is discarded.
#[derive(Debug)]
pub struct Batch {
    source: u32,
    rows: Vec<u8>,
}

/// An event that is written down. Dropping it discards it.
#[derive(Debug)]
#[must_use = "an event is discarded unless it is added"]
pub struct Row<'b> {
    batch: &'b mut Batch,
    /// Where it begins.
    start: usize,
}

impl DataSource {
    /// An empty batch, for a source of single events.
    pub fn new_batch(self) -> Batch {
        Batch {
            source: self.handle(),
            rows: Vec::new(),
        }
    }
}

impl Batch {
    /// A new event with zeroed fields, behind those that are there.
    pub fn row(&mut self) -> Row<'_> {
        let start = self.rows.len();
        // The length, which is known in the end.
        self.rows.extend_from_slice(&[0; 4]);
        Row { batch: self, start }
    }

    /// Whether there is nothing to emit.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Hands the events one after the other to all subscribers, and returns when they are done. When it fails, the events
    /// from that on which could not be emitted are gone.
    pub fn emit(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let outcome = raw::emit_batch(self.source, Input::bytes(&self.rows));
        self.rows.clear();
        match outcome {
            0 => Ok(()),
            _ => Err(Error::refused_unnamed("emitBatch", "a batch")),
        }
    }
}

impl Row<'_> {
    /// Adds the event to the batch, which is emitted when it is full.
    pub fn add(self) -> Result<()> {
        let mut row = std::mem::ManuallyDrop::new(self);
        let start = row.start;
        let batch = &mut *row.batch;
        let length = u32::try_from(batch.rows.len() - start - 4).unwrap_or(u32::MAX);
        batch.rows[start..start + 4].copy_from_slice(&length.to_le_bytes());
        if batch.rows.len() < FULL_BYTES {
            return Ok(());
        }
        batch.emit()
    }

    fn value(&mut self, field: u32, bytes: &[u8]) {
        let rows = &mut self.batch.rows;
        rows.reserve(HEAD_BYTES + bytes.len());
        rows.extend_from_slice(&head(field, bytes.len()));
        rows.extend_from_slice(bytes);
    }
}

/// Bytes in front of a value.
const HEAD_BYTES: usize = 8;

/// What stands in front of a value of so many bytes.
fn head(field: u32, length: usize) -> [u8; HEAD_BYTES] {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    (u64::from(length) << 32 | u64::from(field)).to_le_bytes()
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        self.batch.rows.truncate(self.start);
    }
}

impl<T: Scalar> Field<T> {
    /// Writes the value into an event of a batch.
    pub fn put(self, row: &mut Row<'_>, value: T) {
        // In one piece of a length that the compiler knows: copies of other lengths are calls.
        let mut bytes = [0; HEAD_BYTES + size_of::<u64>()];
        bytes[..HEAD_BYTES].copy_from_slice(&head(self.handle(), size_of::<T>()));
        bytes[HEAD_BYTES..].copy_from_slice(&value.into_bits().to_le_bytes());
        let rows = &mut row.batch.rows;
        rows.extend_from_slice(&bytes[..HEAD_BYTES + size_of::<T>()]);
    }
}

impl Field<Text> {
    /// Writes the text into an event of a batch.
    pub fn put(self, row: &mut Row<'_>, text: &str) {
        row.value(self.handle(), text.as_bytes());
    }
}

impl Field<Bytes> {
    /// Writes the bytes into an event of a batch.
    pub fn put(self, row: &mut Row<'_>, bytes: &[u8]) {
        row.value(self.handle(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_as_documented() {
        let mut batch = Batch {
            source: 1,
            rows: Vec::new(),
        };
        let mut row = batch.row();
        Field::<u16>::new(7).put(&mut row, 0x1234);
        Field::<Text>::new(8).put(&mut row, "ab");
        row.add().unwrap();
        let expected = [
            &[20, 0, 0, 0][..],
            &[7, 0, 0, 0, 2, 0, 0, 0, 0x34, 0x12],
            &[8, 0, 0, 0, 2, 0, 0, 0, b'a', b'b'],
        ];
        assert_eq!(batch.rows, expected.concat());
    }

    #[test]
    fn a_dropped_row_is_gone() {
        let mut batch = Batch {
            source: 1,
            rows: Vec::new(),
        };
        let mut row = batch.row();
        Field::<bool>::new(7).put(&mut row, true);
        drop(row);
        assert!(batch.is_empty());
    }
}
