//! Builds the gadget images that the binary embeds: an archive of the image, and the guest's code compiled for the host.

use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

use gizmo_image::{BuildSpec, EmbeddedImage, build_to_archive};
use gizmo_wasm::WasmEngine;

fn main() {
    if let Err(error) = run() {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        println!("cargo::error=failed to build the embedded image `traceloop`: {text}");
        // Cargo shows what the compilers said only of a script that failed.
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let include_dirs = ["DEP_GIZMO_BPF_ABI_INCLUDE", "DEP_GIZMO_EBPF_INCLUDE"];
    let include_dirs: Vec<PathBuf> = include_dirs
        .iter()
        .map(|name| variable(name).map(PathBuf::from))
        .collect::<Result<_, _>>()?;
    list_headers(&include_dirs, &out)?;

    let mut spec = BuildSpec::new(here.join("../../gadgets/traceloop"));
    spec.include_dirs = include_dirs;
    spec.output = Some(make(&out.join("traceloop"))?);
    spec.tag = Some("traceloop".parse()?);
    // The same sources give the same image on every day.
    if env::var_os("SOURCE_DATE_EPOCH").is_none() {
        spec.source_date_epoch = Some(0);
    }
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let built = build_to_archive(&spec, &out.join("traceloop.tar"))?;
    for input in &built.inputs {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    let archive: &'static [u8] = fs::read(out.join("traceloop.tar"))?.leak();
    let image = EmbeddedImage::from_archive(archive)?.load()?;
    let wasm = &image.wasm().ok_or("the image has no guest")?.bytes;
    fs::write(out.join("traceloop.code"), WasmEngine::precompile(wasm)?)?;
    Ok(())
}

/// Writes a table of the headers that eBPF sources may include, for builds with an installed binary.
fn list_headers(include_dirs: &[PathBuf], out: &Path) -> Result<(), Box<dyn Error>> {
    let mut table = String::from("[\n");
    for (folder, sub) in include_dirs.iter().zip(["gizmo", "bpf"]) {
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files: Vec<PathBuf> = fs::read_dir(folder.join(sub))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        for file in files
            .iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == "h"))
        {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            table.push_str(&format!(
                "    (\"{sub}/{name}\", include_bytes!({:?})),\n",
                file.display().to_string()
            ));
        }
    }
    table.push(']');
    Ok(fs::write(out.join("headers.rs"), table)?)
}

fn variable(name: &str) -> Result<String, Box<dyn Error>> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}

fn make(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    Ok(folder.to_owned())
}
