//! Many events in one call: their fields' values come as bytes in the guest's memory (docs/host-api-gizmo.md).
//!
//! A row is an event: the bytes that follow as `u32`, then values until they are used up. A value is the handle of its
//! field and its length in bytes, both `u32`, and the bytes. Nothing is aligned.

use std::sync::Arc;

use gizmo_model::field::extend;
use gizmo_model::{DataSource, Element, Packet, Shape};
use wasmtime::{AsContextMut, Caller, Linker};

use crate::handles::Handles;
use crate::host::{GIZMO, Refusal, answer, memory, refuse};
use crate::limits::{MAX_BATCH_BYTES, MAX_PAYLOAD_BYTES};
use crate::reentry;
use crate::state::{ROW_FEE, State, resume_clock};

const SHORT: Refusal = Refusal::Fixed("the batch ends in the middle of a row");

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(GIZMO, "emitBatch", emit_batch)?;
    Ok(())
}

/// Subscribers run now, this guest's among them. When it ends in such a call, the outer call ends too.
fn emit_batch(mut caller: Caller<'_, State>, source: u32, rows: u64) -> wasmtime::Result<u32> {
    let result = answer(&mut caller, "emitBatch", 1, |caller| {
        emit(caller, source, rows)
    });
    resume_clock(&mut caller);
    match &caller.data().dead {
        None => Ok(result),
        Some(text) => Err(wasmtime::Error::msg(format!("ended in a callback: {text}"))),
    }
}

fn emit(caller: &mut Caller<'_, State>, source: u32, rows: u64) -> Result<u32, Refusal> {
    let guest = caller.data().id;
    let source = Arc::clone(caller.data().handles.source(source)?);
    if source.shape() != Shape::Single {
        let name = source.name();
        return Err(Refusal::Text(format!(
            "data source `{name}` has packets of another type"
        )));
    }
    let _batch = source.batch();
    let mut at = 0;
    // Subscribers may call the guest back, which may change its memory: nothing is kept of it from row to row.
    while at < memory::length(rows) {
        let (memory, state) = memory::view(caller);
        let rows = memory::bytes(memory, rows, "the batch", MAX_BATCH_BYTES)?;
        let row = counted(rows, &mut at)?;
        let packet = Packet::Single(element(&source, &state.handles, row)?);
        state.budget.spend(ROW_FEE);
        reentry::offer(guest, &mut caller.as_context_mut(), || source.emit(packet))
            .map_err(|error| refuse(&error))?;
        if caller.data().dead.is_some() {
            break;
        }
    }
    Ok(0)
}

fn element(source: &DataSource, handles: &Handles, row: &[u8]) -> Result<Element, Refusal> {
    let mut element = source.new_element();
    let mut at = 0;
    while at < row.len() {
        let field = word(row, &mut at)?;
        let value = counted(row, &mut at)?;
        if let Err(refusal) = set(handles, field, value, &mut element) {
            source.recycle_element(element);
            return Err(refusal);
        }
    }
    Ok(element)
}

fn set(handles: &Handles, field: u32, value: &[u8], element: &mut Element) -> Result<(), Refusal> {
    let field = handles.field(field)?;
    if field.is_empty() || value.len() > MAX_PAYLOAD_BYTES {
        let name = field.full_name();
        return Err(Refusal::Text(format!(
            "field `{name}` does not take {} bytes",
            value.len()
        )));
    }
    let is_scalar = !field.is_array() && field.kind().width() == Some(value.len());
    let done = if is_scalar {
        // Truth values become 0 or 1.
        field.set_value(element, extend(value, false))
    } else {
        field.set_bytes(element, value)
    };
    done.map_err(|error| refuse(&error))
}

/// The bytes that a length announces.
fn counted<'b>(bytes: &'b [u8], at: &mut usize) -> Result<&'b [u8], Refusal> {
    let length = word(bytes, at)? as usize;
    let end = at.checked_add(length).ok_or(SHORT)?;
    let counted = bytes.get(*at..end).ok_or(SHORT)?;
    *at = end;
    Ok(counted)
}

fn word(bytes: &[u8], at: &mut usize) -> Result<u32, Refusal> {
    let rest = bytes.get(*at..).ok_or(SHORT)?;
    let word = rest.first_chunk().ok_or(SHORT)?;
    *at += word.len();
    Ok(u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_lie_are_refused() {
        for bytes in [
            &[][..],
            &[1, 0, 0],
            &[1, 0, 0, 0],
            &[0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert!(counted(bytes, &mut 0).is_err(), "{bytes:?}");
        }
        let mut at = 0;
        assert_eq!(counted(&[1, 0, 0, 0, 7, 9], &mut at).ok().unwrap(), [7]);
        assert_eq!(at, 5);
        assert!(word(&[1, 0, 0, 0], &mut 9).is_err());
    }
}
