//! Guests that use maps, and settings of the eBPF object.

use std::sync::Arc;

use gizmo_model::map::{BpfMap, kind};
use gizmo_model::{Kind, Shape};
use gizmo_wasm::{Module, Phase};

use crate::host::{FakeObject, add, collect, errors, finish, init, single, source, world};
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

pub fn percpu(module: &Module) {
    let world = world();
    finish(&init(module, world.context()));
    assert_eq!(world.maps.open(), 0);
}

/// Two containers, of which one is gone at the end, and one that comes twice.
pub fn perfloop(module: &Module) {
    let world = world();
    let containers = world.source("containers", Shape::Single);
    let event_type = add(&containers, "event_type", Kind::String);
    let name = add(&containers, "name", Kind::String);
    let mntns_id = add(&containers, "mntns_id", Kind::Uint64);
    let outer = FakeMap::new("map_of_perf_buffers", kind::HASH_OF_MAPS, 8, 4, 1024);
    world.maps.add(outer.clone());
    let guest = init(module, world.context());
    guest.call(Phase::PreStart).unwrap();
    guest.call(Phase::Start).unwrap();
    let tell = |what: &str, id: u64| {
        let mut element = containers.new_element();
        event_type.set_bytes(&mut element, what.as_bytes()).unwrap();
        name.set_bytes(&mut element, b"box").unwrap();
        mntns_id.set_value(&mut element, id).unwrap();
        containers.emit(single(element)).unwrap();
    };
    let call = |time: u64, number: u32| {
        let mut record = time.to_le_bytes().to_vec();
        record.extend([77u32, number, 0].map(u32::to_le_bytes).concat());
        record
    };
    let inner = |id: u64| {
        let found = outer.lookup_map(&id.to_le_bytes()).unwrap();
        found.map(|map| map.as_any().downcast_ref::<FakeMap>().unwrap().clone())
    };
    let ((), lines) = logged(|| {
        tell("PRECREATE", 1);
        assert!(inner(1).is_none());
        for id in [1, 2, 2] {
            tell("CREATED", id);
        }
        for (id, calls) in [
            (1, [call(30, 3), call(10, 1)]),
            (2, [call(5, 9), call(20, 2)]),
        ] {
            inner(id).unwrap().ring.lock().unwrap().records = calls.into();
        }
        tell("DELETED", 1);
    });
    assert!(inner(1).is_none());
    let failed = errors(&lines);
    assert!(
        failed.len() == 1 && failed[0].contains("container `box`"),
        "{lines:?}"
    );
    let loop_source = source(&world, "perfloop");
    let fields = ["mntns_id", "time_ns", "pid", "number"];
    let fields = fields.map(|name| loop_source.field(name).unwrap());
    let seen = collect(&loop_source, move |element| {
        fields.each_ref().map(|field| field.value(element).unwrap())
    });
    guest.call(Phase::Stop).unwrap();
    let expected = [
        [1, 10, 77, 1],
        [1, 30, 77, 3],
        [2, 5, 77, 9],
        [2, 20, 77, 2],
    ];
    assert_eq!(*seen.lock().unwrap(), expected.map(|call| vec![call]));
    assert_eq!(
        world.maps.open(),
        1,
        "only the one that the outer map holds"
    );
    assert!(inner(2).unwrap().ring.lock().unwrap().open.is_empty());
}

/// The fake has written before; that a program writes is up to the tests with a kernel.
pub fn perf(module: &Module) {
    let world = world();
    let guest = init(module, world.context());
    let events = FakeMap::new("events", kind::PERF_EVENT_ARRAY, 4, 4, 4);
    let mut event = vec![0; 260];
    event[..9].copy_from_slice(&[42, 0, 0, 0, 42, 0, 0, 0, 43]);
    let records = (0..10).map(|_| event.clone());
    events.ring.lock().unwrap().records = records.collect();
    world.maps.add(events.clone());
    let ((), lines) = logged(|| finish(&guest));
    assert!(errors(&lines).is_empty(), "{lines:?}");
    let ring = events.ring.lock().unwrap();
    assert!(ring.records.is_empty() && ring.open.is_empty());
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
