//! Hostile guest: a callback that emits on its own source, without end.
//!
//! Host provides: nothing.
//!
//! Expect: `start` fails, because the host limits how deeply calls nest or the guest's stack ends, or it succeeds, because
//! the host refuses the emission at some depth. Whichever: the host's own stack must not overflow.

use gizmo_guest::{DataSource, DataSourceKind, Error, export};

export! { init = init, start = start }

fn init() -> Result<(), Error> {
    DataSource::new("ouroboros", DataSourceKind::Single)?
        .subscribe(0, |source, _| -> Result<(), Error> {
            source.new_packet()?.emit()
        })
}

fn start() -> Result<(), Error> {
    DataSource::get("ouroboros")?.new_packet()?.emit()
}
