//! Test guest: values per CPU, and types of maps that are closed to guests.
//!
//! Host provides: nothing.
//!
//! Expect: the run succeeds.

use gizmo_guest::{Error, Map, MapSpec, MapType, UpdateMode, ensure, export, possible_cpus};

export! { start = start }

fn start() -> Result<(), Error> {
    for map_type in [
        MapType::PerCpuHash,
        MapType::PerCpuArray,
        MapType::LruPerCpuHash,
    ] {
        values_per_cpu(map_type)?;
    }
    for map_type in [
        MapType::ProgramArray,
        MapType::PerfEventArray,
        MapType::CgroupArray,
    ] {
        closed(map_type)?;
    }
    ensure!(
        make(MapType::HashOfMaps).is_err() && make(MapType::ArrayOfMaps).is_err(),
        "made a map of maps"
    );
    Ok(())
}

fn make(map_type: MapType) -> Result<Map, Error> {
    Map::new(&MapSpec {
        name: "test",
        map_type,
        key_bytes: 4,
        value_bytes: 4,
        max_entries: 2,
    })
}

/// A value has 8 bytes for each CPU, although it needs 4.
fn values_per_cpu(map_type: MapType) -> Result<(), Error> {
    let map = make(map_type)?;
    let cpus = possible_cpus()?;
    let values: Vec<u64> = (1..=u64::from(cpus)).collect();
    map.update(&1u32, &values[..], UpdateMode::Any)?;
    let mut found = vec![0u64; values.len()];
    ensure!(map.lookup(&1u32, &mut found[..])?, "{map_type:?}: no value");
    ensure!(found == values, "{map_type:?}: {found:?}");
    ensure!(
        map.update(&1u32, &7u32, UpdateMode::Any).is_err(),
        "{map_type:?}: a value of one CPU was taken"
    );
    let mut small = vec![0u8; values.len() * 8 - 1];
    ensure!(
        !map.lookup(&1u32, &mut small[..])?,
        "{map_type:?}: values were cut"
    );
    Ok(())
}

/// The values are descriptors or addresses of the host.
fn closed(map_type: MapType) -> Result<(), Error> {
    let map = make(map_type)?;
    ensure!(
        !map.lookup(&0u32, &mut 0u32)?
            && map.update(&0u32, &2u32, UpdateMode::Any).is_err()
            && map.delete(&0u32).is_err(),
        "{map_type:?} is open"
    );
    Ok(())
}
