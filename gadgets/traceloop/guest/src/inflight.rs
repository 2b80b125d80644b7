//! Calls that have not returned when the recording ends, or somebody looks: taken from the kernel at that moment, shown behind
//! the records.

use std::collections::BTreeMap;

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, ProgramOutput, warn};
use gizmo_syscalls::decode::Capture;

use crate::segment;

/// What is kept of them until it is shown, a quarter of a guest's memory: 37 000 calls without content.
const MOST_BYTES: usize = 4 << 20;

const HEADER_BYTES: usize = size_of::<abi::in_flight>();

/// A call that has not returned.
#[derive(Debug, Clone, Copy)]
pub struct InFlight<'a> {
    pub abi: u8,
    pub number: u32,
    /// What a multiplexing call was asked to do, from 1 on; 0 for other calls.
    pub subcall: u16,
    pub slot: u32,
    /// Its beginning was not seen.
    pub is_begun_before: bool,
    /// When it was looked at.
    pub now_boot_ns: u64,
    /// When it began; when its thread began, if that was not seen.
    pub since_boot_ns: u64,
    pub pid: u32,
    pub tid: u32,
    pub uid: u32,
    /// CPU on which the thread was last.
    pub cpu: u32,
    pub comm: &'a [u8],
    pub args: [u64; 6],
    pub arg_count: u8,
    pub args_known: bool,
    captures: &'a [u8],
    capture_count: u8,
}

impl<'a> InFlight<'a> {
    /// The call at the beginning of `bytes`, and how many bytes it has.
    fn parse(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let header = bytes.get(..HEADER_BYTES)?;
        let length = usize::from(u16::from_ne_bytes(field(header, 0)));
        if length < HEADER_BYTES || length % 8 != 0 {
            return None;
        }
        let captures = bytes.get(HEADER_BYTES..length)?;
        let flags = u32::from(header[2]);
        let comm = &header[48..64];
        let comm_end = comm.iter().position(|byte| *byte == 0);
        let mut args = [0; 6];
        for (arg, value) in args.iter_mut().zip(header[64..].chunks_exact(8)) {
            *arg = u64::from_ne_bytes(field(value, 0));
        }
        let call = InFlight {
            abi: header[3],
            number: u32::from_ne_bytes(field(header, 8)),
            subcall: u16::from_ne_bytes(field(header, 6)),
            slot: u32::from_ne_bytes(field(header, 12)),
            is_begun_before: flags & abi::IN_FLIGHT_BEGUN_BEFORE != 0,
            now_boot_ns: u64::from_ne_bytes(field(header, 16)),
            since_boot_ns: u64::from_ne_bytes(field(header, 24)),
            pid: u32::from_ne_bytes(field(header, 32)),
            tid: u32::from_ne_bytes(field(header, 36)),
            cpu: u32::from_ne_bytes(field(header, 40)),
            uid: u32::from_ne_bytes(field(header, 44)),
            comm: &comm[..comm_end.unwrap_or(comm.len())],
            args,
            arg_count: header[4].min(abi::RECORD_ARGS as u8),
            args_known: flags & abi::IN_FLIGHT_ARGS_UNKNOWN == 0,
            captures,
            capture_count: header[5],
        };
        Some((call, length))
    }

    /// The latest moment at which it can have begun, when its thread is recorded since `recorded_boot_ns`: its beginning,
    /// if that was seen.
    pub fn latest_start_boot_ns(&self, recorded_boot_ns: u64) -> u64 {
        if self.is_begun_before {
            self.since_boot_ns.max(recorded_boot_ns)
        } else {
            self.since_boot_ns
        }
    }

    /// What the call's pointers pointed to when it began.
    pub fn captures(&self) -> impl Iterator<Item = Capture<'a>> {
        segment::captures(self.captures, self.capture_count)
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[at..at + N]);
    value
}

/// All calls in flight at one moment.
#[derive(Debug, Default)]
pub struct CallsInFlight {
    bytes: Vec<u8>,
    /// Where the calls of each slot begin.
    by_slot: BTreeMap<u32, Vec<u32>>,
}

