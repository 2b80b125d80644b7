//! WASI preview 1, as much as a guest without files needs.
//!
//! All functions link. There are no arguments, no environment, no directories and no sockets; standard input is at its
//! end; standard output and error go to the log line by line; clocks and randomness are real. `wasmtime-wasi` offers
//! much more at the price of an async runtime, the component model and a file system layer in the binary; none of that
//! can be reached by a gadget, and its sleeps would not end with the guest's deadline.

use std::time::Instant;

use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use crate::error::Exit;
use crate::host::memory;
use crate::state::State;

mod clock;
mod stdio;

pub(crate) use stdio::{Wasi, flush};

pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// Error numbers of WASI (witx `errno`).
mod errno {
    pub(super) const SUCCESS: i32 = 0;
    pub(super) const BADF: i32 = 8;
    pub(super) const FAULT: i32 = 21;
    pub(super) const INVAL: i32 = 28;
    pub(super) const IO: i32 = 29;
    pub(super) const NOSYS: i32 = 52;
    pub(super) const SPIPE: i32 = 70;
}

/// Functions that act on files, directories and sockets, none of which exist: name and parameters (`i` is 32 bits, `I`
/// 64). All say that the descriptor is bad, also for the standard streams, which guests only read, write and ask about.
const WITHOUT_FILES: [(&str, &str); 28] = [
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_datasync", "i"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_sync", "i"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
];

/// The other functions.
const IMPLEMENTED: [&str; 18] = [
    "args_get",
    "args_sizes_get",
    "environ_get",
    "environ_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_read",
    "fd_seek",
    "fd_tell",
    "fd_write",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_shutdown",
];

/// Whether there is such a function.
pub(crate) fn exists(module: &str, name: &str) -> bool {
    module == MODULE
        && (IMPLEMENTED.contains(&name) || WITHOUT_FILES.iter().any(|(other, _)| *other == name))
}

/// Defines all functions.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for (name, parameters) in WITHOUT_FILES {
        let parameters = parameters.chars().map(|letter| match letter {
            'I' => ValType::I64,
            _ => ValType::I32,
        });
        let ty = FuncType::new(linker.engine(), parameters, [ValType::I32]);
        linker.func_new(MODULE, name, ty, |_, _, results| {
            results[0] = Val::I32(errno::BADF);
            Ok(())
        })?;
    }
    linker.func_wrap(MODULE, "sock_shutdown", |_: i32, _: i32| errno::BADF)?;
    for name in ["args_get", "environ_get"] {
        linker.func_wrap(MODULE, name, |_: u32, _: u32| errno::SUCCESS)?;
    }
    for name in ["args_sizes_get", "environ_sizes_get"] {
        linker.func_wrap(
            MODULE,
            name,
            |mut caller: Caller<'_, State>, count: u32, bytes: u32| {
                store(&mut caller, count, &[0; 4]).max(store(&mut caller, bytes, &[0; 4]))
            },
        )?;
    }
    linker.func_wrap(MODULE, "proc_exit", |status: i32| -> wasmtime::Result<()> {
        Err(Exit(status).into())
    })?;
    linker.func_wrap(MODULE, "proc_raise", |_: i32| errno::NOSYS)?;
    linker.func_wrap(MODULE, "random_get", random_get)?;
    clock::define(linker)?;
    stdio::define(linker)
}

/// Writes a result to an address of the guest.
fn store(caller: &mut Caller<'_, State>, address: u32, bytes: &[u8]) -> i32 {
    let (memory, _) = memory::view(caller);
    let place = u64::from(address) | ((bytes.len() as u64) << 32);
    match memory::write(memory, place, bytes) {
        Ok(()) => errno::SUCCESS,
        Err(_) => errno::FAULT,
    }
}

fn random_get(mut caller: Caller<'_, State>, address: u32, length: u32) -> i32 {
    let (memory, _) = memory::view(&mut caller);
    let start = address as usize;
    let Some(place) = memory.get_mut(start..start + length as usize) else {
        return errno::FAULT;
    };
    // The kernel gives up to 32 MiB - 1 at once; a guest's memory may be larger.
    for part in place.chunks_mut(1 << 20) {
        let mut filled = 0;
        while filled < part.len() {
            let flags = rustix::rand::GetRandomFlags::empty();
            match rustix::rand::getrandom(&mut part[filled..], flags) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return errno::IO,
            }
        }
    }
    errno::SUCCESS
}

/// The start of monotonic time for guests.
fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}
