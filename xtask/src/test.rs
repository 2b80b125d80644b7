//! `cargo xtask test`: the tiers of CONTRIBUTING.md.

use anyhow::bail;

use crate::{setup, shell};

pub(crate) fn run(with_root: bool) -> anyhow::Result<()> {
    if with_root && !shell::is_root() {
        bail!(
            "some tests load eBPF programs: run this as root, or `cargo xtask test --no-root` for the others"
        );
    }
    setup::run()?;
    shell::run(shell::cargo().args(["test", "--workspace"]))?;
    if with_root {
        // One after the other: they count programs, cgroups and calls of the whole host.
        shell::run(
            shell::cargo()
                .args([
                    "test",
                    "--package",
                    "gizmo",
                    "--test",
                    "cli",
                    "--test",
                    "oracle",
                ])
                .args(["--", "--ignored", "--test-threads=1"]),
        )?;
    }
    Ok(())
}
