//! Iterator programs against a fake. What the kernel's print is tested with the kernel, by the binary's tests.

use crate::support::{World, init_text, logged};

/// A world with a program that prints `text`.
fn world(text: &str) -> World {
    let world = World::new();
    world.iterators.add("printing", text.as_bytes());
    world
}

/// Runs a program into `$h`.
const RUN: &str =
    "(local.set $h (call $newIterator @\"printing\")) (ne (i32.const 0) (local.get $h))";

#[test]
fn output_is_read_piece_by_piece_up_to_its_end() {
    let world = world("abcdef");
    world.guest(&init_text(&format!(
        "{RUN}
        (eq (i32.const 4) (call $iteratorRead (local.get $h) @[64,4]))
        (eq (i32.load #\"abcd\") (i32.load (i32.const 64)))
        (eq (i32.const 2) (call $iteratorRead (local.get $h) @[64,4]))
        (eq (i32.load #\"efcd\") (i32.load (i32.const 64)))
        (eq (i32.const 0) (call $iteratorRead (local.get $h) @[64,4]))
        (eq (i32.const 0) (call $iteratorRead (local.get $h) @[64,4]))
        (eq (i32.const 0) (call $releaseHandle (local.get $h)))
        (eq (i32.const -1) (call $iteratorRead (local.get $h) @[64,4]))"
    )));
    assert_eq!(world.iterators.open(), 0);
}

#[test]
fn refusals_say_why() {
    let world = world("abcdef");
    let ((), lines) = logged(|| {
        world.guest(&init_text(&format!(
            "{RUN}
            (eq (i32.const 0) (call $newIterator @\"none\"))
            (eq (i32.const -1) (call $iteratorRead (local.get $h) @[64,0]))
            (eq (i32.const -1) (call $iteratorRead (local.get $h) @[65530,7]))
            (eq (i32.const -1) (call $iteratorRead (i32.const 77) @[64,4]))
            (local.set $i (call $newDataSource @\"ds\" (i32.const 1)))
            (eq (i32.const -1) (call $iteratorRead (local.get $i) @[64,4]))"
        )));
    });
    assert_eq!(
        lines,
        [
            "WARN newIterator: the gadget's eBPF object has no program `none`, or is not loaded",
            "WARN iteratorRead: the destination is empty",
            "WARN iteratorRead: the destination lies outside the guest's memory",
            "WARN iteratorRead: handle 77 not found",
            "WARN iteratorRead: bad handle type for 2",
        ]
    );
}

#[test]
fn a_guest_runs_sixteen_programs_at_a_time() {
    let world = world("abcdef");
    let ((), lines) = logged(|| {
        let run = RUN.repeat(16);
        world.guest(&init_text(&format!(
            "{run}
            (eq (i32.const 0) (call $newIterator @\"printing\"))
            (eq (i32.const 0) (call $releaseHandle (local.get $h)))
            {RUN}
            (eq (i32.const 0) (call $newIterator @\"printing\"))"
        )));
        // The guest has ended, and with it everything it had open.
    });
    let refusal = "WARN newIterator: the guest runs too many iterator programs";
    assert_eq!(lines, [refusal, refusal]);
    assert_eq!(world.iterators.open(), 0);
}
