//! All guests, compiled by one cargo per target inside the cargo that runs us: with a target folder of its own, since the outer one
//! is locked, and without the outer one's variables. `crates/image/src/build/rust.rs` tells more about both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use gizmo_wasm::Module;

use crate::support::{ENGINE, chain};

/// The guest that is built alone: cargo would give it the features that the others ask for.
const PORTABLE: &str = "portable";

/// A target that guests are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nothing but the host's functions.
    Freestanding,
    /// With WASI, as upstream's tool builds guests.
    Wasip1,
}

impl Target {
    fn triple(self) -> &'static str {
        match self {
            Target::Freestanding => "wasm32-unknown-unknown",
            Target::Wasip1 => "wasm32-wasip1",
        }
    }

    fn modules(self) -> &'static BTreeMap<String, Vec<u8>> {
        static FREESTANDING: LazyLock<BTreeMap<String, Vec<u8>>> =
            LazyLock::new(|| compile_all(Target::Freestanding));
        static WASIP1: LazyLock<BTreeMap<String, Vec<u8>>> =
            LazyLock::new(|| compile_all(Target::Wasip1));
        match self {
            Target::Freestanding => &FREESTANDING,
            Target::Wasip1 => &WASIP1,
        }
    }
}

/// Variables of the outer cargo that say where things are; all others are about another build.
const KEPT: [&str; 6] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
];
const FOREIGN: [&str; 6] = [
    "CARGO",
    "RUSTC",
    "RUSTFLAGS",
    "CLIPPY_",
    "MAKEFLAGS",
    "MFLAGS",
];

/// The guest in `testing/guests/<folder>`.
#[track_caller]
pub fn module(folder: &str, target: Target) -> Module {
    ENGINE
        .load(&target.modules()[folder], "", None)
        .unwrap_or_else(|error| panic!("{folder}: {}", chain(&error)))
}

/// The names of all folders with a guest, sorted.
pub fn folders() -> Vec<String> {
    let entries = fs::read_dir(root().join("testing/guests")).expect("testing/guests");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut names: Vec<String> = paths
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn compile_all(target: Target) -> BTreeMap<String, Vec<u8>> {
    crate::support::keep_log_on();
    let (portable, others): (Vec<_>, Vec<_>) =
        folders().into_iter().partition(|name| name == PORTABLE);
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let mut modules = BTreeMap::new();
    for group in [others, portable] {
        compile(&group, target, &target_dir);
        modules.extend(group.into_iter().map(|folder| {
            let file = format!("guest_{}.wasm", folder.replace('-', "_"));
            let path = target_dir.join(target.triple()).join("release").join(file);
            let bytes = fs::read(&path);
            let bytes = bytes.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (folder, bytes)
        }));
    }
    modules
}

fn compile(folders: &[String], target: Target, target_dir: &Path) {
    let mut cargo = cargo(target);
    cargo.args(["build", "--release", "--target", target.triple()]);
    cargo.arg("--target-dir").arg(target_dir);
    for folder in folders {
        cargo.args(["--package", &format!("guest-{folder}")]);
    }
    let output = cargo.output().expect("cargo");
    assert!(
        output.status.success(),
        "the guests cannot be built for {}:\n{}",
        target.triple(),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The cargo that runs us, or Debian's, which builds the standard library itself, where the target is not installed. It
/// cannot do that for WASI, which needs a C library.
fn cargo(target: Target) -> Command {
    let mut cargo = if has_target(target) {
        clean(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
    } else {
        assert_eq!(
            target,
            Target::Freestanding,
            "the Rust target {} is missing: rustup target add {}",
            target.triple(),
            target.triple()
        );
        let mut cargo = clean("/usr/bin/cargo");
        cargo
            .args(["-Z", "build-std=std,panic_abort"])
            .env("PATH", "/usr/bin:/bin")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19");
        cargo
    };
    // Debug sections are most of a module, and nobody looks at them here.
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "true");
    cargo
}

fn has_target(target: Target) -> bool {
    let output = clean("rustc")
        .args(["--print", "target-libdir", "--target", target.triple()])
        .output();
    let folder = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    folder.is_ok_and(|folder| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .into_iter()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

/// A command without what the outer cargo left in the environment.
fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let starts = |list: &[&str]| list.iter().any(|prefix| text.starts_with(prefix));
        if starts(&FOREIGN) && !starts(&KEPT) {
            command.env_remove(&name);
        }
    }
    command
}
