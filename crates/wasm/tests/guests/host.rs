//! What the tests share beyond `support`: runs of a guest, and a host whose eBPF object can be sized.

use std::sync::{Arc, Mutex};

use gizmo_model::field::FieldSpec;
use gizmo_model::map::{BpfMap, MapError, MapSpec, Maps, ObjectSettings, SettingError, kind};
use gizmo_model::{DataSource, Element, Field, Flow, Kind, Packet, Payload, Shape, Subscription};
use gizmo_syscalls::{Abi, Parameter};
use gizmo_wasm::{Deadlines, Guest, HostContext, Kernel, Module, Phase};

use crate::support::{FakeKernel, FakeMap, World, chain, logged};

const PHASES: [Phase; 5] = [
    Phase::PreStart,
    Phase::Start,
    Phase::PreStop,
    Phase::Stop,
    Phase::PostStop,
];

/// Surroundings with the time limits of real runs: this machine may be slow.
pub fn world() -> World {
    let mut world = World::new();
    world.deadlines = Deadlines::default();
    world
}

/// `gadgetInit`.
#[track_caller]
pub fn init(module: &Module, context: HostContext) -> Guest {
    Guest::instantiate(module, context).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// The phases after `gadgetInit`.
#[track_caller]
pub fn finish(guest: &Guest) {
    for phase in PHASES {
        if let Err(error) = guest.call(phase) {
            panic!("{}", chain(&error));
        }
    }
    assert_eq!(guest.death(), None);
}

/// All phases; returns the log.
#[track_caller]
pub fn run(module: &Module, context: HostContext) -> Vec<String> {
    let ((), lines) = logged(|| finish(&init(module, context)));
    lines
}

/// The lines of level ERROR.
pub fn errors(lines: &[String]) -> Vec<&String> {
    let is_error = |line: &&String| line.starts_with("ERROR");
    lines.iter().filter(is_error).collect()
}

/// A field that the host adds.
#[track_caller]
pub fn add(source: &DataSource, name: &str, kind: Kind) -> Arc<Field> {
    source.add_field(FieldSpec::new(name, kind)).unwrap()
}

/// A packet with one element.
pub fn single(element: Element) -> Packet {
    Packet::Single(element)
}

/// Every packet of a data source that reaches a late subscriber, as the values that `look` finds in its elements.
pub fn collect<T: Send + 'static>(
    source: &Arc<DataSource>,
    look: impl Fn(&Element) -> T + Send + Sync + 'static,
) -> Arc<Mutex<Vec<Vec<T>>>> {
    let packets: Arc<Mutex<Vec<Vec<T>>>> = Arc::default();
    let seen = Arc::clone(&packets);
    source
        .subscribe(Subscription::Packet, 1000, move |_, payload| {
            if let Payload::Packet(packet) = payload {
                seen.lock()
                    .unwrap()
                    .push(packet.elements().iter().map(&look).collect());
            }
            Flow::Continue
        })
        .unwrap();
    packets
}

/// The data source of that name.
#[track_caller]
pub fn source(world: &World, name: &str) -> Arc<DataSource> {
    world
        .sources
        .get(name)
        .unwrap_or_else(|| panic!("there is no data source `{name}`"))
}

/// The data source `myds` that hostile guests are called back from.
pub fn myds(world: &World) -> Arc<DataSource> {
    world.source("myds", Shape::Single)
}

/// A kernel of today: [`FakeKernel`] was started before 1970.
pub struct ModernKernel;

impl Kernel for ModernKernel {
    fn native_abi(&self) -> Abi {
        FakeKernel.native_abi()
    }

    fn release(&self) -> &str {
        "6.18.44"
    }

    fn possible_cpus(&self) -> u32 {
        FakeKernel.possible_cpus()
    }

    fn page_bytes(&self) -> u32 {
        FakeKernel.page_bytes()
    }

    fn follows_command(&self) -> bool {
        true
    }

    fn wall_clock_offset_ns(&self) -> i64 {
        1_700_000_000_000_000_000
    }

    fn symbol_exists(&self, name: &str) -> bool {
        FakeKernel.symbol_exists(name)
    }

    fn has_syscall_function(&self, name: &str) -> bool {
        FakeKernel.has_syscall_function(name)
    }

    fn declaration(&self, name: &str) -> Option<Vec<Parameter>> {
        FakeKernel.declaration(name)
    }
}

/// An object with `const volatile __u32 threshold`, the map `test_map` and the map of maps `map_of_map`. Maps get their
/// sizes when it is loaded, and exist from then on.
#[derive(Default)]
pub struct FakeObject {
    pub threshold: Mutex<Option<u32>>,
    pub entries: Mutex<[Option<u32>; 2]>,
    pub is_loaded: Mutex<bool>,
}

impl FakeObject {
    const MAPS: [(&str, bool); 2] = [("test_map", false), ("map_of_map", true)];

    fn loaded(&self) -> bool {
        *self.is_loaded.lock().unwrap()
    }

    fn sized(&self, which: usize, name: &str) -> Arc<dyn BpfMap> {
        let entries = self.entries.lock().unwrap()[which].unwrap_or(1);
        Arc::new(FakeMap::new(name, kind::HASH, 4, 4, entries))
    }
}

impl ObjectSettings for FakeObject {
    fn set_constant(&self, name: &str, value: &[u8]) -> Result<(), SettingError> {
        if self.loaded() {
            return Err(SettingError::Loaded(name.into()));
        }
        if name != "threshold" {
            let name = name.into();
            return Err(SettingError::NotFound {
                what: "constant",
                name,
            });
        }
        let bytes = value.try_into().map_err(|_| SettingError::Length {
            name: name.into(),
            expected: 4,
            found: value.len(),
        })?;
        *self.threshold.lock().unwrap() = Some(u32::from_le_bytes(bytes));
        Ok(())
    }

    fn set_max_entries(&self, map: &str, inner: bool, entries: u32) -> Result<(), SettingError> {
        if self.loaded() {
            return Err(SettingError::Loaded(map.into()));
        }
        let known = Self::MAPS.iter().position(|known| *known == (map, inner));
        let which = known.ok_or_else(|| SettingError::NotFound {
            what: if inner { "inner map of" } else { "map" },
            name: map.into(),
        })?;
        self.entries.lock().unwrap()[which] = Some(entries);
        Ok(())
    }
}

impl Maps for FakeObject {
    fn get(&self, name: &str) -> Result<Arc<dyn BpfMap>, MapError> {
        if name != "test_map" || !self.loaded() {
            return Err(MapError::NotFound(name.into()));
        }
        Ok(self.sized(0, name))
    }

    fn create(&self, spec: &MapSpec) -> Result<Arc<dyn BpfMap>, MapError> {
        Err(MapError::NotFound(spec.name.clone()))
    }

    fn create_inner(&self, outer: &str, name: &str) -> Result<Arc<dyn BpfMap>, MapError> {
        if outer != "map_of_map" || !self.loaded() {
            return Err(MapError::NotFound(outer.into()));
        }
        Ok(self.sized(1, name))
    }
}
