//! Test guest: built as for upstream's runtime, without the host module `gizmo`.
//!
//! Host provides: single data source `one` with field `n` (Uint32); param `step`, a list of one number.
//!
//! Expect: the module imports nothing from `gizmo`, and its callback has no result. Each event's `n` is larger by the
//! step. `stop` fails with the cause `on purpose`, which is a line at level ERROR.

use gizmo_guest::{DataSource, Error, export, params};

export! { init = init, stop = || Err::<(), _>("on purpose") }

fn init() -> Result<(), Error> {
    let list = params::list("step")?;
    let step = list.first().and_then(|item| item.text.parse::<u32>().ok());
    let step = step.ok_or("`step` is no number")?;
    let one = DataSource::get("one")?;
    let n = one.field::<u32>("n")?;
    one.subscribe(0, move |_, event| n.set(event, n.get(event)? + step))
}
