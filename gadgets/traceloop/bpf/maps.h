/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs know: constants set before load, maps, and what they keep of each task. */
#ifndef TRACELOOP_MAPS_H
#define TRACELOOP_MAPS_H

#include <gizmo/kernel.h>
#include <gizmo/recorder.h>
#include <gizmo/starts.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_LRU_HASH 9
#define BPF_MAP_TYPE_QUEUE 22
#define BPF_MAP_TYPE_TASK_STORAGE 29
#define BPF_F_NO_PREALLOC 1
#define BPF_NOEXIST 1
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1

/* Containers at most; there are fewer rings. */
#define CONTAINERS 4096
/* Cgroups above a task that may be the recorded container's. */
#define CGROUP_LEVELS 16
/* Of a kernel without task storage: tasks that are remembered, and those of them in calls with contents (2 KiB each). */
#define TASKS 65536
#define CAPTURING_TASKS 8192
/* A text that is longer than CAPTURE_BYTES is measured in so many steps of CAPTURE_BYTES. */
#define TEXT_STEPS 16
#define IOVECS 8
#define TEXTS 16
/* Messages of a vector of messages. */
#define MESSAGES 8
#define CAPTURES_SLACK (2 * CAPTURE_BYTES + 64)
/* Of most calls' captures, copied without asking how much there is. */
#define FIRST_CAPTURED_BYTES 64
/* Of the largest record, with what the verifier must see. */
#define RECORD_ROOM (RECORD_MAX_BYTES + CAPTURES_SLACK)

_Static_assert(sizeof(struct segment) == SEGMENT_BYTES, "a segment has no padding");
_Static_assert(sizeof(struct record) == 64, "a record's header has no padding");
_Static_assert(sizeof(struct capture) == 16, "a capture's header has no padding");

/* Set before load, so that what is not used is not in the program. */
const volatile bool filter_on = false;
const volatile __u32 segments_per_cpu = 1;
const volatile __u32 cpus = 1;

struct control control SEC(".data.control");
struct claims claims SEC(".data.claims");
struct selection selection SEC(".data.selection");

/* Selected calls: ABI in the upper half, number in the lower. The bits of selection say the same for most of them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u8);
} syscall_filters SEC(".maps");

/* How to record each call; index ABI * NUMBERS_PER_ABI + number. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ABI_COUNT * NUMBERS_PER_ABI);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

/* Who is recorded. A container is found by its cgroup; by its mount namespace only where it has no cgroup of its own. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CONTAINERS);
	__type(key, __u64);
	__type(value, struct recorded);
} recorded_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CONTAINERS);
	__type(key, __u64);
	__type(value, struct recorded);
} recorded_mntns SEC(".maps");

/* The sizes of these four are set before load. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct segment);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cursor);
} cursors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

/* Slots that new containers may take. The one that was freed first is taken first, so that a freed slot rests. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1);
	__type(value, __u32);
} free_slots SEC(".maps");

/* Cgroups in which a container may begin, by their ids. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NEW_CGROUPS);
	__type(key, __u64);
	__type(value, struct new_cgroup);
} new_cgroups SEC(".maps");

/* The host's container filter; here so that the manager of containers takes part. The recorder does not read it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} gadget_mntns_filter_map SEC(".maps");

#define NOT_RECORDED 0xffffffff

/* Whether a task is recorded, and what that answer was computed from. */
struct membership {
	__u32 generation;
	__u32 slot;
	__u64 nsproxy;
	__u64 cgroups;
	__u32 epoch; /* of the slot */
};

/* The call a recorded task is in. */
struct call {
	__u64 start_boot_ns;
	__u64 args[RECORD_ARGS];
	__u32 slot;
	__u32 epoch;
	__u32 number;
	__u32 rule_number; /* where its rule is; another number only for what a multiplexer is asked to do */
	__u32 tid; /* of the thread that makes the call: an execve can change it */
	__u32 room; /* for an address that the kernel fills in: what the caller had room for */
	__u32 captured; /* bytes of its captures so far */
	__u8 flags; /* enum record_flags */
	__u8 abi;
	__u8 arg_count;
	__u8 captures;
	__u8 retry; /* a bit for each capture that failed and must be tried again when it returns */
	bool at_exit; /* there are captures to make then */
	bool is_over; /* it has returned: what cannot be read now never will be */
};

/* Of every task that makes calls. */
struct task_state {
	struct membership who;
	bool in_call;
	struct call call;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} tasks SEC(".maps");

/* What was captured when the call began; only of tasks whose calls have something to capture then. */
struct captures {
	/* Twice a capture's room more than needed, so that the verifier sees every access inside. */
	__u8 bytes[CAPTURES_BYTES + CAPTURES_SLACK];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct captures);
} captured SEC(".maps");

/*
 * The same for kernels without task storage, by the task's address, which no execve changes. What the next tasks with this
 * address find was taken away when the last one exited. A task for which there is no room is not recorded, and counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TASKS);
	__type(key, __u64);
	__type(value, struct task_state);
} tasks_by_address SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CAPTURING_TASKS);
	__type(key, __u64);
	__type(value, struct captures);
} captured_by_address SEC(".maps");

const struct task_state no_state = {};
const struct captures no_captures = {};

static __always_inline struct task_state *state_of(struct task_struct *task, bool make)
{
	if (HAS_TASK_STORAGE)
		return bpf_task_storage_get(&tasks, task, NULL, make ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	__u64 address = (__u64)task;
	struct task_state *state = bpf_map_lookup_elem(&tasks_by_address, &address);
	if (state || !make)
		return state;
	bpf_map_update_elem(&tasks_by_address, &address, &no_state, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tasks_by_address, &address);
}

static __always_inline struct captures *captures_of_task(struct task_struct *task, bool make)
{
	if (HAS_TASK_STORAGE)
		return bpf_task_storage_get(&captured, task, NULL, make ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	__u64 address = (__u64)task;
	struct captures *captures = bpf_map_lookup_elem(&captured_by_address, &address);
	if (captures || !make)
		return captures;
	bpf_map_update_elem(&captured_by_address, &address, &no_captures, BPF_NOEXIST);
	return bpf_map_lookup_elem(&captured_by_address, &address);
}

/* For a task that ends. */
static __always_inline void forget(struct task_struct *task)
{
	if (HAS_TASK_STORAGE)
		return;
	__u64 address = (__u64)task;
	bpf_map_delete_elem(&tasks_by_address, &address);
	bpf_map_delete_elem(&captured_by_address, &address);
}

#endif
