//! Readers without a kernel, and with one: a program of a few instructions writes records on the CPU we choose.

use std::ffi::CString;
use std::fs;
use std::os::fd::FromRawFd;
use std::sync::Arc;

use gizmo_model::map::{BpfMap, MapSpec, kind};

use super::*;
use crate::bpf_map::LoadedMap;
use crate::perf::cpus::parse_cpu_list;

#[test]
fn sizes_are_rounded_to_a_power_of_two_of_pages() {
    assert_eq!(pages(1, 4096).unwrap(), 1);
    assert_eq!(pages(4096, 4096).unwrap(), 1);
    assert_eq!(pages(4097, 4096).unwrap(), 2);
    assert_eq!(pages(64 * 4096, 4096).unwrap(), 64);
    assert_eq!(pages(64 * 4096, 65536).unwrap(), 4);
    assert!(pages(0, 4096).is_err());
    assert!(pages(usize::MAX, 1).is_err());
}

fn perf_spec() -> MapSpec {
    MapSpec {
        name: "perf".into(),
        kind: kind::PERF_EVENT_ARRAY,
        key_bytes: 4,
        value_bytes: 4,
        max_entries: u32::try_from(crate::possible_cpus()).unwrap(),
    }
}

fn perf_map() -> LoadedMap {
    LoadedMap::create(&perf_spec(), 0).unwrap()
}

fn spec(bytes_per_cpu: u32, is_overwritable: bool) -> PerfSpec {
    PerfSpec {
        bytes_per_cpu,
        is_overwritable,
    }
}

/// A program that writes its argument and zeros into a perf event array.
struct Writer {
    program: OwnedFd,
}

fn instruction(code: u8, registers: u8, off: i16, imm: i32) -> libbpf_sys::bpf_insn {
    let mut instruction = libbpf_sys::bpf_insn {
        code,
        off,
        imm,
        ..Default::default()
    };
    instruction.set_dst_reg(registers & 15);
    instruction.set_src_reg(registers >> 4);
    instruction
}

impl Writer {
    /// Records have `bytes`, a multiple of 8 of at most 512.
    fn new(map: &LoadedMap, bytes: i16) -> Self {
        // r6 = context, r7 = its first word; zeros on the stack, then the word; call perf_event_output.
        let mut code = vec![instruction(0xbf, 0x16, 0, 0), instruction(0x79, 0x17, 0, 0)];
        code.extend((1..=bytes / 8).map(|word| instruction(0x7a, 0x0a, -8 * word, 0)));
        code.extend([
            instruction(0x7b, 0x7a, -bytes, 0),
            instruction(0xbf, 0x61, 0, 0),
            instruction(0x18, 0x12, 0, map.fd().as_raw_fd()),
            instruction(0, 0, 0, 0),
            instruction(0xb4, 0x03, 0, -1),
            instruction(0xbf, 0xa4, 0, 0),
            instruction(0x07, 0x04, 0, i32::from(-bytes)),
            instruction(0xb7, 0x05, 0, i32::from(bytes)),
            instruction(0x85, 0, 0, 25),
            instruction(0x95, 0, 0, 0),
        ]);
        let (name, license) = (CString::from(c"writer"), CString::from(c"GPL"));
        // SAFETY: the texts and the instructions live during the call, and their number is right.
        let program = unsafe {
            libbpf_sys::bpf_prog_load(
                libbpf_sys::BPF_PROG_TYPE_RAW_TRACEPOINT,
                name.as_ptr(),
                license.as_ptr(),
                code.as_ptr(),
                code.len() as libbpf_sys::size_t,
                std::ptr::null_mut(),
            )
        };
        assert!(program >= 0, "{}", io::Error::from_raw_os_error(-program));
        // SAFETY: the descriptor is new and ours.
        let program = unsafe { OwnedFd::from_raw_fd(program) };
        Self { program }
    }

