//! Data sources: finding, creating, describing and subscribing.

use std::sync::{Arc, PoisonError};

use gizmo_model::field::FieldSpec;
use gizmo_model::{DataSource, Kind, Shape, Subscription};
use wasmtime::{Caller, Linker};

use crate::handles::Object;
use crate::host::{IG, Refusal, host_function, memory, refuse};
use crate::limits::{MAX_ADDED_FIELDS, MAX_DATA_SOURCES, MAX_NAME_BYTES, MAX_SUBSCRIPTIONS};
use crate::state::State;
use crate::subscriber::Subscriber;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(quick linker, IG, "newDataSource", (name: u64, shape: u32) -> u32, 0, create);
    host_function!(quick linker, IG, "getDataSource", (name: u64) -> u32, 0, get);
    host_function!(quick linker, IG, "dataSourceSubscribe",
        (source: u32, kind: u32, priority: i32, id: u64) -> u32, 1, subscribe);
    host_function!(quick linker, IG, "dataSourceGetField", (source: u32, name: u64) -> u32, 0, get_field);
    host_function!(quick linker, IG, "dataSourceAddField", (source: u32, name: u64, kind: u32) -> u32, 0, add_field);
    host_function!(quick linker, IG, "dataSourceUnreference", (source: u32) -> u32, 1,
    |caller: &mut Caller<'_, State>, source| {
        caller.data().handles.source(source)?.unreference();
        Ok(0)
    });
    host_function!(quick linker, IG, "dataSourceIsReferenced", (source: u32) -> u32, 2,
    |caller: &mut Caller<'_, State>, source| {
        Ok(u32::from(caller.data().handles.source(source)?.is_referenced()))
    });
    Ok(())
}

fn create(caller: &mut Caller<'_, State>, name: u64, shape: u32) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    let shape = match shape {
        1 => Shape::Single,
        2 => Shape::Array,
        other => return Err(Refusal::Text(format!("unknown data source type {other}"))),
    };
    if state.counts.data_sources >= MAX_DATA_SOURCES {
        return Err(Refusal::Fixed("too many data sources"));
    }
    let source = {
        let config = state
            .host
            .config
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        DataSource::new(&name, shape, &config)
    };
    let source = state
        .host
        .sources
        .register(source)
        .map_err(|error| refuse(&error))?;
    state.counts.data_sources += 1;
    state.handles.insert(Object::Source(source))
}

fn get(caller: &mut Caller<'_, State>, name: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    let found = state.host.sources.get(&name);
    let source = found.ok_or_else(|| Refusal::Text(format!("there is no data source `{name}`")))?;
    state.handles.insert(Object::Source(source))
}

fn subscribe(
    caller: &mut Caller<'_, State>,
    source_handle: u32,
    kind: u32,
    priority: i32,
    callback_id: u64,
) -> Result<u32, Refusal> {
    let state = caller.data_mut();
    if state.exports.callback.is_none() {
        return Err(Refusal::Fixed(if state.exports.callback_unusable {
            "`dataSourceCallback` does not have the type (i64, i32, i32) -> ()"
        } else {
            "the guest does not export `dataSourceCallback`"
        }));
    }
    let source = Arc::clone(state.handles.source(source_handle)?);
    let kind = match kind {
        1 => Subscription::Element,
        2 => Subscription::Array,
        3 => Subscription::Packet,
        other => return Err(Refusal::Text(format!("unknown subscription type {other}"))),
    };
    if state.counts.subscriptions >= MAX_SUBSCRIPTIONS {
        return Err(Refusal::Fixed("too many subscriptions"));
    }
    let subscriber = Subscriber {
        guest: state.guest.clone(),
        gadget: state.host.gadget.clone(),
        callback_id,
        source: Arc::downgrade(&source),
        source_handle,
    };
    source
        .subscribe(kind, priority, move |source, payload| {
            subscriber.deliver(source.shape(), payload)
        })
        .map_err(|error| refuse(&error))?;
    state.counts.subscriptions += 1;
    Ok(0)
}

fn get_field(caller: &mut Caller<'_, State>, source: u32, name: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let source = state.handles.source(source)?;
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    let field = source.field(&name).ok_or(Refusal::Quiet)?;
    state.handles.insert(Object::Field(field))
}

fn add_field(
    caller: &mut Caller<'_, State>,
    source: u32,
    name: u64,
    kind: u32,
) -> Result<u32, Refusal> {
    let kind = Kind::from_number(kind)
        .ok_or_else(|| Refusal::Text(format!("unknown field kind {kind}")))?;
    let (memory, state) = memory::view(caller);
    let source = state.handles.source(source)?;
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    if state.counts.fields >= MAX_ADDED_FIELDS {
        return Err(Refusal::Fixed("too many fields"));
    }
    let field = source
        .add_field(FieldSpec::new(name, kind))
        .map_err(|error| refuse(&error))?;
    state.counts.fields += 1;
    state.handles.insert(Object::Field(field))
}
