// SPDX-License-Identifier: GPL-2.0
/*
 * traceloop: a flight recorder for system calls.
 *
 * Of each selected call of a recorded container one self-contained record is written, when the call returns, into the
 * container's ring. Nothing wakes user space; the guest reads the rings when somebody asks.
 *
 * The order of the tests is the cost of the recorder for those who are not recorded: first whether the call is
 * selected (a bit), then whether the task is recorded (one look-up in the task's own storage).
 */
#include <gizmo/kernel.h>
#include <gizmo/recorder.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_ARRAY_OF_MAPS 12
#define BPF_MAP_TYPE_TASK_STORAGE 29
#define BPF_F_NO_PREALLOC 1
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1

/* Rings at most; the guest fills the slots ahead of need. */
#define SLOTS 64
/* Containers at most. */
#define CONTAINERS 1024
/* Cgroups above a task that may be the recorded container's. */
#define CGROUP_LEVELS 16
/* A text that is longer than CAPTURE_BYTES is measured in so many steps of CAPTURE_BYTES. */
#define TEXT_STEPS 16
#define IOVECS 8
#define TEXTS 16

_Static_assert(sizeof(struct segment) == SEGMENT_BYTES, "a segment has no padding");
_Static_assert(sizeof(struct record) == 64, "a record's header has no padding");
_Static_assert(sizeof(struct capture) == 16, "a capture's header has no padding");

/* Set before load, so that what is not used is not in the program. */
const volatile bool filter_on = false;
const volatile __u32 segments_per_cpu = 1;

struct control control SEC(".data.control");
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

struct ring {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* possible CPUs * segments_per_cpu, set before load */
	/* Sizes, since clang leaves a type out that only an inner map refers to. */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct segment));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct cursor);
} cursors SEC(".maps");

/* The host's container filter; here so that the manager of containers takes part. The recorder does not read it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} gadget_mntns_filter_map SEC(".maps");

#define NOT_RECORDED 0xffffffff

/* Of every task that makes calls: whether it is recorded, and what that answer was computed from. */
struct membership {
	__u32 generation;
	__u32 slot;
	__u64 nsproxy;
	__u64 cgroups;
	bool in_call;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct membership);
} memberships SEC(".maps");

/* Of recorded tasks: the call they are in. */
struct call {
	__u64 start_boot_ns;
	__u64 args[RECORD_ARGS];
	__u32 slot;
	__u32 number;
	__u32 tid;
	__u8 abi;
	__u8 arg_count;
	bool at_exit; /* there are captures to make when it returns */
	__u8 retry; /* a bit for each capture that must be tried again then */
	__u8 captures;
	__u32 room; /* for an address that the kernel fills in: what the caller had room for */
	__u32 captured;
	/* Twice a capture's room more than needed, so that the verifier sees every access inside. */
	__u8 bytes[CAPTURES_BYTES + 2 * CAPTURE_BYTES + 64];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} calls SEC(".maps");

/* ---- which call, selected or not ------------------------------------------------------------------------------- */

#define X32_BIT 0x40000000 /* in the numbers of that ABI; no other has numbers as high */

#if defined(__TARGET_ARCH_x86)

#define TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h: the task is inside a 32-bit call */

static __always_inline __u8 abi_of(struct task_struct *task, __u32 *number)
{
	if (task->thread_info.status & TS_COMPAT)
		return ABI_I386;
	/* -1 has the bit, too, and is no x32 call. */
	if ((*number & X32_BIT) && *number != (__u32)-1) {
		*number &= ~X32_BIT;
		return ABI_X32;
	}
	return ABI_X86_64;
}

static __always_inline __u32 number_at_exit(struct pt_regs *regs)
{
	return regs->orig_ax;
}

static __always_inline void read_args(__u64 *args, struct pt_regs *regs, __u8 abi)
{
	if (abi == ABI_I386) {
		args[0] = (__u32)regs->bx;
		args[1] = (__u32)regs->cx;
		args[2] = (__u32)regs->dx;
		args[3] = (__u32)regs->si;
		args[4] = (__u32)regs->di;
		args[5] = (__u32)regs->bp;
		return;
	}
	args[0] = regs->di;
	args[1] = regs->si;
	args[2] = regs->dx;
	args[3] = regs->r10;
	args[4] = regs->r8;
	args[5] = regs->r9;
}

