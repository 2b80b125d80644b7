//! How long a small guest takes to start; printed, not judged.

use std::time::Instant;

use gizmo_wasm::{EngineOptions, Guest, WasmEngine};

use crate::support::{World, module_text};

fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "measurement: run alone, with --release --nocapture"]
fn start_times() {
    let path = std::env::var_os("GUEST");
    let wasm = match path {
        Some(path) => std::fs::read(path).unwrap(),
        None => wat::parse_str(module_text(
            "(func (export \"gadgetInit\") (result i32) (i32.const 0))",
        ))
        .unwrap(),
    };
    let code: &'static [u8] = WasmEngine::precompile(&wasm).unwrap().leak();
    println!(
        "module {} bytes, code {} bytes, resident {} KiB",
        wasm.len(),
        code.len(),
        resident_kib()
    );
    let start = Instant::now();
    let engine = WasmEngine::new(EngineOptions::default()).unwrap();
    println!(
        "engine: {:?}, resident {} KiB",
        start.elapsed(),
        resident_kib()
    );
    for (name, code) in [
        ("embedded", Some(code)),
        ("compiled", None),
        ("embedded", Some(code)),
        ("compiled", None),
    ] {
        let start = Instant::now();
        let module = engine.load(&wasm, "", code).unwrap();
        let loaded = start.elapsed();
        let guest = Guest::instantiate(&module, World::new().context());
        let all = start.elapsed();
        println!(
            "{name}: load {loaded:?}, with instantiation {all:?}, resident {} KiB, {:?}",
            resident_kib(),
            guest.err()
        );
    }
}
