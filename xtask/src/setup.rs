//! `cargo xtask setup`: what building and testing need beside a Rust toolchain.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::{python, shell};

/// What is to be done with what is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Build the product and run it.
    Build,
    /// Run every test.
    Test,
    /// Measure beside other tools.
    Bench,
    /// Run tests in virtual machines.
    Machines,
}

/// Debian packages to build with: the eBPF compiler, libclang for bindgen, what libbpf-sys builds its vendored libelf with,
/// the compiler of containerd's API.
const FOR_BUILDS: [&str; 16] = [
    "clang-19",
    "llvm-19",
    "libclang1-19",
    "autoconf",
    "automake",
    "autopoint",
    "libtool",
    "flex",
    "bison",
    "gawk",
    "gettext",
    "pkg-config",
    "make",
    "gcc",
    "libc6-dev",
    "protobuf-compiler",
];

/// What the tests compare with, compile and start: strace, libraries for 32-bit programs, kernel headers of other
/// architectures, container runtimes, a browser, a terminal. Nobody who only builds gets a container daemon.
const FOR_TESTS: [&str; 23] = [
    "git",
    "perl",
    "python3",
    "python3-venv",
    "chromium",
    "tmux",
    "procps",
    "gcc-multilib",
    "libc6-dev-i386",
    "strace",
    "bpftool",
    "linux-libc-dev-arm64-cross",
    "linux-libc-dev-armhf-cross",
    "linux-libc-dev-ppc64el-cross",
    "linux-libc-dev-riscv64-cross",
    "linux-libc-dev-s390x-cross",
    "util-linux",
    "docker.io",
    "containerd",
    "runc",
    "podman",
    "conmon",
    "busybox-static",
];

/// Python packages that read what Gizmo writes: Perfetto's published schema, and a program for files of strace.
const READERS: [&str; 2] = ["perfetto==0.59.1", "strace-process-tree==1.5.3"];

/// What the benches compare with.
const FOR_BENCHES: [&str; 3] = ["strace", "linux-perf", "bpftrace"];
/// What virtual machines are made with: the emulator, what unpacks kernels and finds their modules, and what reads a kernel's
/// version. What is compiled for the tests in them is compiled here.
const FOR_MACHINES: [&str; 10] = [
    "qemu-system-x86",
    "python3-venv",
    "busybox-static",
    "kmod",
    "file",
    "binutils",
    "util-linux",
    "strace",
    "gcc-multilib",
    "libc6-dev-i386",
];

/// Rust's own toolchain lacks the target on some machines; Debian's has the sources to build it.
const DEBIAN_RUST: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// What upstream's tool builds guests for; the tests run every guest for both.
const WASI_TARGET: &str = "wasm32-wasip1";

/// Installs what is missing and says so.
pub(crate) fn run(purpose: Purpose) -> anyhow::Result<()> {
    let mut wanted = FOR_BUILDS.to_vec();
    match purpose {
        Purpose::Build => {}
        Purpose::Test => wanted.extend(FOR_TESTS),
        Purpose::Bench => wanted.extend(FOR_BENCHES),
        Purpose::Machines => wanted.extend(FOR_MACHINES),
    }
    packages(&missing_packages(&wanted))?;
    if purpose == Purpose::Test {
        python::install(&shell::target().join("readers"), &READERS)?;
    }
    wasm_targets()?;
    mount_tracefs();
    Ok(())
}

fn packages(missing: &[&str]) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("this is no Debian system; install what these packages hold, then try again: {list}");
    }
    if !shell::is_root() {
        bail!("missing packages; as root: apt-get install {list}");
    }
    eprintln!("setup: installing {list}");
    // A list of packages that is older than the mirror makes downloads fail.
    shell::run(Command::new("apt-get").args(["-qq", "update"]))?;
    shell::run(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-qq", "install", "--yes", "--no-install-recommends"])
            .args(missing),
    )
    .context("installing packages")
}

fn missing_packages<'a>(wanted: &[&'a str]) -> Vec<&'a str> {
    let is_installed = |package: &&str| {
        shell::read("dpkg-query", &["-W", "-f", "${db:Status-Status}", package])
            .is_some_and(|text| text == "installed")
    };
    wanted
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect()
}

/// The targets for guests: by rustup where it can download. Debian's toolchain can stand in for the first only, since
/// WASI needs a C library.
fn wasm_targets() -> anyhow::Result<()> {
    if !add_target(WASI_TARGET) {
        eprintln!(
            "setup: rustup could not; guests for {WASI_TARGET} cannot be built, and their tests fail"
        );
    }
    if add_target(WASM_TARGET) {
        return Ok(());
    }
    eprintln!("setup: rustup could not; using Debian's Rust toolchain for guests");
    packages(&missing_packages(&DEBIAN_RUST))
}

/// Adds a target if it is missing; whether it is there in the end.
fn add_target(target: &str) -> bool {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    // The folder exists for targets without a standard library, too.
    let has_target = || {
        let folder = shell::read(&rustc, &["--print", "target-libdir", "--target", target]);
        let entries = folder.and_then(|folder| std::fs::read_dir(folder.trim()).ok());
        entries.is_some_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
            })
        })
    };
    if has_target() {
        return true;
    }
    eprintln!("setup: adding the Rust target {target} with rustup");
    let added = Command::new("rustup")
        .args(["target", "add", target])
        .status();
    added.is_ok_and(|status| status.success()) && has_target()
}

/// System call declarations come from tracefs; without it a built-in table serves, so a failure is no error.
fn mount_tracefs() {
    let events = Path::new("/sys/kernel/tracing/events");
    if !events.exists() && shell::is_root() && Path::new("/sys/kernel/tracing").exists() {
        let mounted = Command::new("mount")
            .args(["-t", "tracefs", "none", "/sys/kernel/tracing"])
            .status();
        let how = if mounted.is_ok_and(|status| status.success()) {
            "mounted"
        } else {
            "could not be mounted"
        };
        eprintln!("setup: tracefs {how} at /sys/kernel/tracing");
    }
}
