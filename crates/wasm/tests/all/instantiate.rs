//! Which modules are refused, and with which words (Appendix B 1 and 2).

use gizmo_wasm::{EngineOptions, Error, Guest, ModuleInfo, WasmEngine};

use crate::support::{ENGINE, World, chain, module, module_text, plain};

const VERSION: &str = "(func (export \"gadgetAPIVersion\") (result i64) (i64.const 1))";

fn refused(text: &str) -> Error {
    Guest::instantiate(&plain(text), World::new().context()).unwrap_err()
}

#[test]
fn a_guest_with_nothing_but_a_version_runs() {
    let world = World::new();
    let guest =
        Guest::instantiate(&plain(&format!("(module {VERSION})")), world.context()).unwrap();
    for phase in crate::lifecycle::PHASES {
        guest.call(phase).unwrap();
    }
}

#[test]
fn versions_are_checked() {
    assert!(matches!(refused("(module)"), Error::NoVersion));
    let other = refused("(module (func (export \"gadgetAPIVersion\") (result i64) (i64.const 2)))");
    assert_eq!(
        other.to_string(),
        "the gadget is made for version 2 of the API, this host has version 1"
    );
    for wrong in [
        "(func (export \"gadgetAPIVersion\") (result i64 i64) (i64.const 1) (i64.const 1))",
        "(func (export \"gadgetAPIVersion\"))",
        "(func (export \"gadgetAPIVersion\") (param i32) (result i64) (i64.const 1))",
        "(memory (export \"gadgetAPIVersion\") 1)",
    ] {
        assert!(
            matches!(
                refused(&format!("(module {wrong})")),
                Error::ExportType { .. }
            ),
            "{wrong}"
        );
    }
    let narrow = plain("(module (func (export \"gadgetAPIVersion\") (result i32) (i32.const 1)))");
    Guest::instantiate(&narrow, World::new().context()).unwrap();
}

#[test]
fn exports_must_have_their_types() {
    let error = refused(&format!(
        "(module {VERSION} (func (export \"gadgetStart\")))"
    ));
    assert_eq!(
        error.to_string(),
        "export `gadgetStart` of the gadget's WebAssembly module must have the type `() -> i32`"
    );
}

#[test]
fn unknown_imports_are_named() {
    for import in ["\"ig\" \"nope\"", "\"env\" \"nope\""] {
        let error = refused(&format!("(module (import {import} (func)) {VERSION})"));
        assert!(matches!(error, Error::UnknownImport { ref name, .. } if name == "nope"));
    }
    let wrong_type = refused(&format!(
        "(module (import \"ig\" \"gadgetLog\" (func)) {VERSION})"
    ));
    assert!(matches!(wrong_type, Error::Instantiate(_)), "{wrong_type}");
}

#[test]
fn memory_has_a_limit() {
    let huge = refused(&format!("(module {VERSION} (memory 257))"));
    assert!(matches!(
        huge,
        Error::Memory {
            needed: 16_842_752,
            allowed: 16_777_216
        }
    ));
    // A maximum beyond the cap is accepted, growing to it is not.
    let grows = format!(
        "(module {VERSION} (memory 1 1000) (func (export \"gadgetInit\") (result i32)
            (drop (memory.grow (i32.const 255)))
            (i32.sub (memory.grow (i32.const 1)) (i32.const -1))))"
    );
    Guest::instantiate(&plain(&grows), World::new().context()).unwrap();
}

#[test]
fn tables_have_a_limit() {
    let huge = refused(&format!("(module {VERSION} (table 10000000 funcref))"));
    assert!(matches!(huge, Error::Instantiate(_)));
}

#[test]
fn features_beyond_core_two_are_refused() {
    for body in [
        "(func $f (return_call $f))",
        "(memory 1 1 shared)",
        "(memory i64 1)",
        "(tag $t)",
    ] {
        let wasm = wat::parse_str(format!("(module {VERSION} {body})")).unwrap();
        assert!(
            matches!(ENGINE.load(&wasm, "", None), Err(Error::Compile(_))),
            "{body}"
        );
    }
}

#[test]
fn core_two_features_are_there() {
    plain(
        "(module (memory 1) (table 1 funcref) (global (mut i32) (i32.const 0))
            (func (result i32 i32) (i32.extend8_s (i32.const 200)) (i32.trunc_sat_f32_s (f32.const 1e30)))
            (func (param v128) (result v128) (i8x16.neg (local.get 0)))
            (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 9)))
            (func (drop (ref.null func))))",
    );
}

#[test]
fn rubbish_is_no_module() {
    assert!(matches!(
        ENGINE.load(b"rubbish", "", None),
        Err(Error::Compile(_))
    ));
}

#[test]
fn initialize_runs_first_and_has_memory() {
    // The host writes to memory although the instance is not complete (H25).
    let text = "(func (export \"_initialize\") (eq (i32.const 0) (call $getSyscallName (i32.const 0) @[16,4])))
        (func (export \"_start\") unreachable)
        (func (export \"gadgetInit\") (result i32) (eq (i32.const 0x64616572) (i32.load (i32.const 16))) (i32.const 0))";
    World::new().guest(text);
    let start = module_text(text).replace("(func (export \"_initialize\")", "(start $s) (func $s");
    Guest::instantiate(&plain(&start), World::new().context()).unwrap();
    let error = World::new()
        .try_guest("(func (export \"_initialize\") unreachable)")
        .unwrap_err();
    assert!(
        chain(&error).starts_with("calling _initialize: wasm trap"),
        "{}",
        chain(&error)
    );
}

#[test]
fn info_lists_the_imports() {
    let module = module(
        "(func (call $fail @\"x\") (drop (call $gadgetShouldLog (i32.const 0))))
        (func (export \"gadgetInit\") (result i32) unreachable)",
    );
    let info = ModuleInfo::of(&module).unwrap();
    assert_eq!(info.api_version, 1);
    assert_eq!(info.upcalls, ["gadgetShouldLog"]);
    assert_eq!(info.gizmo_upcalls, ["fail"]);
}

#[test]
fn the_memory_limit_can_be_raised() {
    let options = EngineOptions {
        max_memory_bytes: 32 << 20,
        ..EngineOptions::default()
    };
    let text = format!(
        "(module {VERSION} (memory 257) (func (export \"gadgetInit\") (result i32)
            (i32.store (i32.const 0) (i32.const 7))
            (drop (memory.grow (i32.const 255)))
            (i32.store (i32.const 33554428) (i32.const 1))
            (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
            (i32.sub (i32.load (i32.const 0)) (i32.const 7))))"
    );
    // Code compiled for the default limit fits an engine with another one.
    let wasm = wat::parse_str(text).unwrap();
    let code: &'static [u8] = WasmEngine::precompile(&wasm).unwrap().leak();
    let engine = WasmEngine::new(options).unwrap();
    let module = engine.load(b"rubbish", "", Some(code)).unwrap();
    Guest::instantiate(&module, World::new().context()).unwrap();
}
