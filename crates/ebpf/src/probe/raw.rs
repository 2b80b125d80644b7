//! The system calls behind the questions, and instructions written by hand: nothing here is an object file.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use libbpf_sys as sys;
use libbpf_sys::bpf_insn;

use super::Refusal;

/// Smallest ring buffer of any page size: it must be a multiple of the page and a power of two.
const RING_BYTES: u32 = 64 * 1024;

/// `int` as BTF, without a name, as type 1: header, then one type (Documentation/bpf/btf.rst).
const INT_TYPE: [u32; 10] = [
    u32::from_ne_bytes(if cfg!(target_endian = "little") {
        [0x9f, 0xeb, 1, 0] // Magic, version, flags.
    } else {
        [0xeb, 0x9f, 1, 0]
    }),
    24,           // Bytes of this header.
    0,            // Where the types begin,
    16,           // and their bytes.
    16,           // Where the strings begin,
    1,            // and their bytes: the empty one.
    0,            // No name,
    1 << 24,      // kind `int`,
    4,            // of four bytes,
    1 << 24 | 32, // signed, 32 bits.
];

/// A map of the type with one small entry; task storage needs `btf`, maps of maps need `inner`.
pub(super) fn create_map(
    map_type: sys::bpf_map_type,
    btf: Option<BorrowedFd<'_>>,
    inner: Option<BorrowedFd<'_>>,
) -> Result<OwnedFd, Refusal> {
    let mut options = sys::bpf_map_create_opts {
        sz: size_of::<sys::bpf_map_create_opts>() as sys::size_t,
        ..Default::default()
    };
    let (mut key_bytes, mut value_bytes, mut entries) = (4, 4, 1);
    if let Some(btf) = btf {
        // Local storage grows by task: it wants types instead of a size, and no memory before it is used.
        options.btf_fd = btf.as_raw_fd().unsigned_abs();
        options.btf_key_type_id = 1;
        options.btf_value_type_id = 1;
        options.map_flags = sys::BPF_F_NO_PREALLOC;
        entries = 0;
    }
    if let Some(inner) = inner {
        options.inner_map_fd = inner.as_raw_fd().unsigned_abs();
    }
    if map_type == sys::BPF_MAP_TYPE_RINGBUF {
        (key_bytes, value_bytes, entries) = (0, 0, RING_BYTES);
    }
    // SAFETY: the options outlive the call and say their own size; a map needs no name.
    let result = unsafe {
        sys::bpf_map_create(
            map_type,
            ptr::null(),
            key_bytes,
            value_bytes,
            entries,
            &options,
        )
    };
    owned("making a map", result)
}

/// Types for the keys and values of task storage.
pub(super) fn load_btf() -> Result<OwnedFd, Refusal> {
    let mut bytes = Vec::with_capacity(size_of_val(&INT_TYPE) + 1);
    INT_TYPE
        .iter()
        .for_each(|word| bytes.extend_from_slice(&word.to_ne_bytes()));
    bytes.push(0);
    // SAFETY: the bytes outlive the call, which is told how many there are; there need be no options.
    let result = unsafe {
        sys::bpf_btf_load(
            bytes.as_ptr().cast(),
            bytes.len() as sys::size_t,
            ptr::null_mut(),
        )
    };
    owned("loading types", result)
}

/// Loads a program; `target` is the type that a tracing program stands at, 0 for others.
pub(super) fn load_program(
    kind: sys::bpf_prog_type,
    code: &[bpf_insn],
    attach_type: sys::bpf_attach_type,
    target: u32,
) -> Result<OwnedFd, Refusal> {
    let mut options = sys::bpf_prog_load_opts {
        sz: size_of::<sys::bpf_prog_load_opts>() as sys::size_t,
        expected_attach_type: attach_type,
        attach_btf_id: target,
        ..Default::default()
    };
    // SAFETY: instructions and options outlive the call, which is told how many there are; the licence ends with a zero
    // byte; a program needs no name.
    let result = unsafe {
        sys::bpf_prog_load(
            kind,
            ptr::null(),
            c"GPL".as_ptr(),
            code.as_ptr(),
            code.len() as sys::size_t,
            &mut options,
        )
    };
    owned("loading a program", result)
}

/// Attaches a tracing program where it was loaded for; it is detached when the descriptor is closed.
pub(super) fn attach_typed(program: BorrowedFd<'_>) -> Result<OwnedFd, Refusal> {
    // SAFETY: a typed program has its target already, so there is no name; the descriptor is open for the time of the call.
    let result = unsafe { sys::bpf_raw_tracepoint_open(ptr::null(), program.as_raw_fd()) };
    owned("attaching a program", result)
}

/// What libbpf returns: a new descriptor, or the error as a negative number.
fn owned(step: &'static str, result: RawFd) -> Result<OwnedFd, Refusal> {
    if result < 0 {
        return Err(Refusal::Failed {
            step,
            errno: result
                .checked_neg()
                .or_else(|| io::Error::last_os_error().raw_os_error())
                .unwrap_or_default(),
        });
    }
    // SAFETY: the call has succeeded, so the descriptor is open, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

/// `r = value`
pub(super) fn set(register: u8, value: i32) -> bpf_insn {
    instruction(0xb7, register, 0, value)
}

/// `to = from`
pub(super) fn copy(to: u8, from: u8) -> bpf_insn {
    instruction(0xbf, to, from, 0)
}

/// `*(u64 *)(to + offset) = from`
pub(super) fn store(to: u8, from: u8, offset: i16) -> bpf_insn {
    bpf_insn {
        off: offset,
        ..instruction(0x7b, to, from, 0)
    }
}

/// The same, and `from` is what was there before. BPF_XCHG is the operation.
pub(super) fn exchange(to: u8, from: u8, offset: i16) -> bpf_insn {
    bpf_insn {
        off: offset,
        ..instruction(0xdb, to, from, 0xe1)
    }
}

/// Calls a helper with r1 to r5; its result is in r0.
pub(super) fn call(helper: sys::bpf_func_id) -> bpf_insn {
    instruction(0x85, 0, 0, helper as i32)
}

/// The address of a map takes two instructions.
pub(super) fn load_map(register: u8, map: BorrowedFd<'_>) -> [bpf_insn; 2] {
    // BPF_PSEUDO_MAP_FD in place of a source.
    let low = instruction(0x18, register, 1, map.as_raw_fd());
    [low, instruction(0, 0, 0, 0)]
}

/// Returns r0.
pub(super) fn exit() -> bpf_insn {
    instruction(0x95, 0, 0, 0)
}

fn instruction(code: u8, to: u8, from: u8, value: i32) -> bpf_insn {
    let mut instruction = bpf_insn {
        code,
        imm: value,
        ..Default::default()
    };
    instruction.set_dst_reg(to);
    instruction.set_src_reg(from);
    instruction
}
