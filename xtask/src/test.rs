//! `cargo xtask test`: the tiers of CONTRIBUTING.md.

use anyhow::bail;

use crate::{setup, shell};

/// Which tests, and how long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that need no root.
    NoRoot,
    /// Those that need root.
    Root,
    /// All of them.
    All,
    /// All of them, at full length.
    Full,
}

pub(crate) fn run(extent: Extent) -> anyhow::Result<()> {
    let with_root = extent != Extent::NoRoot;
    if with_root && !shell::is_root() {
        bail!(
            "some tests load eBPF programs: run this as root, or `cargo xtask test --no-root` for the others"
        );
    }
    setup::run(setup::Purpose::Test)?;
    if extent != Extent::Root {
        without_root()?;
    }
    if extent != Extent::NoRoot {
        as_root(extent)?;
    }
    Ok(())
}

fn without_root() -> anyhow::Result<()> {
    // Always the whole workspace: another selection of packages has other features and builds wasmtime anew.
    shell::run(shell::cargo().args(["test", "--workspace"]))?;
    // Marked `packages`: they need what `setup` has just installed, which tier 1 cannot count on.
    let package_tests = [
        "test",
        "--workspace",
        "--test",
        "headers",
        "--test",
        "classes",
        "--bin",
        "xtask",
    ];
    shell::run(shell::cargo().args(package_tests).args(["--", "--ignored"]))?;
    let layout_test = ["test", "--workspace", "--lib", "layouts_are_those"];
    shell::run(shell::cargo().args(layout_test).args(["--", "--ignored"]))?;
    let pictures = ["test", "--workspace", "--test", "cli", "pictures::"];
    shell::run(
        shell::cargo()
            .args(pictures)
            .args(["--", "--ignored", "--skip", "root::"]),
    )
}

fn as_root(extent: Extent) -> anyhow::Result<()> {
    // One after the other: they count programs, cgroups, calls and containers of the whole host.
    let root_tests = [
        "test",
        "--workspace",
        "--lib",
        "--test",
        "cli",
        "--test",
        "oracle",
        "--test",
        "runtimes",
        "--test",
        "containers",
        "--test",
        "recorder",
    ];
    let serially = ["--", "--ignored", "--test-threads=1"];
    let mut tests = shell::cargo();
    tests.args(root_tests).args(serially);
    if extent == Extent::Full {
        tests.env("GIZMO_FULL", "1");
    }
    shell::run(&mut tests)?;
    let cache_test = [
        "test",
        "--workspace",
        "--test",
        "all",
        "directories_of_others",
        "--",
        "--ignored",
    ];
    shell::run(shell::cargo().args(cache_test))
}
