// SPDX-License-Identifier: GPL-2.0
/*
 * traceloop: a flight recorder for system calls.
 *
 * Of each selected call of a recorded container one self-contained record is written, when the call returns, into the
 * container's ring. Nothing wakes user space; the guest reads the rings when somebody asks.
 *
 * The order of the tests is the cost of the recorder for those who are not recorded: first whether the call is
 * selected (a bit), then whether the task is recorded (a look into a table).
 *
 * bpf/maps.h: what is known; bpf/which.h: which call; bpf/tests.h: what must hold of it; bpf/who.h: whose; bpf/calls.h: where it is kept; bpf/capture.h: what
 * its pointers point to; bpf/ring.h: records and where they go; bpf/stats.h: what is counted of them; bpf/inflight.h: calls that have not returned;
 * bpf/functions.h: where the programs stand when they do not stand at all calls.
 */
#include "bpf/inflight.h"
#include "bpf/ring.h"

/*
 * Finds the call behind the call: i386 has calls for all of the sockets' operations, and before those had one for all,
 * which most programs still use. Its arguments lie in memory.
 */
static __noinline struct rule *rule_of_subcall(struct call *call, struct rule *rule)
{
	__u32 subcall = call->args[0];
	__u32 args[RECORD_ARGS] = {};
	if (subcall < 1 || subcall > SUBCALLS)
		return rule;
	struct rule *own = rule_of(ABI_I386, SUBCALL_RULES + subcall);
	if (!own || own->args > RECORD_ARGS)
		return rule;
	if (bpf_probe_read_user(args, own->args * sizeof(*args), (void *)call->args[1]))
		return rule;
	call->rule_number = SUBCALL_RULES + subcall;
	for (int i = 0; i < RECORD_ARGS; i++)
		call->args[i] = args[i];
	return own;
}

/* Whether what a multiplexer was found to be asked for is selected; the bit in front is for what could not be found. */
static __always_inline bool is_subcall_selected(struct call *call)
{
	__u32 number = call->rule_number == call->number ? SUBCALL_RULES : call->rule_number;
	return is_selected(selection.enter, ABI_I386, number);
}

static __always_inline bool is_multiplexer(__u8 abi, __u32 number)
{
	return abi == ABI_I386 && number == I386_SOCKETCALL;
}

/* Notes what is known of a call when it begins. False if it is not selected after all. */
static __always_inline bool begin_call(struct task_struct *task, struct call *call, __u64 owner, __u8 abi,
				       __u32 number, struct rule **rule, struct pt_regs *regs)
{
	*(volatile bool *)&call->is_known = false;
	call->start_boot_ns = 0;
	call->slot = owner;
	call->epoch = owner >> 32;
	call->number = number;
	call->rule_number = number;
	call->tid = READ(task, pid);
	call->captured = 0;
	call->flags = 0;
	call->abi = abi;
	call->captures = 0;
	call->faults = 0;
	call->retry = 0;
	call->is_over = false;
	call->holds = false;
	read_args(call->args, regs, abi);
	if (is_multiplexer(abi, number)) {
		*rule = rule_of_subcall(call, *rule);
		if (filter_on && !is_subcall_selected(call))
			return false;
	}
	bool is_known = *rule && ((*rule)->flags & RULE_KNOWN);
	call->arg_count = is_known ? (*rule)->args : RECORD_ARGS;
	call->at_exit = *rule && ((*rule)->flags & RULE_CAPTURES_AT_EXIT);
	return true;
}

/* Captures what is to be captured when a call begins. */
static __always_inline void capture_beginning(__u64 key, struct call_place *place, struct rule *rule)
{
	struct call *call = &place->call;
	if (!capture_bytes || !rule || !(rule->flags & RULE_CAPTURES_AT_ENTER))
		return;
	if (capture_path(call, (struct capture *)place->path, rule))
		return;
	if (rule->conditional && !has_captures(call, rule))
		return;
	struct captures *captures = begin_captures(key);
	if (captures) {
		call->holds = true;
		capture_at_enter(call, captures, rule);
	} else {
		call->flags |= RECORD_TRUNCATED;
	}
}