    /// Runs the program on a CPU; what perf_event_output returned.
    fn write(&self, cpu: u32, number: u64) -> i32 {
        let context = [number];
        let mut options = libbpf_sys::bpf_test_run_opts {
            sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
            ctx_in: context.as_ptr().cast(),
            ctx_size_in: 8,
            flags: 1,
            cpu,
            ..Default::default()
        };
        // SAFETY: options and the context it points to live during the call, and its sizes are right.
        let result = unsafe {
            libbpf_sys::bpf_prog_test_run_opts(self.program.as_raw_fd(), &raw mut options)
        };
        assert_eq!(result, 0, "{}", io::Error::from_raw_os_error(-result));
        options.retval as i32
    }
}

/// The numbers of all records that are left, which must have a length.
#[track_caller]
fn numbers(reader: &mut dyn PerfReader, bytes: usize) -> Vec<u64> {
    let mut record = [0xff; 1024];
    let mut numbers = Vec::new();
    while let Some(read) = reader.read(&mut record).unwrap() {
        // The kernel pads samples so that length + 4 is a multiple of 8.
        assert_eq!(read, bytes + 4);
        assert!(record[8..bytes].iter().all(|byte| *byte == 0));
        numbers.push(u64::from_ne_bytes(record[..8].try_into().unwrap()));
    }
    numbers
}

fn online() -> Vec<u32> {
    parse_cpu_list(&fs::read_to_string("/sys/devices/system/cpu/online").unwrap()).unwrap()
}

#[test]
#[ignore = "root: opens perf events and loads a program"]
fn overwritable_rings_yield_the_newest_first_and_then_only_what_is_newer() {
    let map = perf_map();
    let writer = Writer::new(&map, 152);
    let mut reader = map.perf_reader(&spec(4096, true)).unwrap();
    let cpus = online();
    for number in 0..100 {
        for cpu in &cpus {
            assert_eq!(writer.write(*cpu, number + 1000 * u64::from(*cpu)), 0);
        }
    }
    assert!(matches!(
        reader.read(&mut [0; 512]),
        Err(PerfError::NotPaused)
    ));
    reader.pause().unwrap();
    reader.pause().unwrap();
    assert_eq!(writer.write(cpus[0], 7), -libc::ENOENT);
    // 168 bytes each with header and length: 24 fit, the 25th is cut off.
    let newest = |from: u64, count: u64| {
        let of_cpu = move |cpu: &u32| {
            let cpu = u64::from(*cpu) * 1000;
            (0..count).map(move |at| cpu + from - at)
        };
        cpus.iter().rev().flat_map(of_cpu).collect::<Vec<_>>()
    };
    assert_eq!(numbers(reader.as_mut(), 152), newest(99, 24));
    assert!(numbers(reader.as_mut(), 152).is_empty());
    for _ in 0..2 {
        reader.resume().unwrap();
    }
    for number in 200..203 {
        for cpu in &cpus {
            assert_eq!(writer.write(*cpu, number + 1000 * u64::from(*cpu)), 0);
        }
    }
    reader.pause().unwrap();
    assert_eq!(numbers(reader.as_mut(), 152), newest(202, 3));
    // Nothing was read of these, so they stay readable.
    reader.resume().unwrap();
    writer.write(cpus[0], 300);
    reader.pause().unwrap();
    reader.resume().unwrap();
    writer.write(cpus[0], 301);
    reader.pause().unwrap();
    assert_eq!(numbers(reader.as_mut(), 152), [301, 300]);
    assert_eq!(reader.lost(), 0);
}

#[test]
#[ignore = "root: opens perf events and loads a program"]
fn other_rings_yield_the_oldest_first_and_count_what_is_lost() {
    let map = perf_map();
    let writer = Writer::new(&map, 504);
    let mut reader = map.perf_reader(&spec(4096, false)).unwrap();
    let cpu = online()[0];
    assert!(numbers(reader.as_mut(), 504).is_empty());
    // 520 bytes each: 7 fit.
    let results: Vec<i32> = (0..10).map(|number| writer.write(cpu, number)).collect();
    assert_eq!(results.iter().filter(|result| **result == 0).count(), 7);
    assert!(matches!(
        reader.read(&mut [0; 507]),
        Err(PerfError::TooLong {
            bytes: 508,
            room: 507
        })
    ));
    assert_eq!(numbers(reader.as_mut(), 504), [1, 2, 3, 4, 5, 6]);
    // The notice comes with the next record that fits; many rounds lead around the ring's end.
    for round in 0..20 {
        assert_eq!(writer.write(cpu, round), 0);
        assert_eq!(numbers(reader.as_mut(), 504), [round]);
        assert_eq!(reader.lost(), 3);
    }
    reader.pause().unwrap();
    assert_eq!(writer.write(cpu, 1), -libc::ENOENT);
    reader.resume().unwrap();
    assert_eq!(writer.write(cpu, 2), 0);
    assert_eq!(numbers(reader.as_mut(), 504), [2]);
}

