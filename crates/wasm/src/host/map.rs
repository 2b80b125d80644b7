//! eBPF maps, through the traits of `gizmo-model`.
//!
//! A guest may name only what it was given: maps whose values are file descriptors or kernel pointers are closed to it,
//! since it could store descriptors of the host by number (H30).

use std::sync::Arc;

use gizmo_model::map::{BpfMap, MapInfo, MapSpec, kind};
use wasmtime::{Caller, Linker};

use crate::handles::Object;
use crate::host::{GIZMO, IG, Refusal, host_function, memory, refuse};
use crate::limits::{
    MAX_CREATED_MAPS, MAX_MAP_BYTES, MAX_MAP_VALUE_BYTES, MAX_MAPS_BYTES, MAX_NAME_BYTES,
};
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(slow linker, IG, "newMap",
        (name: u64, kind: u32, key_bytes: u32, value_bytes: u32, max_entries: u32) -> u32, 0, create);
    host_function!(slow linker, IG, "getMap", (name: u64) -> u32, 0, get);
    host_function!(slow linker, IG, "mapLookup", (map: u32, key: u64, value: u64) -> u32, 1, lookup);
    host_function!(slow linker, IG, "mapUpdate", (map: u32, key: u64, value: u64, flags: u64) -> u32, 1, update);
    host_function!(slow linker, IG, "mapDelete", (map: u32, key: u64) -> u32, 1, delete);
    host_function!(slow linker, IG, "mapRelease", (map: u32) -> u32, 1, release);
    host_function!(slow linker, GIZMO, "newInnerMap", (outer: u64, name: u64) -> u32, 0, create_inner);
    Ok(())
}

fn get(caller: &mut Caller<'_, State>, name: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    let map = state.host.maps.get(&name).map_err(|error| refuse(&error))?;
    if map.info().kind > kind::LAST {
        return Err(Refusal::Text(format!(
            "map `{name}` has the unknown type {}",
            map.info().kind
        )));
    }
    state.handles.insert(Object::Map { map, created: None })
}

fn create(
    caller: &mut Caller<'_, State>,
    name: u64,
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    max_entries: u32,
) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    if kind > kind::LAST {
        return Err(Refusal::Text(format!("unknown map type {kind}")));
    }
    let spec = adjusted(
        MapSpec {
            // The kernel keeps 15 bytes; what it would refuse as a character it still refuses.
            name: cut(&name, 15).to_owned(),
            kind,
            key_bytes,
            value_bytes,
            max_entries,
        },
        state.host.kernel.possible_cpus(),
    )?;
    let bytes = spec_bytes(&spec, state.host.kernel.possible_cpus());
    check_room(state, bytes)?;
    let map = state
        .host
        .maps
        .create(&spec)
        .map_err(|error| refuse(&error))?;
    own(state, map, bytes)
}

fn create_inner(caller: &mut Caller<'_, State>, outer: u64, name: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let outer = memory::string(memory, outer, "the outer map's name", MAX_NAME_BYTES)?;
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    check_room(state, 0)?;
    let map = state
        .host
        .maps
        .create_inner(&outer, cut(&name, 15))
        .map_err(|error| refuse(&error))?;
    let bytes = info_bytes(map.info());
    check_room(state, bytes)?;
    own(state, map, bytes)
}

/// Hands out a created map; one that gets no handle is closed here (H28).
fn own(state: &mut State, map: Arc<dyn BpfMap>, bytes: u64) -> Result<u32, Refusal> {
    let handle = state.handles.insert(Object::Map {
        map,
        created: Some(bytes),
    })?;
    state.counts.created_maps += 1;
    state.counts.map_bytes += bytes;
    Ok(handle)
}

/// Forgets what a created map was charged.
pub(super) fn disown(state: &mut State, bytes: u64) {
    state.counts.created_maps = state.counts.created_maps.saturating_sub(1);
    state.counts.map_bytes = state.counts.map_bytes.saturating_sub(bytes);
}

