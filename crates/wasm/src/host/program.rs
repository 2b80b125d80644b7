//! What is known of a gadget's programs, through the trait of `gizmo-model`.

use wasmtime::{Caller, Linker};

use crate::host::{GIZMO, Refusal, host_function, memory, refuse};
use crate::limits::MAX_NAME_BYTES;
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(slow linker, GIZMO, "programMisses", (program: u64) -> i64, -1, misses);
    Ok(())
}

fn misses(caller: &mut Caller<'_, State>, program: u64) -> Result<i64, Refusal> {
    let (memory, state) = memory::view(caller);
    let program = memory::string(memory, program, "the program's name", MAX_NAME_BYTES)?;
    let misses = state.host.programs.misses(&program);
    let misses = misses.map_err(|error| refuse(&error))?;
    Ok(i64::try_from(misses).unwrap_or(i64::MAX))
}
