// SPDX-License-Identifier: GPL-2.0
/*
 * traceloop: a flight recorder for system calls.
 *
 * Of each selected call of a recorded container one self-contained record is written, when the call returns, into the
 * container's ring. Nothing wakes user space; the guest reads the rings when somebody asks.
 *
 * The order of the tests is the cost of the recorder for those who are not recorded: first whether the call is
 * selected (a bit), then whether the task is recorded (one look-up in the task's own storage).
 *
 * bpf/maps.h: what is known; bpf/which.h: which call; bpf/who.h: whose; bpf/capture.h: what pointers point to;
 * bpf/ring.h: records and where they go.
 */
#include "bpf/ring.h"

/*
 * Finds the call behind the call: i386 has calls for all of the sockets' operations, and before those had one for all,
 * which most programs still use. Its arguments lie in memory.
 */
static __always_inline struct rule *rule_of_subcall(struct call *call, struct rule *rule)
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
static __always_inline bool begin_call(struct task_struct *task, struct task_state *state, __u32 slot, __u8 abi,
				       __u32 number, struct rule **rule, struct pt_regs *regs)
{
	struct call *call = &state->call;
	call->slot = slot;
	call->epoch = state->who.epoch;
	call->number = number;
	call->rule_number = number;
	call->tid = READ(task, pid);
	call->captured = 0;
	call->flags = 0;
	call->abi = abi;
	call->captures = 0;
	call->retry = 0;
	call->is_over = false;
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

static __always_inline struct captures *captures_of(struct task_struct *task, struct rule *rule)
{
	if (!rule || !(rule->flags & RULE_CAPTURES_AT_ENTER))
		return NULL;
	return captures_of_task(task, true);
}

/* A call that was denied by seccomp, or that began before the recording: its enter was not seen. */
static __noinline int record_without_enter(struct task_state *state, struct pt_regs *regs, __u32 number, long ret)
{
	struct task_struct *task = current_task();
	if (!state || !regs)
		return 0;
	/* What is left of an rt_sigreturn, which was recorded when it began. */
	if (number == (__u32)-1)
		return 0;
	__u8 abi = abi_of(task, &number);
	if (filter_on && !is_selected(selection.enter, abi, number))
		return 0;
	__u32 slot = slot_of(task, &state->who, abi, number);
	if (slot == NOT_RECORDED)
		return 0;
	struct rule *rule = rule_of(abi, number);
	if (rule && (rule->flags & RULE_UNSELECTED))
		return 0;
	/* A fork's child was never inside; an exec of another kind, or of another ABI, returns under this number on x86. */
	if (rule && (rule->flags & (RULE_FORKS | RULE_EXECS)) && ret == 0)
		return 0;
	struct call *call = &state->call;
	if (!begin_call(task, state, slot, abi, number, &rule, regs))
		return 0;
	call->flags = RECORD_NO_ENTER;
	call->start_boot_ns = bpf_ktime_get_boot_ns();
	struct captures *captures = captures_of(task, rule);
	if (captures)
		capture_at_enter(call, captures, rule);
	write_record(task, call, captures, rule, ret);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(record_exit, struct pt_regs *regs, long ret)
{
	__u32 number = number_at_exit(regs);
	__u32 plain = number;

	if (filter_on && is_out(number))
		return 0;
	struct task_struct *task = current_task();
	if (filter_on && !is_selected(selection.exit, abi_of(task, &plain), plain))
		return 0;
	struct task_state *state = state_of(task, true);
	if (!state)
		return 0;
	if (!state->in_call) {
		/* The cheap way out for the tasks of everybody else. */
		if (state->who.generation == control.generation && state->who.slot == NOT_RECORDED)
			return 0;
		return record_without_enter(state, regs, number, ret);
	}
	state->in_call = false;
	struct call *call = &state->call;
	struct captures *begun = NULL;
	if (call->captured)
		begun = captures_of_task(task, false);
	struct rule *rule = NULL;
	if (call->at_exit || call->retry)
		rule = rule_of(call->abi, call->rule_number);
	write_record(task, call, begun, rule, ret);
	return 0;
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
		capture->bytes = capture->length = got - 1;
		if (got > CAPTURE_BYTES)
			capture->flags = CAPTURE_LENGTH_UNKNOWN;
	}
	keep_capture(call, capture, 0);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(record_exec, struct task_struct *unused, int old_pid, struct linux_binprm *bprm)
{
	struct task_struct *task = current_task();
	struct recorded *recorded = find_recorded(task);
	if (!recorded)
		return 0;
	recorded->armed = 0;
	struct task_state *state = state_of(task, false);
	if (!state || !state->in_call || !state->call.retry)
		return 0;
	struct call *call = &state->call;
	struct rule *rule = rule_of(call->abi, call->rule_number);
	struct captures *to = captures_of(task, rule);
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

static __always_inline void record_call_of_dead(struct task_struct *task)
{
	struct task_state *state = state_of(task, false);
	if (!state || !state->in_call)
		return;
	state->in_call = false;
	struct call *call = &state->call;
	struct captures *begun = call->captured ? captures_of_task(task, false) : NULL;
	call->flags = RECORD_KILLED;
	write_record(task, call, begun, NULL, 0);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(record_death)
{
	struct task_struct *task = current_task();
	record_call_of_dead(task);
	forget(task);
	return 0;
}

/*
 * Last in the object, since programs are attached in the object's order: whoever is seen entering is seen leaving.
 */
SEC("tp_btf/sys_enter")
int BPF_PROG(record_enter, struct pt_regs *regs, long id)
{
	__u32 number = id;

	if (filter_on && is_out(number))
		return 0;
	struct task_struct *task = current_task();
	__u8 abi = abi_of(task, &number);
	if (filter_on && !is_selected(selection.enter, abi, number))
		return 0;
	struct task_state *state = state_of(task, true);
	if (!state)
		return 0;
	__u32 slot = slot_of(task, &state->who, abi, number);
	if (slot == NOT_RECORDED)
		return 0;
	struct rule *rule = rule_of(abi, number);
	if (rule && (rule->flags & RULE_UNSELECTED))
		return 0;
	struct call *call = &state->call;
	if (!begin_call(task, state, slot, abi, number, &rule, regs))
		return 0;
	struct captures *captures = captures_of(task, rule);
	if (captures) {
		capture_at_enter(call, captures, rule);
	} else if (rule && (rule->flags & RULE_CAPTURES_AT_ENTER)) {
		refuse(slot);
		/* Nothing is written of it when it returns. */
		call->slot = NOT_RECORDED;
	}
	bool returns = !rule || !(rule->flags & RULE_NEVER_RETURNS);
	state->in_call = returns;
	/* Last, so that the duration is the call's and not the recorder's. */
	call->start_boot_ns = bpf_ktime_get_boot_ns();
	if (!returns) {
		call->flags = RECORD_NEVER_RETURNS;
		write_record(task, call, captures, NULL, 0);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