fn release(caller: &mut Caller<'_, State>, handle: u32) -> Result<u32, Refusal> {
    let state = caller.data_mut();
    let (_, created) = state.handles.map(handle)?;
    let bytes = created.ok_or(Refusal::Fixed(
        "only maps that the guest has created can be released",
    ))?;
    state.handles.release(handle)?;
    disown(state, bytes);
    Ok(0)
}

fn lookup(
    caller: &mut Caller<'_, State>,
    handle: u32,
    key: u64,
    value: u64,
) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let (map, _) = state.handles.map(handle)?;
    let info = map.info();
    readable(info)?;
    let key = key_of(memory, key, info)?;
    if is_outer(info.kind) {
        let inner = map.lookup_map(key).map_err(|error| refuse(&error))?;
        let inner = inner.ok_or(Refusal::Quiet)?;
        let found = state.handles.insert(Object::Map {
            map: inner,
            created: None,
        })?;
        return match memory::write(memory, value, &found.to_le_bytes()) {
            Ok(()) => Ok(0),
            Err(refusal) => {
                state.handles.release(found)?;
                Err(refusal)
            }
        };
    }
    if info.value_bytes > MAX_MAP_VALUE_BYTES {
        return Err(Refusal::Fixed("the map's values are too large"));
    }
    if memory::length(value) < info.value_bytes {
        return Err(Refusal::Text(format!(
            "the destination has {} bytes, {} are needed",
            memory::length(value),
            info.value_bytes
        )));
    }
    let mut bytes = vec![0; info.value_bytes];
    if !map
        .lookup(key, &mut bytes)
        .map_err(|error| refuse(&error))?
    {
        return Err(Refusal::Quiet);
    }
    memory::write(memory, value, &bytes)?;
    Ok(0)
}

fn update(
    caller: &mut Caller<'_, State>,
    handle: u32,
    key: u64,
    value: u64,
    flags: u64,
) -> Result<u32, Refusal> {
    if flags > 4 {
        return Err(Refusal::Text(format!("unknown flags {flags}")));
    }
    let (memory, state) = memory::view(caller);
    let (map, _) = state.handles.map(handle)?;
    let info = map.info();
    writable(info)?;
    let key = key_of(memory, key, info)?;
    let value = memory::bytes(memory, value, "the value", MAX_MAP_VALUE_BYTES)?;
    if is_outer(info.kind) {
        // More than a handle is allowed: upstream's Rust SDK passes a struct of eight bytes.
        let inner = value.first_chunk::<4>();
        let inner = inner.ok_or(Refusal::Fixed("a map handle has 4 bytes"))?;
        let (inner, _) = state.handles.map(u32::from_le_bytes(*inner))?;
        map.update_map(key, inner.as_ref(), flags)
            .map_err(|error| refuse(&error))?;
        return Ok(0);
    }
    if value.len() != info.value_bytes {
        return Err(Refusal::Text(format!(
            "a value of map `{}` has {} bytes, not {}",
            info.name,
            info.value_bytes,
            value.len()
        )));
    }
    map.update(key, value, flags)
        .map_err(|error| refuse(&error))?;
    Ok(0)
}

fn delete(caller: &mut Caller<'_, State>, handle: u32, key: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let (map, _) = state.handles.map(handle)?;
    let info = map.info();
    readable(info)?;
    let key = key_of(memory, key, info)?;
    if !map.delete(key).map_err(|error| refuse(&error))? {
        return Err(Refusal::Text(format!(
            "map `{}` does not have the key",
            info.name
        )));
    }
    Ok(0)
}

fn key_of<'m>(memory: &'m [u8], key: u64, info: &MapInfo) -> Result<&'m [u8], Refusal> {
    let key = memory::bytes(memory, key, "the key", MAX_MAP_VALUE_BYTES)?;
    if key.len() == info.key_bytes {
        return Ok(key);
    }
    Err(Refusal::Text(format!(
        "a key of map `{}` has {} bytes, not {}",
        info.name,
        info.key_bytes,
        key.len()
    )))
}

