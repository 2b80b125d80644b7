//! Guests that lie about lengths, mix up handles and take all they can (Appendix B 7 and 8).

use crate::support::{World, init, init_text};

/// Buffers that reach beyond a memory of one page: crossing its end, far outside, and with a sum that would wrap.
const BAD: [u64; 4] = [
    (17 << 20) << 32,
    (2 << 32) | 65535,
    (1 << 32) | 0xffff_ffff,
    (0xffff_ffff << 32) | 0xffff_ffff,
];

/// Calls with a buffer `BUF`, and what they must answer. `$h` is a data source, `$i` a field, `$j` a packet.
const CALLS: &[(i32, &str)] = &[
    (0, "newDataSource BUF (i32.const 1)"),
    (0, "getDataSource BUF"),
    (0, "dataSourceGetField (local.get $h) BUF"),
    (0, "dataSourceAddField (local.get $h) BUF (i32.const 8)"),
    (
        -1,
        "fieldGetBuffer (local.get $i) (local.get $j) (i32.const 12) BUF",
    ),
    (
        1,
        "fieldSet (local.get $i) (local.get $j) (i32.const 12) BUF",
    ),
    (1, "fieldAddTag (local.get $i) BUF"),
    (1, "getParamValue BUF @[64,64]"),
    (1, "getParamValue @\"key\" BUF"),
    (1, "setConfig BUF @\"x\" (i32.const 12)"),
    (1, "setConfig @\"x\" BUF (i32.const 12)"),
    (
        0,
        "newMap BUF (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 1)",
    ),
    (0, "getMap BUF"),
    (1, "mapLookup (local.get $m) BUF @[64,64]"),
    (1, "mapLookup (local.get $m) @\"keyA\" BUF"),
    (1, "mapUpdate (local.get $m) BUF @\"AAAA\" (i64.const 0)"),
    (1, "mapUpdate (local.get $m) @\"keyA\" BUF (i64.const 0)"),
    (1, "mapDelete (local.get $m) BUF"),
    (1, "perfReaderRead (local.get $r) BUF"),
    (1, "getSyscallName (i32.const 1) BUF"),
    (-1, "getSyscallID BUF"),
    (1, "getSyscallDeclaration BUF @[64,252]"),
    (1, "getSyscallDeclaration @\"execve\" BUF"),
    (0, "kallsymsSymbolExists BUF"),
    (-1, "getHostFact BUF @[64,64]"),
    (-1, "getHostFact @\"release\" BUF"),
    (-1, "getParamLength BUF"),
    (-1, "getSyscallIdForAbi (i32.const 0) BUF"),
    (-1, "getSyscallFunction (i32.const 0) (i32.const 4) BUF"),
    (1, "setConstant BUF @\"x\""),
    (1, "setConstant @\"known\" BUF"),
    (1, "setMaxEntries BUF (i32.const 0) (i32.const 1)"),
    (0, "newInnerMap BUF @\"x\""),
    (0, "newInnerMap @\"outer\" BUF"),
    (0, "newIterator BUF"),
    (-1, "iteratorRead (local.get $q) BUF"),
    (0, "isWanted (i64.const 1) (i64.const 1) BUF"),
    (
        1,
        "reportRecording BUF (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)",
    ),
];

