//! eBPF objects of other gadgets: what attaches, what the kernel refuses, what is not there yet.
//!
//! A program shows that it runs by the guest's side of a map: the guest reads a counter when it stops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gizmo_ebpf::probe::Probe;

use super::{Turn, turn};
use crate::gadgets::metadata;

/// What every object needs: a counter that a guest can read as `.data.counter`.
const HEAD: &str = r#"
#include <gizmo/types.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
__u64 counter SEC(".data.counter");
const volatile __u32 step = 1;

const void *gadget_param_step __attribute__((used));
"#;

/// The guest that logs the counter.
fn reader() -> Vec<u8> {
    let text = include_str!("../../../../../testing/gadgets/counter/reader.wat");
    wat::parse_str(text).expect("a module")
}

impl Turn {
    /// Builds a gadget of this C text and the reader.
    #[track_caller]
    fn build_object(&self, name: &str, yaml: &str, source: &str) {
        self.write(&format!("{name}/program.bpf.c"), format!("{HEAD}{source}"));
        self.write(&format!("{name}/gadget.yaml"), yaml);
        self.write(&format!("{name}/reader.wasm"), reader());
        self.write(&format!("{name}/build.yaml"), "wasm: reader.wasm\n");
        self.ok(["image", "build", &self.name(name), "--tag", name]);
    }

    /// Whether the counter has moved at the end of a run of one second, in which somebody reads a file now and then.
    #[track_caller]
    fn moves(&self, name: &str, flags: &[&str]) -> bool {
        let mut args = vec!["run", name, "--timeout", "1"];
        args.extend(flags);
        let is_over = AtomicBool::new(false);
        let text = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::fs::read("/proc/self/stat").expect("it is there");
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            // Also when it fails, or the reader would go on.
            let ran = std::panic::catch_unwind(|| self.ok(args).stderr());
            is_over.store(true, Ordering::Relaxed);
            ran.unwrap_or_else(|failure| std::panic::resume_unwind(failure))
        });
        let at = text
            .find("count=")
            .unwrap_or_else(|| panic!("no count: {text}"));
        text.as_bytes()[at + 6] != b'0'
    }
}

const COUNT: &str = "{ __sync_fetch_and_add(&counter, step); return 0; }\n";

#[test]
#[ignore = "root: loads eBPF programs"]
fn the_three_kinds_of_tracepoints_attach() {
    let turn = turn();
    for (name, section) in [
        ("raw", "raw_tp/sys_enter"),
        ("rawlong", "raw_tracepoint/sys_exit"),
        ("btf", "tp_btf/sys_enter"),
        ("plain", "tracepoint/raw_syscalls/sys_enter"),
        ("short", "tp/raw_syscalls/sys_exit"),
    ] {
        let source = format!("SEC(\"{section}\") int count(void *ctx) {COUNT}");
        turn.build_object(name, &metadata(name), &source);
        assert!(turn.moves(name, &[]), "{section}");
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn metadata_can_move_or_disable_a_program() {
    let turn = turn();
    let source = format!("SEC(\"raw_tp/sys_enter\") int count(void *ctx) {COUNT}");
    let with = |name: &str, target: &str| {
        format!(
            "{}programs: {{count: {{attach_to: {target}}}}}\n",
            metadata(name)
        )
    };
    turn.build_object("off", &with("off", "gadget_program_disabled"), &source);
    assert!(!turn.moves("off", &[]));
    turn.build_object("moved", &with("moved", "sys_exit"), &source);
    assert!(turn.moves("moved", &[]));
    turn.build_object("nowhere", &with("nowhere", "no_such_tracepoint"), &source);
    turn.fails(["run", "nowhere"], &["`count`", "no_such_tracepoint"]);
}

/// Not every kernel has trampolines; the probe is asked which answer is right here.
#[test]
#[ignore = "root: loads eBPF programs"]
fn metadata_puts_a_program_at_a_function() {
    let turn = turn();
    let source = format!("SEC(\"?fentry/slot\") int count(void *ctx) {COUNT}");
    let at = |name: &str, target: &str| {
        format!(
            "{}programs: {{count: {{attach_to: {target}}}}}\n",
            metadata(name)
        )
    };
    turn.build_object("unused", &metadata("unused"), &source);
    assert!(!turn.moves("unused", &[]), "loaded although nobody asked");
    turn.build_object("nofunc", &at("nofunc", "no_such_function"), &source);
    turn.fails(["run", "nofunc"], &["`count`", "`no_such_function`"]);
    turn.build_object("read", &at("read", "vfs_read"), &source);
    match Probe::new().trampoline() {
        Ok(()) => assert!(turn.moves("read", &[])),
        Err(refusal) => {
            let word = if refusal.is_permission() {
                "not permitted"
            } else {
                "`count`"
            };
            turn.fails(["run", "read"], &[word]);
        }
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_parameter_is_a_constant_of_the_program() {
    let turn = turn();
    let source = format!("SEC(\"raw_tp/sys_enter\") int count(void *ctx) {COUNT}");
    turn.build_object("param", &metadata("param"), &source);
    assert!(!turn.moves("param", &["--step", "0"]));
    assert!(turn.moves("param", &["--step=2"]));
    turn.fails(["run", "param", "--step", "many"], &["`many`", "--step"]);
    turn.fails(["run", "param", "--step", "4294967296"], &["--step"]);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn the_verifier_is_quoted_with_the_programs_name() {
    let turn = turn();
    let source = "SEC(\"raw_tp/sys_enter\") int fine(void *ctx) { return 0; }\n\
                  SEC(\"raw_tp/sys_exit\") int wild(void *ctx) { return *(volatile int *)*(volatile long *)ctx; }\n";
    turn.build_object("wild", &metadata("wild"), source);
    turn.fails(
        ["run", "wild"],
        &["`wild`", "verifier", "invalid mem access", "processed"],
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn other_program_types_are_not_supported_yet() {
    let turn = turn();
    for section in [
        "kprobe/vfs_read",
        "lsm/file_open",
        "xdp",
        "cgroup_skb/egress",
    ] {
        let source = format!("SEC(\"{section}\") int other(void *ctx) {{ return 0; }}\n");
        turn.build_object("other", &metadata("other"), &source);
        turn.fails(["run", "other"], &["not supported yet", section, "`other`"]);
    }
}
