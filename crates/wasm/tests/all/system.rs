//! Logs, parameters, configuration, system calls, symbols and the module `gizmo`.

use gizmo_wasm::Phase;

use crate::support::{FakeMap, World, init, init_text, logged};

#[test]
fn log_lines_have_levels() {
    let ((), lines) = logged(|| {
        init(
            "(call $gadgetLog (i32.const 0) @\"e\") (call $gadgetLog (i32.const 1) @\"w\") (call $gadgetLog (i32.const 2) @\"i\")
            (call $gadgetLog (i32.const 3) @\"d\") (call $gadgetLog (i32.const 4) @\"t\") (call $gadgetLog (i32.const 2) @\"\")
            (call $gadgetLog (i32.const 42) @\"odd\") (call $gadgetLog (i32.const 0) @[0,17825792])
            (eq (i32.const 1) (call $gadgetShouldLog (i32.const 3)))
            (eq (i32.const 0) (call $gadgetShouldLog (i32.const 4)))
            (eq (i32.const 0) (call $gadgetShouldLog (i32.const 5)))",
        );
    });
    let expected = [
        "ERROR e",
        "WARN w",
        "INFO i",
        "DEBUG d",
        "INFO ",
        "WARN gadgetLog: unknown log level 42 of message: odd",
        "WARN gadgetLog: the message lies outside the guest's memory",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn floods_of_log_lines_are_counted() {
    let ((), lines) = logged(|| {
        init(
            "(loop (call $gadgetLog (i32.const 2) @\"x\") (drop (call $getDataSource @\"none\"))
                (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1500))))",
        );
    });
    assert_eq!(lines.iter().filter(|line| *line == "INFO x").count(), 1000);
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("getDataSource"))
            .count(),
        100
    );
    assert_eq!(
        lines.last().unwrap(),
        "WARN log lines of the guest were dropped swallowed=500"
    );
}

