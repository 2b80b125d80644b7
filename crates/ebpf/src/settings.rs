//! What is set in an object between opening and loading: constants and sizes of maps.

use std::collections::HashMap;
use std::io;

use gizmo_model::map::{MapSpec, SettingError, kind};
use libbpf_rs::{AsRawLibbpf, OpenMapMut, OpenObject};
use tracing::debug;

use crate::attach::AttachPoint;
use crate::bpf_map::{LoadedMap, possible_cpus};
use crate::discover::{Declared, Variable};
use crate::{Error, libbpf_log};

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

/// Sets the number of entries of a map.
pub(crate) fn set_max_entries(
    object: &mut OpenObject,
    name: &str,
    max_entries: u32,
) -> Result<(), SettingError> {
    let mut map = map_named(object, name).ok_or_else(|| SettingError::NotFound {
        what: "map",
        name: name.to_owned(),
    })?;
    let refused = |error| SettingError::Refused(name.to_owned(), io::Error::other(error));
    map.set_max_entries(max_entries).map_err(refused)
}

/// Prepares a program that the configuration has attached somewhere else than its section says: one whose section begins with
/// `?` is loaded only then, and the function that a program stands at is fixed when it is loaded.
pub(crate) fn place(
    object: &mut OpenObject,
    program: &str,
    point: &AttachPoint,
) -> Result<(), SettingError> {
    let Some(mut found) = object.progs_mut().find(|found| found.name() == program) else {
        return Ok(());
    };
    if *point == AttachPoint::Disabled {
        return Ok(());
    }
    found.set_autoload(true);
    let AttachPoint::Function(function) = point else {
        return Ok(());
    };
    // 0: the function is one of the kernel, not of another program.
    let (set, log) = libbpf_log::capture(|| found.set_attach_target(0, Some(function.clone())));
    set.map_err(|error| {
        debug!(?log, function, "a program cannot stand there");
        SettingError::Refused(
            format!("the target `{function}` of program `{program}`"),
            io::Error::other(error),
        )
    })
}

/// Type, sizes and flags of the template of a map of maps: what an inner map must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InnerTemplate {
    pub(crate) kind: u32,
    pub(crate) key_bytes: u32,
    pub(crate) value_bytes: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
}

/// The templates of all maps of maps by name. Inner perf buffers have an entry per possible CPU, or the kernel refuses
/// the outer map.
pub(crate) fn inner_templates(object: &mut OpenObject) -> HashMap<String, InnerTemplate> {
    let cpus = u32::try_from(possible_cpus()).unwrap_or(u32::MAX);
    let mut templates = HashMap::new();
    for map in object.maps_mut() {
        let Some(mut template) = inner_template(&map) else {
            continue;
        };
        if template.kind == kind::PERF_EVENT_ARRAY {
            template.max_entries = cpus;
        }
        templates.insert(map.name().to_string_lossy().into_owned(), template);
    }
    templates
}

fn inner_template(map: &OpenMapMut<'_>) -> Option<InnerTemplate> {
    // SAFETY: the pointer comes from a map that is borrowed for the time of the call.
    let inner = unsafe { libbpf_sys::bpf_map__inner_map(map.as_libbpf_object().as_ptr()) };
    if inner.is_null() {
        return None;
    }
    // SAFETY: inner belongs to the borrowed map; these functions only read its definition. Those that write it must not
    // be used: libbpf's templates have no object, which the writers look at.
    unsafe {
        Some(InnerTemplate {
            kind: libbpf_sys::bpf_map__type(inner),
            key_bytes: libbpf_sys::bpf_map__key_size(inner),
            value_bytes: libbpf_sys::bpf_map__value_size(inner),
            max_entries: libbpf_sys::bpf_map__max_entries(inner),
            flags: libbpf_sys::bpf_map__map_flags(inner),
        })
    }
}

/// Replaces the templates of the maps of maps by maps with the right sizes, which must live until the object is loaded.
pub(crate) fn replace_templates(
    object: &mut OpenObject,
    templates: &HashMap<String, InnerTemplate>,
) -> Result<Vec<LoadedMap>, Error> {
    let mut made = Vec::new();
    for mut map in object.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        let Some(template) = templates.get(&name) else {
            continue;
        };
        let spec = template.spec(&name);
        let refused =
            |source: io::Error| SettingError::Refused(format!("the inner map of `{name}`"), source);
        let inner = LoadedMap::create(&spec, template.flags)
            .map_err(|error| refused(io::Error::other(error)))?;
        map.set_inner_map_fd(inner.fd())
            .map_err(|error| refused(io::Error::other(error)))?;
        made.push(inner);
    }
    Ok(made)
}

impl InnerTemplate {
    /// What to create a map from.
    pub(crate) fn spec(&self, name: &str) -> MapSpec {
        MapSpec {
            name: name.to_owned(),
            kind: self.kind,
            key_bytes: self.key_bytes,
            value_bytes: self.value_bytes,
            max_entries: self.max_entries,
        }
    }
}

/// Any map `M` for which the object has a variable `M_max_entries` gets that many entries (gadget-image.md 4.8).
pub(crate) fn apply_sizes_from_variables(
    object: &mut OpenObject,
    declared: &Declared,
) -> Result<(), Error> {
    for variable in &declared.variables {
        let Some(map) = variable.name.strip_suffix("_max_entries") else {
            continue;
        };
        let Some(bytes) = get_variable(object, variable) else {
            continue;
        };
        let entries = u32::try_from(gizmo_model::field::extend(&bytes, false)).unwrap_or(u32::MAX);
        if map_named(object, map).is_some() {
            set_max_entries(object, map, entries)?;
        }
    }
    Ok(())
}
