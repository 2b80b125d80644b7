//! Data sources, packets and arrays (wasm-host-api.md 3.2, 8.1; Appendix B 5 and 7).

use std::sync::{Arc, Mutex};

use gizmo_model::field::FieldSpec;
use gizmo_model::{Flow, Kind, Packet, Payload, Shape, Subscription};
use gizmo_wasm::Phase;

use crate::support::{World, init, init_text, logged};

#[test]
fn sources_are_made_found_and_hidden() {
    init(
        "(local.set $h (call $newDataSource @\"mine\" (i32.const 1)))
        (eq (i32.const 1) (local.get $h))
        (eq (i32.const 2) (call $getDataSource @\"mine\"))
        (eq (i32.const 0) (call $newDataSource @\"mine\" (i32.const 1)))
        (eq (i32.const 0) (call $newDataSource @\"other\" (i32.const 42)))
        (eq (i32.const 0) (call $newDataSource @\"other\" (i32.const 0)))
        (eq (i32.const 0) (call $getDataSource @\"foo\"))
        (eq (i32.const 1) (call $dataSourceIsReferenced (local.get $h)))
        (eq (i32.const 0) (call $dataSourceUnreference (local.get $h)))
        (eq (i32.const 0) (call $dataSourceIsReferenced (local.get $h)))
        (eq (i32.const 2) (call $dataSourceIsReferenced (i32.const 42)))
        (eq (i32.const 1) (call $dataSourceUnreference (i32.const 42)))
        (eq (i32.const 0) (call $getDataSource @\"mine\"))",
    );
}

#[test]
fn metadata_applies_to_new_sources() {
    let world = World::with_config("datasources: {mine: {fields: {x: {tags: [from-yaml]}}}}");
    world.guest(&init_text(
        "(local.set $h (call $newDataSource @\"mine\" (i32.const 1)))
        (local.set $i (call $dataSourceAddField (local.get $h) @\"x\" (i32.const 8)))
        (eq (i32.const 0) (call $fieldAddTag (local.get $i) @\"type:gadget_mntns_id\"))
        (ne (i32.const 0) (call $dataSourceGetField (local.get $h) @\"X\"))
        (eq (i32.const 0) (call $dataSourceGetField (local.get $h) @\"y\"))
        (eq (i32.const 0) (call $dataSourceAddField (local.get $h) @\"x\" (i32.const 8)))
        (eq (i32.const 0) (call $dataSourceAddField (local.get $h) @\"z\" (i32.const 15)))
        (ne (i32.const 0) (call $dataSourceAddField (local.get $h) @\"z\" (i32.const 13)))",
    ));
    let field = world.sources.get("mine").unwrap().field("x").unwrap();
    assert!(field.has_tag("from-yaml") && field.has_tag("type:gadget_mntns_id"));
}

#[test]
fn subscribing_is_checked() {
    let body = |expected: u32| {
        init_text(&format!(
            "(local.set $h (call $newDataSource @\"one\" (i32.const 1)))
            (eq (i32.const {expected}) (call $dataSourceSubscribe (local.get $h) (i32.const 1) (i32.const -5) (i64.const 0)))
            (eq (i32.const 1) (call $dataSourceSubscribe (local.get $h) (i32.const 2) (i32.const 0) (i64.const 0)))
            (eq (i32.const 1) (call $dataSourceSubscribe (local.get $h) (i32.const 1005) (i32.const 0) (i64.const 0)))
            (eq (i32.const 1) (call $dataSourceSubscribe (i32.const 42) (i32.const 1) (i32.const 0) (i64.const 0)))"
        ))
    };
    World::new().guest(&body(1));
    World::new().guest(&format!(
        "{} (func (export \"dataSourceCallback\") (param i32))",
        body(1)
    ));
    World::new().guest(&format!(
        "{} (func (export \"dataSourceCallback\") (param i64 i32 i32))",
        body(0)
    ));
}

#[test]
fn packets_are_made_emitted_and_released() {
    init(
        "(local.set $h (call $newDataSource @\"one\" (i32.const 1)))
        (eq (i32.const 0) (call $dataSourceNewPacketArray (local.get $h)))
        (local.set $i (call $dataSourceNewPacketSingle (local.get $h)))
        (ne (i32.const 0) (local.get $i))
        (eq (i32.const 1) (call $dataSourceEmitAndRelease (i32.const 42) (local.get $i)))
        (eq (i32.const 1) (call $dataSourceEmitAndRelease (local.get $i) (local.get $i)))
        (eq (i32.const 0) (call $dataSourceEmitAndRelease (local.get $h) (local.get $i)))
        (eq (i32.const 1) (call $dataSourceEmitAndRelease (local.get $h) (local.get $i)))
        (local.set $i (call $dataSourceNewPacketSingle (local.get $h)))
        (eq (i32.const 0) (call $dataSourceRelease (local.get $h) (local.get $i)))
        (eq (i32.const 1) (call $dataSourceRelease (local.get $h) (local.get $i)))
        (local.set $i (call $dataSourceNewPacketSingle (local.get $h)))
        (local.set $j (call $newDataSource @\"two\" (i32.const 1)))
        (eq (i32.const 1) (call $dataSourceEmitAndRelease (local.get $j) (local.get $i)))
        (eq (i32.const 1) (call $releaseHandle (local.get $i)))
        (eq (i32.const 0) (call $releaseHandle (local.get $j)))",
    );
}

#[test]
fn elements_are_appended_or_released() {
    init(
        "(local.set $h (call $newDataSource @\"many\" (i32.const 2)))
        (eq (i32.const 0) (call $dataSourceNewPacketSingle (local.get $h)))
        (local.set $h (call $dataSourceNewPacketArray (local.get $h)))
        (local.set $i (call $dataArrayNew (local.get $h)))
        (eq (i32.const 1) (call $dataArrayAppend (local.get $h) (i32.const 42)))
        (eq (i32.const 1) (call $dataArrayAppend (i32.const 42) (local.get $i)))
        (eq (i32.const 0) (call $dataArrayAppend (local.get $h) (local.get $i)))
        (eq (i32.const 1) (call $dataArrayRelease (local.get $h) (local.get $i)))
        (eq (i32.const 1) (call $dataArrayLen (local.get $h)))
        (eq (i32.const 0) (call $dataArrayLen (i32.const 42)))
        (local.set $i (call $dataArrayNew (local.get $h)))
        (eq (i32.const 1) (call $dataArrayRelease (i32.const 42) (local.get $i)))
        (eq (i32.const 0) (call $dataArrayRelease (local.get $h) (local.get $i)))
        (eq (i32.const 1) (call $dataArrayRelease (local.get $h) (local.get $i)))
        (eq (i32.const 0) (call $dataArrayNew (i32.const 42)))
        (eq (i32.const 0x80000003) (call $dataArrayGet (local.get $h) (i32.const 0)))
        (eq (i32.const 0) (call $dataArrayGet (local.get $h) (i32.const 1)))
        (eq (i32.const 0) (call $dataArrayGet (local.get $h) (i32.const -1)))
        (eq (i32.const 1) (call $releaseHandle (call $dataArrayGet (local.get $h) (i32.const 0))))
        (eq (i32.const 1) (call $dataArrayAppend (local.get $h) (call $dataArrayGet (local.get $h) (i32.const 0))))"
            .replace("0x80000003", "0x80000002")
            .as_str(),
    );
}

/// Subscribes to array source `ds` with field `n` and defines globals `$ds` and `$n`.
fn array_guest(world: &World, kind: u32, callback: &str, more: &str) -> gizmo_wasm::Guest {
    world.guest(&format!(
        "(global $ds (mut i32) (i32.const 0)) (global $n (mut i32) (i32.const 0)) (global $calls (mut i32) (i32.const 0))
        {} (func (export \"dataSourceCallback\") (param $id i64) (param $source i32) (param $data i32) (local $i i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1))) {callback}) {more}",
        init_text(&format!(
            "(global.set $ds (call $getDataSource @\"ds\"))
            (global.set $n (call $dataSourceGetField (global.get $ds) @\"n\"))
            (eq (i32.const 0) (call $dataSourceSubscribe (global.get $ds) (i32.const {kind}) (i32.const 0) (i64.const -7)))"
        ))
    ))
}

#[test]
fn appended_elements_are_seen_by_later_subscribers() {
    let world = World::new();
    let ds = world.source("ds", Shape::Array);
    let n = ds.add_field(FieldSpec::new("n", Kind::Uint32)).unwrap();
    let _guest = array_guest(
        &world,
        2,
        "(eq64 (i64.const -7) (local.get $id))
        (eq (global.get $ds) (local.get $source))
        (eq (i32.const 3) (call $dataArrayLen (local.get $data)))
        (loop
            (eq64 (i64.const 5) (call $fieldGetScalar (global.get $n)
                (call $dataArrayGet (local.get $data) (local.get $i)) (i32.const 8) (i32.const 0)))
            (eq (i32.const 0) (call $fieldSet (global.get $n)
                (call $dataArrayGet (local.get $data) (local.get $i)) (i32.const 8) (i64.extend_i32_u (local.get $i))))
            (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
        (local.set $i (call $dataArrayNew (local.get $data)))
        (eq (i32.const 0) (call $fieldSet (global.get $n) (local.get $i) (i32.const 8) (i64.const 77)))
        (eq (i32.const 0) (call $dataArrayAppend (local.get $data) (local.get $i)))",
        "",
    );
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sink, field) = (Arc::clone(&seen), Arc::clone(&n));
    ds.subscribe(Subscription::Array, 50_000, move |_, payload| {
        if let Payload::Array(elements) = payload {
            sink.lock()
                .unwrap()
                .extend(elements.iter().map(|element| field.value(element).unwrap()));
        }
        Flow::Continue
    })
    .unwrap();
    let element = || {
        let mut element = ds.new_element();
        n.set_value(&mut element, 5).unwrap();
        element
    };
    ds.emit(Packet::Array(vec![element(), element(), element()]))
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 77]);
}

#[test]
fn seventy_thousand_array_callbacks_get_their_own_elements() {
    let world = World::new();
    let ds = world.source("ds", Shape::Array);
    let n = ds.add_field(FieldSpec::new("n", Kind::Uint32)).unwrap();
    let guest = array_guest(
        &world,
        2,
        "(eq64 (i64.extend_i32_u (global.get $calls)) (call $fieldGetScalar (global.get $n)
            (call $dataArrayGet (local.get $data) (i32.const 1)) (i32.const 8) (i32.const 0)))",
        "(func (export \"gadgetStop\") (result i32) (eq (i32.const 70000) (global.get $calls)) (i32.const 0))",
    );
    for call in 1..=70_000 {
        let mut second = ds.new_element();
        n.set_value(&mut second, call).unwrap();
        ds.emit(Packet::Array(vec![ds.new_element(), second]))
            .unwrap();
    }
    guest.call(Phase::Stop).unwrap();
}

#[test]
fn elements_beyond_fifteen_bits_cannot_be_named() {
    let world = World::new();
    let ds = world.source("ds", Shape::Array);
    ds.add_field(FieldSpec::new("n", Kind::Uint32)).unwrap();
    let guest = array_guest(
        &world,
        3,
        "(eq (i32.const 32769) (call $dataArrayLen (local.get $data)))
        (ne (i32.const 0) (call $dataArrayGet (local.get $data) (i32.const 32767)))
        (eq (i32.const 0) (call $dataArrayGet (local.get $data) (i32.const 32768)))",
        "",
    );
    ds.emit(Packet::Array(vec![ds.new_element(); 32769]))
        .unwrap();
    assert_eq!(guest.death(), None);
}

#[test]
fn payloads_work_as_the_table_of_types_says() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    ds.add_field(FieldSpec::new("n", Kind::Uint32)).unwrap();
    // The event of a single source is data and packet: it may be emitted again, as a copy, and goes on itself.
    let guest = array_guest(
        &world,
        1,
        "(if (i32.eq (global.get $calls) (i32.const 1)) (then
            (eq (i32.const 0) (call $fieldSet (global.get $n) (local.get $data) (i32.const 8) (i64.const 3)))
            (eq (i32.const 0) (call $dataSourceEmitAndRelease (global.get $ds) (local.get $data)))
            (eq (i32.const 1) (call $releaseHandle (local.get $data)))))",
        "(func (export \"gadgetStop\") (result i32) (eq (i32.const 2) (global.get $calls)) (i32.const 0))",
    );
    let seen = Arc::new(Mutex::new(0));
    let sink = Arc::clone(&seen);
    let n = ds.field("n").unwrap();
    ds.subscribe(Subscription::Packet, 9, move |_, payload| {
        if let Payload::Packet(packet) = payload {
            assert_eq!(n.value(&packet.elements()[0]), Ok(3));
            *sink.lock().unwrap() += 1;
        }
        Flow::Continue
    })
    .unwrap();
    ds.emit(ds.new_packet()).unwrap();
    assert_eq!(*seen.lock().unwrap(), 2);
    guest.call(Phase::Stop).unwrap();
}

#[test]
fn a_guest_may_emit_on_the_source_it_listens_to() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    ds.add_field(FieldSpec::new("n", Kind::Uint32)).unwrap();
    let emit = "(eq (i32.const 0) (call $dataSourceEmitAndRelease (global.get $ds) (call $dataSourceNewPacketSingle (global.get $ds))))";
    let guest = array_guest(
        &world,
        1,
        &format!("(if (i32.lt_u (global.get $calls) (i32.const 5)) (then {emit}))"),
        &format!(
            "(func (export \"gadgetStart\") (result i32) {emit} (eq (i32.const 5) (global.get $calls)) (i32.const 0))
            (func (export \"gadgetStop\") (result i32) {emit} (eq (i32.const 6) (global.get $calls)) (i32.const 0))"
        ),
    );
    guest.call(Phase::Start).unwrap();
    guest.call(Phase::Stop).unwrap();
}

#[test]
fn nested_calls_reach_the_guest_through_other_components() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    ds.add_field(FieldSpec::new("n", Kind::Uint32)).unwrap();
    let other = world.source("other", Shape::Single);
    let back = Arc::clone(&ds);
    other
        .subscribe(Subscription::Element, 0, move |_, _| {
            back.emit(back.new_packet()).unwrap();
            Flow::Continue
        })
        .unwrap();
    let guest = array_guest(
        &world,
        1,
        "(if (i32.eq (global.get $calls) (i32.const 1)) (then (local.set $i (call $getDataSource @\"other\"))
            (eq (i32.const 0) (call $dataSourceEmitAndRelease (local.get $i) (call $dataSourceNewPacketSingle (local.get $i))))))",
        "(func (export \"gadgetStop\") (result i32) (eq (i32.const 2) (global.get $calls)) (i32.const 0))",
    );
    ds.emit(ds.new_packet()).unwrap();
    guest.call(Phase::Stop).unwrap();
}

#[test]
fn endless_nesting_is_cut() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    ds.add_field(FieldSpec::new("n", Kind::Uint32)).unwrap();
    let guest = array_guest(
        &world,
        1,
        "(drop (call $dataSourceEmitAndRelease (global.get $ds) (call $dataSourceNewPacketSingle (global.get $ds))))",
        "",
    );
    let ((), lines) = logged(|| ds.emit(ds.new_packet()).unwrap());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("too many calls inside calls"));
    assert_eq!(guest.death(), None);
}

#[test]
fn a_trap_in_a_nested_call_ends_the_outer_one() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    ds.add_field(FieldSpec::new("n", Kind::Uint32)).unwrap();
    let guest = array_guest(
        &world,
        1,
        "unreachable",
        "(func (export \"gadgetStart\") (result i32)
            (call $dataSourceEmitAndRelease (global.get $ds) (call $dataSourceNewPacketSingle (global.get $ds))))",
    );
    let (error, lines) = logged(|| guest.call(Phase::Start).unwrap_err());
    assert!(crate::support::chain(&error).contains("ended in a callback: wasm trap"));
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with("ERROR"))
            .count(),
        1,
        "{lines:?}"
    );
}

#[test]
fn failing_subscribers_are_reported_to_the_emitter() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    ds.subscribe(Subscription::Packet, 0, |_, _| Flow::Fail("no".into()))
        .unwrap();
    world.guest(&init_text(
        "(local.set $h (call $getDataSource @\"ds\"))
        (eq (i32.const 1) (call $dataSourceEmitAndRelease (local.get $h) (call $dataSourceNewPacketSingle (local.get $h))))",
    ));
}

#[test]
fn every_phase_may_emit_on_a_source_that_the_guest_listens_to() {
    let emit = "(eq (i32.const 0) (call $dataSourceEmitAndRelease (i32.const 1) (call $dataSourceNewPacketSingle (i32.const 1))))";
    let phase = |name: &str, calls: u32| {
        format!(
            "(func (export \"{name}\") (result i32) {emit} (eq (i32.const {calls}) (global.get $calls)) (i32.const 0))"
        )
    };
    let guest = World::new().guest(&format!(
        "(global $calls (mut i32) (i32.const 0))
        (func (export \"dataSourceCallback\") (param i64 i32 i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1))))
        {} {} {} {} {}",
        init_text(&format!(
            "(eq (i32.const 1) (call $newDataSource @\"ds\" (i32.const 1)))
            (eq (i32.const 0) (call $dataSourceSubscribe (i32.const 1) (i32.const 3) (i32.const 0) (i64.const 0)))
            {emit} (eq (i32.const 1) (global.get $calls))"
        )),
        phase("gadgetPreStart", 2),
        phase("gadgetStart", 3),
        phase("gadgetStop", 4),
        // No more callbacks; that it may still emit is of no use, and no harm.
        phase("gadgetPostStop", 4)
    ));
    for phase in crate::lifecycle::PHASES {
        guest.call(phase).unwrap();
    }
}

#[test]
fn subscribers_are_called_by_priority_then_in_turn_and_by_type() {
    // One digit of the order for each call: ids 1 to 6 on an array of two elements, 7 to 9 on a single source.
    let world = World::new();
    let many = world.source("many", Shape::Array);
    let one = world.source("one", Shape::Single);
    let guest = world.guest(&format!(
        "(global $order (mut i64) (i64.const 0))
        (func (export \"dataSourceCallback\") (param $id i64) (param i32 i32)
            (global.set $order (i64.add (i64.mul (global.get $order) (i64.const 10)) (local.get $id))))
        (func (export \"gadgetStart\") (result i32)
            (eq64 (i64.const 4113362) (global.get $order)) (global.set $order (i64.const 0)) (i32.const 0))
        (func (export \"gadgetStop\") (result i32) (eq64 (i64.const 978) (global.get $order)) (i32.const 0))
        {}",
        init_text(
            "(local.set $h (call $getDataSource @\"many\"))
            (eq (i32.const 0) (call $dataSourceSubscribe (local.get $h) (i32.const 1) (i32.const 0) (i64.const 1)))
            (eq (i32.const 0) (call $dataSourceSubscribe (local.get $h) (i32.const 2) (i32.const 9) (i64.const 2)))
            (eq (i32.const 0) (call $dataSourceSubscribe (local.get $h) (i32.const 1) (i32.const 0) (i64.const 3)))
            (eq (i32.const 0) (call $dataSourceSubscribe (local.get $h) (i32.const 2) (i32.const -1) (i64.const 4)))
            (eq (i32.const 0) (call $dataSourceSubscribe (local.get $h) (i32.const 3) (i32.const 8) (i64.const 6)))
            (local.set $h (call $getDataSource @\"one\"))
            (eq (i32.const 0) (call $dataSourceSubscribe (local.get $h) (i32.const 1) (i32.const 0) (i64.const 7)))
            (eq (i32.const 1) (call $dataSourceSubscribe (local.get $h) (i32.const 2) (i32.const 0) (i64.const 5)))
            (eq (i32.const 0) (call $dataSourceSubscribe (local.get $h) (i32.const 3) (i32.const 0) (i64.const 8)))
            (eq (i32.const 0) (call $dataSourceSubscribe (local.get $h) (i32.const 3) (i32.const -2147483648) (i64.const 9)))"
        )
    ));
    let elements = vec![many.new_element(), many.new_element()];
    many.emit(Packet::Array(elements)).unwrap();
    guest.call(Phase::Start).unwrap();
    one.emit(one.new_packet()).unwrap();
    guest.call(Phase::Stop).unwrap();
}

#[test]
fn packets_and_elements_of_other_sources_are_refused() {
    let ((), lines) = logged(|| {
        init(
            "(local.set $h (call $newDataSource @\"single\" (i32.const 1)))
            (local.set $i (call $newDataSource @\"array\" (i32.const 2)))
            (eq (i32.const 1) (call $dataSourceEmitAndRelease (local.get $i) (call $dataSourceNewPacketSingle (local.get $h))))
            (eq (i32.const 1) (call $dataSourceEmitAndRelease (local.get $h) (call $dataSourceNewPacketArray (local.get $i))))
            (local.set $j (call $dataSourceNewPacketArray (call $newDataSource @\"foreign\" (i32.const 2))))
            (eq (i32.const 0) (call $dataArrayAppend (local.get $j) (call $dataArrayNew (local.get $j))))
            (eq (i32.const 1) (call $dataSourceEmitAndRelease (local.get $i) (local.get $j)))
            (eq (i32.const 1) (call $releaseHandle (local.get $j)))",
        );
    });
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn a_bad_packet_or_element_is_told_once_with_its_number() {
    let ((), lines) = logged(|| {
        init(
            "(local.set $h (call $newDataSource @\"many\" (i32.const 2)))
            (local.set $i (call $dataSourceNewPacketArray (local.get $h)))
            (eq (i32.const 1) (call $dataSourceEmitAndRelease (local.get $h) (i32.const 42)))
            (eq (i32.const 1) (call $dataSourceEmitAndRelease (local.get $h) (local.get $h)))
            (eq (i32.const 1) (call $dataArrayAppend (local.get $i) (i32.const 43)))
            (eq (i32.const 1) (call $dataArrayRelease (local.get $i) (local.get $h)))",
        );
    });
    let expected = [
        "WARN dataSourceEmitAndRelease: handle 42 not found",
        "WARN dataSourceEmitAndRelease: bad handle type for 1",
        "WARN dataArrayAppend: handle 43 not found",
        "WARN dataArrayRelease: bad handle type for 1",
    ];
    assert_eq!(lines, expected);
}
