//! Iterator programs, through the trait of `gizmo-model`.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use crate::handles::Object;
use crate::host::{GIZMO, Refusal, host_function, memory, refuse};
use crate::limits::{MAX_ITERATOR_READ_BYTES, MAX_ITERATORS, MAX_NAME_BYTES};
use crate::state::State;

/// What beginning and reading cost the guest beside the fee of every call: both may keep the kernel busy for some
/// milliseconds.
const FEE: Duration = Duration::from_millis(1);

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(slow linker, GIZMO, "newIterator", (program: u64) -> u32, 0, create);
    host_function!(slow linker, GIZMO, "iteratorRead", (iterator: u32, destination: u64) -> i32, -1, read);
    Ok(())
}

fn create(caller: &mut Caller<'_, State>, program: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let program = memory::string(memory, program, "the program's name", MAX_NAME_BYTES)?;
    if state.counts.iterators >= MAX_ITERATORS {
        return Err(Refusal::Fixed("the guest runs too many iterator programs"));
    }
    state.budget.spend(FEE);
    let output = state.host.iterators.iterate(&program);
    let output = output.map_err(|error| refuse(&error))?;
    // One that gets no handle is ended here.
    let handle = state.handles.insert(Object::Iterator(output))?;
    state.counts.iterators += 1;
    Ok(handle)
}

/// Forgets one that was released.
pub(super) fn close(state: &mut State) {
    state.counts.iterators = state.counts.iterators.saturating_sub(1);
}

fn read(caller: &mut Caller<'_, State>, handle: u32, destination: u64) -> Result<i32, Refusal> {
    let (memory, state) = memory::view(caller);
    let output = state.handles.iterator_mut(handle)?;
    let place = memory::destination(memory, destination)?;
    let room = place.len().min(MAX_ITERATOR_READ_BYTES);
    if room == 0 {
        // Nothing read would look like the end.
        return Err(Refusal::Fixed("the destination is empty"));
    }
    let bytes = output.read(&mut place[..room]);
    state.budget.spend(FEE);
    let bytes = bytes.map_err(|error| refuse(&error))?;
    i32::try_from(bytes).map_err(|_| Refusal::Quiet)
}
