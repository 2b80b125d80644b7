/* SPDX-License-Identifier: GPL-2.0 */
/* Records and where they go. */
#ifndef TRACELOOP_RING_H
#define TRACELOOP_RING_H

#include "capture.h"
#include "who.h"

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
	record->pid = READ(task, tgid);
	record->tid = call->tid;
	if (HAS_TASK_STORAGE)
		__builtin_memcpy(record->comm, task->comm, sizeof(record->comm));
	else
		bpf_core_read(record->comm, sizeof(record->comm), &task->comm);
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

#endif
