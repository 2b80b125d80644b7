//! The guest of the gadget perfloop (`testing/gadgets/perfloop`): a perf event array with overwritable buffers per
//! container, made when the container comes, read when the gadget stops.
//!
//! Host provides: hash of maps `map_of_perf_buffers` (key u64, inner perf event arrays), whose buffers hold records of a
//! u64 time, u32 pid and u32 number; single data source `containers` with fields `event_type` and `name` (String) and
//! `mntns_id` (Uint64).
//!
//! Expect: the run succeeds; in `stop`, the calls of each container are emitted on `perfloop` in the order of their
//! times, also of containers that have gone since.

#![deny(unsafe_code)]

use std::cell::RefCell;

use gizmo_guest::{
    Data, DataSource, DataSourceKind, Error, Field, Map, MapSpec, MapType, PerfReader, Text,
    UpdateMode, debug, error, export,
};

/// Of each CPU: about 6500 calls.
const BYTES_PER_CPU: u32 = 64 * 4096;

/// A record and the 4 bytes that the kernel pads it with: its length and 4 more are a multiple of 8.
const RECORD_BYTES: usize = 16 + 4;

/// A container whose calls are recorded, or were until it was deleted.
struct Recorded {
    mntns_id: u64,
    reader: PerfReader,
    /// Its entries are the buffers; they would end with it.
    _buffers: Map,
}

#[derive(Clone, Copy)]
struct Events {
    source: DataSource,
    time_ns: Field<u64>,
    mntns_id: Field<u64>,
    pid: Field<u32>,
    number: Field<u32>,
}

/// A system call that was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// When, since the machine was started.
    pub time_ns: u64,
    /// By which process.
    pub pid: u32,
    /// Which one.
    pub number: u32,
}

thread_local! {
    static EVENTS: RefCell<Option<Events>> = const { RefCell::new(None) };
    static RECORDED: RefCell<Vec<Recorded>> = const { RefCell::new(Vec::new()) };
}

export! { init = init, pre_start = pre_start, stop = stop }

fn init() -> Result<(), Error> {
    let source = DataSource::new("perfloop", DataSourceKind::Single)?;
    let events = Events {
        source,
        time_ns: source.add_field("time_ns")?,
        mntns_id: source.add_field("mntns_id")?,
        pid: source.add_field("pid")?,
        number: source.add_field("number")?,
    };
    events.mntns_id.add_tag("type:gadget_mntns_id")?;
    EVENTS.set(Some(events));
    Ok(())
}

fn pre_start() -> Result<(), Error> {
    let containers = DataSource::get("containers")?;
    let event_type = containers.field::<Text>("event_type")?;
    let name = containers.field::<Text>("name")?;
    let mntns_id = containers.field::<u64>("mntns_id")?;
    // Nobody wants to see them among the calls.
    containers.unreference()?;
    containers.subscribe(0, move |_, event: Data<'_>| -> Result<(), Error> {
        // Containers come after the object was loaded.
        let outer = Map::get("map_of_perf_buffers")?;
        let id = mntns_id.get(event)?;
        match event_type.get(event)?.as_str() {
            "CREATED" => {
                let name = name.get(event)?;
                let attached = attach(&outer, id);
                attached.map_err(|error| Error::new(format!("container `{name}`: {error}")))
            }
            // What was recorded stays until the gadget stops.
            "DELETED" => outer.delete(&id),
            _ => Ok(()),
        }
    })
}

fn attach(outer: &Map, mntns_id: u64) -> Result<(), Error> {
    let buffers = Map::new(&MapSpec {
        name: &format!("perf_{mntns_id}"),
        map_type: MapType::PerfEventArray,
        key_bytes: 4,
        value_bytes: 4,
        // As many as the host has CPUs.
        max_entries: 0,
    })?;
    let reader = PerfReader::new(&buffers, BYTES_PER_CPU, true)?;
    outer.update_map(&mntns_id, &buffers, UpdateMode::NoExist)?;
    RECORDED.with_borrow_mut(|recorded| {
        recorded.push(Recorded {
            mntns_id,
            reader,
            _buffers: buffers,
        });
    });
    Ok(())
}

fn stop() -> Result<(), Error> {
    let Some(events) = EVENTS.take() else {
        return Err("there is no data source".into());
    };
    for mut recorded in RECORDED.take() {
        match read(&mut recorded.reader) {
            Ok(calls) => {
                debug!("{} calls in {}", calls.len(), recorded.mntns_id);
                for call in calls {
                    emit(&events, recorded.mntns_id, call)?;
                }
            }
            Err(error) => error!("mount namespace {}: {error}", recorded.mntns_id),
        }
    }
    Ok(())
}

fn read(reader: &mut PerfReader) -> Result<Vec<Call>, Error> {
    reader.pause()?;
    let mut calls = Vec::new();
    let mut record = [0; RECORD_BYTES];
    while reader.read(&mut record)? {
        calls.push(decode(&record));
    }
    // The newest came first, CPU by CPU.
    calls.sort();
    Ok(calls)
}

fn emit(events: &Events, mntns_id: u64, call: Call) -> Result<(), Error> {
    let packet = events.source.new_packet()?;
    events.time_ns.set(packet.data(), call.time_ns)?;
    events.mntns_id.set(packet.data(), mntns_id)?;
    events.pid.set(packet.data(), call.pid)?;
    events.number.set(packet.data(), call.number)?;
    packet.emit()
}

fn decode(record: &[u8; RECORD_BYTES]) -> Call {
    let word = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&record[at..at + 4]);
        u32::from_le_bytes(bytes)
    };
    Call {
        time_ns: u64::from(word(4)) << 32 | u64::from(word(0)),
        pid: word(8),
        number: word(12),
    }
}
