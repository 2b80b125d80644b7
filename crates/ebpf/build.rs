//! Passes the folder of libbpf's headers on: a build script of a crate that depends on this one finds it as
//! `DEP_GIZMO_EBPF_INCLUDE`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(include) = std::env::var("DEP_BPF_INCLUDE") {
        println!("cargo::metadata=include={include}");
    }
}
