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
	__u64 mntns = mntns_of(task);
	return bpf_map_lookup_elem(&recorded_mntns, &mntns);
}

/* Gives a slot to the container that begins with this task. */
static struct recorded *claim_slot(struct task_struct *task, __u64 cgroup)
{
	__u32 index = 0;
	/* One claim for each, whoever comes first. */
	if (bpf_map_delete_elem(&new_cgroups, &cgroup))
		return NULL;
	if (bpf_map_pop_elem(&free_slots, &index)) {
		__sync_fetch_and_add(&claims.refused, 1);
		return NULL;
	}
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return NULL;
	slot->cgroup_id = cgroup;
	slot->mntns_id = mntns_of(task);
	slot->claimed_boot_ns = bpf_ktime_get_boot_ns();
	slot->claimed = 1;
	/* Armed until the execve succeeds: the runtime's process has other threads, whose last calls are no part of this. */
	struct recorded recorded = { .slot = index, .epoch = slot->epoch, .armed = 1 };
	if (bpf_map_update_elem(&recorded_cgroups, &cgroup, &recorded, BPF_NOEXIST)) {
		/* User space has given it one meanwhile, or there are too many containers. */
		slot->claimed = 0;
		bpf_map_push_elem(&free_slots, &index, 0);
	} else {
		__sync_fetch_and_add(&claims.made, 1);
	}
	return bpf_map_lookup_elem(&recorded_cgroups, &cgroup);
}

