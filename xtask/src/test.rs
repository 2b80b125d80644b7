//! `cargo xtask test`: the tiers of CONTRIBUTING.md.

use anyhow::bail;

use crate::{setup, shell};

pub(crate) fn run(with_root: bool) -> anyhow::Result<()> {
    if with_root && !shell::is_root() {
        bail!(
            "some tests load eBPF programs: run this as root, or `cargo xtask test --no-root` for the others"
        );
    }
    setup::run(setup::Purpose::Test)?;
    // Always the whole workspace: another selection of packages has other features and builds wasmtime anew.
    shell::run(shell::cargo().args(["test", "--workspace"]))?;
    // Marked `packages`: they need what `setup` has just installed, which tier 1 cannot count on.
    let package_tests = ["test", "--workspace", "--test", "headers"];
    shell::run(shell::cargo().args(package_tests).args(["--", "--ignored"]))?;
    if with_root {
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
        shell::run(shell::cargo().args(root_tests).args(serially))?;
        let cache_test = [
            "test",
            "--workspace",
            "--test",
            "all",
            "directories_of_others",
            "--",
            "--ignored",
        ];
        shell::run(shell::cargo().args(cache_test))?;
    }
    Ok(())
}
