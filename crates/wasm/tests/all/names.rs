//! Every host function is called by a test guest, and the tests' signatures are the linker's.

use gizmo_wasm::WasmEngine;

use crate::support::{World, module_text, plain};

const TEXTS: &[&str] = &[
    include_str!("batch.rs"),
    include_str!("datasource.rs"),
    include_str!("field.rs"),
    include_str!("hostile.rs"),
    include_str!("instantiate.rs"),
    include_str!("iterator.rs"),
    include_str!("lifecycle.rs"),
    include_str!("look.rs"),
    include_str!("map.rs"),
    include_str!("perf.rs"),
    include_str!("system.rs"),
    include_str!("timing.rs"),
];

#[test]
fn every_function_is_called_by_a_guest() {
    for (module, name) in WasmEngine::host_functions() {
        let called = TEXTS.iter().any(|text| crate::support::calls(text, name));
        assert!(called, "no test guest calls `{name}` of `{module}`");
    }
}

#[test]
fn every_function_links() {
    let mut calls = String::new();
    for (_, name) in WasmEngine::host_functions() {
        calls.push_str(&format!("(elem declare func ${name}) (; call ${name} ;)"));
    }
    let module = plain(&module_text(&calls));
    gizmo_wasm::Guest::instantiate(&module, World::new().context()).unwrap();
    assert_eq!(WasmEngine::host_functions().count(), 55);
}
