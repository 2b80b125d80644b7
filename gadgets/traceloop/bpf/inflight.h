/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls that have not returned.
 *
 * The guest runs the iterator when it has stopped the recording, which also keeps what is known of calls as it was at
 * that moment, and before the programs are detached; and when somebody looks while the recording goes on. Of a thread whose
 * call was seen beginning everything is in the call's place. Of one that has not made a call since it is recorded its
 * registers tell: they are those of its last entry into the kernel, and as long as it sleeps it has not left.
 *
 * A thread may go on while it is looked at. What was copied counts only if it is in the same call afterwards; if it is
 * not, there was a moment at which it was in none.
 */
#ifndef TRACELOOP_INFLIGHT_H
#define TRACELOOP_INFLIGHT_H

#include <gizmo/inflight.h>

#include "calls.h"
#include "tests.h"
#include "who.h"

/* include/linux/sched.h. The threads that the kernel makes in a process have its registers, but never use them. */
#define PF_EXITING 0x00000004
#define PF_IO_WORKER 0x00000010
#define PF_USER_WORKER 0x00004000
#define PF_KTHREAD 0x00200000
#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2

/* From a task upwards. More make no sense, and cost time to verify. */
#define CGROUP_STEPS 32

_Static_assert(sizeof(struct in_flight) == 112, "a call in flight has no padding");

struct bpf_iter_meta {
	struct seq_file *seq;
} KERNEL_VIEW;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} KERNEL_VIEW;

/* Of any architecture; on arm64, where they are most, they have 336. */
#define REGS_BYTES 512

struct in_flight_room {
	struct in_flight call;
	__u8 captures[CAPTURES_BYTES];
	__u64 regs[REGS_BYTES / sizeof(__u64)];
};

/* Where an entry is put together. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct in_flight_room);
} in_flight_room SEC(".maps");

/* As find_recorded, for any task: the outermost recorded cgroup, else the mount namespace. */
static __always_inline struct recorded *find_recorded_of(struct task_struct *task)
{
	__u64 outermost = 0;
	struct cgroup *cgroup = task->cgroups->dfl_cgrp;
	for (int step = 0; step < CGROUP_STEPS; step++) {
		__u64 id = cgroup->kn->id;
		if (cgroup->level < 1)
			break;
		if (cgroup->level < CGROUP_LEVELS && bpf_map_lookup_elem(&recorded_cgroups, &id))
			outermost = id;
		struct cgroup_subsys_state *parent = cgroup->self.parent;
		if (!parent)
			break;
		cgroup = parent->cgroup;
	}
	if (outermost)
		return bpf_map_lookup_elem(&recorded_cgroups, &outermost);
	__u64 mntns = mntns_of(task);
	return bpf_map_lookup_elem(&recorded_mntns, &mntns);
}

static __always_inline __u32 cpu_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->thread_info.cpu))
		return task->thread_info.cpu;
	return bpf_core_field_exists(task->cpu) ? task->cpu : 0;
}

static __always_inline bool is_asleep(struct task_struct *task)
{
	__u64 state;
	if (bpf_core_field_exists(task->__state))
		state = task->__state;
	else
		state = ((struct task_struct___before_5_14 *)task)->state;
	/* About to sleep is not asleep. */
	bool is_on_cpu = bpf_core_field_exists(task->on_cpu) && task->on_cpu;
	return !is_on_cpu && (state & (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE));
}

static __always_inline void describe_task(struct in_flight *to, struct task_struct *task)
{
	to->cpu = cpu_of(task);
	to->pid = task->tgid;
	to->uid = task->cred->uid.val;
	__builtin_memcpy(to->comm, task->comm, sizeof(to->comm));
}

static __always_inline struct captures *captures_of(struct task_struct *task, __u64 key)
{
	__u32 index = index_of(key, CAPTURES);
	struct captures_place *place = bpf_map_lookup_elem(&captured, &index);
	if (place && place->owner == key)
		return &place->captures;
	return captures_elsewhere(task, 0);
}

/* A call that was seen beginning. False if there is none. */
static __always_inline bool describe_begun(struct in_flight_room *room, struct task_struct *task,
					   struct call_place *place, __u64 key)
{
	struct in_flight *to = &room->call;
	struct call *call = &place->call;
	__u64 start_boot_ns = call->start_boot_ns;
	__u32 slot = call->slot;
	struct slot *owner = bpf_map_lookup_elem(&slots, &slot);
	if (!call->is_known || !is_end_seen(call) || !owner || owner->epoch != call->epoch)
		return false;
	if (!is_inside(call, task, key))
		return false;
	__u64 content = call->captured;
	barrier_var(content);
	/* Without durations nobody knows when it began. */
	to->flags = durations ? 0 : IN_FLIGHT_BEGUN_BEFORE;
	to->abi = call->abi;
	to->args = call->arg_count;
	to->captures = call->captures;
	to->subcall = call->rule_number == call->number ? 0 : call->rule_number - SUBCALL_RULES;
	to->number = call->number;
	to->slot = slot;
	to->since_boot_ns = durations ? start_boot_ns : task->start_boottime;
	to->tid = call->tid;
	for (int i = 0; i < RECORD_ARGS; i++)
		to->values[i] = call->args[i];
	if (content > CAPTURES_BYTES)
		content = CAPTURES_BYTES;
	if (content) {
		struct captures *begun = call->holds ? captures_of(task, key) : (struct captures *)place->path;
		/* Before 6.2 or so the verifier forgets the limit when the register has been put away. */
		barrier_var(content);
		if (!begun || content > CAPTURES_BYTES || bpf_probe_read_kernel(room->captures, content, begun->bytes))
			to->captures = content = 0;
	}
	to->bytes = sizeof(*to) + ((content + 7) & ~7ULL);
	barrier();
	return place->owner == key && *(volatile bool *)&call->is_known && call->start_boot_ns == start_boot_ns;
}

