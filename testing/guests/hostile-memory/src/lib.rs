//! Hostile guest: takes memory and touches it until there is none, then takes more.
//!
//! Host provides: param `phase` = `init`, `pre-start`, `start`, `stop` or `callback`; for `callback` a single data source
//! `myds`, on which it emits.
//!
//! Expect: the guest gets no more than the host's limit, logs `memory ended after N MiB` at INFO, and traps. In a lifecycle phase, that phase fails; in
//! a callback, the event goes on to later subscribers, there is one ERROR line, further callbacks are skipped, and
//! `stop` fails. The host keeps running.

use gizmo_guest::{DataSource, Error, export, info, params};

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
    const MIB: usize = 1 << 20;
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut chunk = Vec::new();
        if chunk.try_reserve_exact(MIB).is_err() {
            break;
        }
        chunk.resize(MIB, 0xff);
        taken.push(chunk);
    }
    info!("memory ended after {} MiB", taken.len());
    taken.push(vec![0xff; MIB]);
    std::hint::black_box(taken);
}
