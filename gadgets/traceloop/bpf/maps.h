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
#define BPF_MAP_TYPE_ARRAY_OF_MAPS 12
#define BPF_MAP_TYPE_QUEUE 22
#define BPF_MAP_TYPE_TASK_STORAGE 29
#define BPF_F_NO_PREALLOC 1
#define BPF_NOEXIST 1
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1

/* Containers at most; there are fewer rings. */
#define CONTAINERS 4096
/* Cgroups above a task that may be the recorded container's. */
#define CGROUP_LEVELS 16
/* A text that is longer than CAPTURE_BYTES is measured in so many steps of CAPTURE_BYTES. */
#define TEXT_STEPS 16
#define IOVECS 8
#define TEXTS 16
/* Messages of a vector of messages. */
#define MESSAGES 8
#define CAPTURES_SLACK (2 * CAPTURE_BYTES + 64)
/* Of most calls' captures, copied without asking how much there is. */
#define FIRST_CAPTURED_BYTES 64
/* Threads inside calls that need no look-up in a hash; a power of two. */
#define CALLS 4096
/* The same, of calls of which something is captured when they begin. */
#define CAPTURES 1024
/* Threads inside calls at most. */
#define CALLS_ELSEWHERE 65536
/* Answers to the question who is recorded that are kept; powers of two. */
#define TASK_VERDICTS 8192
#define CGROUP_VERDICTS 1024

_Static_assert(sizeof(struct segment) == SEGMENT_BYTES, "a segment has no padding");
_Static_assert(sizeof(struct record) == 24, "a record's header has no padding");
_Static_assert(sizeof(struct thread_note) == 48, "a note has no padding");
_Static_assert(sizeof(struct loss_note) == 24, "a note has no padding");
_Static_assert(sizeof(struct capture) == 4, "a capture's header has no padding");
_Static_assert(sizeof(struct call_stats) == 48 + 8 * (STATS_BUCKETS + STATS_ERRORS), "statistics have no padding");
_Static_assert(sizeof(struct cursor) == 64, "a cursor has a cache line for itself");

/* Set before load, so that what is not used is not in the program. */
const volatile bool filter_on = false;
const volatile bool durations = true;
const volatile bool only_ends = false; /* nobody sees calls begin, because only failures are recorded */
const volatile bool records = true; /* of each call, besides statistics */
const volatile bool statistics = false;
const volatile bool tests_result = false;
const volatile bool tests_duration = false;
const volatile bool tests_pid = false;
const volatile bool tests_tid = false;
const volatile bool tests_uid = false;
const volatile bool tests_comm = false;
const volatile __u32 capture_bytes = CAPTURE_BYTES; /* of buffers; 0 for no captures at all */
const volatile bool preemptible = false; /* another task may run in the middle of a hook, on the same CPU */
const volatile __u32 segments_per_cpu = 1;
const volatile __u32 cpus = 1;

/*
 * Writes a value so that other CPUs see what was written before it not after it, and what is written afterwards not before it. x86
 * keeps that order anyway. Old kernels have nothing for arm64: who reads a ring there within nanoseconds of a write may see a record
 * that is not whole; when the recording is over, nobody does.
 */
#if defined(__TARGET_ARCH_arm64)
#define publish(to, value)                                                         \
	({                                                                         \
		if (HAS_5_13)                                                      \
			__sync_lock_test_and_set(to, value);                       \
		else                                                               \
			*(volatile __typeof__(*(to)) *)(to) = value;               \
	})
#else
#define publish(to, value)                                                         \
	({                                                                         \
		barrier();                                                         \
		*(volatile __typeof__(*(to)) *)(to) = value;                       \
		barrier();                                                         \
	})
#endif

struct control control SEC(".data.control");
struct claims claims SEC(".data.claims");
__u64 uncounted SEC(".data.uncounted"); /* calls for whose kind there was no place among the statistics */
struct selection selection SEC(".data.selection");
struct tests tests SEC(".data.tests");

/* Nothing is looked for in here: the kernel answers a change of such a map when all programs have ended that were running. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(max_entries, 1);
		__type(key, __u32);
		__type(value, __u32);
	});
} programs_end SEC(".maps");

/*
 * Calls that the filter names: ABI in the upper half, number in the lower; whether they are selected. The bits of selection say the same
 * for most of them.
 */
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

