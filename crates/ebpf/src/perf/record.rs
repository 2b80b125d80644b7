//! Records in a perf ring: pure decoding of bytes that somebody else may have written wrongly.
//!
//! Positions count bytes, wrap around with the ring's capacity (a power of two) and, since rings that are written
//! backwards count down from 0, around 64 bits as well.

/// `struct perf_event_header`: type (4 bytes), flags (2), size of the whole record (2).
const HEADER_BYTES: u64 = 8;
/// `PERF_RECORD_LOST`: an id (8 bytes) and the number of records (8).
const LOST: u32 = 2;
const LOST_BYTES: u64 = HEADER_BYTES + 16;
/// `PERF_RECORD_SAMPLE` with `PERF_SAMPLE_RAW` alone: a length (4 bytes) and so many bytes.
const SAMPLE: u32 = 9;
const RAW_OFFSET: u64 = HEADER_BYTES + 4;

/// The bytes of a ring.
pub(super) trait RingBytes {
    /// Bytes of the ring.
    fn capacity(&self) -> u64;

    /// Copies the bytes from a position on, which wraps around; `to` is at most as long as the ring.
    fn copy(&self, at: u64, to: &mut [u8]);

    fn array<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.copy(at, &mut bytes);
        bytes
    }
}

/// The part of a ring that is to be read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) at: u64,
    pub(super) left: u64,
}

/// A record that lies completely inside of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// Where its raw bytes are.
    Sample { at: u64, bytes: usize },
    /// So many records found no room.
    Lost(u64),
    /// A sample whose length contradicts its record's.
    Malformed,
    /// Of no interest.
    Other,
}

impl Window {
    /// The next record. `None` at the end, which is also where a record is cut off or makes no sense: nothing tells
    /// where the next one would begin.
    pub(super) fn next(&mut self, ring: &impl RingBytes) -> Option<Record> {
        let left = std::mem::take(&mut self.left).min(ring.capacity());
        if left < HEADER_BYTES {
            return None;
        }
        let at = self.at;
        let header = u64::from_le_bytes(ring.array(at));
        // The type is the lower half of the header, the size its upper quarter.
        let (kind, bytes) = (header as u32, header >> 48);
        if bytes < HEADER_BYTES || bytes > left {
            return None;
        }
        self.at = at.wrapping_add(bytes);
        self.left = left - bytes;
        Some(match kind {
            SAMPLE => sample(ring, at, bytes),
            LOST if bytes >= LOST_BYTES => {
                Record::Lost(u64::from_le_bytes(ring.array(at.wrapping_add(16))))
            }
            _ => Record::Other,
        })
    }
}

fn sample(ring: &impl RingBytes, at: u64, bytes: u64) -> Record {
    if bytes < RAW_OFFSET {
        return Record::Malformed;
    }
    let raw = u32::from_le_bytes(ring.array(at.wrapping_add(HEADER_BYTES)));
    if u64::from(raw) > bytes - RAW_OFFSET {
        return Record::Malformed;
    }
    Record::Sample {
        at: at.wrapping_add(RAW_OFFSET),
        bytes: raw as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring in ordinary memory.
    struct Plain(Vec<u8>);

    impl RingBytes for Plain {
        fn capacity(&self) -> u64 {
            self.0.len() as u64
        }

        fn copy(&self, at: u64, to: &mut [u8]) {
            for (offset, byte) in (0u64..).zip(to) {
                *byte = self.0[(at.wrapping_add(offset) % self.capacity()) as usize];
            }
        }
    }

    impl Plain {
        fn put(&mut self, at: u64, bytes: &[u8]) {
            let capacity = self.capacity();
            for (offset, byte) in (0u64..).zip(bytes) {
                self.0[(at.wrapping_add(offset) % capacity) as usize] = *byte;
            }
        }
    }

    fn record(kind: u32, bytes: u16, body: &[u8]) -> Vec<u8> {
        let mut record = kind.to_le_bytes().to_vec();
        record.extend([0, 0]);
        record.extend(bytes.to_le_bytes());
        record.extend(body);
        record
    }

    fn all(ring: &Plain, at: u64, left: u64) -> Vec<Record> {
        let mut window = Window { at, left };
        std::iter::from_fn(|| window.next(ring)).collect()
    }

    #[test]
    fn records_wrap_around_the_ring_and_around_sixty_four_bits() {
        let mut ring = Plain(vec![0xee; 64]);
        let start = 0u64.wrapping_sub(40);
        ring.put(start, &record(SAMPLE, 24, &[12, 0, 0, 0, 7]));
        ring.put(start.wrapping_add(24), &record(LOST, 24, &[5; 16]));
        ring.put(8, &record(4, 8, &[]));
        let found = all(&ring, start, 56);
        let at = start.wrapping_add(12);
        let five = u64::from_le_bytes([5; 8]);
        assert_eq!(
            found,
            [
                Record::Sample { at, bytes: 12 },
                Record::Lost(five),
                Record::Other
            ]
        );
        assert_eq!(ring.array::<1>(at), [7]);
    }

    #[test]
    fn a_record_that_is_cut_off_ends_the_ring() {
        let mut ring = Plain(vec![0; 64]);
        ring.put(0, &record(SAMPLE, 24, &[12, 0, 0, 0]));
        ring.put(24, &record(SAMPLE, 48, &[36, 0, 0, 0]));
        assert_eq!(all(&ring, 0, 64).len(), 1);
        assert_eq!(all(&ring, 0, 30).len(), 1);
        assert_eq!(all(&ring, 0, 7).len(), 0);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_in_a_ring_records_stay_in_their_window(
            // Small numbers, so that some are types and lengths that make sense.
            words in proptest::collection::vec(0u16..64, 64),
            at in proptest::prelude::any::<u64>(),
            left in 0u64..300,
        ) {
            let ring = Plain(words.iter().flat_map(|word| word.to_le_bytes()).collect());
            let readable = left.min(ring.capacity());
            let records = all(&ring, at, left);
            assert!(records.len() as u64 * HEADER_BYTES <= readable);
            for record in records {
                if let Record::Sample { at: from, bytes } = record {
                    assert!(from.wrapping_sub(at) + bytes as u64 <= readable);
                }
            }
        }
    }

    #[test]
    fn lengths_that_lie_are_found() {
        let mut ring = Plain(vec![0; 64]);
        for (size, raw) in [(16, 5u32), (16, u32::MAX), (8, 0)] {
            ring.put(0, &record(SAMPLE, size, &raw.to_le_bytes()));
            assert_eq!(
                all(&ring, 0, u64::from(size)),
                [Record::Malformed],
                "{size} {raw}"
            );
        }
        for size in [0, 7, 65, u16::MAX] {
            ring.put(0, &record(SAMPLE, size, &[]));
            assert_eq!(all(&ring, 0, u64::MAX), [], "{size}");
        }
        ring.put(0, &record(LOST, 16, &[1; 8]));
        assert_eq!(all(&ring, 0, 16), [Record::Other]);
    }
}