#elif defined(__TARGET_ARCH_arm64)

#define TIF_32BIT 22 /* arch/arm64/include/asm/thread_info.h */

static __always_inline __u8 abi_of(struct task_struct *task, __u32 *number)
{
	return task->thread_info.flags & (1UL << TIF_32BIT) ? ABI_ARM : ABI_ARM64;
}

static __always_inline __u32 number_at_exit(struct pt_regs *regs)
{
	return regs->syscallno;
}

static __always_inline void read_args(__u64 *args, struct pt_regs *regs, __u8 abi)
{
	args[0] = regs->orig_x0;
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
	args[3] = regs->regs[3];
	args[4] = regs->regs[4];
	args[5] = regs->regs[5];
}

#endif

static __always_inline bool is_selected(const __u64 bits[ABI_COUNT][NUMBERS_PER_ABI / 64], __u8 abi, __u32 number)
{
	__u64 index = number;
	/* Keeps the compiler from testing one register and using another, whose bounds the verifier does not know. */
	barrier_var(index);
	if (index < NUMBERS_PER_ABI)
		return bits[abi][index / 64] & (1ULL << (index % 64));
	__u64 key = (__u64)abi << 32 | number;
	return bpf_map_lookup_elem(&syscall_filters, &key);
}

/* Whether a call cannot be selected, whatever its ABI. */
static __always_inline bool is_out(__u32 number)
{
	__u64 index = number & ~X32_BIT;
	barrier_var(index);
	return index < NUMBERS_PER_ABI && !(selection.any[index / 64] & (1ULL << (index % 64)));
}

static __always_inline struct rule *rule_of(__u8 abi, __u32 number)
{
	if (number >= NUMBERS_PER_ABI)
		return NULL;
	__u32 index = abi * NUMBERS_PER_ABI + number;
	return bpf_map_lookup_elem(&rules, &index);
}

/* ---- who is recorded --------------------------------------------------------------------------------------------- */

static struct recorded *find_recorded(struct task_struct *task)
{
	/* From the root down: a container inside a recorded one belongs to the outer one. */
	for (int level = 1; level < CGROUP_LEVELS; level++) {
		__u64 cgroup = bpf_get_current_ancestor_cgroup_id(level);
		if (!cgroup)
			break;
		struct recorded *recorded = bpf_map_lookup_elem(&recorded_cgroups, &cgroup);
		if (recorded)
			return recorded;
	}
	struct nsproxy *nsproxy = task->nsproxy;
	if (!nsproxy)
		return NULL;
	__u64 mntns = nsproxy->mnt_ns->ns.inum;
	return bpf_map_lookup_elem(&recorded_mntns, &mntns);
}

__noinline int find_slot(struct membership *membership, bool execs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	if (!membership)
		return NOT_RECORDED;
	__u32 generation = control.generation;
	struct recorded *recorded = find_recorded(task);
	if (recorded && recorded->armed)
		/* The answer changes with the next execve, so it is not kept. */
		return execs ? recorded->slot : NOT_RECORDED;
	__u32 slot = recorded ? recorded->slot : NOT_RECORDED;
	membership->slot = slot;
	membership->nsproxy = (__u64)task->nsproxy;
	membership->cgroups = (__u64)task->cgroups;
	membership->generation = generation;
	return slot;
}

static __always_inline __u32 slot_of(struct task_struct *task, struct membership *membership, __u8 abi, __u32 number)
{
	if (membership->generation == control.generation && membership->nsproxy == (__u64)task->nsproxy &&
	    membership->cgroups == (__u64)task->cgroups)
		return membership->slot;
	if (!control.recording)
		return NOT_RECORDED;
	struct rule *rule = rule_of(abi, number);
	return find_slot(membership, rule && (rule->flags & RULE_EXECS));
}

/*
 * The functions below that are not static are verified once, on their own, and not again at each call: the many ways
 * through them would otherwise multiply beyond what the verifier looks at.
 */

