//! Deadlines: what counts and what does not.

use std::time::{Duration, Instant};

use gizmo_model::Shape;
use gizmo_wasm::{Error, Phase};

use crate::support::{World, chain, init_text, logged};

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let guest = World::hasty()
        .guest("(func (export \"gadgetStop\") (result i32) (loop (br 0)) (i32.const 0))");
    let start = Instant::now();
    let error = guest.call(Phase::Stop).unwrap_err();
    assert_eq!(
        chain(&error).split(" (in").next(),
        Some("calling gadgetStop: ran longer than 0.2 s")
    );
    assert!(start.elapsed() >= Duration::from_millis(150));
    assert!(guest.call(Phase::PostStop).is_ok());
}

#[test]
fn instantiation_has_a_deadline() {
    for text in [
        "(func (export \"_initialize\") (loop (br 0)))",
        "(func $s (loop (br 0))) (start $s)",
        "(func (export \"gadgetInit\") (result i32) (loop (br 0)) (i32.const 0))",
    ] {
        let error = World::hasty().try_guest(text).unwrap_err();
        assert!(
            chain(&error).contains("ran longer than 0.2 s"),
            "{}",
            chain(&error)
        );
    }
}

#[test]
fn an_endless_recursion_is_a_trap() {
    let error = World::hasty()
        .try_guest("(func $f (call $f)) (func (export \"gadgetInit\") (result i32) (call $f) (i32.const 0))")
        .unwrap_err();
    assert!(
        chain(&error).contains("call stack exhausted"),
        "{}",
        chain(&error)
    );
}

#[test]
fn time_in_host_functions_does_not_count() {
    let slow = "(eq (i32.const 1) (call $kallsymsSymbolExists @\"slow\"))\n";
    let guest = World::hasty().guest(&format!(
        "(func (export \"gadgetStart\") (result i32) {} (i32.const 0))",
        slow.repeat(5)
    ));
    let start = Instant::now();
    guest.call(Phase::Start).unwrap();
    assert!(start.elapsed() > Duration::from_millis(700));
}

#[test]
fn loops_around_host_functions_end_too() {
    let error = World::hasty()
        .try_guest(&init_text(
            "(loop (drop (call $kallsymsSymbolExists @\"x\")) (br 0))",
        ))
        .unwrap_err();
    assert!(
        chain(&error).contains("ran longer than"),
        "{}",
        chain(&error)
    );
}

#[test]
fn callbacks_have_a_deadline_and_nested_ones_share_it() {
    let world = World::hasty();
    world.source("ds", Shape::Single);
    let guest = world.guest(&format!(
        "(func (export \"dataSourceCallback\") (param i64 i32 i32) (loop (br 0)))
        (func (export \"gadgetStart\") (result i32) (call $dataSourceEmitAndRelease (i32.const 1) (call $dataSourceNewPacketSingle (i32.const 1))))
        {}",
        init_text("(drop (call $dataSourceSubscribe (call $getDataSource @\"ds\") (i32.const 1) (i32.const 0) (i64.const 0)))")
    ));
    let (error, _) = logged(|| guest.call(Phase::Start).unwrap_err());
    assert!(
        chain(&error).contains("ran longer than 0.2 s"),
        "{}",
        chain(&error)
    );
    assert!(matches!(
        error,
        Error::Phase {
            export: "gadgetStart",
            ..
        }
    ));
}

#[test]
fn a_short_deadline_in_one_phase_does_not_touch_the_next() {
    let guest = World::hasty().guest(
        "(func $spin (local i32) (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000)))))
        (func (export \"gadgetStart\") (result i32) (call $spin) (i32.const 0))
        (func (export \"gadgetStop\") (result i32) (call $spin) (i32.const 0))",
    );
    guest.call(Phase::Start).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    guest.call(Phase::Stop).unwrap();
}
