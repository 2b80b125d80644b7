//! The bytes of a segment as records. They were written by our own programs into memory that only they write, but are
//! read as if anybody had: every length is checked, and what does not fit ends the segment.

use gizmo_bpf_abi::recorder as abi;
use gizmo_syscalls::decode::Capture;

/// What stands in a segment.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    Record(Record<'a>),
    Thread(Thread),
    Loss(Loss),
}

impl<'a> Entry<'a> {
    /// The entry at the beginning of `bytes`, and how many bytes it has.
    pub fn parse(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let header = bytes.get(..4)?;
        let length = usize::from(u16::from_ne_bytes(field(header, 0)?));
        if length % 8 != 0 {
            return None;
        }
        let bytes = bytes.get(..length)?;
        let entry = if u32::from(header[2]) & abi::RECORD_NOTE == 0 {
            Entry::Record(Record::parse(bytes)?)
        } else {
            match u32::from(header[3]) {
                abi::NOTE_THREAD => Entry::Thread(Thread::parse(bytes)?),
                abi::NOTE_LOSS => Entry::Loss(Loss::parse(bytes)?),
                _ => return None,
            }
        };
        Some((entry, length))
    }
}

/// One recorded call.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub flags: u32,
    pub abi: u8,
    pub start_boot_ns: u64,
    pub duration_ns: u64,
    pub ret: i64,
    pub number: u32,
    /// What a multiplexing call was asked to do, from 1 on; 0 for other calls.
    pub subcall: u16,
    pub tid: u32,
    /// Arguments that the call has; the others are zero.
    pub args: [u64; 6],
    pub arg_count: u8,
    captures: &'a [u8],
    capture_count: u8,
    content: Content<'a>,
}

/// All bytes of a record but those that say who made the call and when. Calls with equal contents have equal texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// Flags, ABI, number, which values are wide.
    pub shape: [u8; 6],
    /// Result, arguments and what they point to.
    pub values: &'a [u8],
}

impl<'a> Record<'a> {
    /// `bytes` are those of the record.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        const HEADER: usize = size_of::<abi::record>();
        let header = bytes.get(..HEADER)?;
        let mut rest = &bytes[HEADER..];
        let flags = u32::from(header[2]);
        let mut number = u32::from(u16::from_ne_bytes(field(header, 4)?));
        let mut duration_ns = u64::from(u32::from_ne_bytes(field(header, 12)?));
        if flags & abi::RECORD_LARGE != 0 {
            let large: [u8; size_of::<abi::large>()] = take(&mut rest)?;
            duration_ns |= u64::from(u32::from_ne_bytes(field(&large, 0)?)) << 32;
            number |= u32::from_ne_bytes(field(&large, 4)?) << 16;
        }
        let mut subcall = 0;
        if flags & abi::RECORD_SUBCALL != 0 {
            subcall = u16::try_from(number.checked_sub(abi::SUBCALL_RULES)?).ok()?;
            number = abi::I386_SOCKETCALL;
        }
        let wide = header[7];
        let is_wide = |value: usize| wide & (1 << value) != 0;
        let ret = if is_wide(0) {
            i64::from_ne_bytes(take(&mut rest)?)
        } else {
            i64::from(i32::from_ne_bytes(take(&mut rest)?))
        };
        let arg_count = (header[3] >> 4).min(abi::RECORD_ARGS as u8);
        let mut args = [0; abi::RECORD_ARGS as usize];
        for (position, arg) in args.iter_mut().take(arg_count.into()).enumerate() {
            *arg = if is_wide(position + 1) {
                u64::from_ne_bytes(take(&mut rest)?)
            } else {
                u64::from(u32::from_ne_bytes(take(&mut rest)?))
            };
        }
        Some(Record {
            flags,
            abi: header[3] & 0xf,
            start_boot_ns: u64::from_ne_bytes(field(header, 16)?),
            duration_ns,
            ret,
            number,
            subcall,
            tid: u32::from_ne_bytes(field(header, 8)?),
            args,
            arg_count,
            captures: rest,
            capture_count: header[6],
            content: Content {
                shape: field(header, 2)?,
                values: &bytes[HEADER..],
            },
        })
    }

    /// When the call returned; records are written in this order.
    pub fn end_boot_ns(&self) -> u64 {
        self.start_boot_ns.saturating_add(self.duration_ns)
    }

    /// Whether a flag is set.
    pub fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// What makes its texts.
    pub fn content(&self) -> Content<'a> {
        self.content
    }

    /// What the call's pointers pointed to.
    pub fn captures(&self) -> impl Iterator<Item = Capture<'a>> {
        captures(self.captures, self.capture_count)
    }
}

