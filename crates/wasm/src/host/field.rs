//! Values of fields. The kind in a call selects the accessor; what must fit is the stored length (3.3).

use gizmo_model::Kind;
use gizmo_model::field::Place;
use wasmtime::{Caller, Linker};

use crate::host::{IG, Refusal, answer, host_function, memory, refuse};
use crate::limits::{MAX_ADDED_TAGS, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES};
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(IG, "fieldGetScalar", get_scalar)?;
    host_function!(quick linker, IG, "fieldGetBuffer",
        (field: u32, data: u32, kind: u32, destination: u64) -> i32, -1, get_buffer);
    host_function!(quick linker, IG, "fieldSet", (field: u32, data: u32, kind: u32, value: u64) -> u32, 1, set);
    host_function!(quick linker, IG, "fieldAddTag", (field: u32, tag: u64) -> u32, 1, add_tag);
    Ok(())
}

/// A value whose kind is in doubt.
fn unknown_kind(kind: u32) -> Refusal {
    Refusal::Text(format!("unknown field kind {kind}"))
}

/// The only function that traps for something the guest passes: an error that cannot be reported must not be lost.
fn get_scalar(
    mut caller: Caller<'_, State>,
    field: u32,
    data: u32,
    kind: u32,
    error_at: u32,
) -> wasmtime::Result<u64> {
    let value = answer(&mut caller, "fieldGetScalar", None, |caller| {
        scalar(caller, field, data, kind).map(Some)
    });
    if let Some(value) = value {
        return Ok(value);
    }
    if error_at != 0 {
        let (memory, _) = memory::view(&mut caller);
        let place = u64::from(error_at) | (4 << 32);
        if memory::write(memory, place, &1u32.to_le_bytes()).is_err() {
            return Err(wasmtime::Error::msg(
                "fieldGetScalar: the address for the error lies outside the guest's memory",
            ));
        }
    }
    Ok(0)
}

fn scalar(
    caller: &mut Caller<'_, State>,
    field: u32,
    data: u32,
    kind: u32,
) -> Result<u64, Refusal> {
    let (field, element) = caller.data().handles.access(field, data)?;
    let known = match Kind::from_number(kind) {
        Some(Kind::String | Kind::Bytes) => {
            return Err(Refusal::Fixed(
                "texts and bytes are read with fieldGetBuffer",
            ));
        }
        Some(known) if known.width().is_some() => known,
        _ => return Err(unknown_kind(kind)),
    };
    let bits = field
        .scalar(element, known)
        .map_err(|error| refuse(&error))?;
    Ok(match known {
        Kind::Bool => u64::from(bits == 1),
        _ => bits,
    })
}

fn get_buffer(
    caller: &mut Caller<'_, State>,
    field: u32,
    data: u32,
    kind: u32,
    destination: u64,
) -> Result<i32, Refusal> {
    let (memory, state) = memory::view(caller);
    let (field, element) = state.handles.access(field, data)?;
    if !matches!(Kind::from_number(kind), Some(Kind::String | Kind::Bytes)) {
        return Err(unknown_kind(kind));
    }
    let bytes = field.bytes(element).map_err(|error| refuse(&error))?;
    memory::write(memory, destination, bytes)?;
    i32::try_from(bytes.len()).map_err(|_| Refusal::Quiet)
}

fn set(
    caller: &mut Caller<'_, State>,
    field_handle: u32,
    data: u32,
    kind: u32,
    value: u64,
) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let (field, element, entry) = state.handles.access_mut(field_handle, data)?;
    match Kind::from_number(kind) {
        Some(Kind::String | Kind::Bytes) => {
            let bytes = memory::bytes(memory, value, "the value", MAX_PAYLOAD_BYTES)?;
            if field.is_empty() {
                return Err(Refusal::Text(format!(
                    "field `{}` has no value",
                    field.full_name()
                )));
            }
            let before = field.bytes(element).map_or(0, <[u8]>::len);
            field
                .set_bytes(element, bytes)
                .map_err(|error| refuse(&error))?;
            if matches!(field.place(), Place::Slot(_))
                && bytes.len() > before
                && let Err(full) = state.handles.charge(entry, bytes.len() - before)
            {
                // Taken back, so that a guest that ignores the answer holds no more.
                if let Ok((field, element, _)) = state.handles.access_mut(field_handle, data) {
                    let _ = field.set_bytes(element, &[]);
                }
                return Err(full);
            }
        }
        Some(known) if known.width().is_some() => {
            field
                .set_scalar(element, known, value)
                .map_err(|error| refuse(&error))?;
        }
        _ => return Err(unknown_kind(kind)),
    }
    Ok(0)
}

fn add_tag(caller: &mut Caller<'_, State>, field: u32, tag: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let field = state.handles.field(field)?;
    let tag = memory::string(memory, tag, "the tag", MAX_KEY_BYTES)?;
    if state.counts.tags >= MAX_ADDED_TAGS {
        return Err(Refusal::Fixed("too many tags"));
    }
    field.update_meta(|meta| meta.tags.push(tag.into_owned()));
    state.counts.tags += 1;
    Ok(0)
}