/* ---- what pointers point to -------------------------------------------------------------------------------------- */

/* Where the next capture goes; NULL when there is no room. */
static __always_inline struct capture *next_capture(struct call *call, __u8 arg)
{
	__u32 at = call->captured;
	if (at > CAPTURES_BYTES - sizeof(struct capture) - CAPTURE_BYTES)
		return NULL;
	struct capture *capture = (void *)call->bytes + at;
	capture->arg = arg;
	capture->part = 0;
	capture->flags = 0;
	capture->bytes = 0;
	capture->length = 0;
	return capture;
}

static __always_inline void keep_capture(struct call *call, struct capture *capture)
{
	call->captured += sizeof(struct capture) + ((capture->bytes + 7) & ~7U);
	call->captures++;
}

static __always_inline __u32 at_most(__u64 length, __u32 limit)
{
	return length < limit ? length : limit;
}

static __always_inline long capture_text(struct capture *capture, const void *from)
{
	char *to = (char *)(capture + 1);
	long got = bpf_probe_read_user_str(to, CAPTURE_BYTES + 1, from);
	if (got < 0)
		return got;
	capture->bytes = capture->length = got ? got - 1 : 0;
	if (got <= CAPTURE_BYTES)
		return 0;
	/* Cut, or just as long as there is room: measure the rest behind the captured part. */
	char *rest = to + CAPTURE_BYTES;
	for (int step = 0; step < TEXT_STEPS; step++) {
		got = bpf_probe_read_user_str(rest, CAPTURE_BYTES + 1, from + capture->length);
		if (got <= 0)
			break;
		capture->length += got - 1;
		if (got <= CAPTURE_BYTES)
			return 0;
	}
	capture->flags |= CAPTURE_LENGTH_UNKNOWN;
	return 0;
}

static __always_inline long capture_bytes(struct capture *capture, const void *from, __u64 length)
{
	__u32 bytes = at_most(length, CAPTURE_BYTES);
	capture->length = length;
	if (!bytes)
		return 0;
	long error = bpf_probe_read_user(capture + 1, bytes, from);
	if (!error)
		capture->bytes = bytes;
	return error;
}

struct user_iovec {
	__u64 base;
	__u64 length;
};

struct user_msghdr {
	__u64 name;
	__u32 name_bytes;
	__u32 padding;
	__u64 iov;
	__u64 iovs;
	__u64 control;
	__u64 control_bytes;
	__u32 flags;
	__u32 padding2;
};

/*
 * Appends one vector to the capture at `at`, of which `used` bytes are filled; returns the new number. A function of its
 * own, since the verifier then looks at one vector and not at all combinations of them.
 */
__noinline int capture_vector(struct call *call, __u32 at, __u32 used, __u64 from, __u64 bytes)
{
	if (!call || at > CAPTURES_BYTES - sizeof(struct capture) - CAPTURE_BYTES)
		return -1;
	__u64 filled = used;
	barrier_var(filled);
	if (filled >= CAPTURE_BYTES || !bytes)
		return used;
	__u64 part = CAPTURE_BYTES - filled;
	if (part > bytes)
		part = bytes;
	barrier_var(part);
	if (!part || part > CAPTURE_BYTES)
		return used;
	struct capture *capture = (void *)call->bytes + at;
	if (bpf_probe_read_user((void *)(capture + 1) + filled, part, (void *)from))
		return -1;
	return filled + part;
}

