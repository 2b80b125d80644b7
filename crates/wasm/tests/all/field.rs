//! Values through set and get: signs, bit patterns, texts, members (Appendix B 9).

use gizmo_model::field::{FieldSpec, MemberSpec};
use gizmo_model::{Kind, Shape};

use crate::support::{World, init, init_text};

/// `gadgetInit` with a field of a kind in `$i` and a packet in `$j`.
fn with_field(kind: u32, body: &str) {
    init(&format!(
        "(local.set $h (call $newDataSource @\"ds\" (i32.const 1)))
        (local.set $i (call $dataSourceAddField (local.get $h) @\"f\" (i32.const {kind})))
        (local.set $j (call $dataSourceNewPacketSingle (local.get $h)))
        {body}"
    ));
}

#[test]
fn scalars_are_cut_and_extended() {
    let nan = 0x7ff0_0000_dead_beef_u64 as i64;
    for (kind, set, got) in [
        (1, 7i64, 1i64),
        (1, 0, 0),
        (2, -123, -123),
        (2, 0x1ff, -1),
        (3, -25_647, -25_647),
        (4, -535_245_564, -535_245_564),
        (5, -1_234_567_890, -1_234_567_890),
        (6, -1, 255),
        (7, 0x12345, 0x2345),
        (8, -1, 0xffff_ffff),
        (9, -1, -1),
        (10, 0xf_7f80_0001, 0x7f80_0001),
        (11, nan, nan),
    ] {
        with_field(
            kind,
            &format!(
                "(eq (i32.const 0) (call $fieldSet (local.get $i) (local.get $j) (i32.const {kind}) (i64.const {set})))
                (eq64 (i64.const {got}) (call $fieldGetScalar (local.get $i) (local.get $j) (i32.const {kind}) (i32.const 64)))
                (eq (i32.const 0) (i32.load (i32.const 64)))"
            ),
        );
    }
}

#[test]
fn wrong_kinds_and_handles_are_errors() {
    with_field(
        8,
        "(eq (i32.const 0) (call $fieldSet (local.get $i) (local.get $j) (i32.const 8) (i64.const 1234)))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 9) (i64.const 1)))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 1005) (i64.const 1)))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 0) (i64.const 1)))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $i) (i32.const 8) (i64.const 1)))
        (eq (i32.const 1) (call $fieldSet (local.get $j) (local.get $j) (i32.const 8) (i64.const 1)))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $h) (i32.const 8) (i64.const 1)))
        (eq (i32.const -1) (call $fieldGetBuffer (local.get $i) (local.get $j) (i32.const 13) @[64,8]))
        (eq (i32.const 4) (call $fieldGetBuffer (local.get $i) (local.get $j) (i32.const 14) @[64,8]))
        (eq (i32.const 1234) (i32.load (i32.const 64)))
        (eq (i32.const 0) (i32.load (i32.const 128)))
        (eq64 (i64.const 0) (call $fieldGetScalar (local.get $i) (local.get $j) (i32.const 9) (i32.const 128)))
        (eq (i32.const 1) (i32.load (i32.const 128)))
        (drop (call $fieldGetScalar (local.get $i) (local.get $j) (i32.const 12) (i32.const 132)))
        (eq (i32.const 1) (i32.load (i32.const 132)))
        (drop (call $fieldGetScalar (i32.const 42) (i32.const 42) (i32.const 8) (i32.const 0)))",
    );
}

#[test]
fn an_error_that_cannot_be_told_is_a_trap() {
    for address in [17 << 20, 0xffff_ffff_u32, 65533] {
        let body = format!(
            "(drop (call $fieldGetScalar (i32.const 55) (i32.const 55) (i32.const 8) (i32.const {})))",
            address as i32
        );
        assert!(
            World::new().try_guest(&init_text(&body)).is_err(),
            "{address}"
        );
    }
}