static __always_inline void end_call(__u64 key, struct call *call)
{
	if (call->holds)
		end_captures(key);
	end_place(key);
}

/* The arguments of a socketcall may have been on a page that nobody had touched when it began; the kernel has, since. */
static __noinline int find_subcall_late(struct call *call)
{
	struct rule *rule = rule_of_subcall(call, NULL);
	if (!rule)
		return 0;
	call->arg_count = rule->args;
	call->at_exit = true;
	for (__u32 i = 0; i < RULE_CAPTURES; i++)
		if (i < rule->captures && !rule->capture[i].at_exit)
			call->retry |= 1 << i;
	return 0;
}

static __always_inline struct captures *captures_begun(__u64 key, struct call_place *place)
{
	return place->call.holds ? find_captures(key) : (struct captures *)place->path;
}

/* Writes the record of a call that has begun, and that is over now. */
static __always_inline void finish_call(__u64 key, struct call_place *place, __s64 ret)
{
	struct call *call = &place->call;
	if (!(call->flags & RECORD_KILLED) && !passes_result(ret)) {
		end_call(key, call);
		return;
	}
	if (is_multiplexer(call->abi, call->number) && call->rule_number == call->number)
		find_subcall_late(call);
	struct rule *rule = NULL;
	if ((call->at_exit || call->retry) && !(call->flags & RECORD_KILLED))
		rule = rule_of(call->abi, call->rule_number);
	write_record(current_task(), place, captures_begun(key, place), rule, ret);
	end_call(key, call);
}

/* Writes the record of a call that has begun, and that will never return. Verified once, on its own. */
__noinline int finish_endless_call(__u64 key)
{
	struct call_place *place = find_call(key);
	if (!place)
		return 0;
	write_record(current_task(), place, captures_begun(key, place), NULL, 0);
	end_call(key, &place->call);
	return 0;
}

/* As finish_call, where it need not be fast. */
__noinline int finish_rare_call(__u64 key, __s64 ret)
{
	struct call_place *place = find_call(key);
	if (!place)
		return 0;
	if (place->call.flags & RECORD_NO_ENTER)
		capture_beginning(key, place, rule_of(place->call.abi, place->call.rule_number));
	finish_call(key, place, ret);
	return 0;
}

#define SIGSYS 31
#define SA_IMMUTABLE 0x00800000 /* include/linux/signal_types.h */

/*
 * Whether seccomp has decided that the task dies instead of making this call. The kernel has put the call's number where its result
 * would be (syscall_rollback), and has sent a signal that nobody can catch.
 */
static __always_inline bool is_condemned(struct task_struct *task)
{
	/* Kernels without the flag, before 5.16, let the task die at once: nobody sees such a call. */
	if (!HAS_5_13)
		return false;
	return (task->pending.signal.sig[0] & (1UL << (SIGSYS - 1))) &&
	       (task->sighand->action[SIGSYS - 1].sa.sa_flags & SA_IMMUTABLE);
}

/*
 * A call that was denied by seccomp, or that began before the recording: its enter was not seen. Takes note of it, and is
 * true if it is to be recorded. Its captures are made later, when this function's stack is free again: kernels before 6.10 count
 * at least 32 bytes for each function.
 */
