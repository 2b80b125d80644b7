/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the recorder's eBPF programs and its guest say to each other: rings, records, captures and capture rules.
 *
 * A ring belongs to one container at a time. It has n segments for each possible CPU: CPU c of slot s owns those from
 * (s * CPUs + c) * n on and fills them in turn. A record never crosses a segment; overwriting drops whole segments. All
 * rings are one array, so that neither giving a ring to a container nor finding it costs anything. Sequence numbers go on
 * when a slot gets another owner, who remembers where its own records begin. All numbers are in host order.
 */
#ifndef GIZMO_RECORDER_H
#define GIZMO_RECORDER_H

#include <gizmo/types.h>

/* One map look-up through the host API copies one segment. */
#define SEGMENT_BYTES 65536
#define SEGMENT_HEADER_BYTES 16
#define SEGMENT_DATA_BYTES (SEGMENT_BYTES - SEGMENT_HEADER_BYTES)

struct segment {
	__u32 generation; /* how often the segment was begun anew */
	__u32 committed;  /* bytes of data that hold whole records */
	__u64 first_sequence; /* number of the first record, counted per slot and CPU from 0 */
	__u8 data[SEGMENT_DATA_BYTES];
};

/* ABIs, numbered as in gizmo-syscalls. */
enum abi {
	ABI_X86_64,
	ABI_I386,
	ABI_X32,
	ABI_ARM64,
	ABI_ARM,
	ABI_COUNT,
};

/*
 * Numbers below this have a bit in the selection and a rule; the others are rare and found in a hash. x32 has calls of its
 * own up to 547 (arch/x86/entry/syscalls/syscall_64.tbl).
 */
#define NUMBERS_PER_ABI 576

/*
 * i386's socketcall is recorded as what it is asked to do (SYS_SOCKET to SYS_SENDMMSG of include/uapi/linux/net.h). The
 * operations have bits and rules behind the real numbers; number 0 is for operations that do not exist
 * and arguments that cannot be read.
 */
#define I386_SOCKETCALL 102
#define SUBCALLS 20
#define SUBCALL_RULES 552

enum record_flags {
	RECORD_NO_ENTER = 1,      /* seen only when it returned: no duration, memory as it was then */
	RECORD_NEVER_RETURNS = 2, /* written when the call began */
	RECORD_KILLED = 4,        /* the task died inside the call */
};

/*
 * One call. The header is followed by the arguments, 8 bytes each, then by the captures; bytes is a multiple of 8 and
 * counts everything.
 */
struct record {
	__u16 bytes;
	__u8 flags;
	__u8 abi;
	__u8 args;
	__u8 captures;
	__u16 subcall; /* what a multiplexing call was asked to do; args are those of that operation */
	__u64 start_boot_ns; /* clock that goes on during suspend; with RECORD_NO_ENTER the time of the return */
	__u64 duration_ns;
	__s64 ret;
	__u32 number;
	__u32 pid; /* process, i.e. thread group, as the initial namespace numbers it */
	__u32 tid;
	__u32 reserved2;
	char comm[16];
};

#define RECORD_ARGS 6

enum capture_flags {
	CAPTURE_FAULT = 1,          /* the memory could not be read, neither when the call began nor when it returned */
	CAPTURE_LENGTH_UNKNOWN = 2, /* there is more, nobody knows how much */
};

/* What a pointer pointed to; followed by the bytes, padded to a multiple of 8. */
struct capture {
	__u8 arg;
	__u8 part; /* 0 the data itself, 1 the name in a msghdr; 2 and 3 those of the second message and so on */
	__u8 flags;
	__u8 reserved;
	__u16 bytes;  /* captured */
	__u16 reserved2;
	__u64 length; /* that the memory really has, at least bytes */
};

