//! Example: tells the eBPF program through a map what to count, and reads the counters.
//!
//! Host provides: hash map `selected_uids` (key u32, value u8) and per-CPU array `calls` (one entry, value u64); param
//! `uids`, a list of numbers.
//!
//! Expect: the run succeeds; after `start` the map holds the numbers of the list, and `stop` logs `N calls` at INFO, the
//! sum over all CPUs. A list with something else fails `pre_start`, before anything is loaded, and names it.

#![deny(unsafe_code)]

use std::cell::RefCell;

use gizmo_guest::{Error, Map, UpdateMode, export, info, params, possible_cpus};

thread_local! {
    static UIDS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

export! { pre_start = pre_start, start = start, stop = stop }

fn pre_start() -> Result<(), Error> {
    let uids = params::list("uids")?;
    let numbers = uids.iter().map(|uid| {
        let number = uid.text.parse::<u32>();
        number.map_err(|_| Error::new(format!("`uids` has `{}`, which is no number", uid.text)))
    });
    UIDS.set(numbers.collect::<Result<_, _>>()?);
    Ok(())
}

fn start() -> Result<(), Error> {
    let selected = Map::get("selected_uids")?;
    for uid in UIDS.take() {
        selected.update(&uid, &1u8, UpdateMode::Any)?;
    }
    Ok(())
}

fn stop() -> Result<(), Error> {
    // A value for every CPU that the host could have, each in 8 bytes.
    let mut values = vec![0u64; possible_cpus()? as usize];
    if !Map::get("calls")?.lookup(&0u32, &mut values[..])? {
        return Err("the counters cannot be read".into());
    }
    info!("{} calls", values.iter().sum::<u64>());
    Ok(())
}
