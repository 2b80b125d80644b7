//! Many events in one call.

use std::sync::{Arc, Mutex};

use gizmo_model::{Edge, Flow, Payload, Subscription};
use gizmo_wasm::{Guest, Phase};

use crate::support::{World, chain, module_text, plain};

/// A guest with a data source `ds` of the fields `n` (Uint16) and `t` (String), which runs this when it starts. `$row` writes
/// the beginning of an event of `n` at an address.
fn guest(world: &World, body: &str) -> Guest {
    let text = module_text(&format!(
        "(global $ds (mut i32) (i32.const 0)) (global $n (mut i32) (i32.const 0)) (global $t (mut i32) (i32.const 0))
        (global $many (mut i32) (i32.const 0))
        (func $row (param $at i32) (param $bytes i32) (param $field i32) (param $length i32)
            (i32.store (local.get $at) (local.get $bytes))
            (i32.store (i32.add (local.get $at) (i32.const 4)) (local.get $field))
            (i32.store (i32.add (local.get $at) (i32.const 8)) (local.get $length)))
        (func (export \"gadgetInit\") (result i32)
            (global.set $ds (call $newDataSource @\"ds\" (i32.const 1)))
            (global.set $many (call $newDataSource @\"many\" (i32.const 2)))
            (global.set $n (call $dataSourceAddField (global.get $ds) @\"n\" (i32.const 7)))
            (global.set $t (call $dataSourceAddField (global.get $ds) @\"t\" (i32.const 12)))
            (i32.const 0))
        (func (export \"gadgetStart\") (result i32) {body} (i32.const 0))"
    ));
    Guest::instantiate(&plain(&text), world.context()).unwrap()
}

/// What the guest emits: `n` and `t` of each event, and how many batches begin and end.
fn emitted(body: &str) -> (Vec<(u64, String)>, Vec<Edge>) {
    let world = World::new();
    let guest = guest(&world, body);
    let ds = world.sources.get("ds").unwrap();
    let (n, t) = (ds.field("n").unwrap(), ds.field("t").unwrap());
    let (events, edges): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>) = Default::default();
    let (sink, edge_sink) = (Arc::clone(&events), Arc::clone(&edges));
    ds.subscribe(Subscription::Packet, 9, move |_, payload| {
        if let Payload::Packet(packet) = payload {
            let element = &packet.elements()[0];
            let text = String::from_utf8_lossy(t.text(element).unwrap()).into_owned();
            sink.lock().unwrap().push((n.value(element).unwrap(), text));
        }
        Flow::Continue
    })
    .unwrap();
    ds.on_batch(move |edge| edge_sink.lock().unwrap().push(edge));
    if let Err(error) = guest.call(Phase::Start) {
        panic!("{}", chain(&error));
    }
    let events = events.lock().unwrap().clone();
    let edges = edges.lock().unwrap().clone();
    (events, edges)
}

#[test]
fn events_come_in_order_with_what_was_written_and_zeros() {
    let (events, edges) = emitted(
        "(call $row (i32.const 64) (i32.const 10) (global.get $n) (i32.const 2))
        (i32.store16 (i32.const 76) (i32.const 0x1234))
        (call $row (i32.const 78) (i32.const 11) (global.get $t) (i32.const 3))
        (i32.store (i32.const 90) (i32.const 0x636261))
        (eq (i32.const 0) (call $emitBatch (global.get $ds) @[64,29]))
        (eq (i32.const 0) (call $emitBatch (global.get $ds) @[64,0]))",
    );
    assert_eq!(events, [(0x1234, String::new()), (0, "abc".to_owned())]);
    assert_eq!(edges, [Edge::Begin, Edge::End].repeat(2));
}

#[test]
fn an_event_without_values_is_one() {
    let (events, _) = emitted("(eq (i32.const 0) (call $emitBatch (global.get $ds) @[64,8]))");
    assert_eq!(events, [(0, String::new()), (0, String::new())]);
}

#[test]
fn batches_that_lie_are_refused_from_the_event_on_that_does() {
    let good = "(call $row (i32.const 64) (i32.const 10) (global.get $n) (i32.const 2))";
    for (bad, length) in [
        // The batch ends in a length, in a row, in a value; the value in no row; the row is larger than the memory.
        ("(i32.store (i32.const 78) (i32.const 1))", 17),
        ("(i32.store (i32.const 78) (i32.const 2))", 19),
        (
            "(call $row (i32.const 78) (i32.const 9) (global.get $n) (i32.const 2))",
            27,
        ),
        (
            "(call $row (i32.const 78) (i32.const 10) (global.get $n) (i32.const 3))",
            28,
        ),
        (
            "(call $row (i32.const 78) (i32.const -1) (global.get $n) (i32.const -1))",
            28,
        ),
        // A number of another size, handles that mean nothing or something else.
        (
            "(call $row (i32.const 78) (i32.const 9) (global.get $n) (i32.const 1))",
            27,
        ),
        (
            "(call $row (i32.const 78) (i32.const 10) (i32.const 4242) (i32.const 2))",
            28,
        ),
        (
            "(call $row (i32.const 78) (i32.const 10) (global.get $ds) (i32.const 2))",
            28,
        ),
    ] {
        let body = format!(
            "{good} {bad} (eq (i32.const 1) (call $emitBatch (global.get $ds) @[64,{length}]))"
        );
        let (events, edges) = emitted(&body);
        assert_eq!(events.len(), 1, "{bad}");
        assert_eq!(edges, [Edge::Begin, Edge::End], "{bad}");
    }
}

#[test]
fn wrong_sources_and_places_are_refused() {
    let (events, _) = emitted(
        "(eq (i32.const 1) (call $emitBatch (i32.const 4242) @[64,4]))
        (eq (i32.const 1) (call $emitBatch (global.get $n) @[64,4]))
        (eq (i32.const 1) (call $emitBatch (global.get $many) @[64,4]))
        (eq (i32.const 1) (call $emitBatch (global.get $ds) @[65534,4]))
        (eq (i32.const 1) (call $emitBatch (global.get $ds) @[64,4294967295]))",
    );
    assert!(events.is_empty());
}
