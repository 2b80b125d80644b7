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
	RECORD_LARGE = 8,         /* followed by struct large */
	RECORD_SUBCALL = 16,      /* of I386_SOCKETCALL; number is SUBCALL_RULES + what it was asked to do */
	RECORD_TRUNCATED = 32,    /* there was no room for everything that its pointers pointed to */
	RECORD_NOTE = 128,        /* no call: struct thread_note or struct loss_note */
};

/*
 * One call. What follows, in this order: struct large if there is one; the values, i.e. the result and the arguments; the
 * captures; bytes up to a multiple of 8. Process and name of the thread are said by the last thread_note of this tid in
 * front of it in the same segment.
 */
struct record {
	__u16 bytes; /* of everything */
	__u8 flags;
	__u8 shape; /* ABI in the lower half, number of arguments in the upper */
	__u16 number;
	__u8 captures;
	/* A bit for each value: it has 8 bytes. The others have 4: the sign of a result is extended, an argument's is not. */
	__u8 wide;
	__u32 tid; /* as the initial namespace numbers it, like pid */
	__u32 duration_ns;
	/* Of the clock that goes on during suspend. With RECORD_NO_ENTER, and without durations, the time of the return. */
	__u64 start_boot_ns;
};

#define RECORD_ARGS 6
#define RECORD_VALUES (1 + RECORD_ARGS)

/* Upper halves of what seldom needs them. */
struct large {
	__u32 duration_ns;
	__u32 number; /* upper 16 bits of it */
};

enum note_kind {
	NOTE_THREAD = 1,
	NOTE_LOSS = 2,
};

/* Whose records with this tid are from here on. In a segment in front of the first of each thread, and when they change. */
struct thread_note {
	__u16 bytes;
	__u8 flags; /* RECORD_NOTE */
	__u8 kind;
	__u32 tid;
	__u32 pid; /* process, i.e. thread group */
	__u32 uid; /* real, as the initial namespace numbers it */
	char comm[16];
	__u64 born_boot_ns; /* when the process was made */
	__u32 parent; /* process, at the time of this note */
	__u32 vforked; /* the parent waits, at the time of this note */
};

/* So many calls could not be recorded since the record in front. */
struct loss_note {
	__u16 bytes;
	__u8 flags; /* RECORD_NOTE */
	__u8 kind;
	__u32 reserved;
	__u64 refused;
	__u64 boot_ns; /* of the first record behind it */
};

enum capture_flags {
	CAPTURE_FAULT = 1,          /* the memory could not be read, neither when the call began nor when it returned */
	CAPTURE_LENGTH_UNKNOWN = 2, /* there is more, nobody knows how much */
	CAPTURE_CUT = 4,            /* the bytes are followed by a __u64: how many the memory really has */
};

/* What a pointer pointed to; followed by the bytes, padded to a multiple of 4. */
struct capture {
	/* Lower 3 bits. Above them the part: 0 the data itself, 1 the name in a msghdr; 2 and 3 those of the second message. */
	__u8 arg;
	__u8 flags;
	__u16 bytes; /* captured */
};

#define CAPTURE_PART_SHIFT 3

/* Of one capture at most. A longer text or buffer is cut, and its real length kept. */
#define CAPTURE_BYTES 256
/* Of one capture, its header and length included. */
#define CAPTURE_ROOM (CAPTURE_BYTES + 16)
/* Of all captures of one call: four rules, one of which may be a msghdr with its name. */
#define CAPTURES_BYTES (5 * CAPTURE_ROOM)
/* Of a record in front of its captures, and with them. */
#define RECORD_HEAD_MAX_BYTES (24 + 8 + 8 * RECORD_VALUES)
#define RECORD_MAX_BYTES (RECORD_HEAD_MAX_BYTES + CAPTURES_BYTES)

