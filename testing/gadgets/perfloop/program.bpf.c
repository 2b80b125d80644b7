// SPDX-License-Identifier: GPL-2.0
/*
 * A flight recorder of the simplest kind: which calls a container's tasks have entered, in perf buffers that overwrite
 * their oldest records. The guest makes a perf event array per container and puts it into the map of maps.
 */
#include <gizmo/kernel.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define BPF_MAP_TYPE_PERF_EVENT_ARRAY 4
#define BPF_MAP_TYPE_HASH_OF_MAPS 13
#define BPF_F_CURRENT_CPU 0xffffffffULL

/* What the guest reads. */
struct call {
	__u64 time_ns;
	__u32 pid;
	__u32 number;
};

/* The host gives it an entry per possible CPU before it is loaded. */
struct perf_buffer {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
};

/* By the inode number of the container's mount namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 1024);
	__uint(key_size, sizeof(__u64));
	__array(values, struct perf_buffer);
} map_of_perf_buffers SEC(".maps");

SEC("tp_btf/sys_enter")
int BPF_PROG(perfloop_enter, struct pt_regs *regs, long number)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 mntns_id = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	void *buffer = bpf_map_lookup_elem(&map_of_perf_buffers, &mntns_id);

	if (!buffer)
		return 0;
	struct call call = {
		.time_ns = bpf_ktime_get_boot_ns(),
		.pid = bpf_get_current_pid_tgid() >> 32,
		.number = number,
	};
	bpf_perf_event_output(ctx, buffer, BPF_F_CURRENT_CPU, &call, sizeof(call));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