__noinline int find_slot(struct membership *membership, bool execs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	if (!membership)
		return NOT_RECORDED;
	__u32 generation = control.generation;
	struct recorded *recorded = find_recorded(task);
	if (!recorded && control.claiming) {
		__u64 cgroup = bpf_get_current_cgroup_id();
		struct new_cgroup *new = bpf_map_lookup_elem(&new_cgroups, &cgroup);
		/* As long as the task is not in a mount namespace of its own its answer is a lasting no. */
		if (new && begins_container(new, task)) {
			if (!execs)
				return NOT_RECORDED;
			recorded = claim_slot(task, cgroup);
		}
	}
	/* The slot comes with its epoch: a call that has begun is not written into a ring that has got another owner. */
	membership->epoch = recorded ? recorded->epoch : 0;
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
static __always_inline struct capture *next_capture(struct call *call, struct captures *to)
{
	__u64 at = call->captured;
	barrier_var(at);
	if (at > CAPTURES_BYTES - sizeof(struct capture) - CAPTURE_BYTES)
		return NULL;
	return (void *)to->bytes + at;
}

/* part: the argument, and above it the part of what it points to. */
static __always_inline struct capture *begin_capture(struct call *call, struct captures *to, __u32 part)
{
	struct capture *capture = next_capture(call, to);
	if (!capture)
		return NULL;
	capture->arg = part;
	capture->part = part >> 8;
	capture->flags = 0;
	capture->bytes = 0;
	capture->length = 0;
	return capture;
}

/*
 * Keeps a capture, with as much of it as could be read. If not all could and the call is not over, it is not kept and
 * the error is returned: a page that is not resident may be when the call returns, since the kernel will have read it.
 */
static __always_inline long keep_capture(struct call *call, struct capture *capture, long error)
{
	if (error) {
		if (!call->is_over)
			return 1;
		capture->flags |= CAPTURE_FAULT;
	}
	call->captured += sizeof(struct capture) + ((capture->bytes + 7) & ~7U);
	call->captures++;
	return 0;
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

/* Structures with pointers have another layout in tasks whose pointers have 32 bits. */
static __always_inline bool is_narrow(struct call *call)
{
	return call->abi == ABI_I386 || call->abi == ABI_X32 || call->abi == ABI_ARM;
}

struct user_iovec {
	__u64 base;
	__u64 length;
};

struct narrow_iovec {
	__u32 base;
	__u32 length;
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

struct narrow_msghdr {
	__u32 name;
	__u32 name_bytes;
	__u32 iov;
	__u32 iovs;
	__u32 control;
	__u32 control_bytes;
	__u32 flags;
};

/* struct mmsghdr is a msghdr and the length of the message. */
struct user_mmsghdr {
	struct user_msghdr header;
	__u32 length;
	__u32 padding;
};

struct narrow_mmsghdr {
	struct narrow_msghdr header;
	__u32 length;
};

/*
 * Appends one vector to the capture at `to`, of which `used` bytes are filled; returns the new number, or -1. A function
 * of its own, since the verifier then looks at one vector and not at all combinations of them.
 */
__noinline int capture_vector(struct call *call, struct captures *to, __u32 used, __u64 from, __u64 bytes)
{
	if (!call || !to)
		return -1;
	struct capture *capture = next_capture(call, to);
	__u64 filled = used;
	barrier_var(filled);
	if (!capture)
		return -1;
	if (filled >= CAPTURE_BYTES || !bytes)
		return used;
	__u64 part = CAPTURE_BYTES - filled;
	if (part > bytes)
		part = bytes;
	barrier_var(part);
	if (!part || part > CAPTURE_BYTES)
		return used;
	if (bpf_probe_read_user((void *)(capture + 1) + filled, part, (void *)from))
		return -1;
	return filled + part;
}

static __always_inline long read_iovecs(struct user_iovec *iov, __u32 vectors, __u64 from, bool narrow)
{
	if (!narrow)
		return bpf_probe_read_user(iov, vectors * sizeof(*iov), (void *)from);
	struct narrow_iovec *narrow_iov = (void *)iov;
	if (bpf_probe_read_user(narrow_iov, vectors * sizeof(*narrow_iov), (void *)from))
		return -1;
	/* In place, from the end. */
	for (int i = IOVECS - 1; i >= 0; i--) {
		struct narrow_iovec one = narrow_iov[i];
		iov[i].base = one.base;
		iov[i].length = one.length;
	}
	return 0;
}

/*
 * The beginning of what the vectors hold, as one capture that was begun and is not kept yet; limit is the number of bytes
 * that a call put into them, or -1.
 */
__noinline int capture_iovec(struct call *call, struct captures *to, __u64 from, __u64 count, __u64 limit)
{
	struct user_iovec iov[IOVECS] = {};
	if (!call || !to)
		return -1;
	struct capture *capture = next_capture(call, to);
	if (!capture)
		return -1;
	__u32 vectors = at_most(count, IOVECS);
	if (vectors && read_iovecs(iov, vectors, from, is_narrow(call)))
		return -1;
	__u64 length = 0;
	for (__u32 i = 0; i < IOVECS; i++) {
		if (i >= vectors)
			break;
		__u64 bytes = iov[i].length;
		if (length + bytes > limit)
			bytes = limit - length;
		length += bytes;
		int used = capture_vector(call, to, capture->bytes, iov[i].base, bytes);
		if (used < 0)
			return -1;
		capture->bytes = used;
	}
	capture->length = length;
	if (count > IOVECS) {
		if (limit == (__u64)-1)
			capture->flags |= CAPTURE_LENGTH_UNKNOWN;
		else
			capture->length = limit;
	}
	return 0;
}

__noinline int capture_texts(struct call *call, struct captures *to, __u64 from)
{
	if (!call || !to)
		return -1;
	struct capture *capture = next_capture(call, to);
	if (!capture)
		return -1;
	__u32 step = is_narrow(call) ? sizeof(__u32) : sizeof(__u64);
	__u64 used = 0;
	/* One pointer more than is followed, to know whether it is the end. */
	for (int i = 0; i <= TEXTS; i++) {
		__u64 text = 0;
		/* The lower half comes first: all of these machines are little endian. */
		if (bpf_probe_read_user(&text, step, (void *)(from + i * step)))
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

static __always_inline long read_msghdr(struct user_msghdr *to, __u64 from, bool narrow)
{
	if (!narrow)
		return bpf_probe_read_user(to, sizeof(*to), (void *)from);
	struct narrow_msghdr msg;
	if (bpf_probe_read_user(&msg, sizeof(msg), (void *)from))
		return -1;
	to->name = msg.name;
	to->name_bytes = msg.name_bytes;
	to->iov = msg.iov;
	to->iovs = msg.iovs;
	return 0;
}

/* The name is a capture of its own, of the next part, before that of the data. */
__noinline int capture_message(struct call *call, struct captures *to, __u64 from, __u32 part, __u64 limit)
{
	struct user_msghdr msg = {};
	if (!call || !to)
		return -1;
	long error = read_msghdr(&msg, from, is_narrow(call));
	if (!error && msg.name && msg.name_bytes) {
		struct capture *name = begin_capture(call, to, part + (1 << 8));
		if (!name)
			return 0;
		if (keep_capture(call, name, capture_bytes(name, (void *)msg.name, msg.name_bytes)))
			return -1;
	}
	struct capture *data = begin_capture(call, to, part);
	if (!data)
		return 0;
	if (!error)
		error = capture_iovec(call, to, msg.iov, msg.iovs, limit);
	return keep_capture(call, data, error);
}

/* One message after another, two parts each; of those that were received as much as their headers say. */
static __always_inline long capture_messages(struct call *call, struct captures *to, __u64 from, __u32 arg,
					     __u64 received)
{
	bool narrow = is_narrow(call);
	__u64 step = narrow ? sizeof(struct narrow_mmsghdr) : sizeof(struct user_mmsghdr);
	__u64 behind = narrow ? sizeof(struct narrow_msghdr) : sizeof(struct user_msghdr);
	bool is_received = received != (__u64)-1;
	__u64 count = is_received ? received : (__u32)call->args[2];
	for (__u32 i = 0; i < MESSAGES; i++) {
		__u32 length = 0;
		if (i >= count)
			break;
		if (is_received && bpf_probe_read_user(&length, sizeof(length), (void *)(from + behind)))
			return -1;
		if (capture_message(call, to, from, arg | 2 * i << 8, is_received ? length : -1))
			return -1;
		from += step;
	}
	return 0;
}

/* Makes the capture of one rule; not 0 when it is to be tried again when the call returns. */
__noinline int capture_one(struct call *call, struct captures *to, struct rule *rule, __u32 i, __s64 ret)
{
	if (!call || !to || !rule || i >= RULE_CAPTURES)
		return 0;
	struct capture_rule *how = &rule->capture[i];
	__u32 arg = how->arg;
	__u32 other = how->from;
	if (arg >= RECORD_ARGS || other >= RECORD_ARGS)
		return 0;
	__u64 from = call->args[arg];
	if (!from)
		return 0;
	__u64 filled = how->at_exit ? ret : -1;
	if (how->kind == CAPTURE_MSGHDR)
		return capture_message(call, to, from, arg, filled);
	if (how->kind == CAPTURE_MMSGHDR)
		return capture_messages(call, to, from, arg, filled);
	struct capture *capture = begin_capture(call, to, arg);
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
		error = capture_bytes(capture, (void *)from, call->args[other] + how->size);
		break;
	case CAPTURE_LENGTH_IS_RET:
		error = capture_bytes(capture, (void *)from, ret + how->size);
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
		error = capture_iovec(call, to, from, call->args[other], filled);
		break;
	case CAPTURE_TEXTS:
		error = capture_texts(call, to, from);
		break;
	default:
		return 0;
	}
	return keep_capture(call, capture, error);
}

/* A capture with nothing in it, which says that an argument's memory could not be read. */
static __always_inline void keep_fault(struct call *call, struct captures *to, __u8 arg)
{
	struct capture *capture = begin_capture(call, to, arg);
	if (!capture)
		return;
	capture->flags = CAPTURE_FAULT;
	keep_capture(call, capture, 0);
}

__noinline int capture_at_enter(struct call *call, struct captures *to, struct rule *rule)
{
	if (!call || !to || !rule)
		return 0;
	for (__u32 i = 0; i < RULE_CAPTURES; i++) {
		if (i >= rule->captures)
			break;
		struct capture_rule *how = &rule->capture[i];
		if (how->kind == CAPTURE_LENGTH_POINTED && how->from < RECORD_ARGS) {
			if (bpf_probe_read_user(&call->room, sizeof(call->room), (void *)call->args[how->from]))
				call->room = CAPTURE_BYTES;
		}
		if (how->at_exit)
			continue;
		__u32 captured = call->captured;
		__u8 captures = call->captures;
		if (capture_one(call, to, rule, i, 0)) {
			call->retry |= 1 << i;
			call->captured = captured;
			call->captures = captures;
		}
	}
	return 0;
}

static __always_inline void capture_at_exit(struct call *call, struct captures *to, struct rule *rule, __s64 ret)
{
	call->is_over = true;
	for (__u32 i = 0; i < RULE_CAPTURES; i++) {
		if (i >= rule->captures)
			break;
		bool again = call->retry & (1 << i);
		/* A call that failed has filled nothing. */
		bool filled = rule->capture[i].at_exit && ret >= 0;
		if (again || filled)
			capture_one(call, to, rule, i, ret);
	}
}

/* ---- the ring ---------------------------------------------------------------------------------------------------- */

/* Where the next record of this CPU goes, with room for the largest. */
static __always_inline struct segment *segment_with_room(struct cursor *cursor, __u32 slot)
{
	__u32 base = (slot * cpus + bpf_get_smp_processor_id()) * segments_per_cpu;
	__u32 index = base + cursor->segment;
	struct segment *segment;

	if (cursor->used <= SEGMENT_DATA_BYTES - RECORD_ROOM)
		return bpf_map_lookup_elem(&rings, &index);
	__u32 next = cursor->segment + 1;
	if (next >= segments_per_cpu)
		next = 0;
	index = base + next;
	segment = bpf_map_lookup_elem(&rings, &index);
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

/*
 * Writes the record of a call that is over, with what was captured when it began, and captures the rest into it. rule is
 * NULL when there is nothing more to capture.
 */
static __noinline int write_record(struct task_struct *task, struct call *call, struct captures *begun,
				   struct rule *rule, __s64 ret)
{
	if (!task || !call || !control.recording)
		return 0;
	bool is_one_moment = call->flags & (RECORD_NO_ENTER | RECORD_NEVER_RETURNS);
	__u64 end_boot_ns = is_one_moment ? call->start_boot_ns : bpf_ktime_get_boot_ns();
	__u32 slot = call->slot;
	struct slot *owner = bpf_map_lookup_elem(&slots, &slot);
	struct cursor *cursor = bpf_map_lookup_elem(&cursors, &slot);
	if (!cursor || !owner || owner->epoch != call->epoch)
		return 0;
	struct segment *segment = segment_with_room(cursor, slot);
	if (!segment) {
		cursor->refused++;
		return 0;
	}
	__u64 at = cursor->used;
	barrier_var(at);
	if (at > SEGMENT_DATA_BYTES - RECORD_ROOM)
		return 0;

	__u64 args = call->arg_count;
	barrier_var(args);
	if (args > RECORD_ARGS)
		args = RECORD_ARGS;
	struct record *record = (void *)segment->data + at;
	record->flags = call->flags;
	record->abi = call->abi;
	record->args = args;
	record->subcall = call->rule_number == call->number ? 0 : call->rule_number - SUBCALL_RULES;
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

	struct captures *captures = (void *)(values + args);
	__u32 captured = call->captured;
	if (captured && begun) {
		__builtin_memcpy(captures->bytes, begun->bytes, FIRST_CAPTURED_BYTES);
		if (captured > CAPTURES_BYTES)
			captured = CAPTURES_BYTES;
		if (captured > FIRST_CAPTURED_BYTES && bpf_probe_read_kernel(captures->bytes, captured, begun->bytes))
			call->captures = call->captured = 0;
	}
	if (rule)
		capture_at_exit(call, captures, rule, ret);
	record->captures = call->captures;
	__u32 bytes = sizeof(*record) + args * sizeof(*values) + at_most(call->captured, CAPTURES_BYTES);
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

/*
 * Finds the call behind the call: i386 has calls for all of the sockets' operations, and before those had one for all,
 * which most programs still use. Its arguments lie in memory.
 */
static __always_inline struct rule *rule_of_subcall(struct call *call, struct rule *rule)
{
	__u32 subcall = call->args[0];
	__u32 args[RECORD_ARGS] = {};
	if (subcall < 1 || subcall > SUBCALLS)
		return rule;
	struct rule *own = rule_of(ABI_I386, SUBCALL_RULES + subcall);
	if (!own || own->args > RECORD_ARGS)
		return rule;
	if (bpf_probe_read_user(args, own->args * sizeof(*args), (void *)call->args[1]))
		return rule;
	call->rule_number = SUBCALL_RULES + subcall;
	for (int i = 0; i < RECORD_ARGS; i++)
		call->args[i] = args[i];
	return own;
}

/* Whether what a multiplexer was found to be asked for is selected; the bit in front is for what could not be found. */
static __always_inline bool is_subcall_selected(struct call *call)
{
	__u32 number = call->rule_number == call->number ? SUBCALL_RULES : call->rule_number;
	return is_selected(selection.enter, ABI_I386, number);
}

static __always_inline bool is_multiplexer(__u8 abi, __u32 number)
{
	return abi == ABI_I386 && number == I386_SOCKETCALL;
}

/* Notes what is known of a call when it begins. False if it is not selected after all. */
static __always_inline bool begin_call(struct task_struct *task, struct task_state *state, __u32 slot, __u8 abi,
				       __u32 number, struct rule **rule, struct pt_regs *regs)
{
	struct call *call = &state->call;
	call->slot = slot;
	call->epoch = state->who.epoch;
	call->number = number;
	call->rule_number = number;
	call->tid = task->pid;
	call->captured = 0;
	call->flags = 0;
	call->abi = abi;
	call->captures = 0;
	call->retry = 0;
	call->is_over = false;
	read_args(call->args, regs, abi);
	if (is_multiplexer(abi, number)) {
		*rule = rule_of_subcall(call, *rule);
		if (filter_on && !is_subcall_selected(call))
			return false;
	}
	bool is_known = *rule && ((*rule)->flags & RULE_KNOWN);
	call->arg_count = is_known ? (*rule)->args : RECORD_ARGS;
	call->at_exit = *rule && ((*rule)->flags & RULE_CAPTURES_AT_EXIT);
	return true;
}

static __always_inline struct captures *captures_of(struct task_struct *task, struct rule *rule)
{
	if (!rule || !(rule->flags & RULE_CAPTURES_AT_ENTER))
		return NULL;
	return bpf_task_storage_get(&captured, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/* A call that was denied by seccomp, or that began before the recording: its enter was not seen. */
static __noinline int record_without_enter(struct task_state *state, struct pt_regs *regs, __u32 number, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	if (!state || !regs)
		return 0;
	/* What is left of an rt_sigreturn, which was recorded when it began. */
	if (number == (__u32)-1)
		return 0;
	__u8 abi = abi_of(task, &number);
	if (filter_on && !is_selected(selection.enter, abi, number))
		return 0;
	__u32 slot = slot_of(task, &state->who, abi, number);
	if (slot == NOT_RECORDED)
		return 0;
	struct rule *rule = rule_of(abi, number);
	if (rule && (rule->flags & RULE_UNSELECTED))
		return 0;
	/* A fork's child was never inside; an exec of another kind, or of another ABI, returns under this number on x86. */
	if (rule && (rule->flags & (RULE_FORKS | RULE_EXECS)) && ret == 0)
		return 0;
	struct call *call = &state->call;
	if (!begin_call(task, state, slot, abi, number, &rule, regs))
		return 0;
	call->flags = RECORD_NO_ENTER;
	call->start_boot_ns = bpf_ktime_get_boot_ns();
	struct captures *captures = captures_of(task, rule);
	if (captures)
		capture_at_enter(call, captures, rule);
	write_record(task, call, captures, rule, ret);
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
	struct task_state *state = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		return 0;
	if (!state->in_call) {
		/* The cheap way out for the tasks of everybody else. */
		if (state->who.generation == control.generation && state->who.slot == NOT_RECORDED)
			return 0;
		return record_without_enter(state, regs, number, ret);
	}
	state->in_call = false;
	struct call *call = &state->call;
	struct captures *begun = NULL;
	if (call->captured)
		begun = bpf_task_storage_get(&captured, task, NULL, 0);
	struct rule *rule = NULL;
	if (call->at_exit || call->retry)
		rule = rule_of(call->abi, call->rule_number);
	write_record(task, call, begun, rule, ret);
	return 0;
}

/* The new program replaces the memory that a failed capture would be tried on again. */
static __always_inline void save_exec_path(struct call *call, struct captures *to, struct rule *rule,
					   struct linux_binprm *bprm)
{
	if (!(call->retry & 1) || rule->capture[0].kind != CAPTURE_TEXT)
		return;
	struct capture *capture = begin_capture(call, to, rule->capture[0].arg);
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
	keep_capture(call, capture, 0);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(record_exec, struct task_struct *unused, int old_pid, struct linux_binprm *bprm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct recorded *recorded = find_recorded(task);
	if (!recorded)
		return 0;
	recorded->armed = 0;
	struct task_state *state = bpf_task_storage_get(&tasks, task, NULL, 0);
	if (!state || !state->in_call || !state->call.retry)
		return 0;
	struct call *call = &state->call;
	struct rule *rule = rule_of(call->abi, call->rule_number);
	struct captures *to = captures_of(task, rule);
	if (!rule || !to)
		return 0;
	save_exec_path(call, to, rule, bprm);
	for (__u32 i = 1; i < RULE_CAPTURES; i++)
		if (call->retry & (1 << i))
			keep_fault(call, to, rule->capture[i].arg);
	call->retry = 0;
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(note_new_cgroup, struct cgroup *cgroup)
{
	if (!control.claiming || !is_v2(cgroup))
		return 0;
	__u64 id = cgroup->kn->id;
	struct new_cgroup new = { .maker_mntns = mntns_of(bpf_get_current_task_btf()) };
	bpf_map_update_elem(&new_cgroups, &id, &new, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(record_death)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state = bpf_task_storage_get(&tasks, task, NULL, 0);
	if (!state || !state->in_call)
		return 0;
	state->in_call = false;
	struct call *call = &state->call;
	struct captures *begun = call->captured ? bpf_task_storage_get(&captured, task, NULL, 0) : NULL;
	call->flags = RECORD_KILLED;
	write_record(task, call, begun, NULL, 0);
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
	struct task_state *state = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		return 0;
	__u32 slot = slot_of(task, &state->who, abi, number);
	if (slot == NOT_RECORDED)
		return 0;
	struct rule *rule = rule_of(abi, number);
	if (rule && (rule->flags & RULE_UNSELECTED))
		return 0;
	struct call *call = &state->call;
	if (!begin_call(task, state, slot, abi, number, &rule, regs))
		return 0;
	struct captures *captures = captures_of(task, rule);
	if (captures) {
		capture_at_enter(call, captures, rule);
	} else if (rule && (rule->flags & RULE_CAPTURES_AT_ENTER)) {
		refuse(slot);
		/* Nothing is written of it when it returns. */
		call->slot = NOT_RECORDED;
	}
	bool returns = !rule || !(rule->flags & RULE_NEVER_RETURNS);
	state->in_call = returns;
	/* Last, so that the duration is the call's and not the recorder's. */
	call->start_boot_ns = bpf_ktime_get_boot_ns();
	if (!returns) {
		call->flags = RECORD_NEVER_RETURNS;
		write_record(task, call, captures, NULL, 0);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