enum capture_kind {
	CAPTURE_NONE,
	CAPTURE_TEXT,           /* up to a NUL */
	CAPTURE_LENGTH_IN_ARG,  /* as many bytes as argument from says, and size more; or as many elements */
	CAPTURE_LENGTH_IS_RET,  /* as many bytes as the call returned, and size more; or as many elements */
	CAPTURE_LENGTH_MIN_ARG_RET, /* the smaller of both, bytes or elements */
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
	__u16 size;
	__u16 each; /* bytes of an element, if a length is a number of elements; 0 of a buffer */
	/* If this is not 0, only where the argument by, and mask, is a number below 64 whose bit is set here. */
	__u64 only;
	__u32 mask;
	__u8 by;
	__u8 reserved[3];
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
	RULE_RENAMES = 128,   /* the thread may have another name or user when it returns */
};

/* How to record a system call. */
struct rule {
	__u8 args;
	__u8 flags;
	__u8 captures;
	__u8 conditional; /* some of them are not for every call */
	__u8 reserved[4];
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
	/* Whether a number that has neither a bit nor an entry in the hash is selected. */
	__u32 others;
	__u32 reserved;
};

/* Alternatives of each test. */
#define TEST_VALUES 4

/* Both ends included. */
struct test_range {
	__s64 least;
	__s64 most;
};

/* The first bytes of a thread's name, its NUL included if nothing may follow; the mask has a bit for each of them. */
struct test_name {
	__u64 value[2];
	__u64 mask[2];
};

/*
 * What must hold of a call besides its number. Which of these tests are made is said by constants; each is passed by one of
 * its values. Values that are not needed repeat others.
 */
struct tests {
	struct test_range result[TEST_VALUES];
	struct test_range duration[TEST_VALUES]; /* ns */
	struct test_range pid[TEST_VALUES]; /* as the initial namespace numbers it, like the next two */
	struct test_range tid[TEST_VALUES];
	struct test_range uid[TEST_VALUES]; /* real */
	struct test_name comm[TEST_VALUES];
	__u32 needs_result; /* a call that has none does not pass */
	__u32 needs_duration;
	__u32 excludes_comm; /* only other names pass */
	__u32 reserved;
};

/* What the guest switches while the programs run. */
struct control {
	__u32 generation; /* changes with every change of who is recorded */
	__u32 recording;
	__u32 claiming; /* new containers take free slots by themselves */
	__u32 by_mntns; /* some are recorded by their mount namespaces */
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

/* Of durations; which one is said in gizmo-syscalls' latency.rs. */
#define STATS_BUCKETS 312
/* Errors up to 133 have places by their numbers; the kernel's own, from 512 on, follow; the first place is for others. */
#define STATS_ERRORS 160
#define STATS_KERNEL_ERRORS 134
#define KERNEL_ERRORS 512
/* Kinds of calls, of all containers together, that are counted at most. */
#define STATS_ENTRIES 4096

/* What is counted together: the calls of one kind that go into one ring. */
struct stats_key {
	__u64 owner; /* slot, and above it the slot's epoch */
	__u32 number; /* as in a record; of an operation of I386_SOCKETCALL with SUBCALL_RULES */
	__u32 abi;
};

struct call_stats {
	struct stats_key key;
	__u64 calls;
	__u64 timed; /* of which it is known how long they took */
	__u64 total_ns;
	__u64 max_ns;
	__u64 durations[STATS_BUCKETS];
	__u64 errors[STATS_ERRORS];
};

/* Per ring and CPU: what is written next, and what could not be. */
struct cursor {
	__u64 sequence;  /* of the next record; notes are not counted */
	__u64 turn;      /* segments begun after the first; one more before anything of a segment is overwritten */
	__u32 segment;   /* that is written, counted within the part */
	__u32 used;      /* bytes of its data */
	__u64 refused;   /* calls for which there was no room, or no memory */
	__u64 noted;     /* of those, the ones that a loss_note tells */
	__u64 truncated; /* records without all of what their pointers pointed to */
	__u64 failed;    /* captures of memory that could not be read */
	__u32 busy;      /* somebody writes; asked only where programs can be preempted */
	__u32 reserved;
};

#endif
