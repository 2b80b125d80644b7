//! Test guest: fails a phase with a cause.
//!
//! Host provides: param `phase` = `init`, `pre-start`, `start`, `stop` or `post-stop`.
//!
//! Expect: that phase fails, and the cause the person sees is `cannot watch: phase NAME is not for me`.

use std::error::Error as StdError;
use std::fmt;

use gizmo_guest::{Error, export, params};

export! {
    init = || act("init"),
    pre_start = || act("pre-start"),
    start = || act("start"),
    stop = || act("stop"),
    post_stop = || act("post-stop"),
}

#[derive(Debug)]
struct CannotWatch(Error);

impl fmt::Display for CannotWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot watch")
    }
}

impl StdError for CannotWatch {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

fn act(phase: &str) -> Result<(), CannotWatch> {
    if params::get("phase").map_err(CannotWatch)? == phase {
        return Err(CannotWatch(Error::new(format!(
            "phase {phase} is not for me"
        ))));
    }
    Ok(())
}
