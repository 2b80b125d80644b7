/* SPDX-License-Identifier: GPL-2.0 */
/* Which call: its ABI, number and arguments, and whether it is selected. */
#ifndef TRACELOOP_WHICH_H
#define TRACELOOP_WHICH_H

#include "maps.h"

/*
 * What a thread is known by as long as it lives: where the registers lie that it has entered the kernel with, on a stack of its
 * own. Neither an execve changes that, which may change the thread's number, nor does it take a helper to know it: on
 * some machines each call of a helper costs more than everything else here. The verifier lets pointers be subtracted from
 * each other, and from then on it is a number.
 */
static __always_inline __u64 key_of_regs(struct pt_regs *regs)
{
	__u64 key = (__u64)regs;
	asm volatile("%0 -= %1" : "+r"(key) : "r"(&control));
	return key;
}

enum bpf_func_id___registers {
	BPF_FUNC_task_pt_regs___registers = 175,
};

/* The kernel tells where a task's registers are. */
#define HAS_5_15 bpf_core_enum_value_exists(enum bpf_func_id___registers, BPF_FUNC_task_pt_regs___registers)

/* Takes note of where those of all tasks are, from their stacks on. */
static __always_inline void learn_place_of_regs(struct task_struct *task, __u64 key)
{
	shared.control_at = (__u64)&control;
	shared.regs_at = key - (__u64)READ(task, stack);
}

/* The same for a task that has made a call before; of the others it is the key of nobody. */
static __always_inline __u64 key_of_task(struct task_struct *task)
{
	return (__u64)READ(task, stack) + shared.regs_at;
}

/* Where to look in a table of `entries`, a power of two. */
static __always_inline __u32 index_of(__u64 key, __u32 entries)
{
	/* Fibonacci hashing: the lower bits of addresses are alike. */
	return (key * 0x9e3779b97f4a7c15ULL >> 32) & (entries - 1);
}

#define X32_BIT 0x40000000 /* in the numbers of that ABI; no other has numbers as high */

#if defined(__TARGET_ARCH_x86)

#define TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h: the task is inside a 32-bit call */

static __always_inline __u8 abi_of(struct task_struct *task, __u32 *number)
{
	if (READ(task, thread_info.status) & TS_COMPAT)
		return ABI_I386;
	/* -1 has the bit, too, and is no x32 call. */
	if ((*number & X32_BIT) && *number != (__u32)-1) {
		*number &= ~X32_BIT;
		return ABI_X32;
	}
	return ABI_X86_64;
}

#define REGS_NUMBER orig_ax

static __always_inline void read_args(__u64 *args, struct pt_regs *regs, __u8 abi)
{
	if (abi == ABI_I386) {
		args[0] = (__u32)regs->bx;
		args[1] = (__u32)regs->cx;
		args[2] = (__u32)regs->dx;
		args[3] = (__u32)regs->si;
		args[4] = (__u32)regs->di;
		args[5] = (__u32)regs->bp;
		return;
	}
	args[0] = regs->di;
	args[1] = regs->si;
	args[2] = regs->dx;
	args[3] = regs->r10;
	args[4] = regs->r8;
	args[5] = regs->r9;
}

#elif defined(__TARGET_ARCH_arm64)

#define TIF_32BIT 22 /* arch/arm64/include/asm/thread_info.h */

static __always_inline __u8 abi_of(struct task_struct *task, __u32 *number)
{
	return READ(task, thread_info.flags) & (1UL << TIF_32BIT) ? ABI_ARM : ABI_ARM64;
}

#define REGS_NUMBER syscallno

static __always_inline void read_args(__u64 *args, struct pt_regs *regs, __u8 abi)
{
	args[0] = regs->orig_x0;
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
	args[3] = regs->regs[3];
	args[4] = regs->regs[4];
	args[5] = regs->regs[5];
}

#endif

/* The number that a thread has entered the kernel with. */
static __always_inline __u32 number_of(struct pt_regs *regs)
{
	return regs->REGS_NUMBER;
}

/* The same of any task, whose registers lie where those of all do; 0 for an address that cannot be read. */
static __always_inline __u32 number_of_key(__u64 key)
{
	struct pt_regs *regs = (struct pt_regs *)(shared.control_at + key);
	return BPF_CORE_READ(regs, REGS_NUMBER);
}

/* Whether a call is selected that has no bit, or whatever bit it has. */
static __always_inline bool is_listed(__u8 abi, __u32 number)
{
	__u64 key = (__u64)abi << 32 | number;
	__u8 *listed = bpf_map_lookup_elem(&syscall_filters, &key);
	return listed ? *listed : selection.others;
}

static __always_inline bool is_selected(const __u64 bits[ABI_COUNT][NUMBERS_PER_ABI / 64], __u8 abi, __u32 number)
{
	__u64 index = number;
	/* Keeps the compiler from testing one register and using another, whose bounds the verifier does not know. */
	barrier_var(index);
	if (index < NUMBERS_PER_ABI)
		return bits[abi][index / 64] & (1ULL << (index % 64));
	return is_listed(abi, number);
}

/* Whether a call cannot be selected, whatever its ABI. */
static __always_inline bool is_out(__u32 number)
{
	__u64 index = number & ~X32_BIT;
	barrier_var(index);
	return index < NUMBERS_PER_ABI && !(selection.any[index / 64] & (1ULL << (index % 64)));
}

static __always_inline struct rule *rule_of(__u8 abi, __u32 number)
{
	if (number >= NUMBERS_PER_ABI)
		return NULL;
	__u32 index = abi * NUMBERS_PER_ABI + number;
	return bpf_map_lookup_elem(&rules, &index);
}

#endif
