// SPDX-License-Identifier: GPL-2.0
/*
 * The floor of benches: what two programs at the system call tracepoints cost that do nothing at all. No recorder that
 * sees every call can be cheaper.
 */
#include <gizmo/kernel.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("tp_btf/sys_exit")
int BPF_PROG(floor_exit)
{
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(floor_enter)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