#[test]
fn params_have_values_or_defaults() {
    let yaml = "params: {wasm: {a: {key: given, defaultValue: no}, b: {key: Unset, defaultValue: def}, c: {key: empty}}}";
    let mut world = World::with_config(yaml);
    world.params.insert("given".into(), "param-value".into());
    world.params.insert("undeclared".into(), "u".into());
    world.guest(&init_text(
        "(eq (i32.const 0) (call $getParamValue @\"given\" @[64,11]))
        (eq64 (i64.load (i32.const 64)) (i64.load #\"param-value\"))
        (eq (i32.const 1) (call $getParamValue @\"given\" @[64,10]))
        (eq (i32.const 11) (call $getParamLength @\"given\"))
        (eq (i32.const 0) (call $getParamValue @\"unset\" @[64,3]))
        (eq (i32.const 0) (call $getParamValue @\"Unset\" @[64,3]))
        (eq (i32.const 0x64) (i32.load8_u (i32.const 64)))
        (eq (i32.const 0) (call $getParamValue @\"empty\" @[64,0]))
        (eq (i32.const 0) (call $getParamLength @\"empty\"))
        (eq (i32.const 0) (call $getParamValue @\"undeclared\" @[64,8]))
        (eq (i32.const 1) (call $getParamValue @\"foo\" @[64,8]))
        (eq (i32.const -1) (call $getParamLength @\"foo\"))
        (eq (i32.const 1) (call $getParamValue @[0,17825792] @[64,8]))",
    ));
}

#[test]
fn long_params_can_be_read() {
    let mut world = World::new();
    world.params.insert("long".into(), "x".repeat(100_000));
    world.guest(&init_text(
        "(eq (i32.const 1) (memory.grow (i32.const 2)))
        (eq (i32.const 100000) (call $getParamLength @\"long\"))
        (eq (i32.const 0) (call $getParamValue @\"long\" @[65536,100000]))
        (eq (i32.const 120) (i32.load8_u (i32.const 165535)))",
    ));
}

#[test]
fn configuration_can_be_set() {
    let world = World::new();
    world.guest(&init_text(
        "(eq (i32.const 0) (call $setConfig @\"foo.Bar.zas\" @\"myvalue\" (i32.const 12)))
        (eq (i32.const 1) (call $setConfig @\"foo.x\" @\"y\" (i32.const 8)))
        (eq (i32.const 1) (call $setConfig @\"foo..x\" @\"y\" (i32.const 12)))
        (eq (i32.const 1) (call $setConfig @[0,17825792] @\"y\" (i32.const 12)))
        (eq (i32.const 1) (call $setConfig @\"x\" @[0,17825792] (i32.const 12)))",
    ));
    assert_eq!(
        world.config.read().unwrap().get_str("foo.bar.zas").unwrap(),
        "myvalue"
    );
}

#[test]
fn system_calls_have_names_numbers_and_declarations() {
    init(
        "(eq (i32.const 0) (call $getSyscallName (i32.const 428) @[64,9]))
        (eq64 (i64.load (i32.const 64)) (i64.load #\"open_tree\"))
        (eq (i32.const 1) (call $getSyscallName (i32.const 428) @[64,8]))
        (eq (i32.const 0) (call $getSyscallName (i32.const 1337) @[64,11]))
        (eq (i32.load (i32.const 70)) (i32.load #\"l_539\"))
        (eq (i32.const 428) (call $getSyscallID @\"open_tree\"))
        (eq (i32.const -1) (call $getSyscallID @\"foobar\"))
        (eq (i32.const 11) (call $getSyscallIdForAbi (i32.const 1) @\"execve\"))
        (eq (i32.const 221) (call $getSyscallIdForAbi (i32.const 3) @\"execve\"))
        (eq (i32.const -1) (call $getSyscallIdForAbi (i32.const 3) @\"open\"))
        (eq (i32.const -1) (call $getSyscallIdForAbi (i32.const 9) @\"openat\"))
        (eq (i32.const 0) (call $getSyscallDeclaration @\"execve\" @[256,252]))
        (eq (i32.const 3) (i32.load (i32.const 288)))
        (eq64 (i64.load (i32.const 292)) (i64.load #\"filename\"))
        (eq (i32.const 1) (i32.load (i32.const 324)))
        (eq (i32.const 1) (call $getSyscallDeclaration @\"execve\" @[256,251]))
        (eq (i32.const 1) (call $getSyscallDeclaration @\"foobar\" @[256,252]))
        (eq (i32.const 1) (call $kallsymsSymbolExists @\"vfs_read\"))
        (eq (i32.const 0) (call $kallsymsSymbolExists @\"nonsense\"))",
    );
}

#[test]
fn system_calls_begin_in_functions() {
    let ((), lines) = logged(|| {
        init(
            "(eq (i32.const 17) (call $getSyscallFunction (i32.const 0) (i32.const 4) @[64,17]))
            (eq64 (i64.load (i32.const 64)) (i64.load #\"__x64_sy\"))
            (eq64 (i64.load (i32.const 73)) (i64.load #\"_newstat\"))
            (eq (i32.const 15) (call $getSyscallFunction (i32.const 1) (i32.const 20) @[64,64]))
            (eq64 (i64.load (i32.const 64)) (i64.load #\"__do_sys\"))
            (eq (i32.const 0) (call $getSyscallFunction (i32.const 0) (i32.const 0) @[64,64]))
            (eq (i32.const 0) (call $getSyscallFunction (i32.const 0) (i32.const 4000) @[64,64]))
            (eq (i32.const -1) (call $getSyscallFunction (i32.const 0) (i32.const 4) @[64,16]))
            (eq (i32.const -1) (call $getSyscallFunction (i32.const 9) (i32.const 4) @[64,64]))",
        );
    });
    assert_eq!(
        lines,
        [
            "WARN getSyscallFunction: the destination has 16 bytes, 17 are needed",
            "WARN getSyscallFunction: unknown ABI 9"
        ]
    );
}

#[test]
fn programs_tell_how_often_they_were_skipped() {
    let ((), lines) = logged(|| {
        init(
            "(eq64 (i64.const 5000000000) (call $programMisses @\"known\"))
            (eq64 (i64.const -1) (call $programMisses @\"other\"))
            (eq64 (i64.const -1) (call $programMisses @[0,17825792]))",
        );
    });
    assert_eq!(
        lines,
        [
            "WARN programMisses: the gadget's eBPF object has no program `other`, or it is not loaded",
            "WARN programMisses: the program's name lies outside the guest's memory",
        ]
    );
}

#[test]
fn a_panic_of_the_host_is_an_error_of_the_function() {
    let ((), lines) = logged(|| init("(eq (i32.const 0) (call $kallsymsSymbolExists @\"panic\"))"));
    assert_eq!(
        lines,
        ["WARN kallsymsSymbolExists: the host function panicked"]
    );
}

#[test]
fn mount_namespaces_are_filtered() {
    let world = World::new();
    let guest = world.guest(
        "(func (export \"gadgetPreStart\") (result i32) (eq (i32.const 0) (call $shouldDiscardMntnsID (i64.const 555))) (i32.const 0))
        (func (export \"gadgetStart\") (result i32) (eq (i32.const 1) (call $shouldDiscardMntnsID (i64.const 555)))
            (eq (i32.const 0) (call $shouldDiscardMntnsID (i64.const 777))) (i32.const 0))",
    );
    guest.call(Phase::PreStart).unwrap();
    let map = FakeMap::new("gadget_mntns_filter_map", 1, 8, 4, 1024);
    gizmo_model::map::BpfMap::update(&map, &777u64.to_ne_bytes(), &[0; 4], 0).unwrap();
    *world.filter.write().unwrap() = Some(std::sync::Arc::new(map));
    guest.call(Phase::Start).unwrap();
}

#[test]
fn facts_and_settings() {
    let world = World::new();
    world.guest(&init_text(
        "(eq (i32.const 6) (call $getHostFact @\"architecture\" @[64,6]))
        (eq (i32.load (i32.const 64)) (i32.load #\"x86_64\"))
        (eq (i32.const 7) (call $getHostFact @\"release\" @[64,64]))
        (eq (i32.const 1) (call $getHostFact @\"possible-cpus\" @[64,64]))
        (eq (i32.const 0x34) (i32.load8_u (i32.const 64)))
        (eq (i32.const 4) (call $getHostFact @\"page-size\" @[64,64]))
        (eq (i32.const 3) (call $getHostFact @\"wall-clock-offset\" @[64,64]))
        (eq (i32.const 1) (i32.lt_s (i32.const 8) (call $getHostFact @\"boot-time\" @[64,64])))
        (eq (i32.const -1) (call $getHostFact @\"release\" @[64,6]))
        (eq (i32.const -1) (call $getHostFact @\"colour\" @[64,64]))
        (eq (i32.const 0) (call $setConstant @\"known\" @\"AAAA\"))
        (eq (i32.const 1) (call $setConstant @\"other\" @\"AAAA\"))
        (eq (i32.const 0) (call $setMaxEntries @\"known\" (i32.const 1) (i32.const 77)))
        (eq (i32.const 1) (call $setMaxEntries @\"other\" (i32.const 1) (i32.const 77)))",
    ));
    assert_eq!(
        *world.settings.constants.lock().unwrap(),
        [("known".into(), b"AAAA".to_vec())]
    );
    assert_eq!(
        *world.settings.sizes.lock().unwrap(),
        [("known".into(), true, 77)]
    );
}
