//! Guests of `testing/guests` against the kernel's own maps, buffers, calls and symbols. Against fakes, which can do more
//! than a kernel can be made to do, all of them run in `gizmo-wasm`.

use super::{Turn, turn};
use crate::gadgets::metadata;
use crate::support::Ran;

const HEAD: &str = r#"
#include <gizmo/types.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
/* An object needs a program; this one is never attached to anything that happens. */
SEC("raw_tp/sys_exit") int idle(void *ctx) { return 0; }
"#;

/// A key of 12 bytes.
const KEY: &str = "struct key { __u32 a, b; __u8 c, padding[3]; };\n";

const TEST_MAP: &str = r#"
struct {
	__uint(type, 1 /* hash */);
	__uint(max_entries, 1);
	__type(key, struct key);
	__type(value, __u32);
} test_map SEC(".maps");
"#;

const MAP_OF_MAP: &str = r#"
struct inner {
	__uint(type, 1 /* hash */);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
};
struct {
	__uint(type, 13 /* hash of maps */);
	__uint(max_entries, 1024);
	__uint(key_size, sizeof(struct key));
	__array(values, struct inner);
} map_of_map SEC(".maps");
"#;

/// An event for every write of the host.
const EVENTS: &str = r#"
struct event { __u32 a, b; __u8 c, rest[247]; };
struct {
	__uint(type, 4 /* perf event array */);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_write")
int on_write(void *ctx)
{
	struct event event = { .a = 42, .b = 42, .c = 43 };

	bpf_perf_event_output(ctx, &events, 0xffffffffULL, &event, sizeof(event));
	return 0;
}
"#;

/// Numbers in turn, 512 for each task: 50 tasks are enough for the guest, and the kernel's buffer for 16.
const NUMBERS: &str = r#"
struct seq_file;
struct meta { struct seq_file *seq; __u64 session_id; __u64 seq_num; };
struct context { struct meta *meta; void *task; };

SEC("iter/task")
int numbers(struct context *context)
{
	struct meta *meta = context->meta;
	struct seq_file *seq = meta->seq;
	__u32 number = meta->seq_num * 512;

	/* The last call is about none. */
	if (!context->task)
		return 0;
	for (int i = 0; i < 512; i++) {
		number++;
		bpf_seq_write(seq, &number, sizeof(number));
	}
	return 0;
}
"#;

impl Turn {
    /// Builds a gadget of a guest and an object, and runs it for a second.
    #[track_caller]
    fn run_guest(&self, name: &str, source: &str) -> Ran {
        let guests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/guests");
        self.write(
            &format!("{name}/build.yaml"),
            format!("wasm: {guests}/{name}/src/lib.rs\nwasmTarget: wasm32-unknown-unknown\n"),
        );
        self.write(&format!("{name}/gadget.yaml"), metadata(name));
        self.write(
            &format!("{name}/program.bpf.c"),
            format!("{HEAD}{KEY}{source}"),
        );
        self.ok(["image", "build", &self.name(name), "--tag", name]);
        self.ok(["run", name, "--timeout", "1"])
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn maps_do_what_the_guest_expects() {
    turn().run_guest("map", TEST_MAP);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn maps_of_maps_do_what_the_guest_expects() {
    turn().run_guest("mapofmap", MAP_OF_MAP);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn perf_buffers_do_what_the_guest_expects() {
    let text = turn().run_guest("perf", EVENTS).stderr();
    assert!(text.contains("writing 9"), "{text}");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn iterator_programs_do_what_the_guest_expects() {
    let turn = turn();
    let text = turn.run_guest("iterator", NUMBERS).stderr();
    assert!(
        text.contains("`idle` of section `raw_tp/sys_exit` is no iterator"),
        "{text}"
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn wrong_arguments_are_refused_by_the_kernels_maps_too() {
    turn().run_guest("badguest", TEST_MAP);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn facts_about_this_host_are_what_guests_expect() {
    let turn = turn();
    for name in ["syscall", "kallsyms", "hostfacts", "percpu"] {
        turn.run_guest(name, "");
    }
}
