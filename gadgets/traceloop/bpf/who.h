/* SPDX-License-Identifier: GPL-2.0 */
/* Who is recorded: from a task to its container's ring. */
#ifndef TRACELOOP_WHO_H
#define TRACELOOP_WHO_H

#include "which.h"

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
	struct task_struct *task = current_task();
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
	membership->nsproxy = (__u64)READ(task, nsproxy);
	membership->cgroups = (__u64)READ(task, cgroups);
	membership->generation = generation;
	return slot;
}

static __always_inline __u32 slot_of(struct task_struct *task, struct membership *membership, __u8 abi, __u32 number)
{
	if (membership->generation == control.generation && membership->nsproxy == (__u64)READ(task, nsproxy) &&
	    membership->cgroups == (__u64)READ(task, cgroups))
		return membership->slot;
	if (!control.recording)
		return NOT_RECORDED;
	struct rule *rule = rule_of(abi, number);
	return find_slot(membership, rule && (rule->flags & RULE_EXECS));
}

#endif
