//! Guests that ask for parameters, configuration and facts.

use std::sync::Arc;

use gizmo_model::map::{BpfMap, kind};
use gizmo_model::{Kind, Shape};
use gizmo_wasm::{Module, ModuleInfo, Phase};

use crate::host::{ModernKernel, add, collect, errors, init, run, single, world};
use crate::support::{FakeMap, chain, logged};

pub fn config(module: &Module) {
    let world = world();
    run(module, world.context());
    let config = world.config.read().unwrap();
    assert_eq!(config.get_str("foo.bar.zas").as_deref(), Some("myvalue"));
}

pub fn filtering(module: &Module) {
    let world = world();
    let filter = FakeMap::new("filter", kind::HASH, 8, 4, 8);
    filter
        .update(&777u64.to_le_bytes(), &1u32.to_le_bytes(), 0)
        .unwrap();
    *world.filter.write().unwrap() = Some(Arc::new(filter));
    run(module, world.context());
}

pub fn hostfacts(module: &Module) {
    let mut context = world().context();
    context.kernel = Arc::new(ModernKernel);
    run(module, context);
}

pub fn iterator(module: &Module) {
    let world = world();
    let numbers: Vec<u8> = (1..=30_000u32).flat_map(u32::to_ne_bytes).collect();
    world.iterators.add("numbers", &numbers);
    let lines = run(module, world.context());
    assert!(lines.contains(&"INFO stopping".to_owned()), "{lines:?}");
    assert_eq!(world.iterators.open(), 0);
}

pub fn kallsyms(module: &Module) {
    run(module, world().context());
}

pub fn params(module: &Module) {
    let mut world = world();
    let values = [
        ("param-key", "param-value".to_owned()),
        ("long", "a".repeat(100_000)),
        ("empty", String::new()),
        ("list", "openat, \"read,write\"".to_owned()),
        ("bad-list", "openat,,write".to_owned()),
    ];
    world.params = values.map(|(key, value)| (key.to_owned(), value)).into();
    let lines = run(module, world.context());
    assert!(errors(&lines).is_empty(), "{lines:?}");
}

pub fn syscall(module: &Module) {
    run(module, world().context());
}

pub fn portable(module: &Module) {
    let info = ModuleInfo::of(module).unwrap();
    assert_eq!(info.gizmo_upcalls, Vec::<String>::new());
    let mut world = world();
    world.params.insert("step".into(), "5".into());
    let one = world.source("one", Shape::Single);
    let n = add(&one, "n", Kind::Uint32);
    let guest = init(module, world.context());
    let field = Arc::clone(&n);
    let seen = collect(&one, move |element| field.value(element).unwrap());
    let mut element = one.new_element();
    n.set_value(&mut element, 37).unwrap();
    one.emit(single(element)).unwrap();
    assert_eq!(*seen.lock().unwrap(), [[42]]);
    let (error, lines) = logged(|| guest.call(Phase::Stop).unwrap_err());
    assert_eq!(chain(&error), "gadgetStop failed: on purpose");
    assert_eq!(lines, ["ERROR on purpose"]);
}
