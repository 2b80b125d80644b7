//! The one way into a guest's memory: buffer references are checked here and nowhere else.
//!
//! A reference is 64 bits, the length above the address (wasm-host-api.md 2.2). Memory is found through the caller, so
//! that it is also there while the instance is being made (H25).

use std::borrow::Cow;

use wasmtime::{Caller, Extern};

use crate::host::Refusal;
use crate::state::State;

/// The guest's memory and the host's state, usable side by side. A guest without memory has an empty one.
pub(crate) fn view<'a>(caller: &'a mut Caller<'_, State>) -> (&'a mut [u8], &'a mut State) {
    let known = caller.data().memory;
    let memory = known.or_else(|| caller.get_export("memory").and_then(Extern::into_memory));
    match memory {
        Some(memory) => memory.data_and_store_mut(caller),
        None => (&mut [], caller.data_mut()),
    }
}

fn range(buffer: u64) -> std::ops::Range<usize> {
    let start = (buffer & 0xffff_ffff) as usize;
    start..start + (buffer >> 32) as usize
}

/// Length of a buffer.
pub(crate) fn length(buffer: u64) -> usize {
    (buffer >> 32) as usize
}

/// The bytes of an input buffer.
pub(crate) fn bytes<'m>(
    memory: &'m [u8],
    buffer: u64,
    what: &'static str,
    max: usize,
) -> Result<&'m [u8], Refusal> {
    let bytes = memory
        .get(range(buffer))
        .ok_or_else(|| Refusal::Text(format!("{what} lies outside the guest's memory")))?;
    if bytes.len() > max {
        return Err(Refusal::Text(format!(
            "{what} has {} bytes, more than the {max} allowed",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// The text of an input string: 0 is the empty one. Bytes that are not UTF-8 become replacement characters.
pub(crate) fn string<'m>(
    memory: &'m [u8],
    buffer: u64,
    what: &'static str,
    max: usize,
) -> Result<Cow<'m, str>, Refusal> {
    if buffer == 0 {
        return Ok(Cow::Borrowed(""));
    }
    bytes(memory, buffer, what, max).map(String::from_utf8_lossy)
}

/// The place of a destination buffer.
pub(crate) fn destination(memory: &mut [u8], buffer: u64) -> Result<&mut [u8], Refusal> {
    memory.get_mut(range(buffer)).ok_or(Refusal::Fixed(
        "the destination lies outside the guest's memory",
    ))
}

/// Writes a payload to the beginning of a destination buffer, or nothing when it does not fit.
pub(crate) fn write(memory: &mut [u8], buffer: u64, payload: &[u8]) -> Result<(), Refusal> {
    let place = destination(memory, buffer)?;
    let room = place.len();
    let place = place.get_mut(..payload.len()).ok_or_else(|| {
        Refusal::Text(format!(
            "the destination has {room} bytes, {} are needed",
            payload.len()
        ))
    })?;
    place.copy_from_slice(payload);
    Ok(())
}