fn is_outer(kind: u32) -> bool {
    matches!(kind, kind::ARRAY_OF_MAPS | kind::HASH_OF_MAPS)
}

fn readable(info: &MapInfo) -> Result<(), Refusal> {
    let closed = matches!(
        info.kind,
        kind::PROG_ARRAY | kind::PERF_EVENT_ARRAY | kind::CGROUP_ARRAY
    );
    if closed || info.kind > kind::LAST {
        return Err(forbidden(info));
    }
    Ok(())
}

fn writable(info: &MapInfo) -> Result<(), Refusal> {
    let closed = matches!(
        info.kind,
        kind::DEVMAP
            | kind::DEVMAP_HASH
            | kind::SOCKMAP
            | kind::SOCKHASH
            | kind::CPUMAP
            | kind::XSKMAP
            | kind::REUSEPORT_SOCKARRAY
            | kind::STRUCT_OPS
    );
    if closed {
        return Err(forbidden(info));
    }
    readable(info)
}

fn forbidden(info: &MapInfo) -> Refusal {
    Refusal::Text(format!(
        "map `{}` of type {} is closed to guests",
        info.name, info.kind
    ))
}

/// What cilium/ebpf does to a specification before it creates the map.
fn adjusted(mut spec: MapSpec, possible_cpus: u32) -> Result<MapSpec, Refusal> {
    match spec.kind {
        kind::PERF_EVENT_ARRAY => {
            for size in [&mut spec.key_bytes, &mut spec.value_bytes] {
                if *size != 0 && *size != 4 {
                    return Err(Refusal::Fixed(
                        "keys and values of perf event arrays have 4 bytes",
                    ));
                }
                *size = 4;
            }
        }
        kind::CPUMAP => {}
        kind::ARRAY_OF_MAPS | kind::HASH_OF_MAPS => {
            return Err(Refusal::Fixed("maps of maps cannot be created by a guest"));
        }
        _ => return Ok(spec),
    }
    if spec.max_entries == 0 || spec.max_entries > possible_cpus {
        spec.max_entries = possible_cpus;
    }
    Ok(spec)
}

fn check_room(state: &State, bytes: u64) -> Result<(), Refusal> {
    if bytes > MAX_MAP_BYTES {
        return Err(Refusal::Text(format!(
            "a map of {bytes} bytes is larger than the {MAX_MAP_BYTES} allowed"
        )));
    }
    if state.counts.created_maps >= MAX_CREATED_MAPS
        || state.counts.map_bytes.saturating_add(bytes) > MAX_MAPS_BYTES
    {
        return Err(Refusal::Fixed("the guest has created too many maps"));
    }
    Ok(())
}

/// About what the kernel will set aside.
fn spec_bytes(spec: &MapSpec, possible_cpus: u32) -> u64 {
    let per_cpu = matches!(
        spec.kind,
        kind::PERCPU_HASH | kind::PERCPU_ARRAY | kind::LRU_PERCPU_HASH
    );
    let copies = if per_cpu { u64::from(possible_cpus) } else { 1 };
    let value = u64::from(spec.value_bytes)
        .next_multiple_of(8)
        .saturating_mul(copies);
    total(u64::from(spec.key_bytes), value, spec.max_entries)
}

fn info_bytes(info: &MapInfo) -> u64 {
    total(
        info.key_bytes as u64,
        info.value_bytes as u64,
        info.max_entries,
    )
}

fn total(key: u64, value: u64, entries: u32) -> u64 {
    // Buffers have neither keys nor values, their entries are bytes.
    key.saturating_add(value)
        .max(1)
        .saturating_mul(u64::from(entries))
}

fn cut(name: &str, bytes: usize) -> &str {
    let mut end = name.len().min(bytes);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
