//! Packets that guests make, emit or drop.

use std::sync::Arc;

use gizmo_model::{Packet, Shape};
use wasmtime::{AsContextMut, Caller, Linker};

use crate::handles::Object;
use crate::host::{IG, Refusal, answer, host_function, refuse};
use crate::limits::{ELEMENT_BYTES, SLOT_BYTES};
use crate::reentry;
use crate::state::{State, resume_clock};

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(quick linker, IG, "dataSourceNewPacketSingle", (source: u32) -> u32, 0,
        |caller: &mut _, source| create(caller, source, Shape::Single));
    host_function!(quick linker, IG, "dataSourceNewPacketArray", (source: u32) -> u32, 0,
        |caller: &mut _, source| create(caller, source, Shape::Array));
    host_function!(quick linker, IG, "dataSourceRelease", (source: u32, packet: u32) -> u32, 1, release);
    linker.func_wrap(IG, "dataSourceEmitAndRelease", emit_and_release)?;
    Ok(())
}

/// What an element costs before anything is stored in it.
pub(super) fn element_bytes(state: &State) -> usize {
    ELEMENT_BYTES + SLOT_BYTES * state.counts.fields
}

fn create(caller: &mut Caller<'_, State>, source: u32, shape: Shape) -> Result<u32, Refusal> {
    let state = caller.data_mut();
    let cost = element_bytes(state);
    let source = state.handles.source(source)?;
    if source.shape() != shape {
        let name = source.name();
        return Err(Refusal::Text(format!(
            "data source `{name}` has packets of another type"
        )));
    }
    if !state.handles.has_room(cost) {
        return Err(Refusal::Fixed("packets hold too much memory"));
    }
    let object = match source.new_packet() {
        Packet::Single(element) => Object::single(element),
        Packet::Array(elements) => Object::array(elements, Arc::downgrade(source)),
    };
    let handle = state.handles.insert(object)?;
    state.handles.charge(handle, cost)?;
    Ok(handle)
}

fn release(caller: &mut Caller<'_, State>, source: u32, packet: u32) -> Result<u32, Refusal> {
    let handles = &mut caller.data_mut().handles;
    let source = Arc::clone(handles.source(source)?);
    source.recycle(handles.take_packet(packet)?);
    Ok(0)
}

/// Subscribers run now, this guest's among them. When it ends in such a call, the outer call ends too.
fn emit_and_release(
    mut caller: Caller<'_, State>,
    source: u32,
    packet: u32,
) -> wasmtime::Result<u32> {
    let result = answer(&mut caller, "dataSourceEmitAndRelease", 1, |caller| {
        emit(caller, source, packet)
    });
    resume_clock(&mut caller);
    match &caller.data().dead {
        None => Ok(result),
        Some(text) => Err(wasmtime::Error::msg(format!("ended in a callback: {text}"))),
    }
}

fn emit(caller: &mut Caller<'_, State>, source: u32, packet: u32) -> Result<u32, Refusal> {
    let state = caller.data_mut();
    let guest = state.id;
    let source = Arc::clone(state.handles.source(source)?);
    let packet: Packet = state.handles.take_packet(packet)?;
    reentry::offer(guest, &mut caller.as_context_mut(), || source.emit(packet))
        .map_err(|error| refuse(&error))?;
    Ok(0)
}