/* The beginning of what the vectors hold, as one; limit is the result of a call that filled them, or -1. */
__noinline int capture_iovec(struct call *call, __u64 from, __u64 count, __u64 limit)
{
	struct user_iovec iov[IOVECS];
	if (!call)
		return -1;
	__u32 at = call->captured;
	if (at > CAPTURES_BYTES - sizeof(struct capture) - CAPTURE_BYTES)
		return -1;
	struct capture *capture = (void *)call->bytes + at;
	__u32 vectors = at_most(count, IOVECS);
	if (vectors && bpf_probe_read_user(iov, vectors * sizeof(*iov), (void *)from))
		return -1;
	int used = 0;
	__u64 length = 0;
	for (__u32 i = 0; i < IOVECS; i++) {
		if (i >= vectors)
			break;
		__u64 bytes = iov[i].length;
		if (length + bytes > limit)
			bytes = limit - length;
		length += bytes;
		used = capture_vector(call, at, used, iov[i].base, bytes);
		if (used < 0)
			return -1;
	}
	capture->bytes = used;
	capture->length = length;
	if (count > IOVECS) {
		if (limit == (__u64)-1)
			capture->flags |= CAPTURE_LENGTH_UNKNOWN;
		else
			capture->length = limit;
	}
	return 0;
}

__noinline int capture_texts(struct call *call, __u64 from)
{
	if (!call)
		return -1;
	__u32 at = call->captured;
	if (at > CAPTURES_BYTES - sizeof(struct capture) - CAPTURE_BYTES)
		return -1;
	struct capture *capture = (void *)call->bytes + at;
	__u64 used = 0;
	/* One pointer more than is followed, to know whether it is the end. */
	for (int i = 0; i <= TEXTS; i++) {
		__u64 text = 0;
		if (bpf_probe_read_user(&text, sizeof(text), (void *)(from + i * sizeof(text))))
			return -1;
		if (!text) {
			capture->bytes = at_most(used, CAPTURE_BYTES);
			capture->length = used;
			return 0;
		}
		if (i == TEXTS || used >= CAPTURE_BYTES)
			break;
		/* One byte more than is kept, so that a text that is cut does not end in a NUL. */
		__u64 room = CAPTURE_BYTES + 1 - used;
		long got = bpf_probe_read_user_str((void *)(capture + 1) + used, room, (void *)text);
		if (got < 0)
			return -1;
		used += got;
	}
	if (used > CAPTURE_BYTES)
		used = CAPTURE_BYTES;
	capture->bytes = capture->length = used;
	capture->flags |= CAPTURE_LENGTH_UNKNOWN;
	return 0;
}

/* The name is a capture of its own, of part 1, before that of the data. */
__noinline int capture_msghdr(struct call *call, __u64 from, __u8 arg, __u64 limit)
{
	struct user_msghdr msg;
	if (!call)
		return -1;
	if (bpf_probe_read_user(&msg, sizeof(msg), (void *)from))
		return -1;
	if (msg.name && msg.name_bytes) {
		struct capture *name = next_capture(call, arg);
		if (!name)
			return -1;
		name->part = 1;
		if (!capture_bytes(name, (void *)msg.name, msg.name_bytes))
			keep_capture(call, name);
	}
	struct capture *data = next_capture(call, arg);
	if (!data)
		return -1;
	return capture_iovec(call, msg.iov, msg.iovs, limit);
}

__noinline int capture_one(struct call *call, struct rule *rule, __u32 i, __s64 ret)
{
	if (!call || !rule || i >= RULE_CAPTURES)
		return 0;
	struct capture_rule *how = &rule->capture[i];
	__u32 arg = how->arg;
	__u32 other = how->from;
	if (arg >= RECORD_ARGS || other >= RECORD_ARGS)
		return 0;
	__u64 from = call->args[arg];
	if (!from)
		return 0;
	struct capture *capture = next_capture(call, arg);
	if (!capture)
		return 0;
	long error = 0;
	__u32 pointed = 0;
	switch (how->kind) {
	case CAPTURE_TEXT:
		error = capture_text(capture, (void *)from);
		break;
	case CAPTURE_LENGTH_IN_ARG:
		/* A negative length is one that the kernel refuses. */
		if ((__s64)call->args[other] < 0)
			return 0;
		error = capture_bytes(capture, (void *)from, call->args[other]);
		break;
	case CAPTURE_LENGTH_IS_RET:
		error = capture_bytes(capture, (void *)from, ret);
		break;
	case CAPTURE_LENGTH_MIN_ARG_RET:
		error = capture_bytes(capture, (void *)from,
				      call->args[other] < (__u64)ret ? call->args[other] : (__u64)ret);
		break;
	case CAPTURE_FIXED:
		error = capture_bytes(capture, (void *)from, how->size);
		break;
	case CAPTURE_LENGTH_POINTED:
		if (!call->args[other])
			return 0;
		error = bpf_probe_read_user(&pointed, sizeof(pointed), (void *)call->args[other]);
		if (!error)
			error = capture_bytes(capture, (void *)from, at_most(pointed, call->room));
		/* The kernel says how long the address is, not how much of it there was room for. */
		capture->length = pointed;
		break;
	case CAPTURE_IOVEC:
		error = capture_iovec(call, from, call->args[other], how->at_exit ? ret : -1);
		break;
	case CAPTURE_MSGHDR:
		error = capture_msghdr(call, from, arg, how->at_exit ? ret : -1);
		/* A name before it may have moved the data's capture. */
		capture = (void *)call->bytes + at_most(call->captured, CAPTURES_BYTES);
		break;
	case CAPTURE_TEXTS:
		error = capture_texts(call, from);
		break;
	default:
		return 0;
	}
	if (error)
		return 1;
	keep_capture(call, capture);
	return 0;
}

