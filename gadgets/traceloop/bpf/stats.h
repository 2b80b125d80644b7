/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Statistics: how many calls of each kind a container has made, how long they took and how they failed. They cover everything since
 * the beginning, also what is no longer in the ring.
 */
#ifndef TRACELOOP_STATS_H
#define TRACELOOP_STATS_H

#include "which.h"

/* With the number of a call: what is not known of it. */
#define COUNT_NO_RESULT (1ULL << 62)
#define COUNT_NO_DURATION (1ULL << 63)

/* Bits of a duration behind its first that choose a bucket. */
#define STATS_SUB_BITS 3

/* 1 for every number but 0. Without a branch: the verifier would follow both ways. */
static __always_inline __u64 is_some(__u64 value)
{
	__u64 negative = -value;
	barrier_var(negative);
	return (value | negative) >> 63;
}

/* The place of the highest bit of a number; 0 of 0. */
static __always_inline __u64 log2_of(__u64 value)
{
	__u64 log = 0;
	for (int step = 5; step >= 0; step--) {
		__u64 shift = is_some(value >> (1 << step)) << step;
		value >>= shift;
		log += shift;
	}
	return log;
}

/* As `bucket` in gizmo-syscalls' latency.rs. */
static __always_inline __u64 bucket_of(__u64 ns)
{
	__u64 log = log2_of(ns);
	if (log < STATS_SUB_BITS)
		return ns & ((1 << STATS_SUB_BITS) - 1);
	__u64 shift = log - STATS_SUB_BITS;
	__u64 sub = (ns >> (shift & 63)) & ((1 << STATS_SUB_BITS) - 1);
	__u64 bucket = ((shift + 1) << STATS_SUB_BITS) + sub;
	barrier_var(bucket);
	return bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
}

static __always_inline __u64 error_place(__u64 error)
{
	if (error < STATS_KERNEL_ERRORS)
		return error;
	__u64 place = error - KERNEL_ERRORS + STATS_KERNEL_ERRORS;
	return error >= KERNEL_ERRORS && place < STATS_ERRORS ? place : 0;
}

static __noinline struct call_stats *new_stats(struct stats_key *key)
{
	__u32 index = 0;
	if (bpf_map_pop_elem(&free_stats, &index)) {
		__sync_fetch_and_add(&uncounted, 1);
		return NULL;
	}
	if (bpf_map_update_elem(&stats_index, key, &index, BPF_NOEXIST)) {
		/* Another CPU was faster. */
		bpf_map_push_elem(&free_stats, &index, 0);
		__u32 *known = bpf_map_lookup_elem(&stats_index, key);
		if (!known)
			return NULL;
		index = *known;
	}
	struct call_stats *new = bpf_map_lookup_elem(&stats, &index);
	if (new)
		new->key = *key;
	return new;
}

static __always_inline struct call_stats *stats_of(struct stats_key *key)
{
	__u32 *index = bpf_map_lookup_elem(&stats_index, key);
	return index ? bpf_map_lookup_elem(&stats, index) : new_stats(key);
}

static __always_inline void raise(__u64 *most, __u64 value)
{
	if (!HAS_5_13) {
		if (value > *most)
			*most = value;
		return;
	}
	for (int i = 0; i < 4; i++) {
		__u64 before = *(volatile __u64 *)most;
		if (value <= before || __sync_val_compare_and_swap(most, before, value) == before)
			return;
	}
}

/* Counts a call. Verified once, on its own. */
__noinline int count_call(__u64 owner, __u64 which, __s64 ret, __u64 duration)
{
	struct stats_key key = { .owner = owner, .number = which, .abi = (which >> 32) & 0xff };
	struct call_stats *counted = stats_of(&key);
	if (!counted)
		return 0;
	__sync_fetch_and_add(&counted->calls, 1);
	if (!(which & COUNT_NO_RESULT) && ret < 0 && ret > -4096) {
		__u64 place = error_place(-ret);
		barrier_var(place);
		if (place < STATS_ERRORS)
			__sync_fetch_and_add(&counted->errors[place], 1);
	}
	if (which & COUNT_NO_DURATION)
		return 0;
	__u64 bucket = bucket_of(duration);
	barrier_var(bucket);
	if (bucket < STATS_BUCKETS)
		__sync_fetch_and_add(&counted->durations[bucket], 1);
	__sync_fetch_and_add(&counted->timed, 1);
	__sync_fetch_and_add(&counted->total_ns, duration);
	raise(&counted->max_ns, duration);
	return 0;
}

#endif
