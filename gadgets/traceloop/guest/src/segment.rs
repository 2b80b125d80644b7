//! The bytes of a segment as records. They were written by our own programs into memory that only they write, but are
//! read as if anybody had: every length is checked, and what does not fit ends the segment.

use gizmo_bpf_abi::recorder as abi;
use gizmo_syscalls::decode::Capture;

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
    pub pid: u32,
    pub tid: u32,
    pub comm: &'a [u8],
    /// Arguments that the call has; the others are zero.
    pub args: [u64; 6],
    pub arg_count: u8,
    captures: &'a [u8],
    capture_count: u8,
}

impl<'a> Record<'a> {
    /// The record at the beginning of `bytes`, and how many bytes it has.
    pub fn parse(bytes: &'a [u8]) -> Option<(Self, usize)> {
        const HEADER: usize = size_of::<abi::record>();
        let header = bytes.get(..HEADER)?;
        let length = usize::from(u16::from_ne_bytes(field(header, 0)));
        if length < HEADER || length > bytes.len() || length % 8 != 0 {
            return None;
        }
        let arg_count = header[4].min(abi::RECORD_ARGS as u8);
        let mut args = [0; 6];
        let values = bytes.get(HEADER..HEADER + 8 * usize::from(arg_count))?;
        for (arg, value) in args.iter_mut().zip(values.chunks_exact(8)) {
            *arg = u64::from_ne_bytes(field(value, 0));
        }
        let comm = &header[48..64];
        let comm_end = comm
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(comm.len());
        let record = Record {
            flags: u32::from(header[2]),
            abi: header[3],
            start_boot_ns: u64::from_ne_bytes(field(header, 8)),
            duration_ns: u64::from_ne_bytes(field(header, 16)),
            ret: i64::from_ne_bytes(field(header, 24)),
            number: u32::from_ne_bytes(field(header, 32)),
            subcall: u16::from_ne_bytes(field(header, 6)),
            pid: u32::from_ne_bytes(field(header, 36)),
            tid: u32::from_ne_bytes(field(header, 40)),
            comm: &comm[..comm_end],
            args,
            arg_count,
            captures: bytes.get(HEADER + 8 * usize::from(arg_count)..length)?,
            capture_count: header[5],
        };
        Some((record, length))
    }

    /// When the call returned; records are written in this order.
    pub fn end_boot_ns(&self) -> u64 {
        self.start_boot_ns.saturating_add(self.duration_ns)
    }

    /// Whether a flag is set.
    pub fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// What the call's pointers pointed to.
    pub fn captures(&self) -> impl Iterator<Item = Capture<'a>> {
        captures(self.captures, self.capture_count)
    }
}

/// So many captures in a row.
pub fn captures(bytes: &[u8], count: u8) -> impl Iterator<Item = Capture<'_>> {
    let mut rest = bytes;
    (0..count).map_while(move |_| {
        let (capture, length) = parse_capture(rest)?;
        rest = rest.get(length..)?;
        Some(capture)
    })
}

fn parse_capture(bytes: &[u8]) -> Option<(Capture<'_>, usize)> {
    const HEADER: usize = size_of::<abi::capture>();
    let header = bytes.get(..HEADER)?;
    let length = usize::from(u16::from_ne_bytes(field(header, 4)));
    let flags = u32::from(header[2]);
    let capture = Capture {
        arg: header[0],
        part: header[1],
        bytes: bytes.get(HEADER..HEADER + length)?,
        // The programs have not counted what they could not read; the call's arguments may tell.
        true_len: if flags & abi::CAPTURE_FAULT != 0 {
            None
        } else if flags & abi::CAPTURE_LENGTH_UNKNOWN != 0 {
            Some(Capture::MORE)
        } else {
            Some(u64::from_ne_bytes(field(header, 8)))
        },
        fault: flags & abi::CAPTURE_FAULT != 0,
    };
    Some((capture, HEADER + length.next_multiple_of(8)))
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[at..at + N]);
    value
}

