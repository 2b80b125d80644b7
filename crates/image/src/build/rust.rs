//! Guests in Rust: a cargo inside whatever called us, which may be a build script of another cargo.
//!
//! So the outer cargo's variables are cleared, the target directory is our own (the outer one is locked), and paths are
//! remapped. Where rustup could not install the target's standard library, Debian's toolchain builds it from source.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::build::tools::{self, dependencies, run};
use crate::{Error, Result};

/// What separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const UNIT_SEPARATOR: &str = "\x1f";
/// The only target that the standard library can be built for without a C library.
const FREESTANDING: &str = "wasm32-unknown-unknown";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Compiles the package whose source is `<package>/<folder>/<file>.rs`; returns the module.
pub(super) fn compile(
    source: &Path,
    target: &str,
    out: &Path,
    inputs: &mut Vec<PathBuf>,
) -> Result<PathBuf> {
    let package = source.parent().and_then(Path::parent).unwrap_or(source);
    let manifest = package.join("Cargo.toml");
    let manifest = manifest
        .canonicalize()
        .map_err(Error::io("open", &manifest))?;
    let package = manifest.parent().unwrap_or(&manifest).to_path_buf();
    let toolchain = Toolchain::choose(&package, target)?;
    let workspace = toolchain.workspace(&manifest, &package)?;

    let mut cargo = toolchain.cargo(&package);
    cargo.args([
        "build",
        "--release",
        "--target",
        target,
        "--message-format",
        "json-render-diagnostics",
    ]);
    cargo
        .arg("--manifest-path")
        .arg(&manifest)
        .arg("--target-dir")
        .arg(out.join("cargo"));
    if matches!(toolchain, Toolchain::Debian) {
        cargo.args(["-Z", "build-std=std,panic_abort"]);
    }
    cargo.env(
        "CARGO_ENCODED_RUSTFLAGS",
        remap_flags(&workspace, &toolchain.sysroot(&package)?),
    );
    // Nobody reads DWARF of a guest, and it would hold a third of the module; names stay, for traps.
    cargo
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo")
        // Guests are small, and nothing inlines across crates later on.
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        // Build scripts run once; a workspace may ask for fast ones for another reason.
        .env("CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_OPT_LEVEL", "0");
    let messages = run(&mut cargo)?;

    let module = artifact(&messages, &manifest).ok_or_else(|| Error::Build {
        dir: package.clone(),
        reason: "cargo made no `.wasm` file: the package needs a library with `crate-type = [\"cdylib\"]`".to_owned(),
    })?;
    inputs.push(manifest);
    inputs.extend(dependencies(&module.with_extension("d"), &workspace));
    Ok(module)
}

/// Who compiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Toolchain {
    /// The cargo that is set up for the user (or that calls us), with the target installed.
    Installed,
    /// Debian's, which brings the sources of the standard library.
    Debian,
}

impl Toolchain {
    fn choose(package: &Path, target: &str) -> Result<Self> {
        if Self::Installed.has_target(package, target) {
            return Ok(Self::Installed);
        }
        let debian = tools::find(DEBIAN_CARGO).is_some()
            && target == FREESTANDING
            && tools::find("/usr/bin/wasm-ld-19").is_some()
            && Self::Debian
                .sysroot(package)
                .is_ok_and(|root| root.join("lib/rustlib/src/rust/library").exists());
        if debian {
            tracing::info!(
                target,
                "building the guest with Debian's toolchain and its own standard library"
            );
            return Ok(Self::Debian);
        }
        let hint = format!("run `cargo xtask setup`, or `rustup target add {target}`");
        Err(Error::ToolMissing {
            tool: format!("rust target {target}"),
            hint,
        })
    }

    fn has_target(self, package: &Path, target: &str) -> bool {
        let mut rustc = self.rustc(package);
        let libdir = run(rustc.args(["--print", "target-libdir", "--target", target]));
        // The folder exists for targets without std, too; its crates are what counts.
        let libdir = libdir
            .ok()
            .map(|text| PathBuf::from(String::from_utf8_lossy(&text).trim()));
        let entries = libdir.and_then(|dir| std::fs::read_dir(dir).ok());
        entries
            .into_iter()
            .flatten()
            .flatten()
            .any(|e| e.file_name().to_string_lossy().starts_with("libstd-"))
    }

    fn sysroot(self, package: &Path) -> Result<PathBuf> {
        let text = run(self.rustc(package).args(["--print", "sysroot"]))?;
        Ok(PathBuf::from(String::from_utf8_lossy(&text).trim()))
    }