/* Says that an argument's memory could not be read. */
static __always_inline void keep_fault(struct call *call, __u8 arg)
{
	struct capture *capture = next_capture(call, arg);
	if (!capture)
		return;
	capture->flags = CAPTURE_FAULT;
	keep_capture(call, capture);
}

__noinline int capture_at_enter(struct call *call, struct rule *rule)
{
	if (!call || !rule)
		return 0;
	for (__u32 i = 0; i < RULE_CAPTURES; i++) {
		if (i >= rule->captures)
			break;
		struct capture_rule *how = &rule->capture[i];
		call->at_exit |= how->at_exit;
		if (how->kind == CAPTURE_LENGTH_POINTED && how->from < RECORD_ARGS) {
			if (bpf_probe_read_user(&call->room, sizeof(call->room), (void *)call->args[how->from]))
				call->room = CAPTURE_BYTES;
		}
		/* A page that is not resident may be when the call returns: the kernel will have read it. */
		if (!how->at_exit && capture_one(call, rule, i, 0))
			call->retry |= 1 << i;
	}
	return 0;
}

__noinline int capture_at_exit(struct call *call, struct rule *rule, __s64 ret)
{
	if (!call || !rule)
		return 0;
	for (__u32 i = 0; i < RULE_CAPTURES; i++) {
		if (i >= rule->captures)
			break;
		bool again = call->retry & (1 << i);
		/* A call that failed has filled nothing. */
		bool filled = rule->capture[i].at_exit && ret >= 0;
		if ((again || filled) && capture_one(call, rule, i, ret))
			keep_fault(call, rule->capture[i].arg);
	}
	return 0;
}

/* ---- the ring ---------------------------------------------------------------------------------------------------- */

/* Where the next record of this CPU goes, with room for the largest. */
static __always_inline struct segment *segment_with_room(struct cursor *cursor, void *ring)
{
	__u32 base = bpf_get_smp_processor_id() * segments_per_cpu;
	__u32 index = base + cursor->segment;
	struct segment *segment;

	if (cursor->used <= SEGMENT_DATA_BYTES - RECORD_MAX_BYTES)
		return bpf_map_lookup_elem(ring, &index);
	__u32 next = cursor->segment + 1;
	if (next >= segments_per_cpu)
		next = 0;
	index = base + next;
	segment = bpf_map_lookup_elem(ring, &index);
	if (!segment)
		return NULL;
	/* A reader that copies this segment now sees another generation afterwards. */
	segment->generation++;
	segment->committed = 0;
	segment->first_sequence = cursor->sequence;
	cursor->segment = next;
	cursor->used = 0;
	return segment;
}

