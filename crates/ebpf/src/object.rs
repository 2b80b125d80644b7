//! One eBPF object from its bytes to its end: opened, set, loaded, attached, stopped, closed.
//!
//! The layer is shared between the runtime, which moves it from state to state, and the guest, which sets constants before
//! it is loaded and reads maps afterwards.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gizmo_model::config::Config;
use gizmo_model::iterator::{IteratorError, Iterators};
use gizmo_model::map::{
    BpfMap, MapError, MapInfo, MapSpec, Maps, ObjectSettings, SettingError, kind,
};
use gizmo_model::params::Param;
use gizmo_model::program::{ProgramError, Programs};
use gizmo_model::{DataSource, DataSources, Shape};
use libbpf_rs::btf::Btf;
use libbpf_rs::{
    AsRawLibbpf, Link, MapCore, MapHandle, Object, ObjectBuilder, OpenObject, ProgramMut,
};
use tracing::{debug, warn};

use crate::attach::{AttachPoint, NoAttachPoint, attach_point};
use crate::bpf_map::LoadedMap;
use crate::discover::{Declared, bytes_of_text};
use crate::settings::{self, InnerTemplate};
use crate::{Error, iter, libbpf_log, old_kernel, program, structure};

/// Lines of a verifier log that are shown.
const VERIFIER_LINES: usize = 30;

/// A program of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramInfo {
    /// Name of the function.
    pub name: String,
    /// ELF section.
    pub section: String,
}

enum State {
    Open {
        object: OpenObject,
        /// Of the maps of maps, by name.
        templates: HashMap<String, InnerTemplate>,
    },
    Loaded {
        links: Vec<Link>,
        /// Owns the programs, which the links refer to; dropped after them.
        object: Object,
        maps: HashMap<String, Arc<LoadedMap>>,
        templates: HashMap<String, InnerTemplate>,
    },
    Closed,
}

/// One eBPF object of an image.
pub struct EbpfLayer {
    state: Mutex<State>,
    declared: Declared,
    programs: Vec<ProgramInfo>,
    maps: Vec<MapInfo>,
}

impl EbpfLayer {
    /// Opens an object; nothing reaches the kernel yet.
    ///
    /// # Errors
    /// The bytes are no eBPF object, or its declarations are malformed.
    pub fn open(bytes: &[u8]) -> Result<Self, Error> {
        check_elf(bytes)?;
        let bytes = old_kernel::without_unknown_instructions(bytes);
        let (opened, log) = libbpf_log::capture(|| {
            let mut builder = ObjectBuilder::default();
            builder.name("gadget")?;
            builder.open_memory(&bytes)
        });
        let mut object = opened.map_err(|source| Error::Open { log, source })?;
        let declared = with_btf(&object, Declared::from_btf)?;
        let programs = object.progs().map(|program| ProgramInfo {
            name: program.name().to_string_lossy().into_owned(),
            section: program.section().to_string_lossy().into_owned(),
        });
        let programs = programs.collect();
        let maps = object.maps().map(|map| MapInfo {
            name: map.name().to_string_lossy().into_owned(),
            kind: map.map_type().into(),
            key_bytes: map.key_size() as usize,
            value_bytes: map.value_size() as usize,
            max_entries: map.max_entries(),
        });
        let maps = maps.collect();
        let templates = settings::inner_templates(&mut object);
        Ok(Self {
            state: Mutex::new(State::Open { object, templates }),
            declared,
            programs,
            maps,
        })
    }

    /// The programs, in the order of the object.
    pub fn programs(&self) -> &[ProgramInfo] {
        &self.programs
    }

    /// The maps as the object declares them.
    pub fn map_infos(&self) -> &[MapInfo] {
        &self.maps
    }

    /// Data sources, parameters and variables that the object declares.
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Registers the declared data sources with the fields of their structures.
    ///
    /// # Errors
    /// A map or structure is missing, or a name is taken.
    pub fn register(&self, sources: &DataSources, config: &Config) -> Result<(), Error> {
        let state = self.lock();
        let State::Open { object, .. } = &*state else {
            return Err(Error::State("registered"));
        };
        for tracer in &self.declared.tracers {
            let problem = |problem: String| Error::Declaration {
                name: tracer.name.clone(),
                problem,
            };
            if !self.maps.iter().any(|map| map.name == tracer.map) {
                return Err(problem(format!("there is no map `{}`", tracer.map)));
            }
            let (members, bytes) =
                with_btf(object, |btf| Ok(structure::members(btf, &tracer.structure)))?
                    .ok_or_else(|| problem(format!("there is no struct `{}`", tracer.structure)))?;
            let source = DataSource::new(&tracer.name, Shape::Single, config);
            source.add_struct(members, bytes)?;
            sources.register(source)?;
        }
        for unserved in &self.declared.unserved {
            warn!("{unserved} of the gadget is not supported yet and yields nothing");
        }
        Ok(())
    }

