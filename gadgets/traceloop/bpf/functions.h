/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The same recorder at the functions of a few selected calls, instead of at all calls of the host.
 *
 * A program stands at one function. The guest says at which ones, and what it does not use is not loaded. The functions
 * of system calls get their registers by the same address as the tracepoints do, so that all else is the same.
 */
#ifndef TRACELOOP_FUNCTIONS_H
#define TRACELOOP_FUNCTIONS_H

/* clang-format off */
#define FOR_EACH_SLOT(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
/* clang-format on */

#define RETURNS(slot)                                                        \
	SEC("?fexit/function")                                               \
	int BPF_PROG(function_returns_##slot, struct pt_regs *regs, long ret) \
	{                                                                    \
		return leave(regs, ret);                                     \
	}

#define BEGINS(slot)                                              \
	SEC("?fentry/function")                                   \
	int BPF_PROG(function_begins_##slot, struct pt_regs *regs) \
	{                                                         \
		return enter(regs, number_of(regs));              \
	}

/* In this order, as in the whole object: whoever is seen entering is seen leaving. */
FOR_EACH_SLOT(RETURNS)
FOR_EACH_SLOT(BEGINS)

#endif
