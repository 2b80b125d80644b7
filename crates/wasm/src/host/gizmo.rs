//! Functions of our own module that belong to no area of `ig`: facts, settings of the eBPF object, failure texts.

use std::borrow::Cow;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Caller, Linker};

use crate::host::{GIZMO, Refusal, host_function, log, memory, refuse};
use crate::limits::{MAX_FAIL_BYTES, MAX_FAIL_LINES, MAX_MAP_VALUE_BYTES, MAX_NAME_BYTES};
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(quick linker, GIZMO, "getHostFact", (name: u64, destination: u64) -> i32, -1, fact);
    host_function!(slow linker, GIZMO, "setConstant", (name: u64, value: u64) -> u32, 1, set_constant);
    host_function!(slow linker, GIZMO, "setMaxEntries", (map: u64, inner: u32, entries: u32) -> u32, 1, set_max_entries);
    host_function!(quick linker, GIZMO, "fail", (text: u64) -> (), (), fail);
    Ok(())
}

fn fact(caller: &mut Caller<'_, State>, name: u64, destination: u64) -> Result<i32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    let kernel = &state.host.kernel;
    let value: Cow<'_, str> = match name.as_ref() {
        "boot-time" => boot_time_ns().to_string().into(),
        "architecture" => kernel.native_abi().name().into(),
        "release" => kernel.release().into(),
        "possible-cpus" => kernel.possible_cpus().to_string().into(),
        "page-size" => kernel.page_bytes().to_string().into(),
        "target" if kernel.follows_command() => "command".into(),
        "target" => "containers".into(),
        "wall-clock-offset" => kernel.wall_clock_offset_ns().to_string().into(),
        _ => return Err(Refusal::Text(format!("there is no fact `{name}`"))),
    };
    memory::write(memory, destination, value.as_bytes())?;
    i32::try_from(value.len()).map_err(|_| Refusal::Quiet)
}

/// The clock that eBPF programs read with `bpf_ktime_get_boot_ns`.
fn boot_time_ns() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds_ns = now.tv_sec.saturating_mul(1_000_000_000);
    seconds_ns.saturating_add(now.tv_nsec)
}

fn set_constant(caller: &mut Caller<'_, State>, name: u64, value: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    let value = memory::bytes(memory, value, "the value", MAX_MAP_VALUE_BYTES)?;
    let set = state.host.settings.set_constant(&name, value);
    set.map_err(|error| refuse(&error)).map(|()| 0)
}

fn set_max_entries(
    caller: &mut Caller<'_, State>,
    map: u64,
    inner: u32,
    entries: u32,
) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let map = memory::string(memory, map, "the map's name", MAX_NAME_BYTES)?;
    let set = state
        .host
        .settings
        .set_max_entries(&map, inner != 0, entries);
    set.map_err(|error| refuse(&error)).map(|()| 0)
}

fn fail(caller: &mut Caller<'_, State>, text: u64) -> Result<(), Refusal> {
    let (memory, state) = memory::view(caller);
    let text = memory::bytes(memory, text, "the text", usize::MAX)?;
    let text = log::clean_lines(&text[..text.len().min(MAX_FAIL_BYTES)], MAX_FAIL_LINES);
    state.report.fail = (!text.is_empty()).then_some(text);
    Ok(())
}
