//! The only door to wasmtime: engine, limits, cache and the host API for guests.
//!
//! A [`WasmEngine`] loads modules (embedded code, cached code, or compiled now), a [`Guest`] is one running instance of
//! a module. Guests call the functions of `host/`, one file per area; data sources call guests back through
//! [`gizmo_model::DataSource::subscribe`]. A guest may fail, loop, lie about lengths or trap: that ends the guest, is
//! reported, and leaves the host running.
//!
//! Unsafe code is in two places: `engine.rs` (loading compiled code) and `reentry.rs` (calling a guest back while it is
//! inside a host function).

#![deny(unsafe_code)]

mod cache;
mod context;
mod engine;
mod error;
mod exports;
mod guest;
mod handles;
mod host;
mod info;
mod limits;
mod look;
mod reentry;
mod sealed;
mod state;
mod subscriber;
mod ticker;
mod wasi;

pub use context::{Deadlines, HostContext, Kernel, MntnsFilter};
pub use engine::{
    DEFAULT_MEMORY_BYTES, DEFAULT_PERF_READER_BYTES, EngineOptions, Module, WasmEngine,
};
pub use error::{Cause, Error};
pub use guest::{Guest, Phase};
pub use host::log::TARGET as LOG_TARGET;
pub use info::ModuleInfo;
pub use look::{Question, Recording, Selection};