__noinline int write_record(struct call *call, __s64 ret, __u64 end_boot_ns, __u8 flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	if (!call || !control.recording)
		return 0;
	__u32 slot = call->slot;
	struct cursor *cursor = bpf_map_lookup_elem(&cursors, &slot);
	void *ring = bpf_map_lookup_elem(&rings, &slot);
	if (!cursor)
		return 0;
	struct segment *segment = ring ? segment_with_room(cursor, ring) : NULL;
	if (!segment) {
		cursor->refused++;
		return 0;
	}
	__u32 at = cursor->used;
	if (at > SEGMENT_DATA_BYTES - RECORD_MAX_BYTES)
		return 0;

	__u32 args = call->arg_count;
	if (args > RECORD_ARGS)
		args = RECORD_ARGS;
	struct record *record = (void *)segment->data + at;
	record->flags = flags;
	record->abi = call->abi;
	record->args = args;
	record->captures = call->captures;
	record->start_boot_ns = call->start_boot_ns;
	record->duration_ns = end_boot_ns - call->start_boot_ns;
	record->ret = ret;
	record->number = call->number;
	record->pid = task->tgid;
	record->tid = call->tid;
	__builtin_memcpy(record->comm, task->comm, sizeof(record->comm));
	__u64 *values = (void *)(record + 1);
	for (int i = 0; i < RECORD_ARGS; i++)
		values[i] = call->args[i];
	__u32 captured = call->captured;
	if (captured > CAPTURES_BYTES)
		captured = CAPTURES_BYTES;
	if (captured && bpf_probe_read_kernel((void *)(values + args), captured, call->bytes)) {
		record->captures = 0;
		captured = 0;
	}
	__u32 bytes = sizeof(*record) + args * sizeof(*values) + captured;
	record->bytes = bytes;
	/* The record is whole before it counts. */
	barrier();
	segment->committed = cursor->used = at + bytes;
	cursor->sequence++;
	return 0;
}

/* A call that cannot be remembered is counted as one that could not be recorded. */
static __always_inline void refuse(__u32 slot)
{
	struct cursor *cursor = bpf_map_lookup_elem(&cursors, &slot);
	if (cursor)
		cursor->refused++;
}

/* ---- hooks ------------------------------------------------------------------------------------------------------- */

static __always_inline void begin_call(struct call *call, __u32 slot, __u8 abi, __u32 number, struct rule *rule,
				       struct pt_regs *regs)
{
	call->arg_count = rule && (rule->flags & RULE_KNOWN) ? rule->args : RECORD_ARGS;
	call->at_exit = false;
	call->slot = slot;
	call->abi = abi;
	call->number = number;
	call->tid = bpf_get_current_pid_tgid();
	call->retry = 0;
	call->captures = 0;
	call->room = 0;
	call->captured = 0;
	read_args(call->args, regs, abi);
}

