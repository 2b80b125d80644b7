//! Perf readers. They link, so that guests that can do without them run, and refuse.

use wasmtime::Linker;

use crate::host::{IG, Refusal, host_function};
use crate::state::State;

const UNSUPPORTED: Refusal = Refusal::Fixed("perf readers are not supported yet");

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(quick linker, IG, "newPerfReader", (map: u32, bytes: u32, overwritable: u32) -> u32, 0,
        |_: &mut _, _, _, _| Err(UNSUPPORTED));
    host_function!(quick linker, IG, "perfReaderPause", (reader: u32) -> u32, 1, |_: &mut _, _| Err(UNSUPPORTED));
    host_function!(quick linker, IG, "perfReaderResume", (reader: u32) -> u32, 1, |_: &mut _, _| Err(UNSUPPORTED));
    host_function!(quick linker, IG, "perfReaderRead", (reader: u32, destination: u64) -> u32, 1,
        |_: &mut _, _, _| Err(UNSUPPORTED));
    host_function!(quick linker, IG, "perfReaderClose", (reader: u32) -> u32, 1, |_: &mut _, _| Err(UNSUPPORTED));
    Ok(())
}
