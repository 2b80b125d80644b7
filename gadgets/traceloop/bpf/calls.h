/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the call is kept that a thread is in.
 *
 * A thread has a place by its key. The place is taken and given back with each call. Of two threads that have the same
 * and are both inside calls, the second is kept elsewhere.
 */
#ifndef TRACELOOP_CALLS_H
#define TRACELOOP_CALLS_H

#include "which.h"

/* Whether the place is ours now. */
static __always_inline bool take_place(__u64 *owner, __u64 *takers, __u64 key)
{
	if (HAS_5_13) {
		__u64 before = __sync_val_compare_and_swap(owner, 0, key);
		/* Our own, if its last call was not seen to end. */
		return !before || before == key;
	}
	if (*owner == key)
		return true;
	/* Without atomic operations that answer: who has counted himself and sees nobody else has it. Of two at once none may. */
	__sync_fetch_and_add(takers, 1);
	if (*(volatile __u64 *)takers == 1) {
		*owner = key;
		return true;
	}
	__sync_fetch_and_add(takers, -1);
	return false;
}

static __always_inline void give_place(__u64 *owner, __u64 *takers)
{
	*(volatile __u64 *)owner = 0;
	if (!HAS_5_13)
		__sync_fetch_and_add(takers, -1);
}

/* The place of a thread, whoever has it. */
static __always_inline struct call_place *place_of_call(__u64 key)
{
	__u32 index = index_of(key, CALLS);
	return bpf_map_lookup_elem(&calls, &index);
}

/* The call that a thread is in, or NULL. */
static __always_inline struct call_place *find_call(__u64 key)
{
	struct call_place *place = place_of_call(key);
	if (!place || place->owner == key)
		return place;
	if (!shared.elsewhere)
		return NULL;
	return bpf_map_lookup_elem(&calls_elsewhere, &key);
}

static __noinline struct call_place *begin_elsewhere(__u64 key)
{
	static const struct call_place nothing = {};
	struct call_place *place = bpf_map_lookup_elem(&calls_elsewhere, &key);
	if (place)
		return place;
	if (bpf_map_update_elem(&calls_elsewhere, &key, &nothing, BPF_NOEXIST))
		return NULL;
	__sync_fetch_and_add(&shared.elsewhere, 1);
	place = bpf_map_lookup_elem(&calls_elsewhere, &key);
	if (place)
		place->owner = key;
	return place;
}

/* A place for the call that begins; NULL when there is no memory. */
static __always_inline struct call_place *begin_place(__u64 key)
{
	struct call_place *place = place_of_call(key);
	if (place && take_place(&place->owner, &place->takers, key))
		return place;
	return begin_elsewhere(key);
}

static __noinline int end_elsewhere(__u64 key)
{
	if (!bpf_map_delete_elem(&calls_elsewhere, &key))
		__sync_fetch_and_add(&shared.elsewhere, -1);
	return 0;
}

/* The call is over. */
static __always_inline void end_place(__u64 key)
{
	struct call_place *place = place_of_call(key);
	if (place && place->owner == key)
		give_place(&place->owner, &place->takers);
	else
		end_elsewhere(key);
}

/* Whether the end of a call that has begun is seen. It is not when the filter has changed meanwhile. */
static __always_inline bool is_end_seen(struct call *call)
{
	return !filter_on || is_listed(call->abi, call->number);
}

/*
 * Whether a thread that has entered the kernel with this number is still in the call. It is not when the filter has changed so that
 * nobody saw the call's end, and has changed again. An execve of another ABI changes the number.
 */
static __always_inline bool is_still(struct call *call, __u8 abi, __u32 number)
{
	if (!filter_on || (call->number == number && call->abi == abi))
		return true;
	struct rule *rule = rule_of(call->abi, call->number);
	return rule && (rule->flags & RULE_EXECS);
}

/* The same of any task. */
static __always_inline bool is_inside(struct call *call, struct task_struct *task, __u64 key)
{
	__u32 number = filter_on ? number_of_key(key) : 0;
	__u8 abi = filter_on ? abi_of(task, &number) : 0;
	return is_still(call, abi, number);
}

/* Old kernels have no such place: the call is recorded without its captures, and counted. */
static __always_inline struct captures *captures_elsewhere(struct task_struct *task, __u64 flags)
{
	return HAS_5_13 ? bpf_task_storage_get(&captured_elsewhere, task, NULL, flags) : NULL;
}

/* Room for what is captured now, if anything is to be; NULL also when there is no memory. */
static __always_inline struct captures *begin_captures(__u64 key)
{
	__u32 index = index_of(key, CAPTURES);
	struct captures_place *place = bpf_map_lookup_elem(&captured, &index);
	if (place && take_place(&place->owner, &place->takers, key))
		return &place->captures;
	return captures_elsewhere(current_task(), BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/* What was captured when the thread's call began. */
static __always_inline struct captures *find_captures(__u64 key)
{
	__u32 index = index_of(key, CAPTURES);
	struct captures_place *place = bpf_map_lookup_elem(&captured, &index);
	if (place && place->owner == key)
		return &place->captures;
	return captures_elsewhere(current_task(), 0);
}

static __always_inline void end_captures(__u64 key)
{
	__u32 index = index_of(key, CAPTURES);
	struct captures_place *place = bpf_map_lookup_elem(&captured, &index);
	if (place && place->owner == key)
		give_place(&place->owner, &place->takers);
}

#endif
