//! WebAssembly modules: embedded as they are, or compiled from Go or Rust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{file, rust, tools};
use crate::limits::MAX_LAYER_BYTES;
use crate::{Error, Result};

/// Compiles or reads the module that `build.yaml` names.
pub(super) fn compile(
    dir: &Path,
    source: &str,
    target: &str,
    out: &Path,
    inputs: &mut Vec<PathBuf>,
) -> Result<Vec<u8>> {
    let path = dir.join(source);
    let module = match path.extension().and_then(|extension| extension.to_str()) {
        Some("wasm") => {
            inputs.push(path.clone());
            path
        }
        Some("rs") => rust::compile(&path, target, out, inputs)?,
        Some("go") => {
            inputs.push(path.clone());
            go(dir, source, out)?
        }
        _ => {
            return Err(file::invalid(
                dir,
                format!("`wasm: {source}` does not end in `.wasm`, `.rs` or `.go`"),
            ));
        }
    };
    read_module(dir, &module)
}

/// A Go guest is a library: `c-shared` makes the module a reactor with `_initialize`.
fn go(dir: &Path, source: &str, out: &Path) -> Result<PathBuf> {
    let hint = "install Go 1.24 or newer, or embed a module that is compiled already".to_owned();
    let go = tools::find("go").ok_or_else(|| Error::ToolMissing {
        tool: "go".to_owned(),
        hint,
    })?;
    let module = out.join("program.wasm");
    let mut command = Command::new(go);
    command
        .arg("build")
        .arg("-C")
        .arg(dir)
        .arg("-o")
        .arg(&module);
    // `-trimpath` is the one addition to what `ig` passes: no path of this machine in the module.
    command.args([
        "-trimpath",
        "-buildmode=c-shared",
        "-ldflags",
        "-w -s",
        source,
    ]);
    command
        .env("CGO_ENABLED", "0")
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm");
    tools::run(&mut command)?;
    Ok(module)
}

fn read_module(dir: &Path, path: &Path) -> Result<Vec<u8>> {
    let size = fs::metadata(path).map_err(Error::io("read", path))?.len();
    if size > MAX_LAYER_BYTES {
        return Err(Error::TooLarge {
            what: "module",
            name: path.display().to_string(),
            size,
            limit: MAX_LAYER_BYTES,
        });
    }
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    if !bytes.starts_with(b"\0asm") {
        return Err(file::invalid(
            dir,
            format!("`{}` is not a WebAssembly module", path.display()),
        ));
    }
    Ok(bytes)
}
