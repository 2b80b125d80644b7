//! One container's ring, read CPU by CPU and merged by the time at which the calls returned.
//!
//! The programs may go on writing meanwhile: what they overwrite before it is copied is not shown, and counted like everything
//! else that was overwritten. They write faster than records become text, so segments are copied ahead of that, as many as
//! memory is given to; a ring that is not larger is copied as a whole before the first record is shown. Larger rings are copied
//! in steps, which cost history only while somebody writes: a recording that has ended stays as it is.

use std::collections::{BTreeMap, VecDeque};

use gizmo_bpf_abi::recorder as abi;

use crate::segment::{Entry, Record, Thread};

const SEGMENT_BYTES: usize = abi::SEGMENT_BYTES as usize;
const HEADER_BYTES: usize = abi::SEGMENT_HEADER_BYTES as usize;

/// Segments that are copied before they are looked at, of all CPUs together: 8 MiB, half of what a guest has.
const COPIED_SEGMENTS: usize = (8 << 20) / SEGMENT_BYTES;

/// Where segments come from.
pub trait Segments {
    /// Copies a segment; `false` when it cannot be read.
    fn copy(&self, index: u32, into: &mut [u8]) -> bool;

    /// How many segments after the first a CPU has begun by now.
    fn turn(&self, cpu: u32) -> u64;
}

/// What a CPU had written into a ring at some moment, all of its owners together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Number of the next record.
    pub sequence: u64,
    /// Segments begun after the first.
    pub turn: u64,
    /// Calls that could not be recorded.
    pub refused: u64,
    /// Records without all of what their pointers pointed to.
    pub truncated: u64,
    /// Captures of memory that could not be read.
    pub failed: u64,
}

/// Which part of a CPU's history is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub from: Cursor,
    pub until: Cursor,
}

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Newer records took the place of older ones.
    Overwritten,
    /// There was no room or no memory for a call when it was made.
    Refused,
    /// The kernel did not run the programs for calls, since they were running already.
    Missed,
    /// Bytes of a ring that are no record.
    Damaged,
    /// Calls are there, but not all of what their pointers pointed to, for lack of room.
    Truncated,
    /// Calls are there, but memory that their pointers pointed to could not be read.
    Failed,
}

impl Reason {
    /// As in the field `reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overwritten => "overwritten",
            Self::Refused => "refused",
            Self::Missed => "missed",
            Self::Damaged => "damaged",
            Self::Truncated => "truncated",
            Self::Failed => "failed",
        }
    }
}

/// Something that is missing, at its place among the records of a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    pub reason: Reason,
    pub count: u64,
    /// When the next record that is there returned, or the last if none follows; 0 if there is none at all.
    pub boot_ns: u64,
}

/// What is shown, in its order.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// With whether calls are missing that may have been made in the time since the last one.
    Record(&'a Record<'a>, &'a Thread, bool),
    Loss(Loss),
}

/// What was read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Records shown.
    pub records: u64,
    /// Bytes that they have in the ring, notes included.
    pub bytes: u64,
    /// What is missing.
    pub lost: BTreeMap<Reason, u64>,
}

/// The part of a ring that one CPU writes.
struct Part {
    cpu: u32,
    /// Of its first segment.
    base: u32,
    segments: u32,
    span: Span,
    /// The next segment to be copied, as a number of turns.
    turn: u64,
    /// Segments that are copied at once at most.
    at_once: usize,
    bytes: Vec<u8>,
    /// Where the segments that were copied and not looked at yet begin in `bytes`; `None` for one that could not be read.
    copied: VecDeque<Option<usize>>,
    /// The entry that is looked at.
    at: usize,
    length: usize,
    end: usize,
    /// Number of the next record.
    sequence: u64,
    is_damaged: bool,
    threads: BTreeMap<u32, Thread>,
    /// When the record at `at` returned; `None` when all are read.
    next_boot_ns: Option<u64>,
    last_boot_ns: u64,
    /// What is missing in front of it.
    losses: Vec<Loss>,
    /// Whether calls are.
    is_missing: bool,
    refused: u64,
    read_bytes: u64,
}

