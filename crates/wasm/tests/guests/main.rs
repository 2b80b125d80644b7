//! Host tests of the guests in `testing/guests`, one for each: what the host provides and what is expected of it stands
//! at the top of the guest's `lib.rs`.
//!
//! `build` compiles all guests once per run and target. The list below makes a test of each of its lines for each target;
//! two more tests compare the list with the folders, and what the guests import with what the host has.

use gizmo_wasm::{ModuleInfo, WasmEngine};

mod build;
mod data;
mod examples;
mod host;
mod hostile;
mod looking;
mod maps;
mod misuse;
mod system;

#[path = "../all/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the tests of guests in text, which use all of it"
)]
mod support;

/// A test per line, which gets the guest's module.
macro_rules! guests {
    ($($folder:literal $test:ident: $file:ident;)+) => {
        const TESTED: &[&str] = &[$($folder),+];
        $(
            #[test]
            fn $test() {
                $file::$test(&build::module($folder, build::Target::Freestanding));
            }
        )+

        mod wasip1 {
            use super::*;

            $(
                #[test]
                fn $test() {
                    $file::$test(&build::module($folder, build::Target::Wasip1));
                }
            )+
        }
    };
}

guests! {
    "baderrptr" baderrptr: misuse;
    "badguest" badguest: misuse;
    "config" config: system;
    "dataarray" dataarray: data;
    "databatch" databatch: data;
    "dataemit" dataemit: data;
    "discard" discard: data;
    "example-enrich" example_enrich: examples;
    "example-map" example_map: examples;
    "example-source" example_source: examples;
    "failing" failing: misuse;
    "fields" fields: data;
    "filtering" filtering: system;
    "hostfacts" hostfacts: system;
    "hostile-lies" hostile_lies: misuse;
    "hostile-loop" hostile_loop: hostile;
    "hostile-memory" hostile_memory: hostile;
    "hostile-panic" hostile_panic: hostile;
    "hostile-recursion" hostile_recursion: hostile;
    "hostile-trap" hostile_trap: hostile;
    "iterator" iterator: system;
    "kallsyms" kallsyms: system;
    "looking" looking: looking;
    "map" map: maps;
    "mapofmap" mapofmap: maps;
    "nesting" nesting: data;
    "params" params: system;
    "percpu" percpu: maps;
    "perf" perf: maps;
    "perfloop" perfloop: maps;
    "portable" portable: system;
    "syscall" syscall: system;
    "template" template: data;
    "tuning" tuning: maps;
}

#[test]
fn every_guest_has_a_host_test() {
    assert_eq!(
        build::folders(),
        TESTED,
        "a folder in `testing/guests` has no line in the list above, or the other way round"
    );
}

#[test]
fn every_function_has_a_guest() {
    let mut missing: Vec<_> = WasmEngine::host_functions().collect();
    for folder in TESTED {
        let module = build::module(folder, build::Target::Freestanding);
        let info = ModuleInfo::of(&module).unwrap();
        missing.retain(|(from, name)| {
            let imported = match *from {
                "ig" => &info.upcalls,
                _ => &info.gizmo_upcalls,
            };
            !imported.iter().any(|known| known == name)
        });
    }
    // Guests import no more than they use.
    assert!(missing.is_empty(), "no guest calls {missing:?}");
}
