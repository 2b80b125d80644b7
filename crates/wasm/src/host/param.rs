//! Parameters of the run and the gadget's configuration.

use std::sync::PoisonError;

use gizmo_model::Kind;
use wasmtime::{Caller, Linker};

use crate::host::{GIZMO, IG, Refusal, host_function, memory, refuse};
use crate::limits::{MAX_CONFIG_CALLS, MAX_CONFIG_VALUE_BYTES, MAX_KEY_BYTES};
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(quick linker, IG, "getParamValue", (key: u64, destination: u64) -> u32, 1, get);
    host_function!(quick linker, GIZMO, "getParamLength", (key: u64) -> i32, -1, length);
    host_function!(quick linker, IG, "setConfig", (key: u64, value: u64, kind: u32) -> u32, 1, set_config);
    Ok(())
}

/// The value given by the client or declared as default; parameters are named without regard to case.
fn value<'s>(memory: &[u8], state: &'s State, key: u64) -> Result<&'s str, Refusal> {
    let key = memory::string(memory, key, "the key", MAX_KEY_BYTES)?;
    let value = state.params.get(&key.to_lowercase());
    value
        .map(String::as_str)
        .ok_or_else(|| Refusal::Text(format!("there is no parameter `{key}`")))
}

fn get(caller: &mut Caller<'_, State>, key: u64, destination: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let value = value(memory, state, key)?;
    if !value.is_empty() {
        memory::write(memory, destination, value.as_bytes())?;
    }
    Ok(0)
}

fn length(caller: &mut Caller<'_, State>, key: u64) -> Result<i32, Refusal> {
    let (memory, state) = memory::view(caller);
    let length = value(memory, state, key)?.len();
    i32::try_from(length).map_err(|_| Refusal::Quiet)
}

fn set_config(
    caller: &mut Caller<'_, State>,
    key: u64,
    value: u64,
    kind: u32,
) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let key = memory::string(memory, key, "the key", MAX_KEY_BYTES)?;
    if Kind::from_number(kind) != Some(Kind::String) {
        return Err(Refusal::Text(format!(
            "configuration values of kind {kind} are not supported"
        )));
    }
    let value = memory::string(memory, value, "the value", MAX_CONFIG_VALUE_BYTES)?;
    if state.counts.config_calls >= MAX_CONFIG_CALLS {
        return Err(Refusal::Fixed("the configuration was set too often"));
    }
    state.counts.config_calls += 1;
    let mut config = state
        .host
        .config
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    config.set(&key, &value).map_err(|error| refuse(&error))?;
    Ok(0)
}
