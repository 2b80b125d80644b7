//! Hostile guest: panics.
//!
//! Host provides: param `phase` = `init`, `pre-start`, `start`, `stop` or `callback`; for `callback` a single data source
//! `myds`, on which it emits.
//!
//! Expect: an ERROR line with `nobody expects this panic` and its place in the source, then a trap. In a lifecycle phase, that phase fails; in
//! a callback, the event goes on to later subscribers, there is one ERROR line, further callbacks are skipped, and
//! `stop` fails. The host keeps running.

use gizmo_guest::{DataSource, Error, export, params};

export! {
    init = init,
    pre_start = || act("pre-start"),
    start = || act("start"),
    stop = || act("stop"),
}

fn init() -> Result<(), Error> {
    if params::get("phase")? == "callback" {
        DataSource::get("myds")?.subscribe(0, |_, _| misbehave())?;
    }
    act("init")
}

fn act(phase: &str) -> Result<(), Error> {
    if params::get("phase")? == phase {
        misbehave();
    }
    Ok(())
}

fn misbehave() {
    panic!("nobody expects this panic");
}