/* The sizes of these four are set before load. rings and cursors: slot by slot, CPU by CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct segment);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
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

/* Statistics: which place a kind of calls has, the places, and those that are free. Sized before load, by whether there are any. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct stats_key);
	__type(value, __u32);
} stats_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct call_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1);
	__type(value, __u32);
} free_stats SEC(".maps");

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

/*
 * An answer to the question who records a task. It is asked for each call of each task of the host, so answers are kept
 * where no helper has to be called to find them.
 */
struct verdict {
	__u64 key; /* of the task or cgroup */
	__u64 generation;
	__u64 owner; /* slot, and above it the slot's epoch */
	__u32 mntns; /* the answer is for this mount namespace only; 0: for any */
	__u32 check; /* of the others: CPUs write without asking each other */
};

#define NOBODY 0xffffffffffffffff

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TASK_VERDICTS);
	__type(key, __u32);
	__type(value, struct verdict);
} task_verdicts SEC(".maps");

/* Ids of cgroups are not reused. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CGROUP_VERDICTS);
	__type(key, __u32);
	__type(value, struct verdict);
} cgroup_verdicts SEC(".maps");

/* What the programs tell each other. */
struct {
	__u64 generation; /* grows when a task moves or a container begins: answers that were given before do not hold */
	__u64 regs_at;	  /* a task's key is the address of its stack and this; the same for all */
	__u64 control_at; /* keys are relative to it */
	__u64 elsewhere;  /* calls in calls_elsewhere, so that nobody looks in vain */
} shared SEC(".data.shared");

/* A call that a recorded task is in. */
struct call {
	__u64 start_boot_ns;
	__u64 args[RECORD_ARGS];
	__u64 length; /* of what is being captured */
	__s64 ret; /* once it is over; here, where the verifier does not follow each value */
	__u32 slot;
	__u32 epoch;
	__u32 number;
	__u32 rule_number; /* where its rule is; another number only for what a multiplexer is asked to do */
	__u32 tid; /* of the thread that makes the call: an execve can change it */
	__u32 room; /* for an address that the kernel fills in: what the caller had room for */
	__u32 captured; /* bytes of its captures so far */
	__u32 at; /* where its record goes */
	__u8 flags; /* enum record_flags */
	__u8 abi;
	__u8 arg_count;
	__u8 captures;
	__u8 faults; /* captures that could not be read */
	__u8 retry; /* a bit for each capture that failed and must be tried again when it returns */
	bool at_exit; /* there are captures to make then */
	bool is_over; /* it has returned: what cannot be read now never will be */
	bool holds; /* a place for captures */
	bool is_known; /* everything about its beginning is noted */
};

/* What the last thread_note said of a thread. */
struct noted_thread {
	__u64 segment; /* the segment it is in: index, and above it the generation */
	__u32 tid;
	__u32 pid;
	__u32 uid;
	__u64 comm[2];
};

/* Where a thread's call is kept as long as it is in one. The name is kept longer, for the thread's next call. */
struct call_place {
	__u64 owner; /* key of the task; 0 for nobody */
	struct call call;
	struct noted_thread noted;
	__u64 takers; /* see take_place */
	/* What most calls have to capture when they begin, one path, with room for its NUL. Others have a captures_place. */
	__u8 path[sizeof(struct capture) + CAPTURE_BYTES + 4];
};

/* A thread has a place by its key. Where that is taken, the call is kept in the hash instead. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CALLS);
	__type(key, __u32);
	__type(value, struct call_place);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CALLS_ELSEWHERE);
	__type(key, __u64);
	__type(value, struct call_place);
} calls_elsewhere SEC(".maps");

/* What was captured when a call began. */
struct captures {
	/* Twice a capture's room more than needed, so that the verifier sees every access inside. */
	__u8 bytes[CAPTURES_BYTES + CAPTURES_SLACK];
};

struct captures_place {
	__u64 owner;
	__u64 takers;
	struct captures captures;
};

/* Kept like the calls; where a place is taken, in the task's own storage. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CAPTURES);
	__type(key, __u32);
	__type(value, struct captures_place);
} captured SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct captures);
} captured_elsewhere SEC(".maps");

#endif
