//! eBPF objects: one C source, compiled for each architecture, stripped of DWARF but not of BTF.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::tools::{Llvm, dependencies, run};
use crate::build::{BuildSpec, file};
use crate::limits::MAX_LAYER_BYTES;
use crate::{Error, Result};

/// A machine that images are built for.
#[derive(Debug)]
pub(super) struct Target {
    /// Name in the image, and of the folder with its `vmlinux.h`.
    pub(super) arch: &'static str,
    /// Name in libbpf's macros.
    macro_name: &'static str,
}

/// Every image serves both, in this order: indexes are sorted by architecture.
pub(super) const TARGETS: [Target; 2] = [
    Target {
        arch: "amd64",
        macro_name: "x86",
    },
    Target {
        arch: "arm64",
        macro_name: "arm64",
    },
];

/// ELF's number for BPF objects.
const EM_BPF: u16 = 247;

/// Compiles `source` for each of [`TARGETS`] and returns the objects in that order.
pub(super) fn compile(
    spec: &BuildSpec,
    dir: &Path,
    source: &str,
    out: &Path,
    inputs: &mut Vec<PathBuf>,
) -> Result<Vec<Vec<u8>>> {
    let llvm = Llvm::find()?;
    let includes = spec
        .include_dirs
        .iter()
        .map(|path| path.canonicalize().map_err(Error::io("open", path)));
    let includes = includes.collect::<Result<Vec<_>>>()?;
    let mut objects = Vec::new();
    for target in &TARGETS {
        let object = out.join(format!("{}.bpf.o", target.arch));
        let depfile = out.join(format!("{}.bpf.d", target.arch));
        let mut clang = Command::new(&llvm.clang);
        // Clang believes `PWD` when it names the current directory, links and all.
        clang.current_dir(dir).env("PWD", dir);
        // Newer compilers choose this instruction set by themselves; kernels since 5.10 know it.
        clang.args(["-target", "bpf", "-mcpu=v3", "-Wall", "-g", "-O2"]);
        if spec.deny_warnings {
            clang.arg("-Werror");
        }
        clang.arg(format!(
            "-I/usr/include/{}-linux-gnu",
            std::env::consts::ARCH
        ));
        clang.args([
            "-D",
            &format!("__TARGET_ARCH_{}", target.macro_name),
            "-c",
            source,
        ]);
        add_includes(&mut clang, &includes, target.arch);
        add_prefix_maps(&mut clang, dir, &includes);
        clang
            .arg("-MD")
            .arg("-MF")
            .arg(&depfile)
            .arg("-o")
            .arg(&object);
        run(&mut clang)?;
        run(Command::new(&llvm.strip).arg("-g").arg(&object))?;
        inputs.extend(dependencies(&depfile, dir));
        objects.push(read_object(dir, &object)?);
    }
    Ok(objects)
}

fn add_includes(clang: &mut Command, includes: &[PathBuf], arch: &str) {
    for include in includes {
        let of_arch = include.join(arch);
        if of_arch.is_dir() {
            clang.arg("-I").arg(of_arch);
        }
        clang.arg("-I").arg(include);
    }
    clang.arg("-I").arg(format!("/usr/include/gadget/{arch}/"));
}

/// BTF keeps the file names of the source lines: they must not depend on where the sources are.
fn add_prefix_maps(clang: &mut Command, dir: &Path, includes: &[PathBuf]) {
    let maps = includes
        .iter()
        .map(|include| (include.as_path(), "include"))
        .chain([(dir, ".")]);
    for (from, to) in maps {
        clang.arg(format!("-ffile-prefix-map={}={to}", from.display()));
    }
    clang.arg("-fdebug-compilation-dir=.");
}

fn read_object(dir: &Path, path: &Path) -> Result<Vec<u8>> {
    let size = fs::metadata(path).map_err(Error::io("read", path))?.len();
    if size > MAX_LAYER_BYTES {
        return Err(Error::TooLarge {
            what: "object",
            name: path.display().to_string(),
            size,
            limit: MAX_LAYER_BYTES,
        });
    }
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let machine = bytes.get(18..20).map(|b| u16::from_le_bytes([b[0], b[1]]));
    // 64 bits, little endian: the only kind that this format carries.
    if !bytes.starts_with(b"\x7fELF\x02\x01") || machine != Some(EM_BPF) {
        return Err(file::invalid(
            dir,
            format!("`{}` is not a little-endian BPF object", path.display()),
        ));
    }
    Ok(bytes)
}
