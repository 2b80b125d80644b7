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

/// The guest that logs the counter.
fn reader() -> Vec<u8> {
    let text = include_str!("../../../../testing/gadgets/counter/reader.wat");
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

/// Any gadget that asks for it hears of containers: all that are made, and of those that are meant that they begin and end.
#[test]
#[ignore = "root: starts container runtimes"]
fn a_gadget_hears_of_containers() {
    let turn = turn();
    let docker = Docker::start();
    build(&turn, "hears", "tp_btf/sched_process_exec");
    let flags = with(&docker.flags(), &["-c", "meant", "-o", "containers:json"])
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let mut recording = turn.spawn(
        "hears",
        &flags.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    recording.wait_ready();
    docker.run_to_end("other", &["true"]);
    docker.run_to_end("meant", &["true"]);
    let events = || -> Vec<[String; 3]> {
        let read = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            ["event_type", "container_id", "name"].map(text)
        };
        let text = recording.output();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(read).collect()
    };
    let limit = std::time::Duration::from_secs(20);
    gizmo_test_runtimes::wait_until("the container's end is told", limit, || {
        events().iter().any(|event| event[0] == "DELETED")
    });
    let of = |name: &str| -> Vec<String> {
        let events = events();
        let known = events.iter().find(|event| event[2] == name);
        let id = &known.unwrap_or_else(|| panic!("no `{name}`: {events:?}"))[1];
        let own = events.iter().filter(|event| event[1] == *id);
        own.map(|event| event[0].clone()).collect()
    };
    assert_eq!(of("meant"), ["PRECREATE", "CREATED", "DELETED"]);
    assert_eq!(of("other"), ["PRECREATE", "IGNORED"]);
}