impl Part {
    fn new(cpu: u32, base: u32, segments: u32, span: Span) -> Self {
        let oldest = (span.until.turn + 1).saturating_sub(segments.into());
        Self {
            cpu,
            base,
            segments,
            span,
            turn: span.from.turn.max(oldest),
            at_once: 1,
            bytes: Vec::new(),
            copied: VecDeque::new(),
            at: 0,
            length: 0,
            end: 0,
            sequence: span.from.sequence,
            is_damaged: false,
            threads: BTreeMap::new(),
            next_boot_ns: None,
            last_boot_ns: 0,
            losses: Vec::new(),
            is_missing: false,
            refused: 0,
            read_bytes: 0,
        }
    }

    /// Goes on to the next record.
    fn advance(&mut self, source: &impl Segments) {
        self.next_boot_ns = None;
        self.is_missing = false;
        loop {
            self.at += self.length;
            self.length = 0;
            if self.at >= self.end && !self.begin_next(source) {
                return self.finish();
            }
            if self.step() {
                return;
            }
        }
    }

    /// Looks at the entry at `at`. True if it is a record to be shown.
    fn step(&mut self) -> bool {
        let Some(bytes) = self
            .bytes
            .get(self.at..self.end)
            .filter(|it| !it.is_empty())
        else {
            return false;
        };
        let Some((entry, length)) = Entry::parse(bytes) else {
            // The rest of the segment is given up.
            self.is_damaged = true;
            self.at = self.end;
            return false;
        };
        self.length = length;
        match entry {
            Entry::Thread(thread) => {
                self.threads.insert(thread.tid, thread);
                self.read_bytes += length as u64;
                false
            }
            Entry::Loss(loss) => {
                if self.sequence >= self.span.from.sequence
                    && self.sequence < self.span.until.sequence
                {
                    self.refused += loss.refused;
                    self.is_missing = true;
                    self.losses.push(Loss {
                        reason: Reason::Refused,
                        count: loss.refused,
                        boot_ns: loss.boot_ns,
                    });
                }
                false
            }
            Entry::Record(record) => {
                let sequence = self.sequence;
                let (from, until) = (self.span.from.sequence, self.span.until.sequence);
                if sequence >= until {
                    self.at = self.end;
                    self.length = 0;
                    return false;
                }
                self.sequence += 1;
                if sequence < from {
                    return false;
                }
                let end = record.end_boot_ns();
                self.next_boot_ns = Some(end);
                self.last_boot_ns = end;
                self.read_bytes += length as u64;
                true
            }
        }
    }

    /// Segments that are to be copied.
    fn remaining(&self) -> usize {
        let remaining = (self.span.until.turn + 1).saturating_sub(self.turn);
        usize::try_from(remaining).unwrap_or(usize::MAX)
    }

    /// Copies the next segments, as far as they are still there.
    fn copy_next(&mut self, source: &impl Segments) {
        let count = self.remaining().min(self.at_once);
        self.bytes.resize(count * SEGMENT_BYTES, 0);
        for place in 0..count {
            let turn = self.turn;
            self.turn += 1;
            let index = self.base + (turn % u64::from(self.segments)) as u32;
            let start = place * SEGMENT_BYTES;
            if !source.copy(index, &mut self.bytes[start..start + SEGMENT_BYTES]) {
                self.copied.push_back(None);
            } else if source.turn(self.cpu) < turn + u64::from(self.segments) {
                // Else it was begun anew meanwhile.
                self.copied.push_back(Some(start));
            }
        }
    }

