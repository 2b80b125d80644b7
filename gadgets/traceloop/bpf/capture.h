/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What pointers point to.
 *
 * The functions below that are not static are verified once, on their own, and not again at each call: the many ways
 * through them would otherwise multiply beyond what the verifier looks at. Before 5.12 such functions take no pointers: those
 * with `old` in their names take the key of a call, and find everything again.
 */
#ifndef TRACELOOP_CAPTURE_H
#define TRACELOOP_CAPTURE_H

#include "maps.h"

/*
 * What is so many bytes behind a place. The limit holds anyway; it is for the verifiers of old kernels, which forget it when the
 * number is put away before it is used.
 */
#define behind(place, distance, most)                                       \
	({                                                                  \
		void *__to = (place);                                       \
		__u64 __by = (distance);                                    \
		asm volatile("if %[by] <= %[limit] goto +1\n"               \
			     "%[by] = 0\n"                                  \
			     "%[to] += %[by]\n"                             \
			     : [to] "+r"(__to), [by] "+r"(__by)             \
			     : [limit] "i"(most));                          \
		__to;                                                       \
	})

/* Where the next capture goes; NULL when there is no room. */
static __always_inline struct capture *next_capture(struct call *call, struct captures *to)
{
	__u64 at = call->captured;
	barrier_var(at);
	if (at > CAPTURES_BYTES - CAPTURE_ROOM)
		return NULL;
	return (void *)to->bytes + at;
}

/* part: the argument, and above it the part of what it points to. */
static __always_inline struct capture *begin_capture(struct call *call, struct captures *to, __u32 part)
{
	struct capture *capture = next_capture(call, to);
	if (!capture) {
		call->flags |= RECORD_TRUNCATED;
		return NULL;
	}
	capture->arg = (part & 0xff) | part >> 8 << CAPTURE_PART_SHIFT;
	capture->flags = 0;
	capture->bytes = 0;
	call->length = 0;
	return capture;
}

/*
 * Keeps a capture, with as much of it as could be read. If not all could and the call is not over, it is not kept and
 * the error is returned: a page that is not resident may be when the call returns, since the kernel will have read it.
 */
static __always_inline long keep_capture(struct call *call, struct capture *capture, long error)
{
	if (error) {
		if (!call->is_over)
			return 1;
		capture->flags |= CAPTURE_FAULT;
		call->faults++;
	}
	__u64 bytes = capture->bytes;
	barrier_var(bytes);
	if (bytes > CAPTURE_BYTES)
		bytes = CAPTURE_BYTES;
	__u64 whole = sizeof(*capture) + ((bytes + 3) & ~3UL);
	if (!capture->flags && call->length != bytes) {
		capture->flags = CAPTURE_CUT;
		*(__u64 *)((void *)capture + whole) = call->length;
		whole += sizeof(__u64);
	}
	call->captured += whole;
	call->captures++;
	return 0;
}

static __always_inline __u32 at_most(__u64 length, __u32 limit)
{
	return length < limit ? length : limit;
}

/* Bytes with the NUL. Kernels before 6.13 say 0 of an empty text, and not 1 (strncpy_from_user_nofault in mm/maccess.c). */
static __always_inline long read_text(void *to, __u32 room, const void *from)
{
	long got = bpf_probe_read_user_str(to, room, from);
	return got ? got : 1;
}

static __always_inline long capture_text(struct call *call, struct capture *capture, const void *from)
{
	char *to = (char *)(capture + 1);
	long got = read_text(to, CAPTURE_BYTES + 1, from);
	if (got < 0)
		return got;
	capture->bytes = call->length = got - 1;
	if (got <= CAPTURE_BYTES)
		return 0;
	/* Cut, or just as long as there is room: measure the rest behind the captured part. */
	char *rest = to + CAPTURE_BYTES;
	for (int step = 0; step < TEXT_STEPS; step++) {
		got = read_text(rest, CAPTURE_BYTES + 1, from + call->length);
		if (got < 0)
			break;
		call->length += got - 1;
		if (got <= CAPTURE_BYTES)
			return 0;
	}
	capture->flags |= CAPTURE_LENGTH_UNKNOWN;
	return 0;
}

static __always_inline long capture_bytes_of(struct call *call, struct capture *capture, const void *from, __u64 length,
					     __u32 limit)
{
	__u64 bytes = at_most(length, limit);
	call->length = length;
	/* Which limit it was is forgotten by then. */
	barrier_var(bytes);
	if (bytes > CAPTURE_BYTES)
		bytes = CAPTURE_BYTES;
	if (!bytes)
		return 0;
	long error = bpf_probe_read_user(capture + 1, bytes, from);
	if (!error)
		capture->bytes = bytes;
	return error;
}

