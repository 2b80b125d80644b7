//! What is set in an object between opening and loading: constants and sizes of maps.

use std::io;

use gizmo_model::map::SettingError;
use libbpf_rs::{AsRawLibbpf, OpenMapMut, OpenObject};

use crate::Error;
use crate::bpf_map::possible_cpus;
use crate::discover::{Declared, Variable};

/// Kernel number of BPF_MAP_TYPE_PERF_EVENT_ARRAY.
const PERF_EVENT_ARRAY: u32 = 4;

fn map_named<'o>(object: &'o mut OpenObject, name: &str) -> Option<OpenMapMut<'o>> {
    object.maps_mut().find(|map| map.name() == name)
}

/// Writes a variable's bytes into the initial value of its section.
pub(crate) fn set_variable(
    object: &mut OpenObject,
    variable: &Variable,
    value: &[u8],
) -> Result<(), SettingError> {
    if variable.bytes != value.len() {
        let (name, expected) = (variable.name.clone(), variable.bytes);
        return Err(SettingError::Length {
            name,
            expected,
            found: value.len(),
        });
    }
    let missing = || SettingError::NotFound {
        what: "constant",
        name: variable.name.clone(),
    };
    // libbpf prefixes the names of `.rodata`, `.data` and `.bss` with the object's.
    let mut map = object
        .maps_mut()
        .find(|map| {
            map.name()
                .to_str()
                .is_some_and(|name| name.ends_with(&variable.section))
        })
        .ok_or_else(missing)?;
    let section = map.initial_value_mut().ok_or_else(missing)?;
    let place = section
        .get_mut(variable.offset..variable.offset + variable.bytes)
        .ok_or_else(missing)?;
    place.copy_from_slice(value);
    Ok(())
}

/// A variable's initial bytes.
pub(crate) fn get_variable(object: &OpenObject, variable: &Variable) -> Option<Vec<u8>> {
    let map = object.maps().find(|map| {
        map.name()
            .to_str()
            .is_some_and(|name| name.ends_with(&variable.section))
    })?;
    let bytes = map
        .initial_value()?
        .get(variable.offset..variable.offset + variable.bytes)?;
    Some(bytes.to_vec())
}

/// Sets the number of entries of a map, or of its template when it is a map of maps.
pub(crate) fn set_max_entries(
    object: &mut OpenObject,
    name: &str,
    inner: bool,
    max_entries: u32,
) -> Result<(), SettingError> {
    let what = if inner { "inner map of" } else { "map" };
    let missing = || SettingError::NotFound {
        what,
        name: name.to_owned(),
    };
    let mut map = map_named(object, name).ok_or_else(missing)?;
    if !inner {
        let refused = |error| SettingError::Refused(name.to_owned(), io::Error::other(error));
        return map.set_max_entries(max_entries).map_err(refused);
    }
    with_inner_map(&mut map, |inner| {
        // SAFETY: inner is a map of an object that is open and not loaded, which is what the function wants.
        let result = unsafe { libbpf_sys::bpf_map__set_max_entries(inner, max_entries) };
        if result < 0 {
            return Err(SettingError::Refused(
                name.to_owned(),
                io::Error::from_raw_os_error(-result),
            ));
        }
        Ok(())
    })
    .unwrap_or_else(|| Err(missing()))
}

/// Runs `work` on the template of a map of maps, if there is one.
fn with_inner_map<T>(
    map: &mut OpenMapMut<'_>,
    work: impl FnOnce(*mut libbpf_sys::bpf_map) -> T,
) -> Option<T> {
    // SAFETY: the pointer comes from a map that is borrowed for the time of the call.
    let inner = unsafe { libbpf_sys::bpf_map__inner_map(map.as_libbpf_object().as_ptr()) };
    if inner.is_null() {
        None
    } else {
        Some(work(inner))
    }
}

/// Sizes that only the host knows: inner perf buffers have an entry per possible CPU, and any map `M` for which the object
/// has a variable `M_max_entries` gets that many (gadget-image.md 4.8).
pub(crate) fn apply_host_sizes(object: &mut OpenObject, declared: &Declared) -> Result<(), Error> {
    let cpus = u32::try_from(possible_cpus()).unwrap_or(u32::MAX);
    for mut map in object.maps_mut() {
        with_inner_map(&mut map, |inner| {
            // SAFETY: inner is a valid map of the open object for the time of both calls.
            unsafe {
                if libbpf_sys::bpf_map__type(inner) == PERF_EVENT_ARRAY {
                    libbpf_sys::bpf_map__set_max_entries(inner, cpus);
                }
            }
        });
    }
    for variable in &declared.variables {
        let Some(map) = variable.name.strip_suffix("_max_entries") else {
            continue;
        };
        let Some(bytes) = get_variable(object, variable) else {
            continue;
        };
        let entries = u32::try_from(gizmo_model::field::extend(&bytes, false)).unwrap_or(u32::MAX);
        if map_named(object, map).is_some() {
            set_max_entries(object, map, false, entries)?;
        }
    }
    Ok(())
}

/// Type, sizes and flags of the template of a map of maps: what an inner map must have.
pub(crate) struct InnerTemplate {
    pub(crate) kind: u32,
    pub(crate) key_bytes: u32,
    pub(crate) value_bytes: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
}

/// The templates of all maps of maps by name.
pub(crate) fn inner_templates(object: &mut OpenObject) -> Vec<(String, InnerTemplate)> {
    let mut templates = Vec::new();
    for mut map in object.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        let template = with_inner_map(&mut map, |inner| {
            // SAFETY: inner is a valid map of the open object for the time of these calls, which only read it.
            unsafe {
                InnerTemplate {
                    kind: libbpf_sys::bpf_map__type(inner),
                    key_bytes: libbpf_sys::bpf_map__key_size(inner),
                    value_bytes: libbpf_sys::bpf_map__value_size(inner),
                    max_entries: libbpf_sys::bpf_map__max_entries(inner),
                    flags: libbpf_sys::bpf_map__map_flags(inner),
                }
            }
        });
        templates.extend(template.map(|template| (name, template)));
    }
    templates
}
