/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The kernel fields that gizmo's own programs read, and no others.
 *
 * Each structure is a CO-RE view: libbpf finds the members' real offsets in the running kernel's BTF, so neither their
 * order nor what is left out matters here.
 */
#ifndef GIZMO_KERNEL_H
#define GIZMO_KERNEL_H

#include <gizmo/types.h>
#include <stdbool.h>

#define KERNEL_VIEW __attribute__((preserve_access_index))

struct ns_common {
	unsigned int inum;
} KERNEL_VIEW;

struct mnt_namespace {
	struct ns_common ns;
} KERNEL_VIEW;

struct nsproxy {
	struct mnt_namespace *mnt_ns;
} KERNEL_VIEW;

struct kernfs_node {
	unsigned long long id;
} KERNEL_VIEW;

struct cgroup_root {
	int hierarchy_id;
} KERNEL_VIEW;

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
} KERNEL_VIEW;

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
	struct cgroup_root *root;
} KERNEL_VIEW;

struct css_set {
	struct cgroup *dfl_cgrp; /* of the v2 hierarchy */
} KERNEL_VIEW;

typedef struct {
	unsigned long sig[1];
} KERNEL_VIEW sigset_t;

struct sigpending {
	sigset_t signal;
} KERNEL_VIEW;

struct sigaction {
	unsigned long sa_flags;
} KERNEL_VIEW;

struct k_sigaction {
	struct sigaction sa;
} KERNEL_VIEW;

struct sighand_struct {
	struct k_sigaction action[64];
} KERNEL_VIEW;

struct thread_info {
	unsigned long flags;
	unsigned int status; /* x86 only */
	unsigned int cpu; /* since 5.16; before in task_struct */
} KERNEL_VIEW;

struct task_struct {
	struct thread_info thread_info;
	void *stack;
	int pid;
	int tgid;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
	char comm[16];
	struct sigpending pending;
	struct sighand_struct *sighand;
	unsigned int flags;
	unsigned int __state; /* since 5.14; before as state */
	int on_cpu; /* with CONFIG_SMP */
	unsigned int cpu;
	unsigned long nvcsw; /* how often it has gone to sleep */
	unsigned long long start_boottime;
} KERNEL_VIEW;

struct task_struct___before_5_14 {
	long state;
} KERNEL_VIEW;

struct linux_binprm {
	const char *filename;
} KERNEL_VIEW;

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long bp, r10, r9, r8, bx, cx, dx, si, di, orig_ax;
} KERNEL_VIEW;
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	unsigned long regs[31];
} KERNEL_VIEW;
struct pt_regs {
	unsigned long regs[31];
	unsigned long orig_x0;
	int syscallno;
} KERNEL_VIEW;
#else
#error "unknown target architecture"
#endif

#endif
