//! Where gizmo and strace rightly say different things.

/// A kind of difference. A program's test lists those it shows, and fails if it shows more or fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// strace shows the registers that `rt_sigreturn` restores as its result. It returns nothing to its caller, so
    /// gizmo shows `X`, as for `exit`.
    Restored,
    /// A call for which seccomp kills: the kernel has put the call's own number where its result would be, which strace shows
    /// as one.
    Condemned,
    /// A thread that dies in a call (by a signal or the end of its process) does not stop for its tracer any more:
    /// strace shows no result. gizmo sees the result on the thread's way to its end.
    DeathInCall,
    /// `execve` of a thread that is not the leader: the thread takes the leader's number over. strace shows the end
    /// of the call under that number, gizmo the call under the number that made it.
    ExecOfThread,
    /// strace 6.1 does not know calls of later kernels and shows their numbers.
    NewCall,
}

/// Calls that strace 6.1 does not know; their numbers are the same in all tables.
pub const NEW_CALLS: &[(u32, &str)] = &[
    (335, "uretprobe"),
    (336, "uprobe"),
    (451, "cachestat"),
    (452, "fchmodat2"),
    (453, "map_shadow_stack"),
    (454, "futex_wake"),
    (455, "futex_wait"),
    (456, "futex_requeue"),
    (457, "statmount"),
    (458, "listmount"),
    (459, "lsm_get_self_attr"),
    (460, "lsm_set_self_attr"),
    (461, "lsm_list_modules"),
    (462, "mseal"),
    (463, "setxattrat"),
    (464, "getxattrat"),
    (465, "listxattrat"),
    (466, "removexattrat"),
    (467, "open_tree_attr"),
    (468, "file_getattr"),
    (469, "file_setattr"),
    (470, "listns"),
];