/// So many captures in a row.
pub fn captures(bytes: &[u8], count: u8) -> impl Iterator<Item = Capture<'_>> {
    let mut rest = bytes;
    (0..count).map_while(move |_| parse_capture(&mut rest))
}

fn parse_capture<'a>(rest: &mut &'a [u8]) -> Option<Capture<'a>> {
    let header: [u8; size_of::<abi::capture>()] = take(rest)?;
    let length = usize::from(u16::from_ne_bytes([header[2], header[3]]));
    let bytes = rest.get(..length)?;
    *rest = rest.get(length.next_multiple_of(4)..)?;
    let flags = u32::from(header[1]);
    let true_len = if flags & abi::CAPTURE_CUT != 0 {
        Some(u64::from_ne_bytes(take(rest)?))
    } else if flags & abi::CAPTURE_FAULT != 0 {
        // The programs have not counted what they could not read; the call's arguments may tell.
        None
    } else if flags & abi::CAPTURE_LENGTH_UNKNOWN != 0 {
        Some(Capture::MORE)
    } else {
        Some(length as u64)
    };
    Some(Capture {
        arg: header[0] & ((1 << abi::CAPTURE_PART_SHIFT) - 1),
        part: header[0] >> abi::CAPTURE_PART_SHIFT,
        bytes,
        true_len,
        fault: flags & abi::CAPTURE_FAULT != 0,
    })
}

/// Whose the records of a thread are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Thread {
    pub tid: u32,
    pub pid: u32,
    pub uid: u32,
    comm: [u8; 16],
    /// When its process was made.
    pub born_boot_ns: u64,
    /// The parent of its process, at the time of the note.
    pub parent: u32,
    /// That one waits for it, at the time of the note.
    pub is_vforked: bool,
}

impl Thread {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            born_boot_ns: u64::from_ne_bytes(field(bytes, 32)?),
            parent: u32::from_ne_bytes(field(bytes, 40)?),
            is_vforked: u32::from_ne_bytes(field(bytes, 44)?) != 0,
            tid: u32::from_ne_bytes(field(bytes, 4)?),
            pid: u32::from_ne_bytes(field(bytes, 8)?),
            uid: u32::from_ne_bytes(field(bytes, 12)?),
            comm: field(bytes, 16)?,
        })
    }

    /// The thread's name.
    pub fn comm(&self) -> &[u8] {
        self.comm.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

/// Calls that could not be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    pub refused: u64,
    /// When the record behind it was written.
    pub boot_ns: u64,
}

impl Loss {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            refused: u64::from_ne_bytes(field(bytes, 8)?),
            boot_ns: u64::from_ne_bytes(field(bytes, 16)?),
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (value, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*value)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
pub mod tests {
    use std::mem::offset_of;

    use super::*;

    /// A record without arguments and captures, of thread 7.
    pub fn record(start_boot_ns: u64, duration_ns: u32, number: u16) -> Vec<u8> {
        let mut bytes = vec![0; 32];
        bytes[0..2].copy_from_slice(&32u16.to_ne_bytes());
        bytes[4..6].copy_from_slice(&number.to_ne_bytes());
        bytes[8..12].copy_from_slice(&7u32.to_ne_bytes());
        bytes[12..16].copy_from_slice(&duration_ns.to_ne_bytes());
        bytes[16..24].copy_from_slice(&start_boot_ns.to_ne_bytes());
        bytes
    }