static __always_inline long capture_buffer(struct call *call, struct capture *capture, const void *from, __u64 length)
{
	return capture_bytes_of(call, capture, from, length, capture_bytes);
}

/* So many bytes of a buffer, of which the beginning is captured; or so many elements, of which there is as much as there is room. */
static __always_inline long capture_counted(struct call *call, struct capture *capture, const void *from, __u64 count,
					    struct capture_rule *how)
{
	if (how->each)
		return capture_bytes_of(call, capture, from, count * how->each, CAPTURE_BYTES);
	return capture_buffer(call, capture, from, count + how->size);
}

/* Structures with pointers have another layout in tasks whose pointers have 32 bits. */
static __always_inline bool is_narrow(struct call *call)
{
	return call->abi == ABI_I386 || call->abi == ABI_X32 || call->abi == ABI_ARM;
}

struct user_iovec {
	__u64 base;
	__u64 length;
};

struct narrow_iovec {
	__u32 base;
	__u32 length;
};

struct user_msghdr {
	__u64 name;
	__u32 name_bytes;
	__u32 padding;
	__u64 iov;
	__u64 iovs;
	__u64 control;
	__u64 control_bytes;
	__u32 flags;
	__u32 padding2;
};

struct narrow_msghdr {
	__u32 name;
	__u32 name_bytes;
	__u32 iov;
	__u32 iovs;
	__u32 control;
	__u32 control_bytes;
	__u32 flags;
};

/* struct mmsghdr is a msghdr and the length of the message. */
struct user_mmsghdr {
	struct user_msghdr header;
	__u32 length;
	__u32 padding;
};

struct narrow_mmsghdr {
	struct narrow_msghdr header;
	__u32 length;
};

/*
 * What captures are found with. All frames of a chain of functions share 512 bytes of stack, of which kernels before 6.10
 * take 32 for each at least, so this is behind the captures: there is nothing else while vectors are captured.
 */
struct scratch {
	struct user_msghdr msg;
	struct user_iovec iov[IOVECS];
};
_Static_assert(sizeof(struct scratch) <= CAPTURES_SLACK, "it is behind the captures");

static __always_inline struct scratch *scratch_of(struct captures *to)
{
	return (void *)(to->bytes + CAPTURES_BYTES);
}

/*
 * Appends one vector to the capture at `to`, of which `used` bytes are filled; returns the new number, or -1. A function
 * of its own, since the verifier then looks at one vector and not at all combinations of them.
 */
__noinline int capture_vector(struct call *call, struct captures *to, __u32 used, __u64 from, __u64 bytes)
{
	if (!call || !to)
		return -1;
	struct capture *capture = next_capture(call, to);
	__u64 filled = used;
	barrier_var(filled);
	if (!capture)
		return -1;
	if (filled >= capture_bytes || !bytes)
		return used;
	__u64 part = capture_bytes - filled;
	if (part > bytes)
		part = bytes;
	barrier_var(part);
	if (!part || part > CAPTURE_BYTES)
		return used;
	if (bpf_probe_read_user((void *)(capture + 1) + filled, part, (void *)from))
		return -1;
	return filled + part;
}

static __always_inline long read_iovecs(struct user_iovec *iov, __u32 vectors, __u64 from, bool narrow)
{
	if (!narrow)
		return bpf_probe_read_user(iov, vectors * sizeof(*iov), (void *)from);
	struct narrow_iovec *narrow_iov = (void *)iov;
	if (bpf_probe_read_user(narrow_iov, vectors * sizeof(*narrow_iov), (void *)from))
		return -1;
	/* In place, from the end. */
	for (int i = IOVECS - 1; i >= 0; i--) {
		struct narrow_iovec one = narrow_iov[i];
		iov[i].base = one.base;
		iov[i].length = one.length;
	}
	return 0;
}

static __always_inline __u64 key_of_call(struct call *call)
{
	return ((struct call_place *)((void *)call - offsetof(struct call_place, call)))->owner;
}

