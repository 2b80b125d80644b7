//! Test guest: kernel symbols.
//!
//! Host provides: a readable `/proc/kallsyms`, or a stand-in with `vfs_read`.
//!
//! Expect: the run succeeds.

use gizmo_guest::{Error, ensure, export, symbol_exists};

export! { init = init }

fn init() -> Result<(), Error> {
    ensure!(
        !symbol_exists("no_such_symbol_in_any_kernel"),
        "a nonsense symbol exists"
    );
    // A function: names of data are not on every kernel.
    ensure!(symbol_exists("vfs_read"), "`vfs_read` does not exist");
    Ok(())
}