#[cfg(test)]
pub mod tests {
    use std::mem::offset_of;

    use super::*;

    /// A record without arguments and captures.
    pub fn record(start_boot_ns: u64, duration_ns: u64, number: u32) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[0..2].copy_from_slice(&64u16.to_ne_bytes());
        bytes[8..16].copy_from_slice(&start_boot_ns.to_ne_bytes());
        bytes[16..24].copy_from_slice(&duration_ns.to_ne_bytes());
        bytes[32..36].copy_from_slice(&number.to_ne_bytes());
        bytes[48..51].copy_from_slice(b"cat");
        bytes
    }

    #[test]
    fn offsets_are_those_of_the_header_file() {
        assert_eq!(offset_of!(abi::record, flags), 2);
        assert_eq!(offset_of!(abi::record, abi), 3);
        assert_eq!(offset_of!(abi::record, args), 4);
        assert_eq!(offset_of!(abi::record, captures), 5);
        assert_eq!(offset_of!(abi::record, subcall), 6);
        assert_eq!(offset_of!(abi::record, start_boot_ns), 8);
        assert_eq!(offset_of!(abi::record, duration_ns), 16);
        assert_eq!(offset_of!(abi::record, ret), 24);
        assert_eq!(offset_of!(abi::record, number), 32);
        assert_eq!(offset_of!(abi::record, pid), 36);
        assert_eq!(offset_of!(abi::record, tid), 40);
        assert_eq!(offset_of!(abi::record, comm), 48);
        assert_eq!(offset_of!(abi::capture, part), 1);
        assert_eq!(offset_of!(abi::capture, flags), 2);
        assert_eq!(offset_of!(abi::capture, bytes), 4);
        assert_eq!(offset_of!(abi::capture, length), 8);
    }

    #[test]
    fn a_record_gives_back_what_was_written() {
        let bytes = record(5, 7, 257);
        let (record, length) = Record::parse(&bytes).unwrap();
        assert_eq!(
            (length, record.end_boot_ns(), record.number, record.comm),
            (64, 12, 257, &b"cat"[..])
        );
        assert_eq!(record.captures().count(), 0);
    }

    #[test]
    fn lengths_that_lie_end_the_segment() {
        for length in [0u16, 8, 63, 72, 65535] {
            let mut bytes = record(1, 1, 1);
            bytes[0..2].copy_from_slice(&length.to_ne_bytes());
            assert!(Record::parse(&bytes).is_none(), "{length}");
        }
        let mut bytes = record(1, 1, 1);
        bytes[4] = 200;
        assert!(Record::parse(&bytes).is_none());
        let mut bytes = record(1, 1, 1);
        bytes[5] = 9;
        assert_eq!(Record::parse(&bytes).unwrap().0.captures().count(), 0);
    }

    #[test]
    fn captures_follow_the_arguments() {
        let mut bytes = record(1, 1, 1);
        bytes[4] = 2;
        bytes[5] = 1;
        bytes.extend(3u64.to_ne_bytes());
        bytes.extend(0x7fffu64.to_ne_bytes());
        let mut capture = [0u8; 24];
        capture[0] = 1;
        capture[4..6].copy_from_slice(&5u16.to_ne_bytes());
        capture[8..16].copy_from_slice(&900u64.to_ne_bytes());
        capture[16..21].copy_from_slice(b"/etc/");
        bytes.extend(capture);
        let length = bytes.len() as u16;
        bytes[0..2].copy_from_slice(&length.to_ne_bytes());
        let (record, _) = Record::parse(&bytes).unwrap();
        assert_eq!(record.args[..2], [3, 0x7fff]);
        let captures: Vec<_> = record.captures().collect();
        assert_eq!(
            (captures[0].arg, captures[0].bytes, captures[0].true_len),
            (1, &b"/etc/"[..], Some(900))
        );
    }
}
