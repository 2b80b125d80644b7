//! What the kernel tells about a program that is loaded.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::Program;

/// How often the kernel has not run the program because it was running on that CPU already (since 5.12, commit 9ed9e9ba2337;
/// 0 on older kernels).
pub(crate) fn recursion_misses(program: &Program<'_>) -> io::Result<u64> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut bytes = size_of_val(&info) as u32;
    // SAFETY: `info` is plain data that lives through the call, and `bytes` its size. The kernel writes no more than that,
    // and what it does not know stays zero. It follows no pointer, since all counts in `info` are zero.
    let result = unsafe {
        libbpf_sys::bpf_prog_get_info_by_fd(program.as_fd().as_raw_fd(), &mut info, &mut bytes)
    };
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result));
    }
    Ok(info.recursion_misses)
}