    /// Descriptions of the object's parameters.
    pub fn params(&self, config: &Config) -> Vec<Param> {
        match &*self.lock() {
            State::Open { object, .. } => self
                .declared
                .describe_params(config, |variable| settings::get_variable(object, variable)),
            _ => Vec::new(),
        }
    }

    /// Sets a parameter's variable from text.
    ///
    /// # Errors
    /// The text does not fit the variable, or the object is loaded already.
    pub fn set_param(&self, config: &Config, key: &str, text: &str) -> Result<(), Error> {
        let params = self.params(config);
        let Some(position) = params.iter().position(|param| param.key == key) else {
            return Ok(());
        };
        let Some(variable) = self
            .declared
            .params
            .get(position)
            .and_then(|name| self.declared.variable(name))
        else {
            return Ok(());
        };
        let value = bytes_of_text(text, variable.type_hint, variable.bytes).ok_or_else(|| {
            Error::ParamValue {
                key: key.to_owned(),
                value: text.to_owned(),
                expected: if variable.type_hint.is_empty() {
                    "another type".into()
                } else {
                    variable.type_hint.into()
                },
            }
        })?;
        Ok(self.set_constant(&variable.name, &value)?)
    }

    /// Loads the object; nothing is attached yet.
    ///
    /// # Errors
    /// The kernel refuses, or a program cannot be attached to what it asks for.
    pub fn load(&self, config: &Config) -> Result<(), Error> {
        let points = self.attach_points(config)?;
        let mut state = self.lock();
        let State::Open {
            mut object,
            templates,
        } = std::mem::replace(&mut *state, State::Closed)
        else {
            return Err(Error::State("loaded"));
        };
        settings::apply_sizes_from_variables(&mut object, &self.declared)?;
        for (program, point) in self.programs.iter().zip(&points) {
            if config.get_str(&attach_to_key(&program.name)).is_some() {
                settings::place(&mut object, &program.name, point)?;
            }
        }
        let inner_maps = settings::replace_templates(&mut object, &templates)?;
        old_kernel::adapt(&mut object);
        let object = load(object)?;
        drop(inner_maps);
        let maps = open_maps(&object)?;
        *state = State::Loaded {
            object,
            links: Vec::new(),
            maps,
            templates,
        };
        Ok(())
    }

    /// Attaches the programs of a loaded object, in their order.
    ///
    /// # Errors
    /// The kernel refuses. Everything is detached then.
    pub fn attach(&self, config: &Config) -> Result<(), Error> {
        let points = self.attach_points(config)?;
        let mut state = self.lock();
        let State::Loaded {
            object,
            links,
            maps,
            ..
        } = &mut *state
        else {
            return Err(Error::State("attached"));
        };
        let mut attached = Vec::new();
        for (program, point) in object.progs_mut().zip(&points) {
            if program.autoload() {
                attached.extend(attach(&program, point)?);
            }
        }
        debug!(
            programs = attached.len(),
            maps = maps.len(),
            "eBPF object loaded and attached"
        );
        *links = attached;
        Ok(())
    }

    /// Detaches the programs; maps stay readable.
    pub fn stop(&self) {
        if let State::Loaded { links, .. } = &mut *self.lock() {
            links.clear();
        }
    }

    /// Gives everything back to the kernel.
    pub fn close(&self) {
        *self.lock() = State::Closed;
    }

