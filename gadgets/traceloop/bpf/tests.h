/* SPDX-License-Identifier: GPL-2.0 */
/* What must hold of a call besides its number: of its task when it begins, of its result and duration when it ends. */
#ifndef TRACELOOP_TESTS_H
#define TRACELOOP_TESTS_H

#include "which.h"

/*
 * Functions, so that they take stack only while they run: kernels before 6.10 count that of everything that may be called, used or
 * not.
 */
static __noinline bool is_among(const struct test_range *ranges, __s64 number)
{
	for (int i = 0; i < TEST_VALUES; i++)
		if (number >= ranges[i].least && number <= ranges[i].most)
			return true;
	return false;
}

static __always_inline bool has_tested_name(__u64 first, __u64 second)
{
	for (int i = 0; i < TEST_VALUES; i++) {
		const struct test_name *name = &tests.comm[i];
		__u64 differs = (first ^ name->value[0]) & name->mask[0];
		if (!(differs | ((second ^ name->value[1]) & name->mask[1])))
			return true;
	}
	return false;
}

static __always_inline __u32 uid_of(struct task_struct *task)
{
	struct cred *cred = READ(task, cred);
	return READ(cred, uid.val);
}

/* Before 5.13 the name of a task is read, in a function of its own for the stack's sake. */
static __noinline bool has_tested_name_old(struct task_struct *task)
{
	__u64 *comm = (__u64 *)task->comm;
	return has_tested_name(read_kernel(comm, sizeof(*comm)), read_kernel(comm + 1, sizeof(*comm)));
}

static __always_inline bool passes_name(struct task_struct *task)
{
	__u64 *comm = (__u64 *)task->comm;
	bool has_it = HAS_5_13 ? has_tested_name(comm[0], comm[1]) : has_tested_name_old(task);
	return has_it != !!tests.excludes_comm;
}

static __noinline bool passes_tests_of_task(struct task_struct *task)
{
	if (tests_pid && !is_among(tests.pid, (__u32)READ(task, tgid)))
		return false;
	if (tests_tid && !is_among(tests.tid, (__u32)READ(task, pid)))
		return false;
	if (tests_uid && !is_among(tests.uid, uid_of(task)))
		return false;
	return !tests_comm || passes_name(task);
}

/* Whether the calls of a task may pass. */
static __always_inline bool passes_task(struct task_struct *task)
{
	return !(tests_pid || tests_tid || tests_uid || tests_comm) || passes_tests_of_task(task);
}

static __always_inline bool passes_result(__s64 ret)
{
	return !tests_result || is_among(tests.result, ret);
}

/* Whether a call passes that has no result. */
static __always_inline bool passes_without_result(void)
{
	return !tests_result || !tests.needs_result;
}

static __always_inline bool passes_duration(__u64 duration)
{
	return !tests_duration || is_among(tests.duration, duration);
}

/* Whether a call passes of which nobody knows how long it took. */
static __always_inline bool passes_without_duration(void)
{
	return !tests_duration || !tests.needs_duration;
}

#endif
