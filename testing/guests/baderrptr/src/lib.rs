//! Test guest: has `fieldGetScalar` report an error outside of the guest's memory.
//!
//! Host provides: nothing; the memory limit is the usual 16 MiB.
//!
//! Expect: `init` fails with a trap.

// Needs the host's functions as they are, which exist for this target only.
#![cfg(target_family = "wasm")]

use gizmo_guest::export;

// SAFETY: the signature is the documented one; with these arguments the host writes nothing into the guest.
#[link(wasm_import_module = "ig")]
unsafe extern "C" {
    safe fn fieldGetScalar(field: u32, data: u32, kind: u32, error: u32) -> u64;
}

export! { init = init }

fn init() {
    const UINT32: u32 = 8;
    const ADDRESS: u32 = 17 << 20;
    fieldGetScalar(55, 55, UINT32, ADDRESS);
}