/* Whether a call that began unseen is to be shown. */
static __always_inline bool is_shown(struct in_flight *to, __u8 abi, __u32 number)
{
	struct rule *rule = rule_of(abi, number);
	if (rule && (rule->flags & (RULE_UNSELECTED | RULE_NEVER_RETURNS)))
		return false;
	if (filter_on && !is_selected(selection.enter, abi, number))
		return false;
	to->args = rule && (rule->flags & RULE_KNOWN) ? rule->args : RECORD_ARGS;
	if (abi != ABI_I386 || number != I386_SOCKETCALL)
		return true;
	/* What it is asked to do is in a register, but the arguments are in the memory of another task. */
	__u64 subcall = to->values[0];
	barrier_var(subcall);
	if (subcall >= 1 && subcall <= SUBCALLS) {
		to->subcall = subcall;
		to->flags |= IN_FLIGHT_ARGS_UNKNOWN;
	} else {
		subcall = 0;
	}
	return !filter_on || is_selected(selection.enter, ABI_I386, SUBCALL_RULES + subcall);
}

/* What a thread has entered the kernel with. Before 5.15 from where those of all threads lie, once one has made a call. */
static __always_inline struct pt_regs *regs_of(struct in_flight_room *room, struct task_struct *task, __u64 key)
{
	if (HAS_5_15)
		return (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 bytes = bpf_core_type_size(struct pt_regs);
	if (!shared.regs_at || bytes > sizeof(room->regs) ||
	    bpf_probe_read_kernel(room->regs, bytes, (void *)(shared.control_at + key)))
		return NULL;
	return (struct pt_regs *)room->regs;
}

/* A call that began before the thread was recorded. False if there is none. */
static __always_inline bool describe_unseen(struct in_flight_room *room, struct task_struct *task, __u64 key)
{
	struct in_flight *to = &room->call;
	__u64 sleeps = task->nvcsw;
	if (!is_asleep(task))
		return false;
	struct recorded *recorded = find_recorded_of(task);
	if (!recorded || recorded->armed || !passes_task(task))
		return false;
	/* It has made calls since: this one is not selected, or has begun after the recording. */
	__u32 index = index_of(key, TASK_VERDICTS);
	struct verdict *verdict = bpf_map_lookup_elem(&task_verdicts, &index);
	if (verdict && verdict->key == key && verdict->generation == generation())
		return false;
	struct pt_regs *regs = regs_of(room, task, key);
	if (!regs)
		return false;
	__u32 number = number_of(regs);
	/* Not a call, but an interrupt or a fault. */
	if ((__s32)number < 0)
		return false;
	__u8 abi = abi_of(task, &number);
	to->flags = IN_FLIGHT_BEGUN_BEFORE;
	to->abi = abi;
	to->captures = 0;
	to->subcall = 0;
	to->number = number;
	to->slot = recorded->slot;
	to->since_boot_ns = task->start_boottime;
	to->tid = task->pid;
	to->bytes = sizeof(*to);
	read_args(to->values, regs, abi);
	return is_shown(to, abi, number) && is_asleep(task) && task->nvcsw == sleeps;
}

SEC("iter/task")
int show_in_flight(struct bpf_iter__task *context)
{
	struct seq_file *seq = context->meta->seq;
	struct task_struct *task = context->task;
	__u32 zero = 0;

	if (!task || (task->flags & (PF_EXITING | PF_IO_WORKER | PF_USER_WORKER | PF_KTHREAD)))
		return 0;
	struct in_flight_room *room = bpf_map_lookup_elem(&in_flight_room, &zero);
	if (!room)
		return 0;
	__u64 key = key_of_task(task);
	struct call_place *place = find_call(key);
	if (!(place ? describe_begun(room, task, place, key) : describe_unseen(room, task, key)))
		return 0;
	describe_task(&room->call, task);
	room->call.now_boot_ns = bpf_ktime_get_boot_ns();
	__u64 bytes = room->call.bytes;
	barrier_var(bytes);
	if (bytes <= sizeof(*room))
		bpf_seq_write(seq, room, bytes);
	return 0;
}

#endif
