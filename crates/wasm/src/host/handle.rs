//! Releasing handles of any kind.

use wasmtime::{Caller, Linker};

use crate::handles::Object;
use crate::host::{IG, Refusal, host_function, map};
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(slow linker, IG, "releaseHandle", (handle: u32) -> u32, 1, release);
    Ok(())
}

/// A map that nobody else has is closed with its last handle (H18).
fn release(caller: &mut Caller<'_, State>, handle: u32) -> Result<u32, Refusal> {
    let state = caller.data_mut();
    if let Some(Object::Map {
        created: Some(bytes),
        ..
    }) = state.handles.release(handle)?
    {
        map::disown(state, bytes);
    }
    Ok(0)
}