/* Of one capture. A longer text or buffer is cut, and its real length kept. */
#define CAPTURE_BYTES 256
/* Of all captures of one call: four rules, one of which may be a msghdr with its name. */
#define CAPTURES_BYTES (5 * (CAPTURE_BYTES + 16))
#define RECORD_MAX_BYTES (64 + 8 * RECORD_ARGS + CAPTURES_BYTES)

enum capture_kind {
	CAPTURE_NONE,
	CAPTURE_TEXT,           /* up to a NUL */
	CAPTURE_LENGTH_IN_ARG,  /* as many bytes as argument from says, and size more */
	CAPTURE_LENGTH_IS_RET,  /* as many bytes as the call returned, and size more */
	CAPTURE_LENGTH_MIN_ARG_RET, /* the smaller of both */
	CAPTURE_FIXED,          /* size bytes */
	CAPTURE_LENGTH_POINTED, /* as many bytes as the u32 says that argument from points to */
	CAPTURE_IOVEC,          /* an iovec whose count is argument from */
	CAPTURE_MSGHDR,
	CAPTURE_TEXTS,          /* pointers to texts, up to a NULL */
	CAPTURE_MMSGHDR,        /* msghdrs with lengths, as many as argument 2 says or the call returned */
};

struct capture_rule {
	__u8 arg;
	__u8 kind;
	__u8 from;
	__u8 at_exit;
	__u32 size;
};

#define RULE_CAPTURES 4

enum rule_flags {
	RULE_KNOWN = 1,         /* args is meaningful */
	RULE_NEVER_RETURNS = 2,
	RULE_FORKS = 4,         /* the child, too, leaves by the exit hook: with result 0 and without an enter */
	RULE_EXECS = 8,
	RULE_CAPTURES_AT_ENTER = 16, /* something is to be read when it begins, */
	RULE_CAPTURES_AT_EXIT = 32,  /* or when it returns */
	RULE_UNSELECTED = 64, /* looked at only because it begins containers */
};

/* How to record a system call. */
struct rule {
	__u8 args;
	__u8 flags;
	__u8 captures;
	__u8 reserved[5];
	struct capture_rule capture[RULE_CAPTURES];
};

/* Which calls are recorded: a bit per number below NUMBERS_PER_ABI. */
struct selection {
	/*
	 * Numbers that any ABI may need, at either end. Most calls that are not selected end here, before anybody has asked
	 * in which ABI they were made.
	 */
	__u64 any[NUMBERS_PER_ABI / 64];
	__u64 enter[ABI_COUNT][NUMBERS_PER_ABI / 64];
	/*
	 * What the exit hook lets through: the same, and, where an exec is selected, every number that it may return with: it
	 * may have changed the task's ABI, and x86 then shows the new ABI's execve.
	 */
	__u64 exit[ABI_COUNT][NUMBERS_PER_ABI / 64];
};

/* What the guest switches while the programs run. */
struct control {
	__u32 generation; /* changes with every change of who is recorded */
	__u32 recording;
	__u32 claiming; /* new containers take free slots by themselves */
	__u32 reserved;
};

/* What the programs count. */
struct claims {
	__u64 made;
	__u64 refused; /* containers for which there was no free slot */
};

/* Where a container's recording goes. */
struct recorded {
	__u32 slot;
	__u32 epoch; /* of the slot: a call that ends after its container has lost the slot is not written */
	__u32 armed; /* nothing is recorded before the next execve */
	__u32 reserved;
};

/* The owner of a ring. The guest owns all slots, except those that it has put into the queue of free ones. */
struct slot {
	__u32 epoch; /* the guest counts up when it takes the slot back */
	__u32 claimed; /* by a new container */
	__u64 cgroup_id;
	__u64 mntns_id;
	__u64 claimed_boot_ns;
};

/* Per ring and CPU: what is written next, and what could not be recorded. */
struct cursor {
	__u64 sequence;
	__u32 segment;
	__u32 used;
	__u64 refused; /* records for which there was no room, or no ring */
};

#endif