    fn attach_points(&self, config: &Config) -> Result<Vec<AttachPoint>, Error> {
        let mut points = Vec::with_capacity(self.programs.len());
        for program in &self.programs {
            let attach_to = config.get_str(&attach_to_key(&program.name));
            let point =
                attach_point(&program.section, attach_to.as_deref()).map_err(|problem| {
                    match problem {
                        NoAttachPoint::Unsupported => Error::UnsupportedSection {
                            program: program.name.clone(),
                            section: program.section.clone(),
                        },
                        NoAttachPoint::BadTarget(target) => Error::BadTarget {
                            program: program.name.clone(),
                            target,
                        },
                    }
                })?;
            let is_typed = matches!(
                point,
                AttachPoint::BtfTracepoint(_) | AttachPoint::Iterator(_) | AttachPoint::Function(_)
            );
            if is_typed && !crate::kernel_has_btf() {
                return Err(Error::NoKernelBtf(program.name.clone()));
            }
            points.push(point);
        }
        Ok(points)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectSettings for EbpfLayer {
    fn set_constant(&self, name: &str, value: &[u8]) -> Result<(), SettingError> {
        let mut state = self.lock();
        let State::Open { object, .. } = &mut *state else {
            return Err(SettingError::Loaded(format!("constant `{name}`")));
        };
        let variable = self
            .declared
            .variable(name)
            .filter(|variable| variable.is_const);
        let variable = variable.ok_or_else(|| SettingError::NotFound {
            what: "constant",
            name: name.to_owned(),
        })?;
        settings::set_variable(object, variable, value)
    }

    fn set_max_entries(
        &self,
        map: &str,
        inner: bool,
        max_entries: u32,
    ) -> Result<(), SettingError> {
        match &mut *self.lock() {
            State::Open { templates, .. } if inner => {
                let template = templates.get_mut(map);
                let missing = || SettingError::NotFound {
                    what: "inner map of",
                    name: map.to_owned(),
                };
                template.ok_or_else(missing)?.max_entries = max_entries;
                Ok(())
            }
            State::Open { object, .. } => settings::set_max_entries(object, map, max_entries),
            _ => Err(SettingError::Loaded(format!("the size of map `{map}`"))),
        }
    }
}

impl Maps for EbpfLayer {
    fn get(&self, name: &str) -> Result<Arc<dyn BpfMap>, MapError> {
        match &*self.lock() {
            State::Loaded { maps, .. } => match maps.get(name) {
                Some(map) => Ok(Arc::clone(map) as Arc<dyn BpfMap>),
                None => Err(MapError::NotFound(name.to_owned())),
            },
            _ => Err(MapError::NotFound(name.to_owned())),
        }
    }

    fn create(&self, spec: &MapSpec) -> Result<Arc<dyn BpfMap>, MapError> {
        create_map(spec)
    }

    fn create_inner(&self, outer: &str, name: &str) -> Result<Arc<dyn BpfMap>, MapError> {
        let state = self.lock();
        let State::Loaded { templates, .. } = &*state else {
            return Err(MapError::NotFound(outer.to_owned()));
        };
        let template = templates
            .get(outer)
            .ok_or_else(|| MapError::NotFound(outer.to_owned()))?;
        let spec = template.spec(name);
        Ok(Arc::new(LoadedMap::create(&spec, template.flags)?))
    }
}

impl Iterators for EbpfLayer {
    fn iterate(&self, name: &str) -> Result<Box<dyn io::Read + Send>, IteratorError> {
        let missing = || IteratorError::NotFound(name.to_owned());
        let info = self.programs.iter().find(|program| program.name == name);
        let section = &info.ok_or_else(missing)?.section;
        if !matches!(attach_point(section, None), Ok(AttachPoint::Iterator(_))) {
            return Err(IteratorError::NotAnIterator {
                program: name.to_owned(),
                section: section.clone(),
            });
        }
        let mut state = self.lock();
        let State::Loaded { object, .. } = &mut *state else {
            return Err(missing());
        };
        let program = object.progs_mut().find(|program| program.name() == name);
        let output = iter::run(&program.ok_or_else(missing)?, name)?;
        Ok(Box::new(output))
    }
}

impl Programs for EbpfLayer {
    fn misses(&self, name: &str) -> Result<u64, ProgramError> {
        let missing = || ProgramError::NotFound(name.to_owned());
        let state = self.lock();
        let State::Loaded { object, .. } = &*state else {
            return Err(missing());
        };
        let mut programs = object.progs();
        let program = programs.find(|program| program.name() == name && program.autoload());
        program::recursion_misses(&program.ok_or_else(missing)?).map_err(|source| {
            ProgramError::Kernel {
                program: name.to_owned(),
                source,
            }
        })
    }
}

/// Where the configuration says what a program is attached to in place of its section's target.
fn attach_to_key(program: &str) -> String {
    format!("programs.{program}.attach_to")
}

/// Creates a map that belongs to no object.
///
/// # Errors
/// The kernel's refusal, or a type that cannot be created alone.
pub fn create_map(spec: &MapSpec) -> Result<Arc<dyn BpfMap>, MapError> {
    let mut spec = spec.clone();
    if matches!(spec.kind, kind::ARRAY_OF_MAPS | kind::HASH_OF_MAPS) {
        return Err(MapError::Unsupported {
            map: spec.name,
            operation: "creation without a template",
            kind: spec.kind,
        });
    }
    if matches!(spec.kind, kind::PERF_EVENT_ARRAY | kind::CPUMAP) {
        let cpus = u32::try_from(crate::possible_cpus()).unwrap_or(u32::MAX);
        if spec.max_entries == 0 || spec.max_entries > cpus {
            spec.max_entries = cpus;
        }
    }
    if spec.kind == kind::PERF_EVENT_ARRAY {
        (spec.key_bytes, spec.value_bytes) = (4, 4);
    }
    Ok(Arc::new(LoadedMap::create(&spec, 0)?))
}

/// Refuses what libbpf would accept or read beyond: libbpf takes objects of the host's byte order only.
fn check_elf(bytes: &[u8]) -> Result<(), Error> {
    let header = bytes
        .get(..64)
        .ok_or(Error::NotAnObject("it is shorter than an ELF header"))?;
    if !header.starts_with(b"\x7fELF") {
        return Err(Error::NotAnObject("it is not an ELF file"));
    }
    if header[4] != 2 || header[5] != 1 {
        return Err(Error::NotAnObject(
            "it is not a 64-bit little-endian ELF file",
        ));
    }
    // e_machine of EM_BPF, include/uapi/linux/elf-em.h.
    if u16::from_le_bytes([header[18], header[19]]) != 247 {
        return Err(Error::NotAnObject("its machine is not BPF"));
    }
    Ok(())
}

fn with_btf<T>(
    object: &OpenObject,
    work: impl FnOnce(&Btf<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    // SAFETY: the pointer is that of an open object, which is borrowed for the time of the call.
    let raw = unsafe { object.as_libbpf_object().as_ref() };
    match Btf::from_bpf_object(raw) {
        Ok(Some(btf)) => work(&btf),
        Ok(None) => Err(Error::NotAnObject("it has no BTF")),
        Err(source) => Err(Error::Open {
            log: Vec::new(),
            source,
        }),
    }
}

pub(crate) fn load(object: OpenObject) -> Result<Object, Error> {
    let (loaded, log) = libbpf_log::capture(|| object.load());
    loaded.map_err(|source| {
        let refusal = libbpf_log::verifier_refusal(&log, VERIFIER_LINES);
        if let Some((program, text)) = &refusal
            && !text.is_empty()
        {
            return Error::Verifier {
                program: program.clone(),
                log: text.clone(),
                source,
            };
        }
        if source.kind() == libbpf_rs::ErrorKind::PermissionDenied {
            return Error::Permission(std::io::Error::other(source));
        }
        Error::Load { log, source }
    })
}

fn open_maps(object: &Object) -> Result<HashMap<String, Arc<LoadedMap>>, Error> {
    let mut maps = HashMap::new();
    for map in object.maps().filter(|map| map.autocreate()) {
        let name = map.name().to_string_lossy().into_owned();
        let handle = MapHandle::try_from(&map).map_err(|source| Error::Load {
            log: Vec::new(),
            source,
        })?;
        // The object's name, which libbpf puts before those of `.rodata`, `.data` and `.bss`, means nothing to a guest.
        let plain = name
            .strip_prefix("gadget.")
            .map_or(name.clone(), |rest| format!(".{rest}"));
        maps.insert(plain.clone(), Arc::new(LoadedMap::new(handle, &plain)));
    }
    Ok(maps)
}

pub(crate) fn attach(program: &ProgramMut<'_>, point: &AttachPoint) -> Result<Option<Link>, Error> {
    let (link, log) = libbpf_log::capture(|| match point {
        AttachPoint::RawTracepoint(name) => program.attach_raw_tracepoint(name).map(Some),
        AttachPoint::BtfTracepoint(_) | AttachPoint::Function(_) => {
            program.attach_trace().map(Some)
        }
        AttachPoint::Tracepoint { category, name } => {
            let category = libbpf_rs::TracepointCategory::Custom(category.clone());
            program.attach_tracepoint(category, name).map(Some)
        }
        AttachPoint::Iterator(_) | AttachPoint::Disabled => Ok(None),
    });
    link.map_err(|source| {
        debug!(?log, "attaching failed");
        Error::Attach {
            program: program.name().to_string_lossy().into_owned(),
            target: point.to_string(),
            source,
        }
    })
}
