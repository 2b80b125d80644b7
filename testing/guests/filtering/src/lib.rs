//! Test guest: the filter of mount namespaces.
//!
//! Host provides: a mount namespace filter that contains only 777.
//!
//! Expect: the run succeeds.

use gizmo_guest::{Error, ensure, export, should_discard_mntns_id};

export! { start = start }

fn start() -> Result<(), Error> {
    ensure!(should_discard_mntns_id(555), "555 is not discarded");
    ensure!(!should_discard_mntns_id(777), "777 is discarded");
    Ok(())
}
