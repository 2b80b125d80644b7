//! Perf readers against a fake (wasm-host-api.md 3.7; Appendix B 11). What rings hold and in which order they are read is
//! tested with the kernel, in `gizmo-ebpf`.

use gizmo_model::map::{PerfSpec, kind};
use gizmo_wasm::{EngineOptions, Guest, Phase, WasmEngine};

use crate::support::{FakeMap, World, chain, init_text, logged, module_text};

/// A world with the perf event array `perf`, and the map.
fn world() -> (World, FakeMap) {
    let world = World::new();
    let map = FakeMap::new("perf", kind::PERF_EVENT_ARRAY, 4, 4, 4);
    world.maps.add(map.clone());
    world.maps.add(FakeMap::new("hash", kind::HASH, 4, 4, 4));
    (world, map)
}

/// Opens a reader into `$h`.
fn open(bytes: u32, overwritable: u32) -> String {
    format!(
        "(local.set $h (call $newPerfReader (call $getMap @\"perf\") (i32.const {bytes}) (i32.const {overwritable})))
        (ne (i32.const 0) (local.get $h))"
    )
}

#[test]
fn overwritable_readers_are_read_while_paused_newest_first() {
    let (world, map) = world();
    for text in [b"old!", b"new!"] {
        map.ring.lock().unwrap().records.push_back(text.to_vec());
    }
    let ((), lines) = logged(|| {
        world.guest(&init_text(&format!(
            "{}
            (eq (i32.const 1) (call $perfReaderRead (local.get $h) @[64,8]))
            (eq (i32.const 0) (call $perfReaderPause (local.get $h)))
            (eq (i32.const 0) (call $perfReaderPause (local.get $h)))
            (eq (i32.const 0) (call $perfReaderRead (local.get $h) @[64,8]))
            (eq (i32.load #\"new!\") (i32.load (i32.const 64)))
            (eq (i32.const 0) (i32.load (i32.const 68)))
            (eq (i32.const 0) (call $perfReaderRead (local.get $h) @[64,4]))
            (eq (i32.load #\"old!\") (i32.load (i32.const 64)))
            (eq (i32.const 2) (call $perfReaderRead (local.get $h) @[64,8]))
            (eq (i32.const 2) (call $perfReaderRead (local.get $h) @[64,8]))
            (eq (i32.const 0) (call $perfReaderResume (local.get $h)))
            (eq (i32.const 0) (call $perfReaderResume (local.get $h)))
            (eq (i32.const 1) (call $perfReaderRead (local.get $h) @[64,8]))",
            open(4096, 1)
        )));
    });
    let warning =
        "WARN perfReaderRead: an overwritable perf reader must be paused before it is read";
    assert_eq!(lines, [warning, warning]);
}

#[test]
fn other_readers_never_wait() {
    let (world, map) = world();
    for text in [b"old!", b"new!"] {
        map.ring.lock().unwrap().records.push_back(text.to_vec());
    }
    world.guest(&init_text(&format!(
        "{}
        (eq (i32.const 0) (call $perfReaderRead (local.get $h) @[64,8]))
        (eq (i32.load #\"old!\") (i32.load (i32.const 64)))
        (eq (i32.const 0) (call $perfReaderRead (local.get $h) @[64,8]))
        (eq (i32.const 2) (call $perfReaderRead (local.get $h) @[64,8]))",
        open(4096, 0)
    )));
}

#[test]
fn a_record_that_does_not_fit_is_lost_and_a_bad_reference_loses_none() {
    let (world, map) = world();
    for text in [&b"one!"[..], b"long record", b"two!"] {
        map.ring.lock().unwrap().records.push_back(text.to_vec());
    }
    let ((), lines) = logged(|| {
        world.guest(&init_text(&format!(
            "{}
            (eq (i32.const 1) (call $perfReaderRead (local.get $h) @[65532,5]))
            (eq (i32.const 1) (call $perfReaderRead (local.get $h) @[0,17825792]))
            (eq (i32.const 0) (call $perfReaderRead (local.get $h) @[65532,4]))
            (eq (i32.load #\"one!\") (i32.load (i32.const 65532)))
            (eq (i32.const 1) (call $perfReaderRead (local.get $h) @[64,10]))
            (eq (i32.const 0) (i32.load (i32.const 64)))
            (eq (i32.const 0) (call $perfReaderRead (local.get $h) @[64,10]))
            (eq (i32.load #\"two!\") (i32.load (i32.const 64)))",
            open(4096, 0)
        )));
    });
    let last = "WARN perfReaderRead: a record of 11 bytes does not fit into 10 and is lost";
    assert_eq!((lines.len(), lines[2].as_str()), (3, last));
}

#[test]
fn lost_records_are_told_once() {
    let (world, map) = world();
    map.ring.lock().unwrap().lost = 3;
    let read = "(eq (i32.const 2) (call $perfReaderRead (local.get $h) @[64,8]))";
    let ((), lines) = logged(|| {
        world.guest(&init_text(&format!(
            "{} {read} {read} {read}",
            open(4096, 0)
        )));
    });
    assert_eq!(
        lines,
        ["WARN records of a perf reader were lost, its buffers were full"]
    );
}

#[test]
fn only_perf_event_arrays_have_readers() {
    let (world, map) = world();
    let ((), lines) = logged(|| {
        world.guest(&init_text(
            "(local.set $h (call $getMap @\"perf\"))
            (eq (i32.const 0) (call $newPerfReader (i32.const 0) (i32.const 4096) (i32.const 1)))
            (eq (i32.const 0) (call $newPerfReader (i32.const 42) (i32.const 4096) (i32.const 1)))
            (eq (i32.const 0) (call $newPerfReader (call $getMap @\"hash\") (i32.const 4096) (i32.const 1)))
            (eq (i32.const 0) (call $newPerfReader (local.get $h) (i32.const 0) (i32.const 1)))
            (eq (i32.const 0) (call $newPerfReader (local.get $h) (i32.const -1) (i32.const 1)))
            (eq (i32.const 1) (call $perfReaderPause (local.get $h)))
            (eq (i32.const 1) (call $perfReaderResume (local.get $h)))
            (eq (i32.const 1) (call $perfReaderRead (local.get $h) @[64,64]))
            (eq (i32.const 1) (call $perfReaderClose (local.get $h)))
            (eq (i32.const 0) (call $releaseHandle (local.get $h)))",
        ));
    });
    assert_eq!(lines.len(), 9, "{lines:?}");
    assert_eq!(
        lines[2],
        "WARN newPerfReader: map `hash` of type 1 is no perf event array"
    );
    assert_eq!(map.ring.lock().unwrap().open, []);
}

#[test]
fn readers_have_a_limit_over_all_cpus() {
    // Four CPUs with pages of 4096 bytes: 16 MiB each are 64 MiB, one page more would be 128.
    let (world, map) = world();
    let fits = open(16 << 20, 1);
    let ((), lines) = logged(|| {
        world.guest(&init_text(&format!(
            "{fits} (eq (i32.const 0) (call $newPerfReader (call $getMap @\"perf\") (i32.const 16777217) (i32.const 1)))"
        )));
    });
    assert_eq!(
        lines,
        [format!(
            "WARN newPerfReader: the buffers of all CPUs have {} bytes, more than the {} allowed",
            128 << 20,
            64 << 20
        )]
    );
    assert_eq!(map.ring.lock().unwrap().open, []);
    let options = EngineOptions {
        max_perf_reader_bytes: 4 * 4096,
        ..EngineOptions::default()
    };
    let small = WasmEngine::new(options).unwrap();
    let text = format!(
        "{} (eq (i32.const 0) (call $newPerfReader (call $getMap @\"perf\") (i32.const 4097) (i32.const 1)))",
        open(4096, 1)
    );
    let wasm = wat::parse_str(module_text(&init_text(&text))).unwrap();
    let module = small.load(&wasm, "", None).unwrap();
    drop(Guest::instantiate(&module, world.context()).unwrap());
}

#[test]
fn all_readers_together_have_a_limit() {
    let (world, map) = world();
    let guest = world.guest(&init_text(
        "(local.set $h (call $getMap @\"perf\"))
        (loop (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if 0 (local.tee $j (call $newPerfReader (local.get $h) (i32.const 0x1000000) (i32.const 1)))))
        (eq (i32.const 17) (local.get $i))
        (eq (i32.const 0) (call $perfReaderClose (i32.const 2)))
        (ne (i32.const 0) (call $newPerfReader (local.get $h) (i32.const 0x1000000) (i32.const 1)))",
    ));
    assert_eq!(map.ring.lock().unwrap().open.len(), 16);
    drop(guest);
    assert_eq!(map.ring.lock().unwrap().open.len(), 0);
}

#[test]
fn readers_close_with_their_handle_and_with_the_guest() {
    let (world, map) = world();
    let guest = world.guest(&format!(
        "(global $kept (mut i32) (i32.const 0)) {}
        (func (export \"gadgetStart\") (result i32)
            (eq (i32.const 0) (call $perfReaderClose (global.get $kept)))
            (eq (i32.const 1) (call $perfReaderClose (global.get $kept)))
            (eq (i32.const 1) (call $perfReaderPause (global.get $kept)))
            (global.set $kept (call $newPerfReader (call $getMap @\"perf\") (i32.const 5000) (i32.const 7))) (i32.const 0))
        (func (export \"gadgetStop\") (result i32) (eq (i32.const 0) (call $releaseHandle (global.get $kept)))
            (eq (i32.const 1) (call $perfReaderClose (global.get $kept)))
            (drop (call $newPerfReader (call $getMap @\"perf\") (i32.const 1) (i32.const 0))) (i32.const 0))",
        init_text(&format!(
            "{} (global.set $kept (local.get $h))",
            open(4096, 1)
        ))
    ));
    let spec = |bytes_per_cpu, is_overwritable| PerfSpec {
        bytes_per_cpu,
        is_overwritable,
    };
    let open = || map.ring.lock().unwrap().open.clone();
    assert_eq!(open(), [spec(4096, true)]);
    guest.call(Phase::Start).unwrap();
    assert_eq!(open(), [spec(5000, true)]);
    guest.call(Phase::Stop).unwrap();
    assert_eq!(open(), [spec(1, false)]);
    guest.call(Phase::PostStop).unwrap();
    drop(guest);
    assert_eq!(open(), []);
}

#[test]
fn a_reader_without_a_handle_is_closed() {
    let (world, map) = world();
    let guest = world.guest(&init_text(
        "(local.set $h (call $getMap @\"perf\"))
        (loop (br_if 0 (call $getMap @\"hash\")))
        (eq (i32.const 0) (call $newPerfReader (local.get $h) (i32.const 4096) (i32.const 1)))",
    ));
    assert_eq!(map.ring.lock().unwrap().open, []);
    drop(guest);
}

#[test]
fn a_loop_of_pauses_ends_long_before_its_calls_cost_nothing() {
    let (mut world, map) = world();
    world.deadlines = World::hasty().deadlines;
    let error = world
        .try_guest(&init_text(&format!(
            "{} (loop (drop (call $perfReaderPause (local.get $h))) (br 0))",
            open(4096, 1)
        )))
        .unwrap_err();
    assert!(
        chain(&error).contains("ran longer than"),
        "{}",
        chain(&error)
    );
    // 0.2 s in steps of 1 ms, and what the guest does until the next look at its time.
    let pauses = map.ring.lock().unwrap().pauses;
    assert!((1..100_000).contains(&pauses), "{pauses}");
}
