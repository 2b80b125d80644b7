//! Elements of arrays.

use wasmtime::{Caller, Linker};

use crate::handles::{MAX_INDEX, Object, compose};
use crate::host::{IG, Refusal, host_function, packet};
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(quick linker, IG, "dataArrayNew", (array: u32) -> u32, 0, create);
    host_function!(quick linker, IG, "dataArrayAppend", (array: u32, element: u32) -> u32, 1,
    |caller: &mut Caller<'_, State>, array, element| {
        caller.data_mut().handles.append(array, element).map(|()| 0)
    });
    host_function!(quick linker, IG, "dataArrayRelease", (array: u32, element: u32) -> u32, 1,
    |caller: &mut Caller<'_, State>, array, element| {
        caller.data_mut().handles.drop_element(array, element).map(|_| 0)
    });
    host_function!(quick linker, IG, "dataArrayLen", (array: u32) -> u32, 0,
    |caller: &mut Caller<'_, State>, array| {
        let length = caller.data().handles.array(array)?.len();
        Ok(u32::try_from(length).unwrap_or(u32::MAX))
    });
    host_function!(quick linker, IG, "dataArrayGet", (array: u32, index: i32) -> u32, 0, get);
    Ok(())
}

fn create(caller: &mut Caller<'_, State>, array: u32) -> Result<u32, Refusal> {
    let state = caller.data_mut();
    let mut cost = packet::element_bytes(state);
    if !state.handles.has_room(cost) {
        return Err(Refusal::Fixed("packets hold too much memory"));
    }
    let mut element = state.handles.new_element(array)?;
    cost += element.fixed_mut().len();
    let handle = state.handles.insert(Object::Element(element))?;
    state.handles.charge(handle, cost)?;
    Ok(handle)
}

fn get(caller: &mut Caller<'_, State>, array: u32, index: i32) -> Result<u32, Refusal> {
    let length = caller.data().handles.array(array)?.len();
    match usize::try_from(index) {
        Ok(at) if at < length && at <= MAX_INDEX => Ok(compose(array, at)),
        Ok(at) if at < length => Err(Refusal::Text(format!(
            "element {index} cannot be reached, only {} can",
            MAX_INDEX + 1
        ))),
        _ => Err(Refusal::Text(format!(
            "there is no element {index} among {length}"
        ))),
    }
}