static __always_inline int make_iovec(struct call *call, struct captures *to, __u64 from, __u64 count, __u64 limit)
{
	struct user_iovec *iov = scratch_of(to)->iov;
	struct capture *capture = next_capture(call, to);
	if (!capture)
		return -1;
	__u32 vectors = at_most(count, IOVECS);
	if (vectors && read_iovecs(iov, vectors, from, is_narrow(call)))
		return -1;
	__u64 length = 0;
	for (__u32 i = 0; i < IOVECS; i++) {
		if (i >= vectors)
			break;
		__u64 bytes = iov[i].length;
		if (length + bytes > limit)
			bytes = limit - length;
		length += bytes;
		int used = capture_vector(call, to, capture->bytes, iov[i].base, bytes);
		if (used < 0)
			return -1;
		capture->bytes = used;
	}
	call->length = length;
	if (count > IOVECS) {
		if (limit == (__u64)-1)
			capture->flags |= CAPTURE_LENGTH_UNKNOWN;
		else
			call->length = limit;
	}
	return 0;
}

__noinline int capture_iovec_new(struct call *call, struct captures *to, __u64 from, __u64 count, __u64 limit)
{
	return call && to ? make_iovec(call, to, from, count, limit) : -1;
}

__noinline int capture_iovec_old(__u64 key, __u64 from, __u64 count, __u64 limit);

/*
 * The beginning of what the vectors hold, as one capture that was begun and is not kept yet; limit is the number of bytes
 * that a call put into them, or -1.
 */
static __always_inline int capture_iovec(struct call *call, struct captures *to, __u64 from, __u64 count, __u64 limit)
{
	return HAS_5_13 ? capture_iovec_new(call, to, from, count, limit) :
			  capture_iovec_old(key_of_call(call), from, count, limit);
}

__noinline int capture_texts(struct call *call, struct captures *to, __u64 from)
{
	if (!call || !to)
		return -1;
	struct capture *capture = next_capture(call, to);
	if (!capture)
		return -1;
	__u32 step = is_narrow(call) ? sizeof(__u32) : sizeof(__u64);
	__u64 used = 0;
	/* One pointer more than is followed, to know whether it is the end. */
	for (int i = 0; i <= TEXTS; i++) {
		__u64 text = 0;
		/* The lower half comes first: all of these machines are little endian. */
		if (bpf_probe_read_user(&text, step, (void *)(from + i * step)))
			return -1;
		if (!text) {
			capture->bytes = at_most(used, CAPTURE_BYTES);
			call->length = used;
			return 0;
		}
		if (i == TEXTS || used >= CAPTURE_BYTES)
			break;
		/* One byte more than is kept, so that a text that is cut does not end in a NUL. */
		__u64 room = CAPTURE_BYTES + 1 - used;
		long got = read_text((void *)(capture + 1) + used, room, (void *)text);
		if (got < 0)
			return -1;
		/* Through memory, or the verifier follows every sum of lengths. */
		call->length = used + got;
		used = *(volatile __u64 *)&call->length;
	}
	if (used > CAPTURE_BYTES)
		used = CAPTURE_BYTES;
	capture->bytes = call->length = used;
	capture->flags |= CAPTURE_LENGTH_UNKNOWN;
	return 0;
}

static __always_inline long read_msghdr(struct user_msghdr *to, __u64 from, bool narrow)
{
	if (!narrow)
		return bpf_probe_read_user(to, sizeof(*to), (void *)from);
	struct narrow_msghdr *in_place = (void *)to;
	if (bpf_probe_read_user(in_place, sizeof(*in_place), (void *)from))
		return -1;
	struct narrow_msghdr msg = *in_place;
	to->name = msg.name;
	to->name_bytes = msg.name_bytes;
	to->iov = msg.iov;
	to->iovs = msg.iovs;
	return 0;
}

static __always_inline int make_message(struct call *call, struct captures *to, __u64 from, __u32 part, __u64 limit)
{
	struct user_msghdr *msg = &scratch_of(to)->msg;
	long error = read_msghdr(msg, from, is_narrow(call));
	if (!error && msg->name && msg->name_bytes) {
		struct capture *name = begin_capture(call, to, part + (1 << 8));
		if (!name)
			return 0;
		if (keep_capture(call, name, capture_buffer(call, name, (void *)msg->name, msg->name_bytes)))
			return -1;
	}
	struct capture *data = begin_capture(call, to, part);
	if (!data)
		return 0;
	if (!error)
		error = capture_iovec(call, to, msg->iov, msg->iovs, limit);
	return keep_capture(call, data, error);
}

__noinline int capture_message_new(struct call *call, struct captures *to, __u64 from, __u32 part, __u64 limit)
{
	return call && to ? make_message(call, to, from, part, limit) : -1;
}

__noinline int capture_message_old(__u64 key, __u64 from, __u32 part, __u64 limit);