#[test]
fn texts_have_any_length_and_are_copied() {
    with_field(
        12,
        "(eq (i32.const 0) (call $fieldGetBuffer (local.get $i) (local.get $j) (i32.const 12) @[64,0]))
        (i32.store (i32.const 64) (i32.const 0x64636261))
        (eq (i32.const 0) (call $fieldSet (local.get $i) (local.get $j) (i32.const 14) @[64,4]))
        (i32.store (i32.const 64) (i32.const 0))
        (eq (i32.const -1) (call $fieldGetBuffer (local.get $i) (local.get $j) (i32.const 12) @[64,3]))
        (eq (i32.const 0) (i32.load (i32.const 64)))
        (eq (i32.const 4) (call $fieldGetBuffer (local.get $i) (local.get $j) (i32.const 12) @[64,4]))
        (eq (i32.const 0x64636261) (i32.load (i32.const 64)))
        (eq (i32.const 0) (call $fieldSet (local.get $i) (local.get $j) (i32.const 12) @\"\"))
        (eq (i32.const 0) (call $fieldGetBuffer (local.get $i) (local.get $j) (i32.const 14) @[64,4]))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 13) @\"x\"))",
    );
}

#[test]
fn late_and_foreign_fields_are_errors() {
    with_field(
        8,
        "(local.set $i (call $dataSourceAddField (local.get $h) @\"late\" (i32.const 8)))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 8) (i64.const 1)))
        (local.set $h (call $newDataSource @\"other\" (i32.const 1)))
        (local.set $i (call $dataSourceAddField (local.get $h) @\"f\" (i32.const 8)))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 8) (i64.const 1)))",
    );
}

#[test]
fn members_have_their_size() {
    let world = World::new();
    let ds = world.source("ds", Shape::Single);
    let member = |name: &str, kind, offset, size| MemberSpec {
        spec: FieldSpec::new(name, kind),
        offset,
        size,
        parent: None,
    };
    ds.add_struct(
        vec![
            member("comm", Kind::CString, 0, 4),
            member("raw", Kind::Bytes, 4, 4),
        ],
        8,
    )
    .unwrap();
    ds.add_field(FieldSpec::group("group")).unwrap();
    world.guest(&init_text(
        "(local.set $h (call $getDataSource @\"ds\"))
        (local.set $j (call $dataSourceNewPacketSingle (local.get $h)))
        (local.set $i (call $dataSourceGetField (local.get $h) @\"comm\"))
        (eq (i32.const 0) (call $fieldSet (local.get $i) (local.get $j) (i32.const 12) @\"abcd\"))
        (eq (i32.const 0) (call $fieldSet (local.get $i) (local.get $j) (i32.const 12) @\"x\"))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 12) @\"abcde\"))
        (eq (i32.const -1) (call $fieldGetBuffer (local.get $i) (local.get $j) (i32.const 12) @[64,3]))
        (eq (i32.const 4) (call $fieldGetBuffer (local.get $i) (local.get $j) (i32.const 12) @[64,4]))
        (eq (i32.const 120) (i32.load (i32.const 64)))
        (local.set $i (call $dataSourceGetField (local.get $h) @\"raw\"))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 14) @\"x\"))
        (eq (i32.const 0) (call $fieldSet (local.get $i) (local.get $j) (i32.const 14) @\"wxyz\"))
        (local.set $i (call $dataSourceGetField (local.get $h) @\"group\"))
        (eq (i32.const 0) (call $fieldGetBuffer (local.get $i) (local.get $j) (i32.const 12) @[64,4]))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 12) @\"\"))",
    ));
}

#[test]
fn payloads_have_a_limit() {
    with_field(
        14,
        "(eq (i32.const 1) (memory.grow (i32.const 40)))
        (eq (i32.const 0) (call $fieldSet (local.get $i) (local.get $j) (i32.const 14) @[0,1048576]))
        (eq (i32.const 1) (call $fieldSet (local.get $i) (local.get $j) (i32.const 14) @[0,1048577]))
        (local.set $h (call $newDataSource @\"many\" (i32.const 2)))
        (local.set $i (call $dataSourceAddField (local.get $h) @\"f\" (i32.const 14)))
        (local.set $h (call $dataSourceNewPacketArray (local.get $h)))
        (block (loop
            (local.set $j (call $dataArrayNew (local.get $h)))
            (br_if 1 (call $fieldSet (local.get $i) (local.get $j) (i32.const 14) @[0,1048576]))
            (eq (i32.const 0) (call $dataArrayAppend (local.get $h) (local.get $j)))
            (br_if 0 (i32.lt_u (call $dataArrayLen (local.get $h)) (i32.const 1000)))))
        (eq (i32.const 1) (i32.lt_u (call $dataArrayLen (local.get $h)) (i32.const 128)))",
    );
}
