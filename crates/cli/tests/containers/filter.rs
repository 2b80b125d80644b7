//! The container filter of other gadgets.

use gizmo_test_runtimes::Docker;

use crate::support::{Runtime, Turn, turn, with};

/// Counts what a section sees of selected containers.
fn program(section: &str) -> String {
    format!(
        r#"
#include <gizmo/types.h>
#include <gizmo/kernel.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
__u64 counter SEC(".data.counter");
struct {{
    __uint(type, 1);
    __uint(max_entries, 1024);
    __type(key, __u64);
    __type(value, __u32);
}} gadget_mntns_filter_map SEC(".maps");
SEC("{section}") int count(__u64 *ctx)
{{
    struct task_struct *task = bpf_get_current_task_btf();
    __u64 mntns = task->nsproxy ? task->nsproxy->mnt_ns->ns.inum : 0;
    if (bpf_map_lookup_elem(&gadget_mntns_filter_map, &mntns))
        __sync_fetch_and_add(&counter, 1);
    return 0;
}}
"#
    )
}

/// Logs `count=N` when it stops, 9 for more.
fn reader() -> Vec<u8> {
    let text = r#"(module
        (import "ig" "gadgetLog" (func $log (param i32 i64)))
        (import "ig" "getMap" (func $map (param i64) (result i32)))
        (import "ig" "mapLookup" (func $lookup (param i32 i64 i64) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) ".data.counter")
        (data (i32.const 64) "count=?")
        (func (export "gadgetAPIVersion") (result i64) (i64.const 1))
        (func (export "gadgetStop") (result i32) (local $n i32)
            (if (call $lookup (call $map (i64.const 0x0d00000000)) (i64.const 0x0400000020) (i64.const 0x0800000028))
                (then (return (i32.const 1))))
            (local.set $n (i32.load (i32.const 40)))
            (local.set $n (select (local.get $n) (i32.const 9) (i32.lt_u (local.get $n) (i32.const 9))))
            (i32.store8 (i32.const 70) (i32.add (local.get $n) (i32.const 48)))
            (call $log (i32.const 2) (i64.const 0x0700000040))
            (i32.const 0)))"#;
    wat::parse_str(text).expect("a module")
}

fn build(turn: &Turn, name: &str, section: &str) {
    let folder = turn.dir.path().join(name);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let yaml = format!(
        "name: {name}\ndescription: counts\nannotations: {{enable-containers-datasource: true}}\n"
    );
    for (file, content) in [
        ("program.bpf.c", program(section).as_bytes()),
        ("gadget.yaml", yaml.as_bytes()),
        ("reader.wasm", &reader()),
        ("build.yaml", b"wasm: reader.wasm\n"),
    ] {
        std::fs::write(folder.join(file), content).expect("a file can be written");
    }
    let folder = folder.to_string_lossy().into_owned();
    gizmo_test_runtimes::output(&mut turn.gizmo(&["image", "build", &folder, "--tag", name]));
}

/// What is counted of a container `meant` that executes one program, beside another that executes many.
fn count(turn: &Turn, docker: &Docker, gadget: &str, name: &str) -> u8 {
    let own = docker.flags();
    let mut recording = turn.spawn(gadget, &with(&own, &["-c", name]));
    recording.wait_ready();
    docker.run_to_end(name, &["true"]);
    let stderr = recording.stop().stderr;
    let at = stderr.find("count=");
    let at = at.unwrap_or_else(|| panic!("no count: {stderr}")) + 6;
    stderr.as_bytes()[at] - b'0'
}

#[test]
#[ignore = "root: starts container runtimes"]
fn the_filter_has_a_container_before_its_first_instruction() {
    let turn = turn();
    let docker = Docker::start();
    docker.run("busy", &["sh", "-c", "while :; do busybox true; done"]);
    for (gadget, section, expected) in [
        ("exits", "tp_btf/sched_process_exit", 1),
        ("execs", "tp_btf/sched_process_exec", 1),
        ("calls", "raw_tp/sys_enter", 9),
    ] {
        build(&turn, gadget, section);
        assert_eq!(count(&turn, &docker, gadget, gadget), expected, "{section}");
    }
}
