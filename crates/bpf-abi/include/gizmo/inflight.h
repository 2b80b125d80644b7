/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* A call that has not returned, as traceloop's iterator program tells its guest. All numbers are in host order. */
#ifndef GIZMO_INFLIGHT_H
#define GIZMO_INFLIGHT_H

#include <gizmo/recorder.h>

enum in_flight_flags {
	/* Its beginning was not seen: since_boot_ns is that of the thread. */
	IN_FLIGHT_BEGUN_BEFORE = 1,
	/* They lie in memory that was not read. */
	IN_FLIGHT_ARGS_UNKNOWN = 2,
};

/* Followed by the captures, as in a record; bytes counts everything and is a multiple of 8. */
struct in_flight {
	__u16 bytes;
	__u8 flags;
	__u8 abi;
	__u8 args;
	__u8 captures;
	__u16 subcall; /* as in a record */
	__u32 number;
	__u32 slot; /* whose call it is */
	__u64 now_boot_ns; /* when it was looked at */
	__u64 since_boot_ns; /* when it began */
	__u32 pid; /* as the initial namespace numbers it, like the next */
	__u32 tid;
	__u32 cpu; /* on which the thread was last */
	__u32 uid; /* real */
	char comm[16];
	__u64 values[RECORD_ARGS];
};

#endif
