//! Perf readers, through the trait of `gizmo-model`.

use std::sync::Arc;
use std::time::Duration;

use gizmo_model::map::{PerfSpec, kind};
use wasmtime::{Caller, Linker};

use crate::handles::{Object, Reader};
use crate::host::{IG, Refusal, host_function, memory, refuse};
use crate::limits::{MAX_PERF_BYTES, MAX_PERF_READERS};
use crate::state::State;

/// `perfReaderRead` has nothing to give. Upstream's readers have a deadline; ours never wait (H15).
const NOTHING_LEFT: u32 = 2;

/// What opening and pausing cost the guest beside the fee of every call: both keep the kernel busy for up to some 10 ms
/// (memory of all CPUs, a grace period of RCU), and a loop of them would outlast any deadline.
const FEE: Duration = Duration::from_millis(1);

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(slow linker, IG, "newPerfReader", (map: u32, bytes: u32, overwritable: u32) -> u32, 0, create);
    host_function!(slow linker, IG, "perfReaderPause", (reader: u32) -> u32, 1,
    |caller: &mut Caller<'_, State>, handle| {
        let state = caller.data_mut();
        state.budget.spend(FEE);
        let reader = state.handles.reader_mut(handle)?;
        reader.reader.pause().map_err(|error| refuse(&error)).map(|()| 0)
    });
    host_function!(slow linker, IG, "perfReaderResume", (reader: u32) -> u32, 1,
    |caller: &mut Caller<'_, State>, handle| {
        let reader = caller.data_mut().handles.reader_mut(handle)?;
        reader.reader.resume().map_err(|error| refuse(&error)).map(|()| 0)
    });
    host_function!(quick linker, IG, "perfReaderRead", (reader: u32, destination: u64) -> u32, 1, read);
    host_function!(slow linker, IG, "perfReaderClose", (reader: u32) -> u32, 1,
    |caller: &mut Caller<'_, State>, handle| {
        let state = caller.data_mut();
        state.handles.reader_mut(handle)?;
        if let Some(Object::PerfReader(reader)) = state.handles.release(handle)? {
            close(state, reader);
        }
        Ok(0)
    });
    Ok(())
}

fn create(
    caller: &mut Caller<'_, State>,
    map: u32,
    bytes_per_cpu: u32,
    overwritable: u32,
) -> Result<u32, Refusal> {
    let state = caller.data_mut();
    let map = Arc::clone(state.handles.map(map)?.0);
    let info = map.info();
    if info.kind != kind::PERF_EVENT_ARRAY {
        // Opening would write the numbers of descriptors into the map, where the guest could read them (H17).
        return Err(Refusal::Text(format!(
            "map `{}` of type {} is no perf event array",
            info.name, info.kind
        )));
    }
    let bytes = ring_bytes(state, bytes_per_cpu)?;
    check_room(state, bytes)?;
    let spec = PerfSpec {
        bytes_per_cpu,
        is_overwritable: overwritable != 0,
    };
    state.budget.spend(FEE);
    let reader = map.perf_reader(&spec).map_err(|error| refuse(&error))?;
    // One that gets no handle is closed here.
    let handle = state.handles.insert(Object::PerfReader(Reader {
        reader,
        bytes,
        is_loss_told: false,
    }))?;
    state.counts.perf_readers += 1;
    state.counts.perf_bytes += bytes;
    Ok(handle)
}

/// What the rings of all CPUs take: each has a power of two of pages.
fn ring_bytes(state: &State, bytes_per_cpu: u32) -> Result<u64, Refusal> {
    if bytes_per_cpu == 0 {
        return Err(Refusal::Fixed("a perf reader needs buffers"));
    }
    let kernel = &state.host.kernel;
    let page = u64::from(kernel.page_bytes().max(1));
    let pages = u64::from(bytes_per_cpu).div_ceil(page).next_power_of_two();
    Ok(pages
        .saturating_mul(page)
        .saturating_mul(u64::from(kernel.possible_cpus())))
}

fn check_room(state: &State, bytes: u64) -> Result<(), Refusal> {
    let allowed = state.max_perf_reader_bytes;
    if bytes > allowed {
        return Err(Refusal::Text(format!(
            "the buffers of all CPUs have {bytes} bytes, more than the {allowed} allowed"
        )));
    }
    if state.counts.perf_readers >= MAX_PERF_READERS
        || state.counts.perf_bytes.saturating_add(bytes) > MAX_PERF_BYTES
    {
        return Err(Refusal::Fixed("the guest has opened too many perf readers"));
    }
    Ok(())
}

/// Gives a reader back, and forgets what it was charged.
pub(super) fn close(state: &mut State, reader: Reader) {
    state.counts.perf_readers = state.counts.perf_readers.saturating_sub(1);
    state.counts.perf_bytes = state.counts.perf_bytes.saturating_sub(reader.bytes);
    let lost = reader.reader.lost();
    if lost > 0 {
        let gadget = state.host.gadget.as_str();
        tracing::debug!(
            gadget,
            lost,
            "a perf reader was closed that has lost records"
        );
    }
}

fn read(caller: &mut Caller<'_, State>, handle: u32, destination: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let reader = state.handles.reader_mut(handle)?;
    // Found before a record is taken: a bad reference costs none.
    let place = memory::destination(memory, destination)?;
    let result = reader.reader.read(place);
    let lost = reader.reader.lost();
    if lost > 0 && !std::mem::replace(&mut reader.is_loss_told, true) {
        let gadget = state.host.gadget.as_str();
        tracing::warn!(
            gadget,
            lost,
            "records of a perf reader were lost, its buffers were full"
        );
    }
    match result {
        Ok(Some(_)) => Ok(0),
        Ok(None) => Ok(NOTHING_LEFT),
        Err(error) => Err(refuse(&error)),
    }
}