/* A call that was denied by seccomp, or that began before the recording: its enter was not seen. */
static __noinline int record_without_enter(struct membership *membership, struct pt_regs *regs, __u32 number, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	if (!membership || !regs)
		return 0;
	/* What is left of an rt_sigreturn, which was recorded when it began. */
	if (number == (__u32)-1)
		return 0;
	__u8 abi = abi_of(task, &number);
	if (filter_on && !is_selected(selection.enter, abi, number))
		return 0;
	__u32 slot = slot_of(task, membership, abi, number);
	if (slot == NOT_RECORDED)
		return 0;
	struct rule *rule = rule_of(abi, number);
	/* A fork's child was never inside; an exec of another kind, or of another ABI, returns under this number on x86. */
	if (rule && (rule->flags & (RULE_FORKS | RULE_EXECS)) && ret == 0)
		return 0;
	struct call *call = bpf_task_storage_get(&calls, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		refuse(slot);
		return 0;
	}
	begin_call(call, slot, abi, number, rule, regs);
	call->start_boot_ns = bpf_ktime_get_boot_ns();
	if (rule && rule->captures) {
		capture_at_enter(call, rule);
		capture_at_exit(call, rule, ret);
	}
	write_record(call, ret, call->start_boot_ns, RECORD_NO_ENTER);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(record_exit, struct pt_regs *regs, long ret)
{
	__u32 number = number_at_exit(regs);
	__u32 plain = number;

	if (filter_on && is_out(number))
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	if (filter_on && !is_selected(selection.exit, abi_of(task, &plain), plain))
		return 0;
	struct membership *membership =
		bpf_task_storage_get(&memberships, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!membership)
		return 0;
	if (!membership->in_call) {
		/* The cheap way out for the tasks of everybody else. */
		if (membership->generation == control.generation && membership->slot == NOT_RECORDED)
			return 0;
		return record_without_enter(membership, regs, number, ret);
	}
	__u64 end_boot_ns = bpf_ktime_get_boot_ns();
	membership->in_call = false;
	struct call *call = bpf_task_storage_get(&calls, task, NULL, 0);
	if (!call)
		return 0;
	if (call->at_exit || call->retry) {
		struct rule *rule = rule_of(call->abi, call->number);
		if (rule)
			capture_at_exit(call, rule, ret);
	}
	write_record(call, ret, end_boot_ns, 0);
	return 0;
}

/* The new program replaces the memory that a failed capture would be tried on again. */
static __always_inline void save_exec_path(struct call *call, struct linux_binprm *bprm)
{
	struct rule *rule = rule_of(call->abi, call->number);
	if (!rule || !(call->retry & 1) || rule->capture[0].kind != CAPTURE_TEXT)
		return;
	struct capture *capture = next_capture(call, rule->capture[0].arg);
	if (!capture)
		return;
	/* Of an execveat the kernel keeps a name of its own making. */
	long got = capture->arg == 0 ? bpf_probe_read_kernel_str(capture + 1, CAPTURE_BYTES + 1, bprm->filename) : 0;
	if (got <= 0) {
		capture->flags = CAPTURE_FAULT;
	} else {
		capture->bytes = capture->length = got - 1;
		if (got > CAPTURE_BYTES)
			capture->flags = CAPTURE_LENGTH_UNKNOWN;
	}
	keep_capture(call, capture);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(record_exec, struct task_struct *unused, int old_pid, struct linux_binprm *bprm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct recorded *recorded = find_recorded(task);
	if (!recorded)
		return 0;
	recorded->armed = 0;
	struct membership *membership = bpf_task_storage_get(&memberships, task, NULL, 0);
	struct call *call = bpf_task_storage_get(&calls, task, NULL, 0);
	if (!membership || !call || !membership->in_call || !call->retry)
		return 0;
	save_exec_path(call, bprm);
	struct rule *rule = rule_of(call->abi, call->number);
	for (__u32 i = 1; rule && i < RULE_CAPTURES; i++)
		if (call->retry & (1 << i))
			keep_fault(call, rule->capture[i].arg);
	call->retry = 0;
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(record_death)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct membership *membership = bpf_task_storage_get(&memberships, task, NULL, 0);
	if (!membership || !membership->in_call)
		return 0;
	membership->in_call = false;
	struct call *call = bpf_task_storage_get(&calls, task, NULL, 0);
	if (call)
		write_record(call, 0, bpf_ktime_get_boot_ns(), RECORD_KILLED);
	return 0;
}

/*
 * Last in the object, since programs are attached in the object's order: whoever is seen entering is seen leaving.
 */
SEC("tp_btf/sys_enter")
int BPF_PROG(record_enter, struct pt_regs *regs, long id)
{
	__u32 number = id;

	if (filter_on && is_out(number))
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	__u8 abi = abi_of(task, &number);
	if (filter_on && !is_selected(selection.enter, abi, number))
		return 0;
	struct membership *membership =
		bpf_task_storage_get(&memberships, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!membership)
		return 0;
	__u32 slot = slot_of(task, membership, abi, number);
	if (slot == NOT_RECORDED)
		return 0;
	struct call *call = bpf_task_storage_get(&calls, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		refuse(slot);
		return 0;
	}
	struct rule *rule = rule_of(abi, number);
	begin_call(call, slot, abi, number, rule, regs);
	if (rule && rule->captures)
		capture_at_enter(call, rule);
	/* Last, so that the duration is the call's and not the recorder's. */
	call->start_boot_ns = bpf_ktime_get_boot_ns();
	bool returns = !rule || !(rule->flags & RULE_NEVER_RETURNS);
	membership->in_call = returns;
	if (!returns)
		write_record(call, 0, call->start_boot_ns, RECORD_NEVER_RETURNS);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
