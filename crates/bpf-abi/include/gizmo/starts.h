/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * How the first instruction of a container is recognised in the kernel.
 *
 * A runtime makes a cgroup for the container, moves a process of its own into it, gives this process a mount namespace of
 * its own and lets it execute the container's program. So what begins a container is the first execve in a new cgroup by
 * a task whose mount namespace is not that of the cgroup's maker. Nothing needs to be known about the runtime, and it is
 * not held up. Services that are started with a mount namespace of their own look the same; user space tells them apart.
 */
#ifndef GIZMO_STARTS_H
#define GIZMO_STARTS_H

#include <gizmo/kernel.h>

#include <bpf/bpf_helpers.h>

/* A cgroup in which nothing has begun yet. */
struct new_cgroup {
	__u32 maker_mntns;
	__u32 reserved;
};

/* How many of them are remembered; the one that was not looked at for longest is forgotten first. */
#define NEW_CGROUPS 4096

static __always_inline __u32 mntns_of(struct task_struct *task)
{
	/* A task that is ending has none. */
	struct nsproxy *nsproxy = READ(task, nsproxy);
	if (!nsproxy)
		return 0;
	struct mnt_namespace *mntns = READ(nsproxy, mnt_ns);
	return READ(mntns, ns.inum);
}

/* The v2 hierarchy is the one that has always been there. */
static __always_inline bool is_v2(struct cgroup *cgroup)
{
	return cgroup->root->hierarchy_id == 0;
}

/* Whether an execve of this task, which is in the new cgroup, begins a container. */
static __always_inline bool begins_container(struct new_cgroup *cgroup, struct task_struct *task)
{
	__u32 mntns = mntns_of(task);
	return mntns && mntns != cgroup->maker_mntns;
}

#endif
