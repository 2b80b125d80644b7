//! Test guest: a hash map of the eBPF object, and one of its own.
//!
//! Host provides: hash map `test_map` with one entry, key of 12 bytes, value u32.
//!
//! Expect: the run succeeds.

use gizmo_guest::{Error, Map, MapSpec, MapType, UpdateMode, ensure, export, pod};

pod! {
    struct Key {
        a: u32,
        b: u32,
        c: u8,
        padding: [u8; 3],
    }
}

export! { init = init, start = start }

fn init() -> Result<(), Error> {
    ensure!(
        Map::get("test_map").is_err(),
        "maps exist before the object is loaded"
    );
    Ok(())
}

fn start() -> Result<(), Error> {
    ensure!(
        Map::get("no_such_map").is_err(),
        "found a map that does not exist"
    );
    existing_map()?;
    // The handle was given back when the map was dropped; the map is still there.
    existing_map()?;
    own_map()
}

fn existing_map() -> Result<(), Error> {
    let map = Map::get("test_map")?;
    let key = Key {
        a: 42,
        b: 42,
        c: 43,
        padding: [0; 3],
    };
    let mut value = 0u32;

    ensure!(
        !map.lookup(&key, &mut value)?,
        "found a key that was not set"
    );
    map.update(&key, &42u32, UpdateMode::Any)?;
    ensure!(
        map.lookup(&key, &mut value)? && value == 42,
        "the value is {value} instead of 42"
    );
    map.update(&key, &43u32, UpdateMode::Exist)?;
    ensure!(
        map.lookup(&key, &mut value)? && value == 43,
        "the value is {value} instead of 43"
    );
    map.delete(&key)?;
    ensure!(
        map.update(&key, &42u32, UpdateMode::Exist).is_err(),
        "updated a key that does not exist"
    );
    map.update(&key, &42u32, UpdateMode::NoExist)?;
    ensure!(
        map.update(&key, &42u32, UpdateMode::NoExist).is_err(),
        "created a key that exists"
    );
    map.update(&key, &44u32, UpdateMode::Exist)?;
    map.delete(&key)?;
    ensure!(map.delete(&key).is_err(), "deleted a key twice");

    ensure!(
        !map.lookup(&0u32, &mut value)?,
        "found a key of the wrong size"
    );
    ensure!(
        map.update(&key, &0u64, UpdateMode::Any).is_err(),
        "set a value of the wrong size"
    );
    Ok(())
}

fn own_map() -> Result<(), Error> {
    let spec = MapSpec {
        name: "own_map",
        map_type: MapType::Hash,
        key_bytes: 4,
        value_bytes: 4,
        max_entries: 1,
    };
    let map = Map::new(&spec)?;
    let mut value = 0u32;
    map.update(&1u32, &10u32, UpdateMode::Any)?;
    ensure!(
        map.lookup(&1u32, &mut value)? && value == 10,
        "the value is {value} instead of 10"
    );
    ensure!(
        map.update(&2u32, &20u32, UpdateMode::Any).is_err(),
        "a full map took another key"
    );
    ensure!(
        map.lookup(&1u64, &mut value).is_err(),
        "a key of the wrong size was sent"
    );
    let mut bytes = [0u8; 4];
    ensure!(
        map.lookup(&1u32.to_le_bytes()[..], &mut bytes[..])? && bytes == [10, 0, 0, 0],
        "a value as bytes"
    );
    Ok(())
}