static __noinline bool begin_without_enter(struct pt_regs *regs, __u32 number, __u64 owner, long ret)
{
	struct task_struct *task = current_task();
	__u64 key = key_of_regs(regs);
	/* What is left of an rt_sigreturn, which was recorded when it began. */
	if (number == (__u32)-1)
		return false;
	__u8 abi = abi_of(task, &number);
	if (filter_on && !is_selected(selection.enter, abi, number))
		return false;
	struct rule *rule = rule_of(abi, number);
	if (rule && (rule->flags & RULE_UNSELECTED))
		return false;
	/* A fork's child was never inside; an exec of another kind, or of another ABI, returns under this number on x86. */
	if (rule && (rule->flags & (RULE_FORKS | RULE_EXECS)) && ret == 0)
		return false;
	/* Nothing passed when it began, perhaps; by now it has another name. */
	if ((tests_comm || tests_uid) && rule && (rule->flags & RULE_RENAMES) && ret >= 0)
		return false;
	bool is_killed = is_condemned(task);
	if (is_killed ? !passes_without_result() : !passes_result(ret))
		return false;
	struct call_place *place = begin_place(key);
	if (!place) {
		refuse(owner);
		return false;
	}
	struct call *call = &place->call;
	if (!begin_call(task, call, owner, abi, number, &rule, regs)) {
		end_place(key);
		return false;
	}
	call->flags = RECORD_NO_ENTER | (is_killed ? RECORD_KILLED : 0);
	return true;
}

/* Whether a thread is in a call that is kept elsewhere. One whose end nobody has seen is forgotten, wherever it is. */
static __noinline bool is_in_rare_call(__u64 key, __u8 abi, __u32 number)
{
	struct call_place *place = find_call(key);
	if (!place)
		return false;
	if (is_still(&place->call, abi, number))
		return true;
	end_call(key, &place->call);
	return false;
}

/*
 * Ends the program where it stands. Returning is a jump behind everything that is done for those who are recorded, where the compiler puts
 * the only end: another line and page of code to fetch, for each call of everybody else.
 */
#define end_program() asm volatile("r0 = 0\nexit" ::: "r0")

