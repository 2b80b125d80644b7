//! The host functions: one file per area, one list of names, one way to refuse.
//!
//! A function of an area takes the caller and raw arguments and returns a result or a [`Refusal`]; [`answer`] turns a
//! refusal into the function's error value and a warning, so that no function can forget either.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmtime::{Caller, Linker};

use crate::state::State;

mod array;
mod batch;
mod datasource;
mod field;
mod gizmo;
mod handle;
mod iterator;
mod kernel;
pub(crate) mod log;
mod look;
mod map;
pub(crate) mod memory;
mod packet;
mod param;
mod perf;
mod program;
mod syscall;

/// Upstream's module.
pub(crate) const IG: &str = "ig";

/// Our own module, see `docs/host-api-gizmo.md`.
pub(crate) const GIZMO: &str = "gizmo";

/// All functions of `ig` (wasm-host-api.md 3).
#[rustfmt::skip]
const IG_FUNCTIONS: [&str; 41] = [
    "gadgetLog", "gadgetShouldLog",
    "newDataSource", "getDataSource", "dataSourceSubscribe", "dataSourceGetField", "dataSourceAddField",
    "dataSourceNewPacketSingle", "dataSourceNewPacketArray", "dataSourceEmitAndRelease", "dataSourceRelease",
    "dataSourceUnreference", "dataSourceIsReferenced",
    "dataArrayNew", "dataArrayAppend", "dataArrayRelease", "dataArrayLen", "dataArrayGet",
    "fieldGetScalar", "fieldGetBuffer", "fieldSet", "fieldAddTag",
    "getParamValue", "setConfig",
    "newMap", "getMap", "mapLookup", "mapUpdate", "mapDelete", "mapRelease",
    "releaseHandle",
    "newPerfReader", "perfReaderPause", "perfReaderResume", "perfReaderRead", "perfReaderClose",
    "getSyscallName", "getSyscallID", "getSyscallDeclaration",
    "kallsymsSymbolExists", "shouldDiscardMntnsID",
];

/// All functions of `gizmo`.
#[rustfmt::skip]
const GIZMO_FUNCTIONS: [&str; 14] = [
    "getHostFact", "getParamLength", "getSyscallIdForAbi", "getSyscallFunction", "setConstant", "setMaxEntries", "newInnerMap",
    "newIterator", "iteratorRead", "programMisses", "fail", "emitBatch", "isWanted", "reportRecording",
];

/// Whether there is such a function.
pub(crate) fn exists(module: &str, name: &str) -> bool {
    match module {
        IG => IG_FUNCTIONS.contains(&name),
        GIZMO => GIZMO_FUNCTIONS.contains(&name),
        _ => false,
    }
}

/// Module and name of every function.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let ig = IG_FUNCTIONS.iter().map(|name| (IG, *name));
    ig.chain(GIZMO_FUNCTIONS.iter().map(|name| (GIZMO, *name)))
}

/// Why a host function does not do what the guest asks.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The error value says everything.
    Quiet,
    /// With a warning.
    Fixed(&'static str),
    /// With a warning that names what was wrong.
    Text(String),
    /// The guest's handle means nothing.
    NoHandle(u32),
    /// The guest's handle means something else.
    BadHandle(u32),
}

impl Refusal {
    fn text(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Refusal::Quiet => return None,
            Refusal::Fixed(text) => Cow::Borrowed(*text),
            Refusal::Text(text) => Cow::Owned(text.clone()),
            Refusal::NoHandle(handle) => format!("handle {handle} not found").into(),
            Refusal::BadHandle(handle) => format!("bad handle type for {handle}").into(),
        })
    }
}

/// An error of another crate with its sources, as a refusal.
pub(crate) fn refuse(error: &dyn std::error::Error) -> Refusal {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    Refusal::Text(text)
}

/// Runs a host function: a refusal, and a panic as well, becomes `error` and a warning.
pub(crate) fn answer<R>(
    caller: &mut Caller<'_, State>,
    function: &'static str,
    error: R,
    body: impl FnOnce(&mut Caller<'_, State>) -> Result<R, Refusal>,
) -> R {
    let outcome = catch_unwind(AssertUnwindSafe(|| body(caller)))
        .unwrap_or(Err(Refusal::Fixed("the host function panicked")));
    match outcome {
        Ok(result) => result,
        Err(refusal) => {
            if let Some(text) = refusal.text() {
                caller.data_mut().warn(function, &text);
            }
            error
        }
    }
}

/// Defines a host function: `quick` ones count as the guest's run time, the time in `slow` ones does not.
macro_rules! host_function {
    (quick $linker:ident, $module:expr, $name:literal, ($($arg:ident: $ty:ty),*) -> $ret:ty, $error:expr, $body:expr) => {
        $linker.func_wrap(
            $module,
            $name,
            |mut caller: ::wasmtime::Caller<'_, $crate::state::State>, $($arg: $ty),*| -> $ret {
                $crate::host::answer(&mut caller, $name, $error, |caller| $body(caller, $($arg),*))
            },
        )?
    };
    (slow $linker:ident, $module:expr, $name:literal, ($($arg:ident: $ty:ty),*) -> $ret:ty, $error:expr, $body:expr) => {
        $linker.func_wrap(
            $module,
            $name,
            |mut caller: ::wasmtime::Caller<'_, $crate::state::State>, $($arg: $ty),*| -> $ret {
                let result = $crate::host::answer(&mut caller, $name, $error, |caller| $body(caller, $($arg),*));
                $crate::state::resume_clock(&mut caller);
                result
            },
        )?
    };
}
pub(crate) use host_function;

/// Defines all functions.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    log::define(linker)?;
    datasource::define(linker)?;
    packet::define(linker)?;
    array::define(linker)?;
    batch::define(linker)?;
    field::define(linker)?;
    param::define(linker)?;
    map::define(linker)?;
    handle::define(linker)?;
    perf::define(linker)?;
    iterator::define(linker)?;
    program::define(linker)?;
    syscall::define(linker)?;
    kernel::define(linker)?;
    look::define(linker)?;
    gizmo::define(linker)
}