#[test]
#[ignore = "root: opens perf events and loads a program"]
fn the_reader_that_began_last_records_and_others_leave_it_alone() {
    let map = perf_map();
    let writer = Writer::new(&map, 8);
    let cpu = online()[0];
    let mut first = map.perf_reader(&spec(4096, true)).unwrap();
    writer.write(cpu, 1);
    let mut second = map.perf_reader(&spec(4096, true)).unwrap();
    writer.write(cpu, 2);
    first.pause().unwrap();
    assert_eq!(writer.write(cpu, 3), 0);
    drop(first);
    assert_eq!(writer.write(cpu, 4), 0);
    second.pause().unwrap();
    // 12 bytes: 8, and 4 that the kernel pads with.
    assert_eq!(numbers(second.as_mut(), 8), [4, 3, 2]);
    drop(second);
    assert_eq!(writer.write(cpu, 5), -libc::ENOENT);
}

#[test]
#[ignore = "root: opens perf events and loads a program"]
fn a_reader_outlives_its_map() {
    let map = perf_map();
    let writer = Writer::new(&map, 8);
    let mut reader = map.perf_reader(&spec(8192, true)).unwrap();
    drop(map);
    let cpu = online()[0];
    assert_eq!(writer.write(cpu, 1), 0);
    reader.pause().unwrap();
    assert_eq!(numbers(reader.as_mut(), 8), [1]);
}

#[test]
#[ignore = "root: opens perf events and loads a program"]
fn a_map_may_have_fewer_entries_than_there_are_cpus() {
    let spec_of_map = MapSpec {
        max_entries: 1,
        ..perf_spec()
    };
    let map = LoadedMap::create(&spec_of_map, 0).unwrap();
    let writer = Writer::new(&map, 8);
    let mut reader = map.perf_reader(&spec(4096, false)).unwrap();
    for cpu in online() {
        let expected = if cpu == 0 { 0 } else { -libc::E2BIG };
        assert_eq!(writer.write(cpu, 1), expected);
    }
    let expected = usize::from(online().contains(&0));
    assert_eq!(numbers(reader.as_mut(), 8).len(), expected);
}

#[test]
#[ignore = "root: makes maps"]
fn only_perf_event_arrays_have_readers() {
    let spec_of_hash = MapSpec {
        name: "hash".into(),
        kind: kind::HASH,
        key_bytes: 4,
        value_bytes: 4,
        max_entries: 4,
    };
    let map = Arc::new(LoadedMap::create(&spec_of_hash, 0).unwrap());
    assert!(map.perf_reader(&spec(4096, true)).is_err());
    assert!(perf_map().perf_reader(&spec(0, true)).is_err());
}

/// Programs write on every CPU while the rings are read: whatever is read is whole.
#[test]
#[ignore = "root: opens perf events and loads a program"]
fn records_are_whole_under_load() {
    let map = perf_map();
    let writer = Writer::new(&map, 256);
    let mut reader = map.perf_reader(&spec(4096, true)).unwrap();
    let stop = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (writer, stop) = (&writer, &stop);
        for cpu in online() {
            scope.spawn(move || {
                while stop.load(Ordering::Relaxed) == 0 {
                    writer.write(cpu, 1);
                }
            });
        }
        for _ in 0..50 {
            std::thread::sleep(std::time::Duration::from_millis(2));
            reader.pause().unwrap();
            assert!(
                numbers(reader.as_mut(), 256)
                    .iter()
                    .all(|number| *number == 1)
            );
            reader.resume().unwrap();
        }
        stop.store(1, Ordering::Relaxed);
    });
}
