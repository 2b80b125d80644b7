/* SPDX-License-Identifier: GPL-2.0 */
/* Who is recorded: from a task to its container's ring. */
#ifndef TRACELOOP_WHO_H
#define TRACELOOP_WHO_H

#include "which.h"

/* The cgroup of the present task, for kernels without a helper that tells those above it. */
static __always_inline struct cgroup *cgroup_of(struct task_struct *task)
{
	struct css_set *cgroups = READ(task, cgroups);
	return READ(cgroups, dfl_cgrp);
}

/* The id of the cgroup at a level above the present task's; 0 if there is none. */
static __always_inline __u64 cgroup_at(struct cgroup *cgroup, int level)
{
	if (HAS_5_13)
		return bpf_get_current_ancestor_cgroup_id(level);
	if (level > READ(cgroup, level))
		return 0;
	__u64 ids = bpf_core_field_offset(struct cgroup___before_6_1, ancestor_ids);
	return read_kernel((void *)cgroup + ids + level * sizeof(__u64), sizeof(__u64));
}

/* The id of the cgroup that the present task is in. */
static __always_inline __u64 present_cgroup(struct task_struct *task)
{
	return HAS_5_13 ? task->cgroups->dfl_cgrp->kn->id : bpf_get_current_cgroup_id();
}

static struct recorded *find_recorded(struct task_struct *task)
{
	struct cgroup *lowest = HAS_5_13 ? NULL : cgroup_of(task);

	/* From the root down: a container inside a recorded one belongs to the outer one. */
	for (int level = 1; level < CGROUP_LEVELS; level++) {
		__u64 cgroup = cgroup_at(lowest, level);
		if (!cgroup)
			break;
		struct recorded *recorded = bpf_map_lookup_elem(&recorded_cgroups, &cgroup);
		if (recorded)
			return recorded;
	}
	__u64 mntns = mntns_of(task);
	return bpf_map_lookup_elem(&recorded_mntns, &mntns);
}

/* From now on another answer may be right. */
static __always_inline void forget_verdicts(void)
{
	__sync_fetch_and_add(&shared.generation, 1);
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
		forget_verdicts();
	}
	return bpf_map_lookup_elem(&recorded_cgroups, &cgroup);
}

/* Gives a slot to the container that has begun with the execve that has just succeeded, if one has. */
static __always_inline struct recorded *claim_begun(struct task_struct *task)
{
	__u64 cgroup = present_cgroup(task);
	if (!control.claiming)
		return NULL;
	struct new_cgroup *new = bpf_map_lookup_elem(&new_cgroups, &cgroup);
	return new && begins_container(new, task) ? claim_slot(task, cgroup) : NULL;
}

/* Answers of another generation do not hold. */
static __always_inline __u64 generation(void)
{
	/* Both only grow. */
	return control.generation + shared.generation;
}

static __always_inline __u32 check_of(const struct verdict *verdict)
{
	__u64 all = verdict->key ^ verdict->generation ^ verdict->owner;
	return (__u32)(all ^ all >> 32) ^ verdict->mntns ^ 1;
}

static __always_inline void remember(struct verdict *place, struct verdict *verdict)
{
	verdict->check = check_of(verdict);
	*place = *verdict;
}

static __always_inline bool holds(struct verdict *verdict, __u64 key)
{
	if (verdict->key != key || verdict->generation != generation() || verdict->check != check_of(verdict))
		return false;
	return !verdict->mntns || verdict->mntns == mntns_of(current_task());
}

/* Finds out who records the tasks of this cgroup. False if the answer must not be kept. */
static __always_inline bool judge(struct task_struct *task, struct verdict *verdict, bool execs)
{
	__u64 cgroup = verdict->key;
	if (control.by_mntns)
		verdict->mntns = mntns_of(task);
	struct recorded *recorded = find_recorded(task);
	if (!recorded && control.claiming) {
		struct new_cgroup *new = bpf_map_lookup_elem(&new_cgroups, &cgroup);
		if (new && begins_container(new, task)) {
			if (!execs)
				return false;
			recorded = claim_slot(task, cgroup);
		} else if (new) {
			/* A no, as long as the task is not in a mount namespace of its own. */
			verdict->mntns = mntns_of(task);
		}
	}
	if (!recorded)
		return true;
	/* The slot comes with its epoch: a call that has begun is not written into a ring that has got another owner. */
	verdict->owner = (__u64)recorded->epoch << 32 | recorded->slot;
	if (!recorded->armed)
		return true;
	/* The answer changes with the next execve. */
	if (!execs)
		verdict->owner = NOBODY;
	return false;
}

/* Finds out who records the present task, which has made call `number`, and keeps the answer. */
__noinline __u64 find_owner(struct verdict *place, __u64 key, __u32 number)
{
	struct task_struct *task = current_task();
	if (!place)
		return NOBODY;
	learn_place_of_regs(task, key);
	__u64 cgroup = present_cgroup(task);
	if (!control.recording) {
		/* Kept, so that this call is not taken for one that began before the recording. */
		struct verdict nobody = { .key = key, .generation = generation(), .owner = NOBODY };
		remember(place, &nobody);
		return NOBODY;
	}
	__u32 mntns = control.by_mntns ? mntns_of(task) : 0;
	__u32 index = (cgroup + mntns) & (CGROUP_VERDICTS - 1);
	struct verdict *known = bpf_map_lookup_elem(&cgroup_verdicts, &index);
	if (!known)
		return NOBODY;
	struct verdict verdict = { .key = cgroup, .generation = generation(), .owner = NOBODY };
	if (holds(known, cgroup)) {
		verdict.owner = known->owner;
		verdict.mntns = known->mntns;
	} else {
		__u8 abi = abi_of(task, &number);
		struct rule *rule = rule_of(abi, number);
		if (!judge(task, &verdict, rule && (rule->flags & RULE_EXECS)))
			return verdict.owner;
		remember(known, &verdict);
	}
	verdict.key = key;
	remember(place, &verdict);
	return verdict.owner;
}

/* The answer for the present task, if it has been given. */
static __always_inline struct verdict *verdict_of(__u64 key)
{
	__u32 index = index_of(key, TASK_VERDICTS);
	return bpf_map_lookup_elem(&task_verdicts, &index);
}

/* Whether the present task was not recorded when it began the call that now ends; false if that is not known. */
static __always_inline bool began_unrecorded(__u64 key)
{
	struct verdict *verdict = verdict_of(key);
	return verdict && verdict->owner == NOBODY && holds(verdict, key);
}

/* The slot and epoch of the ring that records the present task, or NOBODY. */
static __always_inline __u64 owner_of(__u64 key, __u32 number)
{
	struct verdict *verdict = verdict_of(key);
	if (!verdict)
		return NOBODY;
	__u64 owner = verdict->owner;
	return holds(verdict, key) ? owner : find_owner(verdict, key, number);
}

/* The key of a task that ends may soon be another's. */
static __always_inline void forget_task(__u64 key)
{
	struct verdict *verdict = verdict_of(key);
	if (verdict && verdict->key == key)
		verdict->key = 0;
}

#endif
