/* SPDX-License-Identifier: GPL-2.0 */
/* Records and where they go. */
#ifndef TRACELOOP_RING_H
#define TRACELOOP_RING_H

#include "calls.h"
#include "capture.h"
#include "stats.h"
#include "tests.h"
#include "who.h"

/* Of the largest record, with the notes in front of it and with what the verifier must see. */
#define RECORD_ROOM (RECORD_MAX_BYTES + CAPTURES_SLACK + sizeof(struct thread_note) + sizeof(struct loss_note))
/* Parts of a ring that are tried, when this CPU's is being written by a task that was preempted. */
#define PART_TRIES 4

/* The part of a ring that one CPU writes. */
struct part {
	struct cursor *cursor;
	__u32 index; /* of all parts of all rings */
};

static __always_inline __u32 part_index(__u32 slot)
{
	return slot * cpus + bpf_get_smp_processor_id();
}

static __always_inline struct part open_part(__u32 slot)
{
	struct part part = { .index = part_index(slot) };
	part.cursor = bpf_map_lookup_elem(&cursors, &part.index);
	if (!preemptible)
		return part;
	/* Whoever holds one may be waiting for this CPU, so another CPU's part is taken. */
	for (int i = 0; i < PART_TRIES; i++) {
		if (!part.cursor || !__sync_lock_test_and_set(&part.cursor->busy, 1))
			return part;
		part.index = part.index + 1 < (slot + 1) * cpus ? part.index + 1 : slot * cpus;
		part.cursor = bpf_map_lookup_elem(&cursors, &part.index);
	}
	part.cursor = NULL;
	return part;
}

static __always_inline void close_part(struct part *part)
{
	if (preemptible)
		__sync_lock_test_and_set(&part->cursor->busy, 0);
}

/* A call of which nothing can be written is counted. */
static __always_inline void refuse(__u32 slot)
{
	__u32 index = part_index(slot);
	struct cursor *cursor = bpf_map_lookup_elem(&cursors, &index);
	if (cursor)
		__sync_fetch_and_add(&cursor->refused, 1);
}

/* The segment where the next record of this part goes, with room for the largest. */
static __always_inline struct segment *segment_with_room(struct part *part)
{
	struct cursor *cursor = part->cursor;
	__u32 base = part->index * segments_per_cpu;
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
	/* A reader that copies this segment now looks at the cursor afterwards. */
	publish(&cursor->turn, cursor->turn + 1);
	segment->generation++;
	segment->committed = 0;
	segment->first_sequence = cursor->sequence;
	cursor->segment = next;
	cursor->used = 0;
	return segment;
}

/* Whose child the process is, by which user space knows what it has inherited. */
static __always_inline void note_birth(struct thread_note *note, struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);
	struct task_struct *parent = READ(leader, real_parent);
	note->born_boot_ns = READ(leader, start_boottime);
	note->parent = READ(parent, tgid);
	note->vforked = READ(leader, vfork_done) != NULL;
}

/* Whether something was written. */
static __always_inline bool note_as(struct thread_note *note, __u64 segment, struct call_place *place, __u32 pid,
				    __u32 uid, __u64 first, __u64 second)
{
	struct noted_thread *noted = &place->noted;
	__u32 tid = place->call.tid;

	if (noted->segment == segment && noted->tid == tid && noted->pid == pid && noted->uid == uid &&
	    noted->comm[0] == first && noted->comm[1] == second)
		return false;
	noted->segment = segment;
	noted->tid = tid;
	noted->pid = pid;
	noted->uid = uid;
	noted->comm[0] = first;
	noted->comm[1] = second;
	note->bytes = sizeof(*note);
	note->flags = RECORD_NOTE;
	note->kind = NOTE_THREAD;
	note->tid = tid;
	note->pid = pid;
	note->uid = uid;
	((__u64 *)note->comm)[0] = first;
	((__u64 *)note->comm)[1] = second;
	return true;
}

/* Where the name must be read. A function, so that this takes no stack where it is not needed. */
static __noinline __u32 note_thread_old(struct thread_note *note, __u64 segment, struct call_place *place,
					struct task_struct *task)
{
	__u64 *comm = (__u64 *)task->comm;
	__u64 first = read_kernel(comm, sizeof(first));
	__u64 second = read_kernel(comm + 1, sizeof(second));
	if (!note_as(note, segment, place, READ(task, tgid), uid_of(task), first, second))
		return 0;
	note_birth(note, task);
	return sizeof(*note);
}

/* Says whose records follow, unless the segment says so already. The number of bytes written. A function for the stack's sake. */
static __noinline __u32 note_thread(struct thread_note *note, __u64 segment, struct call_place *place,
					 struct task_struct *task)
{
	__u64 *comm = (__u64 *)task->comm;
	if (!HAS_5_13)
		return note_thread_old(note, segment, place, task);
	if (!note_as(note, segment, place, task->tgid, uid_of(task), comm[0], comm[1]))
		return 0;
	note_birth(note, task);
	return sizeof(*note);
}

