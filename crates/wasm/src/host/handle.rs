//! Releasing handles of any kind.

use wasmtime::{Caller, Linker};

use crate::handles::Object;
use crate::host::{IG, Refusal, host_function, iterator, map, perf};
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(slow linker, IG, "releaseHandle", (handle: u32) -> u32, 1, release);
    Ok(())
}

/// Maps that nobody else has, perf readers and iterators are closed with their last handle (H18).
fn release(caller: &mut Caller<'_, State>, handle: u32) -> Result<u32, Refusal> {
    let state = caller.data_mut();
    match state.handles.release(handle)? {
        Some(Object::Map {
            created: Some(bytes),
            ..
        }) => map::disown(state, bytes),
        Some(Object::PerfReader(reader)) => perf::close(state, reader),
        Some(Object::Iterator(_)) => iterator::close(state),
        _ => {}
    }
    Ok(0)
}