impl CallsInFlight {
    /// Takes them from the kernel. The programs are still attached, so that a thread which goes on is noticed.
    pub fn take() -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let mut output = ProgramOutput::of("show_in_flight")?;
        if !output.read_to_end(&mut bytes, MOST_BYTES)? {
            warn!("there are more calls in flight than can be shown");
        }
        Ok(Self::new(bytes))
    }

    fn new(bytes: Vec<u8>) -> Self {
        let mut by_slot: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut at = 0;
        while let Some((call, length)) = bytes.get(at..).and_then(InFlight::parse) {
            by_slot.entry(call.slot).or_default().push(at as u32);
            at += length;
        }
        Self { bytes, by_slot }
    }

    /// Those of a slot whose owner is recorded since `recorded_boot_ns`, by the time at which they began. Those that began
    /// before come first, in the order of their threads.
    pub fn of_slot(&self, slot: u32, recorded_boot_ns: u64) -> Vec<InFlight<'_>> {
        let places = self.by_slot.get(&slot).map_or(&[][..], Vec::as_slice);
        let mut calls: Vec<InFlight<'_>> = places
            .iter()
            .filter_map(|&at| InFlight::parse(self.bytes.get(at as usize..)?))
            .map(|(call, _)| call)
            .collect();
        calls.sort_by_key(|call| {
            let start = call.latest_start_boot_ns(recorded_boot_ns);
            (!call.is_begun_before, start, call.tid)
        });
        calls
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    fn call(slot: u32, tid: u32, flags: u32, since_boot_ns: u64) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[0..2].copy_from_slice(&(HEADER_BYTES as u16).to_ne_bytes());
        bytes[2] = flags as u8;
        bytes[12..16].copy_from_slice(&slot.to_ne_bytes());
        bytes[24..32].copy_from_slice(&since_boot_ns.to_ne_bytes());
        bytes[36..40].copy_from_slice(&tid.to_ne_bytes());
        bytes[48..51].copy_from_slice(b"cat");
        bytes[64..72].copy_from_slice(&9u64.to_ne_bytes());
        bytes
    }

    #[test]
    fn offsets_are_those_of_the_header_file() {
        assert_eq!(offset_of!(abi::in_flight, flags), 2);
        assert_eq!(offset_of!(abi::in_flight, abi), 3);
        assert_eq!(offset_of!(abi::in_flight, args), 4);
        assert_eq!(offset_of!(abi::in_flight, captures), 5);
        assert_eq!(offset_of!(abi::in_flight, subcall), 6);
        assert_eq!(offset_of!(abi::in_flight, number), 8);
        assert_eq!(offset_of!(abi::in_flight, slot), 12);
        assert_eq!(offset_of!(abi::in_flight, now_boot_ns), 16);
        assert_eq!(offset_of!(abi::in_flight, since_boot_ns), 24);
        assert_eq!(offset_of!(abi::in_flight, pid), 32);
        assert_eq!(offset_of!(abi::in_flight, tid), 36);
        assert_eq!(offset_of!(abi::in_flight, cpu), 40);
        assert_eq!(offset_of!(abi::in_flight, uid), 44);
        assert_eq!(offset_of!(abi::in_flight, comm), 48);
        assert_eq!(offset_of!(abi::in_flight, values), 64);
    }

    #[test]
    fn calls_come_by_slot_and_start_and_those_begun_before_come_first() {
        let before = abi::IN_FLIGHT_BEGUN_BEFORE;
        let bytes = [
            call(1, 11, 0, 300),
            call(2, 21, 0, 100),
            call(1, 12, 0, 200),
            call(1, 14, before, 5),
            call(1, 13, before, 7),
            call(1, 15, before, 150),
        ];
        let calls = CallsInFlight::new(bytes.concat());
        let of_slot = |slot| {
            let calls = calls.of_slot(slot, 100);
            let of_call = |call: &InFlight<'_>| (call.tid, call.latest_start_boot_ns(100));
            calls.iter().map(of_call).collect::<Vec<_>>()
        };
        let first = [(13, 100), (14, 100), (15, 150), (12, 200), (11, 300)];
        assert_eq!(of_slot(1), first);
        assert_eq!(of_slot(2), [(21, 100)]);
        assert_eq!(of_slot(3), []);
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_ends_the_list() {
        for length in [0u16, 8, 111, 115, 120, 65535] {
            let mut lying = call(1, 12, 0, 2);
            lying[0..2].copy_from_slice(&length.to_ne_bytes());
            let bytes = [call(1, 11, 0, 1), lying, vec![1; 7]].concat();
            let calls = CallsInFlight::new(bytes);
            assert_eq!(calls.of_slot(1, 0).len(), 1, "{length}");
        }
        assert!(CallsInFlight::new(vec![1; 111]).by_slot.is_empty());
    }

    #[test]
    fn a_call_gives_back_what_was_written() {
        let calls = CallsInFlight::new(call(1, 11, abi::IN_FLIGHT_ARGS_UNKNOWN, 1));
        let calls = calls.of_slot(1, 0);
        assert_eq!((calls[0].comm, calls[0].args[0]), (&b"cat"[..], 9));
        assert!(!calls[0].args_known && !calls[0].is_begun_before);
        assert_eq!(calls[0].captures().count(), 0);
    }
}