/* Says in front of a record what could not be recorded before it. */
static __always_inline __u32 note_loss(void *to, struct cursor *cursor, __u64 boot_ns)
{
	__u64 refused = cursor->refused;
	if (refused == cursor->noted)
		return 0;
	struct loss_note *note = to;
	note->bytes = sizeof(*note);
	note->flags = RECORD_NOTE;
	note->kind = NOTE_LOSS;
	note->reserved = 0;
	note->refused = refused - cursor->noted;
	note->boot_ns = boot_ns;
	cursor->noted = refused;
	return sizeof(*note);
}

/* 1 if a number does not fit 32 bits. Without a branch: the verifier would follow both ways, for each value. */
static __always_inline __u64 is_wide(__u64 value)
{
	__u64 upper = value >> 32;
	__u64 negative = -upper;
	barrier_var(negative);
	return (upper | negative) >> 63;
}

/* A record in front of its captures. */
struct record_head {
	struct record record;
	__u8 rest[RECORD_HEAD_MAX_BYTES - sizeof(struct record)];
};

/* Fills it, except for what is known only when the captures are; the number of bytes. */
static __always_inline __u64 write_head(struct record_head *head, struct call *call, __u64 now, __s64 ret)
{
	struct record *record = &head->record;
	__u64 args = call->arg_count;
	if (args > RECORD_ARGS)
		args = RECORD_ARGS;
	__u64 duration = now - call->start_boot_ns;
	__u32 number = call->rule_number;
	__u64 is_large = is_wide(duration) | is_wide((__u64)number << 16);
	__u64 is_subcall = is_wide((__u64)(number ^ call->number) << 32);
	call->flags |= is_subcall * RECORD_SUBCALL | is_large * RECORD_LARGE;
	record->shape = call->abi | args << 4;
	record->number = number;
	record->tid = call->tid;
	record->duration_ns = duration;
	record->start_boot_ns = call->start_boot_ns;

	/* What follows covers it if it is not needed. */
	struct large *large = (void *)head->rest;
	large->duration_ns = duration >> 32;
	large->number = number >> 16;
	__u64 used = is_large * sizeof(*large);
	/* Old verifiers follow a sum, and not the bits that the compiler would put together, since it knows which are free. */
	barrier_var(used);
	/* Eight bytes are written of each value, and the next one covers the upper four if it does not need them. */
	__u64 wide = is_wide(ret + (1ULL << 31));
	*(__u64 *)(head->rest + used) = ret;
	used += sizeof(__u32) + 4 * wide;
	for (int i = 0; i < RECORD_ARGS; i++) {
		__u64 arg = call->args[i];
		__u64 is_wide_arg = is_wide(arg);
		if (i >= args)
			break;
		*(__u64 *)(head->rest + used) = arg;
		used += sizeof(__u32) + 4 * is_wide_arg;
		wide |= is_wide_arg << (i + 1);
	}
	record->wide = wide;
	return sizeof(*record) + used;
}

/* Puts what was captured when the call began behind the values. */
static __always_inline void copy_captures(struct call *call, struct captures *to, struct captures *begun)
{
	__u64 *source = (__u64 *)begun->bytes, *target = (__u64 *)to->bytes;
	for (int i = 0; i < FIRST_CAPTURED_BYTES / sizeof(__u64); i++)
		target[i] = source[i];
	__u64 captured = call->captured;
	barrier_var(captured);
	if (captured > CAPTURES_BYTES)
		captured = CAPTURES_BYTES;
	if (captured > FIRST_CAPTURED_BYTES && bpf_probe_read_kernel(to->bytes, captured, begun->bytes))
		call->captures = call->captured = 0;
}

/* The last place of a segment's data where a record can begin, behind its notes. */
#define LAST_RECORD_AT (SEGMENT_DATA_BYTES - RECORD_MAX_BYTES - CAPTURES_SLACK)

/* On old kernels, where it was said where the record is: behind its values. */
static __always_inline struct captures *captures_in_ring(struct call *call)
{
	__u32 index = part_index(call->slot);
	struct cursor *cursor = bpf_map_lookup_elem(&cursors, &index);
	if (!cursor)
		return NULL;
	index = index * segments_per_cpu + cursor->segment;
	struct segment *segment = bpf_map_lookup_elem(&rings, &index);
	if (!segment)
		return NULL;
	struct record *record = behind(segment->data, call->at, LAST_RECORD_AT);
	return behind(record, record->bytes, RECORD_HEAD_MAX_BYTES);
}

/*
 * What the functions for old kernels find again: the call, and where the captures are that are being made. Functions of their own,
 * which take stack only while they run.
 */
static __noinline struct call *call_of_key(__u64 key)
{
	struct call_place *place = find_call(key);
	if (HAS_5_13 || !place)
		return NULL;
	/* No address is made of it before it is known to be one. */
	barrier_var(place);
	return &place->call;
}

static __noinline struct captures *captures_of_key(__u64 key, struct call *call)
{
	return call->is_over ? captures_in_ring(call) : find_captures(key);
}

static __noinline struct rule *rule_of_call(struct call *call)
{
	return rule_of(call->abi, call->rule_number);
}

