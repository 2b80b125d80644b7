//! Test guest: sets a constant and sizes of maps before the object is loaded.
//!
//! Host provides: an eBPF object with `const volatile __u32 threshold`, hash map `test_map` (key and value u32) and map
//! of maps `map_of_map` (key u32, inner maps hash 4/4).
//!
//! Expect: the run succeeds; the object was loaded with `threshold` = 1234 and 3 entries for `test_map` and for the inner
//! maps of `map_of_map`. A fourth entry was refused by the kernel (the guest checks).

use gizmo_guest::{Error, Map, UpdateMode, ensure, export};
use gizmo_guest::{set_constant, set_inner_max_entries, set_max_entries};

export! { pre_start = pre_start, start = start }

fn pre_start() -> Result<(), Error> {
    set_constant("threshold", 1234u32)?;
    ensure!(
        set_constant("threshold", 1234u64).is_err(),
        "a constant of 4 bytes took 8"
    );
    ensure!(
        set_constant("no_such_constant", 0u32).is_err(),
        "set a constant that does not exist"
    );
    set_max_entries("test_map", 3)?;
    ensure!(
        set_max_entries("no_such_map", 3).is_err(),
        "resized a map that does not exist"
    );
    ensure!(
        set_inner_max_entries("test_map", 3).is_err(),
        "resized the inner map of a map without one"
    );
    set_inner_max_entries("map_of_map", 3)
}

fn start() -> Result<(), Error> {
    ensure!(
        set_constant("threshold", 1u32).is_err(),
        "set a constant of a loaded object"
    );
    ensure!(
        set_max_entries("test_map", 4).is_err(),
        "resized a map that exists"
    );
    holds_three(&Map::get("test_map")?)?;
    holds_three(&Map::new_inner("map_of_map", "inner")?)
}

fn holds_three(map: &Map) -> Result<(), Error> {
    for key in 0..3u32 {
        map.update(&key, &key, UpdateMode::Any)?;
    }
    ensure!(
        map.update(&3u32, &3u32, UpdateMode::Any).is_err(),
        "{map:?} took a fourth key"
    );
    Ok(())
}