    /// The folder that paths in the compiler's messages and dependency files are relative to.
    fn workspace(self, manifest: &Path, package: &Path) -> Result<PathBuf> {
        let mut cargo = self.cargo(package);
        cargo
            .args([
                "locate-project",
                "--workspace",
                "--message-format",
                "plain",
                "--manifest-path",
            ])
            .arg(manifest);
        let text = run(&mut cargo)?;
        let root = PathBuf::from(String::from_utf8_lossy(&text).trim());
        Ok(root.parent().unwrap_or(package).to_path_buf())
    }

    fn cargo(self, package: &Path) -> Command {
        // Inside a build script `CARGO` is the outer cargo, of the toolchain that the user chose.
        let outer = std::env::var_os("CARGO")
            .map(PathBuf::from)
            .filter(|path| path.is_file());
        let program = match self {
            Self::Installed => outer.unwrap_or_else(|| PathBuf::from("cargo")),
            Self::Debian => PathBuf::from(DEBIAN_CARGO),
        };
        self.command(program, package)
    }

    fn rustc(self, package: &Path) -> Command {
        let program = match self {
            Self::Installed => "rustc",
            Self::Debian => DEBIAN_RUSTC,
        };
        self.command(PathBuf::from(program), package)
    }

    fn command(self, program: PathBuf, package: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(package);
        for (name, _) in std::env::vars_os().filter(|(name, _)| belongs_to_outer_cargo(name)) {
            command.env_remove(name);
        }
        if self == Self::Debian {
            command
                .env("PATH", "/usr/bin:/bin")
                .env("RUSTC_BOOTSTRAP", "1");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19");
        }
        command
    }
}

/// Whether a variable speaks about another build: flags, wrappers, profiles, target directories, the job server.
///
/// What says where things are and how to reach a registry stays.
fn belongs_to_outer_cargo(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let kept = [
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    let foreign = [
        "CARGO",
        "RUSTC",
        "RUSTFLAGS",
        "RUSTDOC",
        "CLIPPY_",
        "MAKEFLAGS",
        "MFLAGS",
        "DEP_",
    ];
    let exact = [
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "NUM_JOBS",
        "OUT_DIR",
    ];
    let starts = |list: &[&str]| list.iter().any(|prefix| name.starts_with(prefix));
    exact.contains(&name) || (starts(&foreign) && !starts(&kept))
}

/// Flags that keep paths of this machine out of panic messages.
fn remap_flags(workspace: &Path, sysroot: &Path) -> String {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let cargo_home =
        std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    // The last match wins in rustc, so the workspace, which may contain the others, comes first.
    let maps = [
        (workspace, "/src"),
        (sysroot, "/rust"),
        (cargo_home.as_path(), "/cargo"),
    ];
    let flags = maps
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    flags.collect::<Vec<_>>().join(UNIT_SEPARATOR)
}

/// The module that cargo says it made of this package.
fn artifact(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    let lines = messages.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let ours = messages.filter(|m| m["manifest_path"].as_str().map(Path::new) == Some(manifest));
    let files = ours
        .filter_map(|m| m["filenames"].as_array().cloned())
        .flatten();
    let mut paths = files.filter_map(|f| f.as_str().map(PathBuf::from));
    paths.rfind(|path| path.extension() == Some(OsStr::new("wasm")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_build_left_in_the_environment_is_told_apart() {
        for name in [
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_TARGET_DIR",
            "CARGO_MAKEFLAGS",
            "OUT_DIR",
        ] {
            assert!(belongs_to_outer_cargo(OsStr::new(name)), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "RUSTUP_TOOLCHAIN",
            "PATH",
            "HOME",
            "CARGO_NET_OFFLINE",
            "DEBUGINFOD_URLS",
        ] {
            assert!(!belongs_to_outer_cargo(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn the_module_is_taken_from_cargos_messages() {
        let messages = br#"{"reason":"x"}
{"manifest_path":"/a/Cargo.toml","filenames":["/t/dep.wasm"]}
{"manifest_path":"/g/Cargo.toml","filenames":["/t/my_guest.wasm","/t/libmy_guest.rlib"]}
not json"#;
        assert_eq!(
            artifact(messages, Path::new("/g/Cargo.toml")),
            Some(PathBuf::from("/t/my_guest.wasm"))
        );
        assert_eq!(artifact(messages, Path::new("/x/Cargo.toml")), None);
    }
}
