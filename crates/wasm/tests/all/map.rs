//! Maps against a fake (wasm-host-api.md 3.5, 8; Appendix B 10).

use gizmo_model::map::{BpfMap, kind};
use gizmo_wasm::Phase;

use crate::support::{FakeMap, World, init_text, logged};

fn world() -> World {
    let world = World::new();
    world
        .maps
        .add(FakeMap::new("test_map", kind::HASH, 12, 4, 1));
    world
        .maps
        .add(FakeMap::new("map_of_map", kind::HASH_OF_MAPS, 12, 4, 1024));
    world
        .maps
        .add(FakeMap::new("percpu", kind::PERCPU_HASH, 4, 32, 8));
    world
}

#[test]
fn values_are_written_read_and_deleted() {
    let (_, lines) = logged(|| {
        world().guest(&init_text(
            "(local.set $h (call $getMap @\"test_map\"))
            (eq (i32.const 0) (call $mapUpdate (local.get $h) @[16,12] @\"AAAA\" (i64.const 0)))
            (eq (i32.const 0) (call $mapLookup (local.get $h) @[16,12] @[64,9]))
            (eq (i32.const 0x41414141) (i32.load (i32.const 64)))
            (eq (i32.const 0) (call $mapUpdate (local.get $h) @[16,12] @\"BBBB\" (i64.const 2)))
            (eq (i32.const 0) (call $mapDelete (local.get $h) @[16,12]))
            (eq (i32.const 1) (call $mapLookup (local.get $h) @[16,12] @[64,4]))
            (eq (i32.const 0x41414141) (i32.load (i32.const 64)))",
        ));
    });
    assert!(lines.is_empty(), "{lines:?}");
    world().guest(&init_text(
        "(local.set $h (call $getMap @\"test_map\"))
        (eq (i32.const 1) (call $mapDelete (local.get $h) @[16,12]))
        (eq (i32.const 0) (call $mapUpdate (local.get $h) @[16,12] @\"AAAA\" (i64.const 0)))
        (eq (i32.const 1) (call $mapUpdate (local.get $h) @[16,12] @\"AAAA\" (i64.const 1)))
        (eq (i32.const 1) (call $mapUpdate (local.get $h) @[16,12] @\"AAAA\" (i64.const 8)))
        (eq (i32.const 1) (call $mapUpdate (local.get $h) @[16,11] @\"AAAA\" (i64.const 0)))
        (eq (i32.const 1) (call $mapUpdate (local.get $h) @[16,12] @\"AAA\" (i64.const 0)))
        (eq (i32.const 1) (call $mapUpdate (local.get $h) @[16,12] @\"AAAAA\" (i64.const 0)))
        (eq (i32.const 1) (call $mapLookup (local.get $h) @[16,13] @[64,4]))
        (eq (i32.const 1) (call $mapLookup (local.get $h) @[16,12] @[64,3]))
        (eq (i32.const 1) (call $mapDelete (local.get $h) @[16,13]))
        (eq (i32.const 1) (call $mapRelease (local.get $h)))
        (eq (i32.const 0) (call $releaseHandle (local.get $h)))
        (eq (i32.const 1) (call $mapLookup (local.get $h) @[16,12] @[64,4]))
        (eq (i32.const 0) (call $getMap @\"foo\"))
        (eq (i32.const 1) (call $mapRelease (i32.const 0)))",
    ));
}

#[test]
fn created_maps_are_closed() {
    let world = world();
    let guest = world.guest(
        "(global $kept (mut i32) (i32.const 0))
        (func (export \"gadgetStart\") (result i32) (local $h i32)
            (local.set $h (call $newMap @\"a_rather_long_name\" (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 1)))
            (eq (i32.const 0) (call $mapUpdate (local.get $h) @\"keyA\" @\"AAAA\" (i64.const 0)))
            (eq (i32.const 1) (call $mapUpdate (local.get $h) @\"keyB\" @\"AAAA\" (i64.const 0)))
            (eq (i32.const 0) (call $mapRelease (local.get $h)))
            (eq (i32.const 1) (call $mapRelease (local.get $h)))
            (global.set $kept (call $newMap @\"kept\" (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 0)))
            (ne (i32.const 0) (global.get $kept))
            (local.set $h (call $newInnerMap @\"map_of_map\" @\"inner\"))
            (eq (i32.const 0) (call $releaseHandle (local.get $h)))
            (eq (i32.const 0) (call $newInnerMap @\"foo\" @\"inner\"))
            (eq (i32.const 0) (call $newMap @\"x\" (i32.const 34) (i32.const 4) (i32.const 4) (i32.const 1)))
            (eq (i32.const 0) (call $newMap @\"x\" (i32.const 13) (i32.const 4) (i32.const 4) (i32.const 1)))
            (eq (i32.const 0) (call $newMap @\"x\" (i32.const 4) (i32.const 8) (i32.const 4) (i32.const 1)))
            (eq (i32.const 0) (call $newMap @\"x\" (i32.const 1) (i32.const 4) (i32.const 1000000) (i32.const 1000000)))
            (i32.const 0))",
    );
    guest.call(Phase::Start).unwrap();
    assert_eq!(world.maps.open(), 1);
    drop(guest);
    assert_eq!(world.maps.open(), 0);
}

#[test]
fn maps_of_maps_hold_handles() {
    world().guest(&init_text(
        "(local.set $h (call $getMap @\"map_of_map\"))
        (local.set $i (call $newMap @\"inner\" (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 1)))
        (i32.store (i32.const 64) (local.get $i))
        (i32.store (i32.const 68) (i32.const -1))
        (eq (i32.const 1) (call $mapUpdate (local.get $h) @[16,12] @[64,3] (i64.const 0)))
        (eq (i32.const 1) (call $mapUpdate (local.get $h) @[16,12] @[68,4] (i64.const 0)))
        (eq (i32.const 0) (call $mapUpdate (local.get $h) @[16,12] @[64,4] (i64.const 0)))
        (eq (i32.const 0) (call $mapUpdate (local.get $h) @[16,12] @[64,8] (i64.const 0)))
        (eq (i32.const 1) (call $mapLookup (local.get $h) @[16,12] @[72,3]))
        (eq (i32.const 0) (call $mapLookup (local.get $h) @[16,12] @[72,4]))
        (local.set $j (i32.load (i32.const 72)))
        (ne (local.get $i) (local.get $j))
        (eq (i32.const 0) (call $mapUpdate (local.get $j) @\"keyA\" @\"AAAA\" (i64.const 0)))
        (eq (i32.const 0) (call $mapLookup (local.get $i) @\"keyA\" @[80,4]))
        (eq (i32.const 0) (call $mapRelease (local.get $i)))
        (eq (i32.const 0) (call $mapLookup (local.get $j) @\"keyA\" @[80,4]))
        (eq (i32.const 1) (call $mapRelease (local.get $j)))
        (eq (i32.const 0) (call $releaseHandle (local.get $j)))
        (eq (i32.const 0) (call $mapDelete (local.get $h) @[16,12]))
        (eq (i32.const 1) (call $mapLookup (local.get $h) @[16,12] @[72,4]))",
    ));
}

#[test]
fn per_cpu_values_are_whole() {
    world().guest(&init_text(
        "(local.set $h (call $getMap @\"percpu\"))
        (eq (i32.const 1) (call $mapUpdate (local.get $h) @\"keyA\" @[64,8] (i64.const 0)))
        (eq (i32.const 0) (call $mapUpdate (local.get $h) @\"keyA\" @[64,32] (i64.const 0)))
        (eq (i32.const 1) (call $mapLookup (local.get $h) @\"keyA\" @[64,31]))
        (eq (i32.const 0) (call $mapLookup (local.get $h) @\"keyA\" @[64,32]))",
    ));
}

#[test]
fn descriptors_of_the_host_are_out_of_reach() {
    // Values that are descriptors: closed. Values that the kernel makes of descriptors or pointers: no updates.
    let closed = [kind::PROG_ARRAY, kind::PERF_EVENT_ARRAY, kind::CGROUP_ARRAY];
    let read_only = [
        kind::DEVMAP,
        kind::SOCKMAP,
        kind::CPUMAP,
        kind::XSKMAP,
        kind::SOCKHASH,
        kind::REUSEPORT_SOCKARRAY,
        kind::DEVMAP_HASH,
        kind::STRUCT_OPS,
    ];
    for kind in closed.into_iter().chain(read_only) {
        let world = world();
        let map = FakeMap::new("closed", kind, 4, 4, 8);
        map.update(b"keyA", b"host", 0).unwrap();
        world.maps.add(map.clone());
        let looks_up = u32::from(closed.contains(&kind));
        world.guest(&init_text(&format!(
            "(local.set $h (call $getMap @\"closed\"))
            (ne (i32.const 0) (local.get $h))
            (eq (i32.const 1) (call $mapUpdate (local.get $h) @\"keyA\" @\"AAAA\" (i64.const 0)))
            (eq (i32.const {looks_up}) (call $mapLookup (local.get $h) @\"keyA\" @[64,4]))"
        )));
        let mut value = [0; 4];
        assert!(map.lookup(b"keyA", &mut value).unwrap());
        assert_eq!(&value, b"host", "{kind}");
    }
    let world = world();
    world.maps.add(FakeMap::new("unknown", 34, 4, 4, 8));
    world.guest(&init_text("(eq (i32.const 0) (call $getMap @\"unknown\"))"));
}

#[test]
fn sizes_of_perf_event_arrays_are_filled_in() {
    let world = world();
    let make = |kind: u32, key: u32, value: u32, entries: u32| {
        format!(
            "(call $newMap @\"x\" (i32.const {kind}) (i32.const {key}) (i32.const {value}) (i32.const {entries}))"
        )
    };
    world.guest(&init_text(&format!(
        "(ne (i32.const 0) {}) (ne (i32.const 0) {}) (ne (i32.const 0) {}) (eq (i32.const 0) {})",
        make(4, 0, 0, 0),
        make(4, 4, 4, 5),
        make(16, 4, 4, 1000),
        make(4, 4, 8, 1)
    )));
    let sizes: Vec<_> = world.maps.specs();
    assert_eq!(sizes, [(4, 4, 4, 4), (4, 4, 4, 4), (16, 4, 4, 4)]);
}

#[test]
fn a_map_without_a_handle_is_closed() {
    let world = world();
    let guest = world.guest(&init_text(
        "(loop (br_if 0 (call $getMap @\"test_map\")))
        (eq (i32.const 0) (call $newMap @\"x\" (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 1)))
        (eq (i32.const 0) (call $newInnerMap @\"map_of_map\" @\"x\"))
        (eq (i32.const 0) (call $releaseHandle (i32.const 1)))
        (ne (i32.const 0) (call $newMap @\"x\" (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 1)))",
    ));
    assert_eq!(world.maps.open(), 1);
    drop(guest);
}

#[test]
fn an_inner_map_that_was_looked_up_is_let_go() {
    let world = world();
    world.guest(&init_text(
        "(local.set $h (call $getMap @\"map_of_map\"))
        (local.set $i (call $newMap @\"inner\" (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 1)))
        (i32.store (i32.const 64) (local.get $i))
        (eq (i32.const 0) (call $mapUpdate (local.get $h) @[16,12] @[64,4] (i64.const 0)))
        (eq (i32.const 0) (call $mapRelease (local.get $i)))
        (loop (eq (i32.const 0) (call $mapLookup (local.get $h) @[16,12] @[72,4]))
            (eq (i32.const 0) (call $releaseHandle (i32.load (i32.const 72))))
            (br_if 0 (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 5000))))
        (eq (i32.const 1) (call $mapLookup (local.get $h) @[16,12] @[72,3]))
        (eq (i32.const 0) (call $mapDelete (local.get $h) @[16,12]))",
    ));
    assert_eq!(world.maps.open(), 0);
}