/* The name is a capture of its own, of the next part, before that of the data. */
static __always_inline int capture_message(struct call *call, struct captures *to, __u64 from, __u32 part, __u64 limit)
{
	return HAS_5_13 ? capture_message_new(call, to, from, part, limit) :
			  capture_message_old(key_of_call(call), from, part, limit);
}

/* One message after another, two parts each; of those that were received as much as their headers say. */
static __always_inline long capture_messages(struct call *call, struct captures *to, __u64 from, __u32 arg,
					     __u64 received)
{
	bool narrow = is_narrow(call);
	__u64 step = narrow ? sizeof(struct narrow_mmsghdr) : sizeof(struct user_mmsghdr);
	__u64 behind = narrow ? sizeof(struct narrow_msghdr) : sizeof(struct user_msghdr);
	bool is_received = received != (__u64)-1;
	__u64 count = is_received ? received : (__u32)call->args[2];
	for (__u32 i = 0; i < MESSAGES; i++) {
		__u32 length = 0;
		if (i >= count)
			break;
		if (is_received && bpf_probe_read_user(&length, sizeof(length), (void *)(from + behind)))
			return -1;
		if (capture_message(call, to, from, arg | 2 * i << 8, is_received ? length : -1))
			return -1;
		from += step;
	}
	return 0;
}

static __always_inline int make_capture(struct call *call, struct captures *to, struct rule *rule, __u32 i)
{
	struct capture_rule *how =
		behind(rule->capture, i * sizeof(*how), (RULE_CAPTURES - 1) * sizeof(struct capture_rule));
	__u32 arg = how->arg;
	__u32 other = how->from;
	if (arg >= RECORD_ARGS || other >= RECORD_ARGS)
		return 0;
	__u64 from = call->args[arg];
	if (!from)
		return 0;
	__s64 ret = call->ret;
	__u64 filled = how->at_exit ? ret : -1;
	if (how->kind == CAPTURE_MSGHDR)
		return capture_message(call, to, from, arg, filled);
	if (how->kind == CAPTURE_MMSGHDR)
		return capture_messages(call, to, from, arg, filled);
	struct capture *capture = begin_capture(call, to, arg);
	if (!capture)
		return 0;
	long error = 0;
	__u32 pointed = 0;
	switch (how->kind) {
	case CAPTURE_TEXT:
		error = capture_text(call, capture, (void *)from);
		break;
	case CAPTURE_LENGTH_IN_ARG:
		/* A negative length is one that the kernel refuses. */
		if ((__s64)call->args[other] < 0)
			return 0;
		error = capture_counted(call, capture, (void *)from, call->args[other], how);
		break;
	case CAPTURE_LENGTH_IS_RET:
		error = capture_counted(call, capture, (void *)from, ret, how);
		break;
	case CAPTURE_LENGTH_MIN_ARG_RET:
		error = capture_counted(call, capture, (void *)from,
					call->args[other] < (__u64)ret ? call->args[other] : (__u64)ret, how);
		break;
	case CAPTURE_FIXED:
		error = capture_bytes_of(call, capture, (void *)from, how->size, CAPTURE_BYTES);
		break;
	case CAPTURE_LENGTH_POINTED:
		if (!call->args[other])
			return 0;
		error = bpf_probe_read_user(&pointed, sizeof(pointed), (void *)call->args[other]);
		if (!error)
			error = capture_buffer(call, capture, (void *)from, at_most(pointed, call->room));
		/* The kernel says how long the address is, not how much of it there was room for. */
		call->length = pointed;
		break;
	case CAPTURE_IOVEC:
		error = capture_iovec(call, to, from, call->args[other], filled);
		break;
	case CAPTURE_TEXTS:
		error = capture_texts(call, to, from);
		break;
	default:
		return 0;
	}
	return keep_capture(call, capture, error);
}

__noinline int capture_one_new(struct call *call, struct captures *to, struct rule *rule, __u32 i)
{
	return call && to && rule ? make_capture(call, to, rule, i) : 0;
}

__noinline int capture_one_old(__u64 key, __u32 i);

/* Makes the capture of one rule; not 0 when it is to be tried again when the call returns. */
static __always_inline int capture_one(struct call *call, struct captures *to, struct rule *rule, __u32 i)
{
	return HAS_5_13 ? capture_one_new(call, to, rule, i) : capture_one_old(key_of_call(call), i);
}

/* A capture with nothing in it, which says that an argument's memory could not be read. */
static __always_inline void keep_fault(struct call *call, struct captures *to, __u8 arg)
{
	struct capture *capture = begin_capture(call, to, arg);
	if (!capture)
		return;
	capture->flags = CAPTURE_FAULT;
	call->faults++;
	keep_capture(call, capture, 0);
}

