//! Compiles the programs that see containers begin and that benches compare with, and passes the folder of libbpf's headers on: a build script of a crate
//! that depends on this one finds it as `DEP_GIZMO_EBPF_INCLUDE`.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

const PROGRAMS: [&str; 2] = ["starts", "floor"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    let libbpf = env::var("DEP_BPF_INCLUDE")?;
    println!("cargo::metadata=include={libbpf}");
    let own = env::var("DEP_GIZMO_BPF_ABI_INCLUDE")?;
    println!("cargo::rerun-if-changed={own}");

    let macro_name = match env::var("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86_64" => "x86",
        "aarch64" => "arm64",
        other => return Err(format!("no eBPF programs for {other}").into()),
    };
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    let clang = clang()?;
    for program in PROGRAMS {
        let source = format!("bpf/{program}.bpf.c");
        let status = Command::new(&clang)
            .args([
                "-target", "bpf", "-Wall", "-Werror", "-g", "-O2", "-c", &source,
            ])
            .arg(format!("-D__TARGET_ARCH_{macro_name}"))
            .args(["-I", &own, "-I", &libbpf])
            .arg("-o")
            .arg(folder.join(format!("{program}.bpf.o")))
            .status()?;
        if !status.success() {
            return Err(format!("clang could not compile {source} ({status})").into());
        }
    }
    Ok(())
}

/// `CLANG`, else the version that set-up installs, else whatever is there.
fn clang() -> Result<String, Box<dyn Error>> {
    if let Ok(clang) = env::var("CLANG") {
        return Ok(clang);
    }
    ["clang-19", "clang"]
        .into_iter()
        .find(|name| {
            let run = Command::new(name).arg("--version").output();
            run.is_ok_and(|output| output.status.success())
        })
        .map(str::to_owned)
        .ok_or_else(|| "clang is not installed; `cargo xtask setup` installs it".into())
}
