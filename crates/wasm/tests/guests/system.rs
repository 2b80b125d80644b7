//! Guests that ask for parameters, configuration and facts.

use std::sync::Arc;

use gizmo_model::map::{BpfMap, kind};
use gizmo_wasm::Module;

use crate::host::{ModernKernel, errors, run, world};
use crate::support::FakeMap;

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