/* A call returns. */
static __always_inline int leave(struct pt_regs *regs, long ret)
{
	__u32 number = number_of(regs);
	__u32 plain = number;
	__u8 abi = 0;

	/* Nothing was noted when it began, so nothing is to be forgotten. */
	if (only_ends && !passes_result(ret))
		end_program();
	if (filter_on && is_out(number))
		end_program();
	if (filter_on)
		abi = abi_of(current_task(), &plain);
	if (filter_on && !is_selected(selection.exit, abi, plain))
		return 0;
	__u64 key = key_of_regs(regs);
	/* When the recording is over, what was in flight at its end stays so, for the iterator. */
	if (began_unrecorded(key) || !control.recording)
		end_program();
	struct call_place *place = place_of_call(key);
	if (!place)
		return 0;
	if (place->owner == key && is_still(&place->call, abi, plain)) {
		finish_call(key, place, ret);
		return 0;
	}
	if ((place->owner == key || shared.elsewhere) && is_in_rare_call(key, abi, plain))
		return finish_rare_call(key, ret);
	if (!passes_task(current_task()) || !passes_without_duration())
		return 0;
	__u64 owner = owner_of(key, number);
	if (owner == NOBODY)
		return 0;
	return begin_without_enter(regs, number, owner, ret) ? finish_rare_call(key, ret) : 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(record_exit, struct pt_regs *regs, long ret)
{
	return leave(regs, ret);
}

/* The new program replaces the memory that a failed capture would be tried on again. */
static __always_inline void save_exec_path(struct call *call, struct captures *to, struct rule *rule,
					   struct linux_binprm *bprm)
{
	if (!(call->retry & 1) || rule->capture[0].kind != CAPTURE_TEXT)
		return;
	struct capture *capture = begin_capture(call, to, rule->capture[0].arg);
	if (!capture)
		return;
	/* Of an execveat the kernel keeps a name of its own making. */
	long got = capture->arg == 0 ? bpf_probe_read_kernel_str(capture + 1, CAPTURE_BYTES + 1, bprm->filename) : 0;
	if (got <= 0) {
		capture->flags = CAPTURE_FAULT;
	} else {
		capture->bytes = call->length = got - 1;
		if (got > CAPTURE_BYTES)
			capture->flags = CAPTURE_LENGTH_UNKNOWN;
	}
	keep_capture(call, capture, 0);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(record_exec, struct task_struct *unused, int old_pid, struct linux_binprm *bprm)
{
	struct task_struct *task = current_task();
	__u64 key = key_of_task(task);
	struct recorded *recorded = find_recorded(task);
	/* Where the programs stand at other functions, nobody has seen the call. */
	if (!recorded)
		recorded = claim_begun(task);
	if (!recorded)
		return 0;
	recorded->armed = 0;
	struct call_place *place = find_call(key);
	if (!place || !place->call.retry)
		return 0;
	struct call *call = &place->call;
	struct rule *rule = rule_of(call->abi, call->rule_number);
	struct captures *to = call->holds ? find_captures(key) : NULL;
	if (!rule || !to)
		return 0;
	save_exec_path(call, to, rule, bprm);
	for (__u32 i = 1; i < RULE_CAPTURES; i++)
		if (call->retry & (1 << i))
			keep_fault(call, to, rule->capture[i].arg);
	call->retry = 0;
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(note_new_cgroup, struct cgroup *cgroup)
{
	if (!control.claiming || !is_v2(cgroup))
		return 0;
	__u64 id = cgroup->kn->id;
	struct new_cgroup new = { .maker_mntns = mntns_of(current_task()) };
	bpf_map_update_elem(&new_cgroups, &id, &new, 0);
	return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(note_move)
{
	forget_verdicts();
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(record_death)
{
	__u64 key = key_of_task(current_task());
	forget_task(key);
	struct call_place *place = find_call(key);
	if (!place)
		return 0;
	if (!control.recording)
		return 0;
	if (!is_end_seen(&place->call) || !is_inside(&place->call, current_task(), key) || !passes_without_result()) {
		end_call(key, &place->call);
		return 0;
	}
	place->call.flags |= RECORD_KILLED;
	return finish_endless_call(key);
}

/* A call begins. */
static __always_inline int enter(struct pt_regs *regs, __u32 number)
{
	if (filter_on && is_out(number))
		end_program();
	__u64 key = key_of_regs(regs);
	__u64 owner = owner_of(key, number);
	if (owner == NOBODY)
		end_program();
	struct task_struct *task = current_task();
	if (!passes_task(task))
		end_program();
	__u8 abi = abi_of(task, &number);
	if (filter_on && !is_selected(selection.enter, abi, number))
		return 0;
	struct rule *rule = rule_of(abi, number);
	if (rule && (rule->flags & RULE_UNSELECTED))
		return 0;
	if (rule && (rule->flags & RULE_NEVER_RETURNS) && !(passes_without_result() && passes_without_duration()))
		return 0;
	struct call_place *place = begin_place(key);
	if (!place) {
		refuse(owner);
		return 0;
	}
	struct call *call = &place->call;
	if (!begin_call(task, call, owner, abi, number, &rule, regs)) {
		end_place(key);
		return 0;
	}
	capture_beginning(key, place, rule);
	if (rule && (rule->flags & RULE_NEVER_RETURNS)) {
		call->flags |= RECORD_NEVER_RETURNS;
		return finish_endless_call(key);
	}
	/* Late, so that the duration is the call's and not the recorder's. */
	if (durations)
		call->start_boot_ns = bpf_ktime_get_boot_ns();
	/* Last: the iterator may be looking. */
	barrier();
	*(volatile bool *)&call->is_known = true;
	return 0;
}

/*
 * Those who enter come last in the object, since programs are attached in its order: whoever is seen entering is seen leaving.
 */
SEC("?tp_btf/sys_enter")
int BPF_PROG(record_enter, struct pt_regs *regs, long id)
{
	/* The iterator wants to know, though nobody makes a call that is selected. */
	if (!HAS_5_15 && !shared.regs_at)
		learn_place_of_regs(current_task(), key_of_regs(regs));
	return enter(regs, id);
}

#include "bpf/functions.h"

char LICENSE[] SEC("license") = "GPL";
