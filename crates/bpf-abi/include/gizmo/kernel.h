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

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

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

struct cgroup___before_6_1 {
	unsigned long long ancestor_ids[1]; /* as many as there are levels */
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

typedef struct {
	unsigned int val;
} KERNEL_VIEW kuid_t;

struct cred {
	kuid_t uid; /* real */
} KERNEL_VIEW;

struct completion;

struct task_struct {
	struct thread_info thread_info;
	void *stack;
	int pid;
	int tgid;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
	char comm[16];
	struct cred *cred;
	struct sigpending pending;
	struct sighand_struct *sighand;
	unsigned int flags;
	unsigned int __state; /* since 5.14; before as state */
	int on_cpu; /* with CONFIG_SMP */
	unsigned int cpu;
	unsigned long nvcsw; /* how often it has gone to sleep */
	unsigned long long start_boottime;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct completion *vfork_done; /* as long as the parent waits for it */
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

/*
 * Linux 5.13 has everything that the programs would like to have: atomic operations that answer (5.12), the current task with its
 * type (5.11) and task storage for tracing programs (5.13). It is known by a helper that came with the last of them. libbpf puts the
 * answer, found in the kernel's BTF, into the program, and the verifier takes out what is not for this kernel.
 */
enum bpf_func_id___5_13 {
	BPF_FUNC_for_each_map_elem___5_13 = 164,
};
#define HAS_5_13 bpf_core_enum_value_exists(enum bpf_func_id___5_13, BPF_FUNC_for_each_map_elem___5_13)

/* The current task. Old kernels give its address only: its members are to be read with READ. */
static __always_inline struct task_struct *current_task(void)
{
	if (HAS_5_13)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

/* A function, so that what is read does not take stack from those who read. */
static __noinline __attribute__((unused)) __u64 read_kernel(const void *from, __u32 bytes)
{
	__u64 value = 0;
	bpf_probe_read_kernel(&value, bytes, from);
	return value;
}

/* A member of the current task, or of what it points to: a number or a pointer. All of these machines are little endian. */
#define READ(from, member)                                                       \
	({                                                                               \
		__typeof__((from)->member) value_;                                       \
		if (HAS_5_13)                                                            \
			value_ = (from)->member;                                         \
		else                                                                     \
			value_ = (__typeof__(value_))read_kernel(                        \
				__builtin_preserve_access_index(&(from)->member), sizeof(value_)); \
		value_;                                                                  \
	})

#endif