    /// Says who thread 7 is.
    pub fn thread(pid: u32, comm: &str) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        bytes[0..2].copy_from_slice(&48u16.to_ne_bytes());
        bytes[2] = abi::RECORD_NOTE as u8;
        bytes[3] = abi::NOTE_THREAD as u8;
        bytes[4..8].copy_from_slice(&7u32.to_ne_bytes());
        bytes[8..12].copy_from_slice(&pid.to_ne_bytes());
        bytes[16..16 + comm.len()].copy_from_slice(comm.as_bytes());
        bytes
    }

    /// Says that calls were refused.
    pub fn loss(refused: u64, boot_ns: u64) -> Vec<u8> {
        let mut bytes = vec![0; 24];
        bytes[0..2].copy_from_slice(&24u16.to_ne_bytes());
        bytes[2] = abi::RECORD_NOTE as u8;
        bytes[3] = abi::NOTE_LOSS as u8;
        bytes[8..16].copy_from_slice(&refused.to_ne_bytes());
        bytes[16..24].copy_from_slice(&boot_ns.to_ne_bytes());
        bytes
    }

    fn parsed(bytes: &[u8]) -> Record<'_> {
        match Entry::parse(bytes) {
            Some((Entry::Record(record), length)) if length == bytes.len() => record,
            other => panic!("{other:?}"),
        }
    }

    /// Makes `bytes` a record with this end.
    fn finish(bytes: &mut Vec<u8>) {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let length = bytes.len() as u16;
        bytes[0..2].copy_from_slice(&length.to_ne_bytes());
    }

    #[test]
    fn offsets_are_those_of_the_header_file() {
        assert_eq!(offset_of!(abi::record, flags), 2);
        assert_eq!(offset_of!(abi::record, shape), 3);
        assert_eq!(offset_of!(abi::record, number), 4);
        assert_eq!(offset_of!(abi::record, captures), 6);
        assert_eq!(offset_of!(abi::record, wide), 7);
        assert_eq!(offset_of!(abi::record, tid), 8);
        assert_eq!(offset_of!(abi::record, duration_ns), 12);
        assert_eq!(offset_of!(abi::record, start_boot_ns), 16);
        assert_eq!(offset_of!(abi::large, number), 4);
        assert_eq!(offset_of!(abi::thread_note, kind), 3);
        assert_eq!(offset_of!(abi::thread_note, tid), 4);
        assert_eq!(offset_of!(abi::thread_note, pid), 8);
        assert_eq!(offset_of!(abi::thread_note, comm), 16);
        assert_eq!(offset_of!(abi::thread_note, born_boot_ns), 32);
        assert_eq!(offset_of!(abi::thread_note, parent), 40);
        assert_eq!(offset_of!(abi::thread_note, vforked), 44);
        assert_eq!(offset_of!(abi::loss_note, kind), 3);
        assert_eq!(offset_of!(abi::loss_note, refused), 8);
        assert_eq!(offset_of!(abi::loss_note, boot_ns), 16);
        assert_eq!(offset_of!(abi::capture, flags), 1);
        assert_eq!(offset_of!(abi::capture, bytes), 2);
    }

    #[test]
    fn a_record_gives_back_what_was_written() {
        let bytes = record(5, 7, 257);
        let record = parsed(&bytes);
        assert_eq!(
            (record.end_boot_ns(), record.number, record.tid),
            (12, 257, 7)
        );
        assert_eq!(record.captures().count(), 0);
    }

    #[test]
    fn values_have_four_bytes_or_eight() {
        let mut bytes = record(1, 1, 1);
        bytes.truncate(24);
        bytes[3] = 3 << 4 | 1;
        bytes[7] = 0b100;
        bytes.extend((-2i32).to_ne_bytes());
        bytes.extend(u32::MAX.to_ne_bytes());
        bytes.extend(0x7fff_0000_1234u64.to_ne_bytes());
        bytes.extend(5u32.to_ne_bytes());
        finish(&mut bytes);
        let record = parsed(&bytes);
        assert_eq!((record.ret, record.abi, record.arg_count), (-2, 1, 3));
        assert_eq!(
            record.args,
            [u64::from(u32::MAX), 0x7fff_0000_1234, 5, 0, 0, 0]
        );
        bytes[7] |= 1;
        bytes.splice(24..28, 0x7fff_0000_0000i64.to_ne_bytes());
        bytes.truncate(48);
        finish(&mut bytes);
        assert_eq!(parsed(&bytes).ret, 0x7fff_0000_0000);
    }

    #[test]
    fn what_is_seldom_large_has_room_of_its_own() {
        let mut bytes = record(1, 2, 0xffff);
        bytes[2] = abi::RECORD_LARGE as u8;
        bytes.splice(24..24, [1, 0, 0, 0, 0xff, 0xff, 0, 0]);
        finish(&mut bytes);
        let large = parsed(&bytes);
        assert_eq!((large.duration_ns, large.number), (1 << 32 | 2, u32::MAX));

        let mut bytes = record(1, 2, 555);
        bytes[2] = abi::RECORD_SUBCALL as u8;
        assert_eq!((parsed(&bytes).number, parsed(&bytes).subcall), (102, 3));
        bytes[4..6].copy_from_slice(&5u16.to_ne_bytes());
        assert!(Entry::parse(&bytes).is_none());
    }

    #[test]
    fn notes_say_who_and_what_is_missing() {
        let bytes = thread(40, "cat");
        let Some((Entry::Thread(thread), 48)) = Entry::parse(&bytes) else {
            panic!()
        };
        assert_eq!(
            (thread.tid, thread.pid, thread.comm()),
            (7, 40, &b"cat"[..])
        );
        let bytes = loss(3, 99);
        let Some((Entry::Loss(loss), 24)) = Entry::parse(&bytes) else {
            panic!()
        };
        assert_eq!((loss.refused, loss.boot_ns), (3, 99));
    }

    #[test]
    fn lengths_that_lie_end_the_segment() {
        for length in [0u16, 8, 16, 31, 40, 65535] {
            let mut bytes = record(1, 1, 1);
            bytes[0..2].copy_from_slice(&length.to_ne_bytes());
            assert!(Entry::parse(&bytes).is_none(), "{length}");
        }
        let mut bytes = record(1, 1, 1);
        bytes[3] = 6 << 4;
        assert!(Entry::parse(&bytes).is_none());
        let mut bytes = record(1, 1, 1);
        bytes[6] = 9;
        assert_eq!(parsed(&bytes).captures().count(), 1);
        for note in [thread(1, "x"), loss(1, 1)] {
            let mut short = note[..16].to_vec();
            short[0] = 16;
            assert!(Entry::parse(&short).is_none());
            let mut unknown = note;
            unknown[3] = 77;
            assert!(Entry::parse(&unknown).is_none());
        }
    }

    #[test]
    fn captures_follow_the_arguments() {
        let mut bytes = record(1, 1, 1);
        bytes[6] = 2;
        bytes.truncate(28);
        bytes.extend([1, abi::CAPTURE_CUT as u8, 5, 0]);
        bytes.extend(b"/etc/\0\0\0");
        bytes.extend(900u64.to_ne_bytes());
        bytes.extend([2 | 3 << 3, 0, 3, 0]);
        bytes.extend(b"abc\0");
        finish(&mut bytes);
        let captures: Vec<_> = parsed(&bytes)
            .captures()
            .map(|capture| (capture.arg, capture.part, capture.bytes, capture.true_len))
            .collect();
        assert_eq!(
            captures,
            [
                (1, 0, &b"/etc/"[..], Some(900)),
                (2, 3, &b"abc"[..], Some(3))
            ]
        );
    }
}
