//! One container's ring, read CPU by CPU and merged by the time at which the calls returned.
//!
//! Memory is bounded by one segment per CPU, however long the recording.

use gizmo_bpf_abi::recorder as abi;

use crate::segment::Record;

const SEGMENT_BYTES: usize = abi::SEGMENT_BYTES as usize;
const HEADER_BYTES: usize = abi::SEGMENT_HEADER_BYTES as usize;

/// Where segments come from.
pub trait Segments {
    /// Copies a segment; `false` when it cannot be read.
    fn copy(&self, index: u32, into: &mut [u8]) -> bool;
}

/// The part of a ring that one CPU writes.
struct CpuPart {
    cpu: u32,
    /// Number of the first record that belongs to the container.
    from: u64,
    /// Number of the first record that is left out.
    until: u64,
    /// Segments not yet read, the oldest last.
    unread: Vec<u32>,
    bytes: Vec<u8>,
    at: usize,
    end: usize,
    /// Number of the record at `at`.
    sequence: u64,
    /// Segments that could not be read.
    unreadable: u64,
}

impl CpuPart {
    /// `base` is the first of its segments.
    fn new(cpu: u32, base: u32, place: Place, segments: u32) -> Self {
        let newest = place.newest % segments;
        let unread = (0..segments)
            .map(|back| base + (newest + segments - back) % segments)
            .collect();
        Self {
            cpu,
            from: place.from,
            until: place.until,
            unread,
            bytes: Vec::new(),
            at: 0,
            end: 0,
            sequence: 0,
            unreadable: 0,
        }
    }

    /// The next record, if any is left. Begins the next segment when one is used up, and passes over the records of earlier
    /// owners.
    fn peek(&mut self, source: &impl Segments) -> Option<Record<'_>> {
        loop {
            if self.sequence >= self.until {
                return None;
            }
            if self.at >= self.end {
                let index = self.unread.pop()?;
                self.begin(source, index);
            } else if self.sequence < self.from {
                self.skip_one();
            } else {
                break;
            }
        }
        Record::parse(&self.bytes[self.at..self.end]).map(|(record, _)| record)
    }

    fn begin(&mut self, source: &impl Segments, index: u32) {
        self.bytes.resize(SEGMENT_BYTES, 0);
        (self.at, self.end) = (0, 0);
        if !source.copy(index, &mut self.bytes) {
            self.unreadable += 1;
            return;
        }
        let committed =
            u32::from_ne_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]])
                as usize;
        if committed > SEGMENT_BYTES - HEADER_BYTES {
            self.unreadable += 1;
            return;
        }
        let mut first = [0; 8];
        first.copy_from_slice(&self.bytes[8..16]);
        self.sequence = u64::from_ne_bytes(first);
        (self.at, self.end) = (HEADER_BYTES, HEADER_BYTES + committed);
    }

    fn skip_one(&mut self) {
        match Record::parse(&self.bytes[self.at..self.end]) {
            Some((_, length)) => {
                self.at += length;
                self.sequence += 1;
            }
            // Unreadable bytes: the rest of the segment is given up.
            None => self.at = self.end,
        }
    }
}

/// Where a CPU's part of a ring begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Number of the first record that belongs to the container.
    pub from: u64,
    /// Number of the first record that is left out.
    pub until: u64,
    /// The segment that was written last, counted within the part.
    pub newest: u32,
}

/// What was read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Records shown.
    pub records: u64,
    /// Records that newer ones have overwritten.
    pub overwritten: u64,
    /// Segments that ended in bytes which are no record.
    pub damaged: u64,
}

