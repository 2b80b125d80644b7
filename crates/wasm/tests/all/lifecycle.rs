//! Phases, their failures, and traps in callbacks (Appendix B 3, 4).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gizmo_model::{Flow, Shape, Subscription};
use gizmo_wasm::{Cause, Error, Phase};

use crate::support::{World, chain, init_text, logged};

pub const PHASES: [Phase; 5] = [
    Phase::PreStart,
    Phase::Start,
    Phase::PreStop,
    Phase::Stop,
    Phase::PostStop,
];

fn cause(error: Error) -> Cause {
    match error {
        Error::Phase { cause, .. } => cause,
        other => panic!("{}", chain(&other)),
    }
}

#[test]
fn init_can_fail() {
    let error = World::new()
        .try_guest("(func (export \"gadgetInit\") (result i32) (i32.const 1))")
        .unwrap_err();
    assert_eq!(chain(&error), "gadgetInit failed: returned 1");
}

#[test]
fn every_phase_runs_once_in_turn() {
    let guest = World::new().guest(
        "(global $n (mut i32) (i32.const 0))
        (func $step (param i32) (result i32)
            (eq (local.get 0) (global.get $n)) (global.set $n (i32.add (global.get $n) (i32.const 1))) (i32.const 0))
        (func (export \"gadgetInit\") (result i32) (call $step (i32.const 0)))
        (func (export \"gadgetPreStart\") (result i32) (call $step (i32.const 1)))
        (func (export \"gadgetStart\") (result i32) (call $step (i32.const 2)))
        (func (export \"gadgetPreStop\") (result i32) (call $step (i32.const 3)))
        (func (export \"gadgetStop\") (result i32) (call $step (i32.const 4)))
        (func (export \"gadgetPostStop\") (result i64) (i64.extend_i32_s (call $step (i32.const 5))))",
    );
    for phase in PHASES {
        guest.call(phase).unwrap();
    }
}

#[test]
fn the_guest_explains_its_failure() {
    let guest = World::new().guest(
        "(func (export \"gadgetPreStart\") (result i32) (call $fail @\"no such syscall\")
            (call $gadgetLog (i32.const 0) @\"less\") (i32.const 1))
        (func (export \"gadgetStart\") (result i32) (call $gadgetLog (i32.const 0) @\"first\")
            (call $gadgetLog (i32.const 0) @\"second\") (call $gadgetLog (i32.const 2) @\"info\") (i32.const 7))
        (func (export \"gadgetStop\") (result i32) (i32.const 7))",
    );
    let text = |phase| chain(&guest.call(phase).unwrap_err());
    assert_eq!(
        text(Phase::PreStart),
        "gadgetPreStart failed: no such syscall"
    );
    assert_eq!(text(Phase::Start), "gadgetStart failed: second");
    // What was said in an earlier phase does not explain this one.
    assert_eq!(text(Phase::Stop), "gadgetStop failed: returned 7");
}

#[test]
fn a_trap_ends_the_guest() {
    let guest = World::new().guest(
        "(func (export \"gadgetStart\") (result i32) unreachable)
        (func (export \"gadgetStop\") (result i32) (i32.const 0))",
    );
    let error = guest.call(Phase::Start).unwrap_err();
    assert!(
        chain(&error).starts_with("calling gadgetStart: wasm trap: wasm `unreachable`"),
        "{}",
        chain(&error)
    );
    assert!(matches!(
        cause(guest.call(Phase::Stop).unwrap_err()),
        Cause::Dead(_)
    ));
    guest.call(Phase::PostStop).unwrap();
    assert!(guest.death().unwrap().contains("unreachable"));
}

#[test]
fn a_trap_says_what_the_guest_said() {
    let guest = World::new()
        .guest("(func (export \"gadgetStart\") (result i32) (call $gadgetLog (i32.const 0) @\"because\") unreachable)");
    let text = chain(&guest.call(Phase::Start).unwrap_err());
    assert!(
        text.starts_with("calling gadgetStart: because (wasm trap"),
        "{text}"
    );
}

/// A guest with one Element subscription on `ds` whose callback is `body`.
fn subscribed(world: &World, body: &str, more: &str) -> gizmo_wasm::Guest {
    let init = init_text(
        "(eq (i32.const 0) (call $dataSourceSubscribe (call $getDataSource @\"ds\") (i32.const 1) (i32.const 0) (i64.const 9)))",
    );
    world.guest(&format!(
        "{init} (func (export \"dataSourceCallback\") (param $id i64) (param $ds i32) (param $data i32) {body}) {more}"
    ))
}

#[test]
fn a_trap_in_a_callback_is_told_once_and_events_go_on() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    let stop = "(func (export \"gadgetStop\") (result i32) (i32.const 0))";
    let guest = subscribed(&world, "unreachable", stop);
    let seen = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&seen);
    ds.subscribe(Subscription::Element, 1, move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        Flow::Continue
    })
    .unwrap();
    let ((), lines) = logged(|| (0..3).for_each(|_| ds.emit(ds.new_packet()).unwrap()));
    assert_eq!(seen.load(Ordering::Relaxed), 3);
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with("ERROR"))
            .count(),
        1,
        "{lines:?}"
    );
    assert!(matches!(
        cause(guest.call(Phase::Stop).unwrap_err()),
        Cause::Dead(_)
    ));
}

#[test]
fn elements_survive_a_trap() {
    let world = World::new();
    let ds = world.source("ds", Shape::Array);
    let n = ds
        .add_field(gizmo_model::field::FieldSpec::new(
            "n",
            gizmo_model::Kind::Uint32,
        ))
        .unwrap();
    let _guest = subscribed(
        &world,
        "(eq (i32.const 0) (call $releaseHandle (local.get $data))) unreachable",
        "",
    );
    let mut element = ds.new_element();
    n.set_value(&mut element, 42).unwrap();
    let field = Arc::clone(&n);
    ds.subscribe(Subscription::Element, 1, move |_, payload| match payload {
        gizmo_model::Payload::Element(element) if field.value(element) == Ok(42) => Flow::Continue,
        _ => Flow::Fail("the value is gone".into()),
    })
    .unwrap();
    ds.emit(gizmo_model::Packet::Array(vec![element])).unwrap();
}

#[test]
fn there_are_no_callbacks_after_stop_nor_after_the_end() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    let guest = subscribed(&world, "(call $gadgetLog (i32.const 2) @\"called\")", "");
    let count = || logged(|| ds.emit(ds.new_packet()).unwrap()).1.len();
    assert_eq!(count(), 1);
    guest.call(Phase::Stop).unwrap();
    assert_eq!(count(), 0);
    guest.call(Phase::PostStop).unwrap();
    drop(guest);
    assert_eq!(count(), 0);
    let second = subscribed(&world, "(call $gadgetLog (i32.const 2) @\"called\")", "");
    drop(second);
    assert_eq!(count(), 0);
}

#[test]
fn a_callback_may_discard() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    let _guest = world.guest(&format!(
        "{} (func (export \"dataSourceCallback\") (param i64 i32 i32) (result i32) (i32.const 1))",
        init_text("(eq (i32.const 0) (call $dataSourceSubscribe (call $getDataSource @\"ds\") (i32.const 3) (i32.const 0) (i64.const 0)))")
    ));
    ds.subscribe(Subscription::Element, 1, |_, _| {
        Flow::Fail("not discarded".into())
    })
    .unwrap();
    ds.emit(ds.new_packet()).unwrap();
}

#[test]
fn events_from_several_threads_take_turns_with_phases() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    let guest = subscribed(
        &world,
        "(global.set $n (i32.add (global.get $n) (i32.const 1)))",
        "(global $n (mut i32) (i32.const 0))
        (func (export \"gadgetStart\") (result i32) (local i32)
            (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000000)))) (i32.const 0))
        (func (export \"gadgetStop\") (result i32) (eq (i32.const 4000) (global.get $n)) (i32.const 0))",
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| ds.emit(ds.new_packet()).unwrap()));
        }
        guest.call(Phase::Start).unwrap();
    });
    guest.call(Phase::Stop).unwrap();
}

#[test]
fn two_guests_may_call_each_other() {
    // One emits on `a`, which the other hears and answers on `b`, which the first hears inside its call.
    let world = World::new();
    world.source("a", Shape::Single);
    world.source("b", Shape::Single);
    let text = |hears: &str, answers: &str| {
        format!(
            "(global $out (mut i32) (i32.const 0)) (global $calls (mut i32) (i32.const 0))
            (func $emit (eq (i32.const 0) (call $dataSourceEmitAndRelease (global.get $out)
                (call $dataSourceNewPacketSingle (global.get $out)))))
            (func (export \"dataSourceCallback\") (param i64 i32 i32)
                (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (if (i32.lt_u (global.get $calls) (i32.const 3)) (then (call $emit))))
            (func (export \"gadgetStart\") (result i32) (call $emit) (i32.const 0))
            (func (export \"gadgetStop\") (result i32) (eq (i32.const 3) (global.get $calls)) (i32.const 0)) {}",
            init_text(&format!(
                "(global.set $out (call $getDataSource @\"{answers}\"))
                (eq (i32.const 0) (call $dataSourceSubscribe (call $getDataSource @\"{hears}\") (i32.const 1) (i32.const 0) (i64.const 0)))"
            ))
        )
    };
    let one = world.guest(&text("b", "a"));
    let other = world.guest(&text("a", "b").replace("(eq (i32.const 3) (global.get $calls))", ""));
    one.call(Phase::Start).unwrap();
    assert_eq!((one.death(), other.death()), (None, None));
}

#[test]
fn handles_live_until_the_guest_is_closed() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    let guest = world.guest(
        "(global $map (mut i32) (i32.const 0))
        (func (export \"gadgetStart\") (result i32)
            (global.set $map (call $newMap @\"m\" (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 8))) (i32.const 0))
        (func (export \"gadgetPostStop\") (result i32)
            (eq (i32.const 0) (call $mapUpdate (global.get $map) @\"keyA\" @\"AAAA\" (i64.const 0)))
            (ne (i32.const 0) (call $getDataSource @\"ds\")) (i32.const 0))",
    );
    for phase in PHASES {
        guest.call(phase).unwrap();
        assert_eq!(world.maps.open(), usize::from(phase != Phase::PreStart));
    }
    drop(guest);
    assert_eq!(world.maps.open(), 0);
    ds.emit(ds.new_packet()).unwrap();
}

#[test]
fn events_from_other_threads_between_stop_and_close_are_harmless() {
    let world = World::new();
    let ds = world.source("containers", Shape::Single);
    let guest = world.guest(&format!(
        "(global $stopped (mut i32) (i32.const 0))
        (func (export \"dataSourceCallback\") (param i64 i32 i32) (eq (i32.const 0) (global.get $stopped)))
        (func (export \"gadgetStop\") (result i32) (global.set $stopped (i32.const 1)) (i32.const 0))
        {}",
        init_text("(eq (i32.const 0) (call $dataSourceSubscribe (call $getDataSource @\"containers\") (i32.const 1) (i32.const 0) (i64.const 0)))")
    ));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let ((), lines) = logged(|| {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        ds.emit(ds.new_packet()).unwrap();
                    }
                });
            }
            for phase in PHASES {
                guest.call(phase).unwrap();
            }
            assert_eq!(guest.death(), None);
            drop(guest);
            stop.store(true, Ordering::Relaxed);
        });
    });
    assert!(lines.is_empty(), "{lines:?}");
}
