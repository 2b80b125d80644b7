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

struct css_set;

struct kernfs_node {
	unsigned long long id;
} KERNEL_VIEW;

struct cgroup_root {
	int hierarchy_id;
} KERNEL_VIEW;

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
} KERNEL_VIEW;

struct thread_info {
	unsigned long flags;
	unsigned int status; /* x86 only */
} KERNEL_VIEW;

struct task_struct {
	struct thread_info thread_info;
	int pid;
	int tgid;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
	char comm[16];
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
 * A helper of Linux 5.13, the first kernel with task storage for tracing programs. libbpf puts the answer, read from the kernel's
 * BTF, into the program, and the verifier takes out what is not for this kernel.
 */
enum bpf_func_id___5_13 {
	BPF_FUNC_for_each_map_elem___5_13 = 164,
};
#define HAS_TASK_STORAGE bpf_core_enum_value_exists(enum bpf_func_id___5_13, BPF_FUNC_for_each_map_elem___5_13)

/* The current task. Old kernels give its address only: its members are to be read with READ. */
static __always_inline struct task_struct *current_task(void)
{
	if (HAS_TASK_STORAGE)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

/* A member of the current task, or of what it points to. */
#define READ(from, member)                                                          \
	({                                                                          \
		__typeof__((from)->member) value_;                                  \
		if (HAS_TASK_STORAGE)                                               \
			value_ = (from)->member;                                    \
		else                                                                \
			bpf_core_read(&value_, sizeof(value_), &(from)->member);    \
		value_;                                                             \
	})

#endif
