//! Test guest: a map of maps.
//!
//! Host provides: hash of maps `map_of_map`, key of 12 bytes, inner maps hash 4/4/1.
//!
//! Expect: the run succeeds.

use gizmo_guest::{Error, Map, MapSpec, MapType, UpdateMode, ensure, export};

export! { start = start }

fn start() -> Result<(), Error> {
    let outer = Map::get("map_of_map")?;
    let spec = MapSpec {
        name: "inner",
        map_type: MapType::Hash,
        key_bytes: 4,
        value_bytes: 4,
        max_entries: 1,
    };
    check(&outer, Map::new(&spec)?)?;
    check(&outer, Map::new_inner("map_of_map", "inner2")?)?;
    ensure!(
        Map::new_inner("no_such_map", "inner3").is_err(),
        "made an inner map for a map that does not exist"
    );
    Ok(())
}

fn check(outer: &Map, inner: Map) -> Result<(), Error> {
    let key = [42u32, 42, 43];
    ensure!(
        outer.lookup_map(&key)?.is_none(),
        "found an inner map that was not set"
    );
    outer.update_map(&key, &inner, UpdateMode::Any)?;
    inner.update(&1u32, &10u32, UpdateMode::Any)?;
    // What was put into the outer map lives on there.
    drop(inner);

    let Some(found) = outer.lookup_map(&key)? else {
        return Err("the inner map is not there".into());
    };
    let mut value = 0u32;
    ensure!(
        found.lookup(&1u32, &mut value)? && value == 10,
        "the value is {value} instead of 10"
    );
    found.update(&1u32, &11u32, UpdateMode::Exist)?;
    outer.delete(&key)
}