/* Whether the rule holds for this call: what an argument points to may depend on another. */
static __always_inline bool is_meant(struct call *call, struct capture_rule *how)
{
	__u64 only = how->only;
	__u32 by = how->by;
	if (!only)
		return true;
	if (by >= RECORD_ARGS)
		return false;
	__u64 value = (__u32)call->args[by] & how->mask;
	return value < 64 && only >> value & 1;
}

/* Whether anything is to be captured when a call begins: of many that might have something to capture, most have not. */
static __always_inline bool has_captures(struct call *call, struct rule *rule)
{
	for (__u32 i = 0; i < RULE_CAPTURES; i++) {
		struct capture_rule *how = &rule->capture[i];
		if (i >= rule->captures)
			break;
		if (how->arg < RECORD_ARGS && call->args[how->arg] && is_meant(call, how))
			return true;
	}
	return false;
}

__noinline int capture_at_enter(struct call *call, struct captures *to, struct rule *rule)
{
	if (!call || !to || !rule)
		return 0;
	for (__u32 i = 0; i < RULE_CAPTURES; i++) {
		if (i >= rule->captures)
			break;
		struct capture_rule *how = &rule->capture[i];
		if (how->kind == CAPTURE_LENGTH_POINTED && how->from < RECORD_ARGS) {
			if (bpf_probe_read_user(&call->room, sizeof(call->room), (void *)call->args[how->from]))
				call->room = CAPTURE_BYTES;
		}
		if (how->at_exit || !is_meant(call, how))
			continue;
		__u32 captured = call->captured;
		__u8 captures = call->captures;
		if (capture_one(call, to, rule, i)) {
			call->retry |= 1 << i;
			call->captured = captured;
			call->captures = captures;
		}
	}
	return 0;
}

__noinline int capture_at_exit(struct call *call, struct captures *to, struct rule *rule, __s64 ret)
{
	if (!call || !to || !rule)
		return 0;
	call->is_over = true;
	call->ret = ret;
	for (__u32 i = 0; i < RULE_CAPTURES; i++) {
		if (i >= rule->captures)
			break;
		bool again = call->retry & (1 << i);
		/* A call that failed has filled nothing. */
		bool filled = rule->capture[i].at_exit && ret >= 0 && is_meant(call, &rule->capture[i]);
		if (again || filled)
			capture_one(call, to, rule, i);
	}
	return 0;
}

/*
 * What most calls have, one path or one buffer, without the functions above: on machines whose returns are slow, two calls
 * cost as much as a third of a record. False if it must be done the long way.
 */
static __always_inline bool capture_path(struct call *call, struct capture *capture, struct rule *rule)
{
	struct capture_rule *how = &rule->capture[0];
	if (rule->captures != 1 || how->kind != CAPTURE_TEXT || how->at_exit || how->arg >= RECORD_ARGS)
		return false;
	long got = bpf_probe_read_user_str(capture + 1, CAPTURE_BYTES + 1, (void *)call->args[how->arg]);
	if (got <= 0 || got > CAPTURE_BYTES)
		return false;
	capture->arg = how->arg;
	capture->flags = 0;
	capture->bytes = got - 1;
	call->captured = sizeof(*capture) + (((__u32)got - 1 + 3) & ~3U);
	call->captures = 1;
	return true;
}

static __always_inline bool capture_result(struct call *call, struct captures *to, struct rule *rule, __s64 ret)
{
	struct capture_rule *how = &rule->capture[0];
	if (rule->captures != 1 || how->kind != CAPTURE_LENGTH_IS_RET || how->size || how->each || how->arg >= RECORD_ARGS)
		return false;
	/* A call that failed has filled nothing. */
	if (ret < 0)
		return true;
	__u64 from = call->args[how->arg];
	struct capture *capture = (void *)to->bytes;
	if (!from || ret > capture_bytes)
		return false;
	/* Tested in the register that is used: before 6.2 or so a copy that was put away does not learn of it. */
	__u64 bytes = ret;
	asm volatile("%0 &= 511" : "+r"(bytes));
	if (bpf_probe_read_user(capture + 1, bytes, (void *)from))
		return false;
	capture->arg = how->arg;
	capture->flags = 0;
	capture->bytes = bytes;
	call->captured = sizeof(*capture) + ((bytes + 3) & ~3U);
	call->captures = 1;
	return true;
}

#endif
