//! Generates the Rust types of `include/gizmo/recorder.h`.

use std::path::PathBuf;
use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    let include = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("no CARGO_MANIFEST_DIR")?)
        .join("include");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?).join("recorder.rs");
    println!("cargo::rerun-if-changed=include");
    println!("cargo::rerun-if-env-changed=LIBCLANG_PATH");
    // Dependents find the headers as DEP_GIZMO_BPF_ABI_INCLUDE.
    println!("cargo::metadata=include={}", include.display());
    bindgen::builder()
        .header(include.join("gizmo/recorder.h").to_string_lossy())
        .header(include.join("gizmo/inflight.h").to_string_lossy())
        // Fixed-width members only, so the layout is the same for eBPF, the host and wasm32.
        .clang_args(["--target=x86_64-unknown-linux-gnu", "-ffreestanding"])
        .clang_arg(format!("-I{}", include.display()))
        .use_core()
        .layout_tests(true)
        .derive_default(false)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .allowlist_type(
            "segment|record|large|thread_note|loss_note|capture|rule|capture_rule|selection|tests|test_range|test_name|stats_key|call_stats|control|claims|recorded|slot|cursor|in_flight",
        )
        .allowlist_type("abi|record_flags|note_kind|capture_flags|capture_kind|rule_flags|in_flight_flags")
        .allowlist_var("SEGMENT_.*|CAPTURE.*|RECORD_.*|RULE_.*|NOTE_.*|I386_SOCKETCALL|SUBCALL.*|NUMBERS_PER_ABI|ABI_COUNT|TEST_VALUES|STATS_.*|KERNEL_ERRORS")
        .generate()
        .map_err(|error| {
            format!("{error}; is libclang installed? `cargo xtask setup` installs it")
        })?
        .write_to_file(out)?;
    Ok(())
}