    /// Begins to read the next segment that is there. False when there is none.
    fn begin_next(&mut self, source: &impl Segments) -> bool {
        loop {
            match self.copied.pop_front() {
                Some(start) => {
                    if start.is_some_and(|start| self.open(start)) {
                        return true;
                    }
                    self.is_damaged = true;
                }
                None if self.remaining() > 0 => self.copy_next(source),
                None => return false,
            }
        }
    }

    /// Begins to read the segment that was copied to `start`. False if its header cannot be right.
    fn open(&mut self, start: usize) -> bool {
        let data = start + HEADER_BYTES;
        let header = &self.bytes[start..data];
        let committed = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let mut first = [0; 8];
        first.copy_from_slice(&header[8..16]);
        let first = u64::from_ne_bytes(first);
        if committed > SEGMENT_BYTES - HEADER_BYTES {
            return false;
        }
        (self.at, self.end) = (data, data + committed);
        self.threads.clear();
        // A segment that was never begun says 0.
        self.miss(first.min(self.span.until.sequence));
        self.sequence = first;
        true
    }

    /// Notes that the records before `sequence` are missing.
    fn miss(&mut self, sequence: u64) {
        let expected = self.sequence.max(self.span.from.sequence);
        if let Some(count) = sequence.checked_sub(expected).filter(|count| *count > 0) {
            let reason = if self.is_damaged {
                Reason::Damaged
            } else {
                Reason::Overwritten
            };
            self.is_missing = true;
            self.losses.push(Loss {
                reason,
                count,
                boot_ns: 0,
            });
        }
        self.is_damaged = false;
    }

    /// What is missing behind the last record.
    fn finish(&mut self) {
        self.miss(self.span.until.sequence);
        self.sequence = self.span.until.sequence;
        let Span { from, until } = self.span;
        let since = |now: u64, then: u64| now.saturating_sub(then);
        for (reason, count) in [
            (
                Reason::Refused,
                since(until.refused, from.refused).saturating_sub(self.refused),
            ),
            (Reason::Truncated, since(until.truncated, from.truncated)),
            (Reason::Failed, since(until.failed, from.failed)),
        ] {
            if count > 0 {
                self.is_missing |= reason == Reason::Refused;
                self.losses.push(Loss {
                    reason,
                    count,
                    boot_ns: self.last_boot_ns,
                });
            }
        }
        // Nothing is said twice, should it be asked again.
        self.span.from = until;
        self.refused = 0;
    }

    /// What is missing in front of the present record, or behind the last.
    fn take_losses(&mut self) -> impl Iterator<Item = Loss> + use<> {
        let at = self.next_boot_ns.unwrap_or(self.last_boot_ns);
        std::mem::take(&mut self.losses)
            .into_iter()
            .map(move |loss| Loss {
                boot_ns: if loss.boot_ns == 0 { at } else { loss.boot_ns },
                ..loss
            })
    }
}

/// Copies what there is memory for, before anything is looked at.
fn copy_first(source: &impl Segments, parts: &mut [Part]) {
    let is_small = parts.iter().map(Part::remaining).sum::<usize>() <= COPIED_SEGMENTS;
    let share = (COPIED_SEGMENTS / parts.len().max(1)).max(1);
    for part in parts {
        part.at_once = if is_small { usize::MAX } else { share };
        part.copy_next(source);
    }
}