#[test]
fn every_buffer_is_checked() {
    for buffer in BAD {
        let mut body = String::from(
            "(local.set $h (call $newDataSource @\"ds\" (i32.const 1)))
            (local.set $i (call $dataSourceAddField (local.get $h) @\"f\" (i32.const 12)))
            (local.set $j (call $dataSourceNewPacketSingle (local.get $h)))
            (local.set $m (call $newMap @\"m\" (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 8)))
            (local.set $r (call $newPerfReader (call $newMap @\"p\" (i32.const 4) (i32.const 4) (i32.const 4) (i32.const 0)) (i32.const 1) (i32.const 0)))
            (ne (i32.const 0) (local.get $r))
            (local.set $q (call $newIterator @\"printing\"))
            (ne (i32.const 0) (local.get $q))
            (eq (i32.const 0) (call $mapUpdate (local.get $m) @\"keyA\" @\"AAAA\" (i64.const 0)))
            (eq (i32.const 0) (call $fieldSet (local.get $i) (local.get $j) (i32.const 12) @\"text\"))\n",
        );
        let constant = format!("(i64.const {})", buffer as i64);
        for (answer, call) in CALLS {
            let call = call.replace("BUF", &constant);
            body.push_str(&format!("(eq (i32.const {answer}) (call ${call}))\n"));
        }
        body.push_str(&format!(
            "(call $gadgetLog (i32.const 0) {constant}) (call $fail {constant})"
        ));
        let mut world = World::new();
        world.params.insert("key".into(), "value".into());
        world.iterators.add("printing", b"text");
        world.guest(&init_text(&body).replace(
            "(local $j i32)",
            "(local $j i32) (local $m i32) (local $r i32) (local $q i32)",
        ));
    }
}

#[test]
fn handles_of_every_wrong_type_are_refused() {
    // 1 source, 2 field, 3 single packet, 4 array source, 5 array packet, 6 element, 7 map, 8 perf event array, 9 perf
    // reader.
    let mut body = String::from(
        "(drop (call $newDataSource @\"ds\" (i32.const 1)))
        (drop (call $dataSourceAddField (i32.const 1) @\"f\" (i32.const 8)))
        (drop (call $dataSourceNewPacketSingle (i32.const 1)))
        (drop (call $newDataSource @\"many\" (i32.const 2)))
        (drop (call $dataSourceNewPacketArray (i32.const 4)))
        (drop (call $dataArrayNew (i32.const 5)))
        (eq (i32.const 7) (call $newMap @\"m\" (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 8)))
        (eq (i32.const 8) (call $newMap @\"p\" (i32.const 4) (i32.const 4) (i32.const 4) (i32.const 4)))
        (eq (i32.const 9) (call $newPerfReader (i32.const 8) (i32.const 1) (i32.const 1)))\n",
    );
    let calls: [(&[i32], i32, &str); 30] = [
        (
            &[1, 4],
            1,
            "dataSourceSubscribe H (i32.const 9) (i32.const 0) (i64.const 0)",
        ),
        (&[1, 4], 0, "dataSourceGetField H @\"f\""),
        (&[1, 4], 0, "dataSourceAddField H @\"g\" (i32.const 8)"),
        (&[1], 0, "dataSourceNewPacketSingle H"),
        (&[4], 0, "dataSourceNewPacketArray H"),
        (&[3, 5], 1, "dataSourceEmitAndRelease (i32.const 1) H"),
        (&[3, 5], 1, "dataSourceRelease (i32.const 1) H"),
        (&[1, 4], 1, "dataSourceUnreference H"),
        (&[1, 4], 2, "dataSourceIsReferenced H"),
        (&[5], 0, "dataArrayNew H"),
        (&[6], 1, "dataArrayAppend (i32.const 5) H"),
        (&[6], 1, "dataArrayRelease (i32.const 5) H"),
        (&[5], 0, "dataArrayGet H (i32.const 0)"),
        (
            &[2],
            -1,
            "fieldGetBuffer H (i32.const 3) (i32.const 14) @[64,64]",
        ),
        (&[2], 1, "fieldAddTag H @\"t\""),
        (&[5], 0, "dataArrayLen H"),
        (
            &[2],
            1,
            "fieldSet H (i32.const 3) (i32.const 8) (i64.const 0)",
        ),
        (
            &[3, 6],
            1,
            "fieldSet (i32.const 2) H (i32.const 8) (i64.const 0)",
        ),
        (&[5], 1, "dataArrayAppend H (i32.const 6)"),
        (&[5], 1, "dataArrayRelease H (i32.const 3)"),
        (&[7, 8], 1, "mapDelete H @\"keyA\""),
        (&[7], 1, "mapLookup H @\"keyA\" @[64,4]"),
        (&[7], 1, "mapUpdate H @\"keyA\" @\"AAAA\" (i64.const 0)"),
        (&[7, 8], 1, "mapRelease H"),
        (&[8], 0, "newPerfReader H (i32.const 1) (i32.const 1)"),
        (&[9], 1, "perfReaderPause H"),
        (&[9], 1, "perfReaderResume H"),
        (&[9], 1, "perfReaderRead H @[64,4]"),
        (&[9], 1, "perfReaderClose H"),
        (
            &[3, 6],
            -1,
            "fieldGetBuffer (i32.const 2) H (i32.const 14) @[64,64]",
        ),
    ];
    for handle in [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        42,
        65535,
        65536,
        -1,
        i32::MIN,
        i32::MIN | 5,
    ] {
        for (right, answer, call) in calls {
            if !right.contains(&handle) {
                let call = call.replace('H', &format!("(i32.const {handle})"));
                body.push_str(&format!("(eq (i32.const {answer}) (call ${call}))\n"));
            }
        }
    }
    init(&body);
}

#[test]
fn handles_run_out_and_come_back() {
    init(
        "(local.set $h (call $newDataSource @\"ds\" (i32.const 1)))
        (loop (eq (local.get $h) (i32.const 1)) (local.set $j (call $getDataSource @\"ds\")) (ne (i32.const 0) (local.get $j))
            (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4095))))
        (eq (i32.const 4096) (local.get $j))
        (eq (i32.const 0) (call $getDataSource @\"ds\"))
        (eq (i32.const 0) (call $newMap @\"m\" (i32.const 1) (i32.const 4) (i32.const 4) (i32.const 1)))
        (eq (i32.const 0) (call $releaseHandle (i32.const 2000)))
        (eq (i32.const 4097) (call $getDataSource @\"ds\"))
        (eq (i32.const 1) (call $releaseHandle (i32.const 2000)))",
    );
}

#[test]
fn a_full_table_skips_callbacks_and_keeps_events() {
    let world = World::new();
    let ds = world.source("ds", gizmo_model::Shape::Single);
    let guest = world.guest(&format!(
        "(func (export \"dataSourceCallback\") (param i64 i32 i32) unreachable) {}",
        init_text(
            "(local.set $h (call $getDataSource @\"ds\"))
            (eq (i32.const 0) (call $dataSourceSubscribe (local.get $h) (i32.const 1) (i32.const 0) (i64.const 0)))
            (loop (br_if 0 (call $getDataSource @\"ds\")))"
        )
    ));
    ds.emit(ds.new_packet()).unwrap();
    assert_eq!(guest.death(), None);
}

#[test]
fn sources_fields_tags_and_subscriptions_have_limits() {
    let world = World::new();
    world.guest(&format!(
        "(func (export \"dataSourceCallback\") (param i64 i32 i32))
        (func $name (param i32) (result i64) (i32.store (i32.const 64) (i32.or (i32.const 0x01010101) (local.get 0))) @[64,4])
        {}",
        init_text(
            "(loop (local.set $i (i32.add (local.get $i) (i32.const 2)))
                (br_if 0 (local.tee $j (call $newDataSource (call $name (local.get $i)) (i32.const 1)))))
            (eq (i32.const 130) (local.get $i))
            (local.set $i (i32.const 0))
            (loop (local.set $i (i32.add (local.get $i) (i32.const 2)))
                (br_if 0 (local.tee $j (call $dataSourceAddField (i32.const 1) (call $name (i32.shl (local.get $i) (i32.const 1))) (i32.const 12)))))
            (loop (br_if 0 (i32.eqz (call $dataSourceSubscribe (i32.const 1) (i32.const 1) (i32.const 0) (i64.const 0)))))
            (loop (br_if 0 (i32.eqz (call $fieldAddTag (i32.const 65) @\"t\"))))
            (loop (br_if 0 (i32.eqz (call $setConfig @\"k\" @\"v\" (i32.const 12)))))"
        )
    ));
    assert_eq!(world.sources.all().len(), 64);
}

#[test]
fn a_guest_without_memory_can_only_be_refused() {
    let text = "(module (import \"ig\" \"getMap\" (func $g (param i64) (result i32)))
        (func (export \"gadgetAPIVersion\") (result i64) (i64.const 1))
        (func (export \"gadgetInit\") (result i32) (i32.add (call $g (i64.const 0)) (call $g (i64.const 0x100000000)))))";
    gizmo_wasm::Guest::instantiate(&crate::support::plain(text), World::new().context()).unwrap();
}
