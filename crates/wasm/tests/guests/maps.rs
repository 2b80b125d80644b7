//! Guests that use maps, and settings of the eBPF object.

use std::sync::Arc;

use gizmo_model::map::{BpfMap, kind};
use gizmo_wasm::{Module, Phase};

use crate::host::{FakeObject, errors, finish, init, world};
use crate::support::{FakeMap, chain, logged};

pub fn map(module: &Module) {
    let world = world();
    let guest = init(module, world.context());
    world
        .maps
        .add(FakeMap::new("test_map", kind::HASH, 12, 4, 1));
    let ((), lines) = logged(|| finish(&guest));
    assert!(errors(&lines).is_empty(), "{lines:?}");
    assert_eq!(world.maps.open(), 0, "the guest's own map is still open");
}

pub fn mapofmap(module: &Module) {
    let world = world();
    let guest = init(module, world.context());
    let outer = FakeMap::new("map_of_map", kind::HASH_OF_MAPS, 12, 4, 1);
    world.maps.add(outer.clone());
    finish(&guest);
    let key: Vec<u8> = [42u32, 42, 43]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect();
    assert!(outer.lookup_map(&key).unwrap().is_none());
    assert_eq!(world.maps.open(), 0, "an inner map is still open");
}

/// The guest wants perf readers, which the host does not have yet: it is told so, and ends nothing but itself.
pub fn perf(module: &Module) {
    let world = world();
    let guest = init(module, world.context());
    world
        .maps
        .add(FakeMap::new("events", kind::PERF_EVENT_ARRAY, 4, 4, 4));
    guest.call(Phase::PreStart).unwrap();
    let (error, lines) = logged(|| guest.call(Phase::Start).unwrap_err());
    assert!(chain(&error).starts_with("gadgetStart failed"), "{error}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("perf readers are not supported yet")),
        "{lines:?}"
    );
    assert_eq!(guest.death(), None);
}

pub fn tuning(module: &Module) {
    let world = world();
    let object = Arc::new(FakeObject::default());
    let mut context = world.context();
    context.settings = object.clone();
    context.maps = object.clone();
    let guest = init(module, context);
    guest.call(Phase::PreStart).unwrap();
    assert_eq!(*object.threshold.lock().unwrap(), Some(1234));
    assert_eq!(*object.entries.lock().unwrap(), [Some(3), Some(3)]);
    *object.is_loaded.lock().unwrap() = true;
    if let Err(error) = guest.call(Phase::Start) {
        panic!("{}", chain(&error));
    }
    assert_eq!(*object.threshold.lock().unwrap(), Some(1234));
}