/// Reads a ring, whose first segment is `base`; `spans` are those of the CPUs. `show` gets each record with its CPU, in
/// the order of their ends, and what is missing among them.
pub fn read<E>(
    source: &impl Segments,
    base: u32,
    spans: &[Span],
    segments_per_cpu: u32,
    mut show: impl FnMut(u32, Shown<'_>) -> Result<(), E>,
) -> Result<Totals, E> {
    let mut totals = Totals::default();
    let mut parts: Vec<Part> = (0u32..)
        .zip(spans)
        .map(|(cpu, span)| Part::new(cpu, base + cpu * segments_per_cpu, segments_per_cpu, *span))
        .collect();
    let show_losses =
        |part: &mut Part,
         totals: &mut Totals,
         show: &mut dyn FnMut(u32, Shown<'_>) -> Result<(), E>| {
            for loss in part.take_losses() {
                *totals.lost.entry(loss.reason).or_default() += loss.count;
                show(part.cpu, Shown::Loss(loss))?;
            }
            Ok(())
        };
    copy_first(source, &mut parts);
    for part in &mut parts {
        part.advance(source);
        if part.next_boot_ns.is_none() {
            show_losses(part, &mut totals, &mut show)?;
        }
    }
    let nobody = Thread::default();
    loop {
        // The calls of one CPU are missing among those of the others.
        let is_missing = parts.iter().any(|part| part.is_missing);
        let Some(part) = next_part(&mut parts) else {
            break;
        };
        show_losses(part, &mut totals, &mut show)?;
        if let Some((Entry::Record(record), _)) = Entry::parse(&part.bytes[part.at..part.end]) {
            let thread = part.threads.get(&record.tid).unwrap_or(&nobody);
            show(part.cpu, Shown::Record(&record, thread, is_missing))?;
            totals.records += 1;
        }
        part.advance(source);
        if part.next_boot_ns.is_none() {
            show_losses(part, &mut totals, &mut show)?;
        }
    }
    totals.bytes = parts.iter().map(|part| part.read_bytes).sum();
    Ok(totals)
}

/// The part whose next record returned first.
fn next_part(parts: &mut [Part]) -> Option<&mut Part> {
    parts
        .iter_mut()
        .filter(|part| part.next_boot_ns.is_some())
        .min_by_key(|part| part.next_boot_ns)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::segment::tests::{loss, record, thread};

    /// Segments, and how often the programs seem to begin one while they are read.
    struct Fake(Vec<Vec<u8>>, Cell<u64>);

    impl Segments for Fake {
        fn copy(&self, index: u32, into: &mut [u8]) -> bool {
            into.copy_from_slice(&self.0[index as usize]);
            true
        }

        fn turn(&self, _cpu: u32) -> u64 {
            self.1.get()
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

    fn until(sequence: u64, turn: u64) -> Span {
        Span {
            until: Cursor {
                sequence,
                turn,
                ..Cursor::default()
            },
            ..Span::default()
        }
    }

    /// What is shown, as words, and the totals.
    fn words(
        source: &[Vec<u8>],
        spans: &[Span],
        segments: u32,
        turn_now: u64,
    ) -> (Vec<String>, Totals) {
        let mut seen = Vec::new();
        let source = Fake(source.to_vec(), Cell::new(turn_now));
        let totals = read(&source, 0, spans, segments, |cpu, shown| {
            seen.push(match shown {
                Shown::Record(record, thread, _) => format!(
                    "{cpu}:{}{}",
                    record.number,
                    String::from_utf8_lossy(thread.comm())
                ),
                Shown::Loss(loss) => {
                    format!(
                        "{cpu}:{} {} at {}",
                        loss.count,
                        loss.reason.name(),
                        loss.boot_ns
                    )
                }
            });
            Ok::<(), ()>(())
        });
        (seen, totals.unwrap())
    }

    #[test]
    fn records_of_all_cpus_come_in_the_order_of_their_ends() {
        let source = [
            segment(0, &[record(10, 0, 1), record(20, 20, 4)]),
            segment(0, &[record(1, 14, 2), record(30, 0, 3)]),
        ];
        let (seen, totals) = words(&source, &[until(2, 0), until(2, 0)], 1, 0);
        assert_eq!(seen, ["0:1", "1:2", "1:3", "0:4"]);
        assert_eq!((totals.records, totals.bytes), (4, 4 * 32));
        assert!(totals.lost.is_empty());
    }

    #[test]
    fn a_thread_has_the_name_that_was_noted_last_in_its_segment() {
        let source = [
            segment(
                0,
                &[
                    thread(1, "a"),
                    record(1, 0, 1),
                    thread(1, "b"),
                    record(2, 0, 2),
                ],
            ),
            segment(2, &[record(3, 0, 3)]),
        ];
        let (seen, _) = words(&source, &[until(3, 1)], 2, 1);
        assert_eq!(seen, ["0:1a", "0:2b", "0:3"]);
    }

    #[test]
    fn the_oldest_segment_comes_first_and_tells_what_was_overwritten() {
        // The fifth segment is being written, in the place of the second; the third is the oldest.
        let source = [
            segment(7, &[record(3, 0, 30)]),
            segment(8, &[record(4, 0, 40)]),
            segment(5, &[record(1, 0, 10), record(2, 0, 20)]),
        ];
        let (seen, totals) = words(&source, &[until(9, 4)], 3, 4);
        assert_eq!(
            seen,
            ["0:5 overwritten at 1", "0:10", "0:20", "0:30", "0:40"]
        );
        assert_eq!(totals.lost, [(Reason::Overwritten, 5)].into());
    }

    #[test]
    fn what_is_overwritten_while_it_is_read_is_counted() {
        let source = [
            segment(4, &[record(4, 0, 40)]),
            segment(1, &[record(1, 0, 10), record(2, 0, 20), record(3, 0, 30)]),
        ];
        // The copy of the second segment is of another turn by now, but the first is still what it was.
        let (seen, _) = words(&source, &[until(5, 2)], 2, 3);
        assert_eq!(seen, ["0:4 overwritten at 4", "0:40"]);
        // Nothing is left, and everything counted.
        let (seen, totals) = words(&source, &[until(5, 2)], 2, 9);
        assert_eq!(seen, ["0:5 overwritten at 0"]);
        assert_eq!(totals.records, 0);
    }

    #[test]
    fn what_comes_after_the_moment_asked_for_is_left_to_the_next_time() {
        let source = [segment(
            0,
            &[record(1, 0, 1), record(2, 0, 2), record(3, 0, 3)],
        )];
        let (seen, totals) = words(&source, &[until(2, 0)], 1, 0);
        assert_eq!(
            (seen, totals.lost.len()),
            (vec!["0:1".into(), "0:2".into()], 0)
        );
        let rest = Span {
            from: until(2, 0).until,
            until: until(3, 0).until,
        };
        assert_eq!(words(&source, &[rest], 1, 0).0, ["0:3"]);
    }

    #[test]
    fn records_of_earlier_owners_are_passed_over() {
        let source = [
            segment(7, &[record(3, 0, 30), record(4, 0, 40)]),
            segment(5, &[thread(1, "x"), record(1, 0, 10), record(2, 0, 20)]),
        ];
        let read_from = |sequence, turn| {
            let from = Cursor {
                sequence,
                turn,
                ..Cursor::default()
            };
            let span = Span {
                from,
                until: until(9, 2).until,
            };
            words(&source, &[span], 2, 2).0
        };
        assert_eq!(read_from(6, 1), ["0:20x", "0:30", "0:40"]);
        assert_eq!(read_from(8, 2), ["0:40"]);
        assert_eq!(read_from(9, 2), [""; 0]);
        assert_eq!(
            read_from(2, 0),
            ["0:3 overwritten at 1", "0:10x", "0:20x", "0:30", "0:40"]
        );
    }

    #[test]
    fn losses_are_shown_where_they_happened_and_the_rest_at_the_end() {
        let source = [segment(0, &[record(1, 0, 1), loss(3, 5), record(5, 0, 2)])];
        let mut span = until(2, 0);
        span.until.refused = 4;
        span.until.truncated = 2;
        span.until.failed = 1;
        let (seen, totals) = words(&source, &[span], 1, 0);
        assert_eq!(
            seen,
            [
                "0:1",
                "0:3 refused at 5",
                "0:2",
                "0:1 refused at 5",
                "0:2 truncated at 5",
                "0:1 failed at 5"
            ]
        );
        assert_eq!(totals.lost[&Reason::Refused], 4);
    }

    #[test]
    fn what_is_missing_on_one_cpu_may_have_been_made_among_calls_of_another() {
        let source = [
            segment(0, &[record(10, 0, 1), record(20, 0, 2), record(40, 0, 4)]),
            segment(
                0,
                &[
                    record(15, 0, 3),
                    loss(1, 30),
                    record(30, 0, 5),
                    vec![0xff; 8],
                ],
            ),
        ];
        let source = Fake(source.to_vec(), Cell::new(0));
        let mut seen = Vec::new();
        let totals = read(&source, 0, &[until(3, 0), until(2, 0)], 1, |_, shown| {
            if let Shown::Record(record, _, is_missing) = shown {
                seen.push((record.number, is_missing));
            }
            Ok::<(), ()>(())
        });
        assert!(totals.is_ok());
        assert_eq!(
            seen,
            [(1, false), (3, false), (2, true), (5, true), (4, false)]
        );
        // Behind the last record of a CPU nobody knows when.
        let source = [
            segment(0, &[record(10, 0, 1), record(20, 0, 2)]),
            segment(0, &[record(15, 0, 3), vec![0xff; 8]]),
        ];
        let source = Fake(source.to_vec(), Cell::new(0));
        let mut seen = Vec::new();
        let totals = read(&source, 0, &[until(2, 0), until(2, 0)], 1, |_, shown| {
            if let Shown::Record(.., is_missing) = shown {
                seen.push(is_missing);
            }
            Ok::<(), ()>(())
        });
        assert!(totals.is_ok());
        assert_eq!(seen, [false, false, true]);
    }

    #[test]
    fn empty_and_unused_segments_are_passed_over() {
        let source = [
            segment(0, &[record(1, 0, 1)]),
            segment(0, &[]),
            segment(0, &[]),
        ];
        let (seen, totals) = words(&source, &[until(1, 0)], 3, 0);
        assert_eq!((seen, totals.records), (vec!["0:1".to_owned()], 1));
    }

    #[test]
    fn damaged_bytes_end_their_segment_and_are_counted() {
        let source = [
            segment(0, &[record(1, 0, 1), vec![0xff; 64]]),
            segment(2, &[record(9, 0, 2)]),
        ];
        let (seen, _) = words(&source, &[until(3, 1)], 2, 1);
        assert_eq!(seen, ["0:1", "0:1 damaged at 9", "0:2"]);
    }

    #[test]
    fn a_header_that_lies_about_its_length_yields_nothing() {
        let mut lying = segment(0, &[record(1, 0, 1)]);
        lying[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        let (seen, _) = words(&[lying], &[until(1, 0)], 1, 0);
        assert_eq!(seen, ["0:1 damaged at 0"]);
    }
    /// A ring that is overwritten when its first record is shown.
    fn overwritten_while_shown(segments: u32) -> Totals {
        let ring = (0..u64::from(segments)).map(|at| segment(at, &[record(at + 1, 0, 1)]));
        let source = Fake(ring.collect(), Cell::new(u64::from(segments) - 1));
        let spans = [until(segments.into(), u64::from(segments) - 1)];
        let totals = read(&source, 0, &spans, segments, |_, _| {
            source.1.set(u64::MAX / 2);
            Ok::<(), ()>(())
        });
        totals.unwrap()
    }

    #[test]
    fn what_is_overwritten_while_a_ring_is_shown_has_been_copied() {
        let most = COPIED_SEGMENTS as u32;
        let totals = overwritten_while_shown(most);
        assert_eq!((totals.records, totals.lost.len()), (most.into(), 0));
        let totals = overwritten_while_shown(most + 10);
        assert_eq!(totals.records, u64::from(most));
        assert_eq!(totals.lost, [(Reason::Overwritten, 10)].into());
    }
}