/// Reads a ring, whose first segment is `base`; `places` are those of the CPUs. `show` gets each record with its CPU, in
/// the order of their ends.
pub fn read<E>(
    source: &impl Segments,
    base: u32,
    places: &[Place],
    segments_per_cpu: u32,
    mut show: impl FnMut(u32, &Record<'_>) -> Result<(), E>,
) -> Result<Totals, E> {
    let mut totals = Totals::default();
    let mut parts: Vec<CpuPart> = (0u32..)
        .zip(places)
        .map(|(cpu, place)| {
            let own = base + cpu * segments_per_cpu;
            CpuPart::new(cpu, own, *place, segments_per_cpu)
        })
        .collect();
    for part in &mut parts {
        if part.peek(source).is_some() {
            totals.overwritten += part.sequence.saturating_sub(part.from);
        }
    }
    while let Some(position) = earliest(&mut parts, source, &mut totals) {
        let part = &mut parts[position];
        let cpu = part.cpu;
        if let Some(record) = part.peek(source) {
            show(cpu, &record)?;
            totals.records += 1;
        }
        part.skip_one();
    }
    totals.damaged += parts.iter().map(|part| part.unreadable).sum::<u64>();
    Ok(totals)
}

/// The part whose next record ended first; `None` when all are read.
fn earliest(parts: &mut [CpuPart], source: &impl Segments, totals: &mut Totals) -> Option<usize> {
    let mut first: Option<(u64, usize)> = None;
    for (position, part) in parts.iter_mut().enumerate() {
        loop {
            if let Some(record) = part.peek(source) {
                let end = record.end_boot_ns();
                if first.is_none_or(|(earliest, _)| end < earliest) {
                    first = Some((end, position));
                }
                break;
            }
            if part.at >= part.end || part.sequence >= part.until {
                break;
            }
            totals.damaged += 1;
            part.skip_one();
        }
    }
    first.map(|(_, position)| position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::tests::record;

    struct Fake(Vec<Vec<u8>>);

    impl Segments for Fake {
        fn copy(&self, index: u32, into: &mut [u8]) -> bool {
            into.copy_from_slice(&self.0[index as usize]);
            true
        }
    }

    fn segment(first_sequence: u64, records: &[Vec<u8>]) -> Vec<u8> {
        let data = records.concat();
        let mut bytes = vec![0; SEGMENT_BYTES];
        bytes[4..8].copy_from_slice(&(data.len() as u32).to_ne_bytes());
        bytes[8..16].copy_from_slice(&first_sequence.to_ne_bytes());
        bytes[16..16 + data.len()].copy_from_slice(&data);
        bytes
    }

    fn numbers(source: &Fake, newest: &[u32], segments: u32) -> (Vec<(u32, u32)>, Totals) {
        let mut seen = Vec::new();
        let places: Vec<Place> = newest
            .iter()
            .map(|&newest| Place {
                from: 0,
                until: u64::MAX,
                newest,
            })
            .collect();
        let totals = read(source, 0, &places, segments, |cpu, record| {
            seen.push((cpu, record.number));
            Ok::<(), ()>(())
        });
        (seen, totals.unwrap())
    }

    #[test]
    fn records_of_all_cpus_come_in_the_order_of_their_ends() {
        let source = Fake(vec![
            segment(0, &[record(10, 0, 1), record(20, 20, 4)]),
            segment(0, &[record(1, 14, 2), record(30, 0, 3)]),
        ]);
        let (seen, totals) = numbers(&source, &[0, 0], 1);
        assert_eq!(seen, [(0, 1), (1, 2), (1, 3), (0, 4)]);
        assert_eq!(
            totals,
            Totals {
                records: 4,
                overwritten: 0,
                damaged: 0
            }
        );
    }

    #[test]
    fn the_oldest_segment_comes_first_and_tells_what_was_overwritten() {
        // Segment 1 is being written, so 2 is the oldest.
        let source = Fake(vec![
            segment(7, &[record(3, 0, 30)]),
            segment(8, &[record(4, 0, 40)]),
            segment(5, &[record(1, 0, 10), record(2, 0, 20)]),
        ]);
        let (seen, totals) = numbers(&source, &[1], 3);
        assert_eq!(seen, [(0, 10), (0, 20), (0, 30), (0, 40)]);
        assert_eq!(totals.overwritten, 5);
    }

    #[test]
    fn records_of_earlier_owners_are_passed_over() {
        let source = Fake(vec![
            segment(99, &[]),
            segment(7, &[record(3, 0, 30), record(4, 0, 40)]),
            segment(5, &[record(1, 0, 10), record(2, 0, 20)]),
        ]);
        let read_from = |from| {
            let mut seen = Vec::new();
            let place = Place {
                from,
                until: u64::MAX,
                newest: 0,
            };
            let totals = read(&source, 1, &[place], 2, |_, record| {
                seen.push(record.number);
                Ok::<(), ()>(())
            });
            (seen, totals.unwrap().overwritten)
        };
        assert_eq!(read_from(6), (vec![20, 30, 40], 0));
        assert_eq!(read_from(8), (vec![40], 0));
        assert_eq!(read_from(9), (vec![], 0));
        assert_eq!(read_from(2), (vec![10, 20, 30, 40], 3));
    }

    #[test]
    fn empty_and_unused_segments_are_passed_over() {
        let source = Fake(vec![
            segment(0, &[record(1, 0, 1)]),
            segment(0, &[]),
            segment(0, &[]),
        ]);
        let (seen, totals) = numbers(&source, &[0], 3);
        assert_eq!(seen, [(0, 1)]);
        assert_eq!(totals.records, 1);
    }

    #[test]
    fn damaged_bytes_end_their_segment_and_are_counted() {
        let source = Fake(vec![
            segment(0, &[record(1, 0, 1), vec![0xff; 64]]),
            segment(2, &[record(9, 0, 2)]),
        ]);
        let (seen, totals) = numbers(&source, &[1], 2);
        assert_eq!(seen, [(0, 1), (0, 2)]);
        assert_eq!(totals.damaged, 1);
    }

    #[test]
    fn a_header_that_lies_about_its_length_yields_nothing() {
        let mut lying = segment(0, &[record(1, 0, 1)]);
        lying[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        let (seen, totals) = numbers(&Fake(vec![lying]), &[0], 1);
        assert_eq!(seen, []);
        assert_eq!(totals.damaged, 1);
    }
}
