//! Kernel symbols, and the selection of mount namespaces.

use std::sync::PoisonError;

use wasmtime::{Caller, Linker};

use crate::host::{IG, Refusal, host_function, memory};
use crate::limits::{MAX_MAP_VALUE_BYTES, MAX_NAME_BYTES};
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(slow linker, IG, "kallsymsSymbolExists", (name: u64) -> u32, 0, symbol_exists);
    host_function!(slow linker, IG, "shouldDiscardMntnsID", (id: u64) -> u32, 1, should_discard);
    Ok(())
}

fn symbol_exists(caller: &mut Caller<'_, State>, name: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    Ok(u32::from(state.host.kernel.symbol_exists(&name)))
}

fn should_discard(caller: &mut Caller<'_, State>, id: u64) -> Result<u32, Refusal> {
    let filter = caller
        .data()
        .host
        .mntns_filter
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let Some(map) = filter else {
        return Ok(0);
    };
    let mut value = vec![0; map.info().value_bytes.min(MAX_MAP_VALUE_BYTES)];
    let selected = map.lookup(&id.to_ne_bytes(), &mut value).unwrap_or(false);
    Ok(u32::from(!selected))
}
