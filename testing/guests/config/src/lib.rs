//! Test guest: sets a key of the configuration.
//!
//! Host provides: a configuration tree.
//!
//! Expect: the run succeeds, and `foo.bar.zas` is `myvalue`.

use gizmo_guest::{export, set_config};

export! { init = || set_config("foo.bar.zas", "myvalue") }
