//! What a guest needs to answer while it runs: whom somebody wants to see, and a place for what it tells of.

use wasmtime::{Caller, Linker};

use crate::host::{GIZMO, Refusal, host_function, log, memory};
use crate::limits::{MAX_NAME_BYTES, MAX_RECORDINGS};
use crate::look::Recording;
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(quick linker, GIZMO, "isWanted", (cgroup_id: u64, mntns_id: u64, name: u64) -> u32, 0, is_wanted);
    host_function!(quick linker, GIZMO, "reportRecording",
        (name: u64, cgroup_id: u64, mntns_id: u64, recorded: u64, held: u64, lost: u64) -> u32, 1, report);
    Ok(())
}

const NOT_ASKED: Refusal = Refusal::Fixed("nobody has asked");

fn is_wanted(
    caller: &mut Caller<'_, State>,
    cgroup_id: u64,
    mntns_id: u64,
    name: u64,
) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    let look = state.look.as_ref().ok_or(NOT_ASKED)?;
    Ok(u32::from((look.selection)(cgroup_id, mntns_id, &name)))
}

fn report(
    caller: &mut Caller<'_, State>,
    name: u64,
    cgroup_id: u64,
    mntns_id: u64,
    recorded: u64,
    held: u64,
    lost: u64,
) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::bytes(memory, name, "the name", MAX_NAME_BYTES)?;
    let name = log::clean(name);
    let look = state.look.as_mut().ok_or(NOT_ASKED)?;
    if look.recordings.len() >= MAX_RECORDINGS {
        return Err(Refusal::Fixed("too many recordings"));
    }
    look.recordings.push(Recording {
        name,
        cgroup_id,
        mntns_id,
        recorded,
        held,
        lost,
    });
    Ok(0)
}
