// SPDX-License-Identifier: GPL-2.0
/*
 * Which containers begin and end, told to user space, and put into the container filter of a gadget before their first
 * instruction. No system call costs more for it: it looks at new cgroups, at programs that are executed, and at cgroups
 * that become empty.
 */
#include <gizmo/starts.h>

#include <bpf/bpf_tracing.h>

#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_LRU_HASH 9
#define BPF_MAP_TYPE_RINGBUF 27
#define BPF_F_NO_PREALLOC 1

/* Longest path of a cgroup that is told whole. The longest that is usual, of a pod's container, has some 200 bytes. */
#define PATH_BYTES 512

enum start_kind {
	CONTAINER_BEGINS = 1,
	CONTAINER_ENDS = 2,
	/* A cgroup that became empty before anything began in it: the program could not be executed, or it is a service. */
	NOTHING_BEGAN = 3,
	/* A cgroup was made: a container may be about to begin in it. */
	CGROUP_MADE = 4,
};

/* What user space reads; the same as in starts.rs. */
struct start {
	__u32 kind;
	__u32 pid;
	__u64 cgroup_id;
	__u64 mntns_id;
	__u64 boot_ns;
	char path[PATH_BYTES]; /* of the cgroup in the v2 hierarchy; empty when it ends */
};

struct named_cgroup {
	struct new_cgroup cgroup;
	char path[PATH_BYTES];
};

/* Whether new containers are put into the filter. */
const volatile bool select_new = false;

/* Events for which there was no room. */
__u64 lost SEC(".data.lost");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NEW_CGROUPS);
	__type(key, __u64);
	__type(value, struct named_cgroup);
} new_cgroups SEC(".maps");

/* What begun and has not ended. User space adds what was there before. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u8);
} followed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} starts SEC(".maps");

/* A named_cgroup is too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct named_cgroup);
} scratch SEC(".maps");

/* That of the gadget, if it has one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} gadget_mntns_filter_map SEC(".maps");

static void tell(enum start_kind kind, __u64 cgroup_id, struct task_struct *task, struct named_cgroup *named)
{
	struct start *start = bpf_ringbuf_reserve(&starts, sizeof(*start), 0);
	if (!start) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	start->kind = kind;
	start->pid = task ? READ(task, tgid) : 0;
	start->cgroup_id = cgroup_id;
	start->mntns_id = task ? mntns_of(task) : 0;
	start->boot_ns = bpf_ktime_get_boot_ns();
	start->path[0] = 0;
	if (named)
		bpf_probe_read_kernel_str(start->path, sizeof(start->path), named->path);
	bpf_ringbuf_submit(start, 0);
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(note_new_cgroup, struct cgroup *cgroup, const char *path)
{
	__u32 zero = 0;
	struct named_cgroup *named = bpf_map_lookup_elem(&scratch, &zero);
	if (!named || !is_v2(cgroup))
		return 0;
	__u64 id = cgroup->kn->id;
	named->cgroup.maker_mntns = mntns_of(current_task());
	named->path[0] = 0;
	bpf_probe_read_kernel_str(named->path, sizeof(named->path), path);
	bpf_map_update_elem(&new_cgroups, &id, named, 0);
	tell(CGROUP_MADE, id, NULL, named);
	return 0;
}

/* Before the new program's first instruction. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(note_begin)
{
	struct task_struct *task = current_task();
	__u64 id = bpf_get_current_cgroup_id();
	struct named_cgroup *named = bpf_map_lookup_elem(&new_cgroups, &id);
	if (!named || !begins_container(&named->cgroup, task))
		return 0;
	__u8 yes = 1;
	bpf_map_update_elem(&followed, &id, &yes, 0);
	if (select_new) {
		__u64 mntns = mntns_of(task);
		__u32 selected = 1;
		bpf_map_update_elem(&gadget_mntns_filter_map, &mntns, &selected, 0);
	}
	tell(CONTAINER_BEGINS, id, task, named);
	bpf_map_delete_elem(&new_cgroups, &id);
	return 0;
}

SEC("tp_btf/cgroup_notify_populated")
int BPF_PROG(note_end, struct cgroup *cgroup, const char *path, int is_populated)
{
	if (is_populated || !is_v2(cgroup))
		return 0;
	__u64 id = cgroup->kn->id;
	if (!bpf_map_delete_elem(&followed, &id)) {
		tell(CONTAINER_ENDS, id, NULL, NULL);
		return 0;
	}
	struct named_cgroup *named = bpf_map_lookup_elem(&new_cgroups, &id);
	if (named) {
		tell(NOTHING_BEGAN, id, NULL, named);
		bpf_map_delete_elem(&new_cgroups, &id);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