__noinline int capture_iovec_old(__u64 key, __u64 from, __u64 count, __u64 limit)
{
	struct call *call = call_of_key(key);
	struct captures *to = call ? captures_of_key(key, call) : NULL;
	return to ? make_iovec(call, to, from, count, limit) : -1;
}

__noinline int capture_message_old(__u64 key, __u64 from, __u32 part, __u64 limit)
{
	struct call *call = call_of_key(key);
	struct captures *to = call ? captures_of_key(key, call) : NULL;
	return to ? make_message(call, to, from, part, limit) : -1;
}

__noinline int capture_one_old(__u64 key, __u32 i)
{
	struct call *call = call_of_key(key);
	struct captures *to = call ? captures_of_key(key, call) : NULL;
	struct rule *rule = to ? rule_of_call(call) : NULL;
	return rule ? make_capture(call, to, rule, i) : 0;
}

/* Everything about one record that is to be written. */
struct writing {
	struct call_place *place;
	struct captures *begun; /* what was captured when the call began */
	struct rule *rule;	/* NULL when nothing is captured now */
	__s64 ret;
};

static __always_inline void write_in_segment(struct task_struct *task, const struct writing *what,
					     struct part *part, struct segment *segment, __u64 now)
{
	struct cursor *cursor = part->cursor;
	struct call *call = &what->place->call;
	__u64 at = cursor->used;
	barrier_var(at);
	if (at > SEGMENT_DATA_BYTES - RECORD_ROOM)
		return;
	void *data = segment->data;
	__u64 segment_id = (__u64)segment->generation << 32 | (part->index * segments_per_cpu + cursor->segment);
	at += note_loss(data + at, cursor, now);
	at += note_thread(data + at, segment_id, what->place, task);
	/* Through memory: the verifier forgets the many ways to this number, and follows only one from here. */
	call->at = at;
	at = *(volatile __u32 *)&call->at;
	struct record *record = behind(data, at, LAST_RECORD_AT);
	/* Through memory, too. */
	record->bytes = write_head((void *)record, call, now, what->ret);
	__u64 used = *(volatile __u16 *)&record->bytes;
	if (used > RECORD_HEAD_MAX_BYTES)
		return;
	struct captures *captures = (void *)record + used;
	if (capture_bytes) {
		if (call->captured && what->begun)
			copy_captures(call, captures, what->begun);
		if (what->rule && !capture_result(call, captures, what->rule, what->ret))
			capture_at_exit(call, captures, what->rule, what->ret);
	}
	record->captures = call->captures;
	record->flags = call->flags;
	__u32 bytes = (used + at_most(call->captured, CAPTURES_BYTES) + 7) & ~7U;
	record->bytes = bytes;
	if (call->flags & RECORD_TRUNCATED)
		cursor->truncated++;
	if (call->faults)
		cursor->failed += call->faults;
	/* The record is whole before it counts. */
	publish(&segment->committed, at + bytes);
	cursor->used = at + bytes;
	cursor->sequence++;
}

static __always_inline bool is_timed(struct call *call)
{
	return durations && !(call->flags & (RECORD_NO_ENTER | RECORD_NEVER_RETURNS));
}

static __noinline int count(struct call *call, __s64 ret, __u64 now)
{
	__u64 which = (__u64)call->abi << 32 | call->rule_number;
	if (call->flags & (RECORD_KILLED | RECORD_NEVER_RETURNS))
		which |= COUNT_NO_RESULT;
	if (!is_timed(call))
		which |= COUNT_NO_DURATION;
	return count_call((__u64)call->epoch << 32 | call->slot, which, ret, now - call->start_boot_ns);
}

/* Writes the record of a call that is over, or that never will be. */
static __always_inline void write_record(struct task_struct *task, struct call_place *place, struct captures *begun,
					 struct rule *rule, __s64 ret)
{
	struct call *call = &place->call;
	__u32 slot = call->slot;
	__u64 now = 0;
	/* Early, where a call that is not recorded should cost little. */
	if (tests_duration || statistics)
		now = bpf_ktime_get_boot_ns();
	if (tests_duration && is_timed(call) && !passes_duration(now - call->start_boot_ns))
		return;
	struct slot *owner = bpf_map_lookup_elem(&slots, &slot);
	if (!owner || owner->epoch != call->epoch)
		return;
	if (statistics)
		count(call, ret, now);
	if (!records)
		return;
	struct part part = open_part(slot);
	if (!part.cursor) {
		refuse(slot);
		return;
	}
	/* Others may have written meanwhile. */
	if (!tests_duration && !statistics)
		now = bpf_ktime_get_boot_ns();
	if (!is_timed(call))
		call->start_boot_ns = now;
	struct segment *segment = segment_with_room(&part);
	struct writing what = { .place = place, .begun = begun, .rule = rule, .ret = ret };
	if (segment)
		write_in_segment(task, &what, &part, segment, now);
	else
		__sync_fetch_and_add(&part.cursor->refused, 1);
	close_part(&part);
}

#endif
