//! SDK for gadget authors who write WASM guests in Rust.
//!
//! A guest is a `cdylib` for `wasm32-unknown-unknown` or `wasm32-wasip1`. It names its handlers in [`export!`], and the
//! host calls them in the phases of a run:
//!
//! | handler | when | what is there |
//! | --- | --- | --- |
//! | `init` | also when an image is only inspected, so twice per run | data sources and fields of the eBPF layer, params |
//! | `pre_start` | before anything is loaded | fields of enrichers, the data source `containers`; constants can be set |
//! | `start` | after the eBPF layer was loaded and attached | maps, perf readers, the container filter |
//! | `pre_stop` | before the programs are detached; only with Gizmo | the same |
//! | `stop` | after the programs were detached | all of that still; packets may be emitted |
//! | `post_stop` | at the very end | nothing but the log |
//!
//! Between `start` and `stop`, when somebody asks (only the host of module `gizmo` does):
//!
//! | handler | asks for |
//! | --- | --- |
//! | `snapshot` | packets of everything that is held |
//! | `follow` | packets of what the given [`Follower`] has not been shown yet |
//! | `forget` | that what is held be held no longer |
//! | `recordings` | a [`Recording`] for each container |
//! | `set_params` | that the parameters, which have other values now, be read again; an `Err` gives them the old values |
//!
//! Each is about the containers that [`is_wanted`] says. A guest without the handler cannot be asked, and a person hears so.
//!
//! ```
//! use gizmo_guest::{DataSource, Error, Text, export, info};
//!
//! export! { init = init }
//!
//! fn init() -> Result<(), Error> {
//!     let source = DataSource::get("open")?;
//!     let path = source.field::<Text>("fname")?;
//!     let depth = source.add_field::<u32>("depth")?;
//!
//!     source.subscribe(0, move |_source, event| -> Result<(), Error> {
//!         let slashes = path.get(event)?.matches('/').count();
//!         depth.set(event, slashes as u32)
//!     })?;
//!     info!("watching opened files");
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! What holds throughout:
//!
//! - Wherever the host says no, there is an [`Error`]; the reason is in the host's log. Nothing here panics.
//! - An `Err` from a handler fails its phase, and its text is the cause the person sees. One from a callback is logged.
//! - A panic of the guest is logged before it becomes a trap, which ends the guest.
//! - Data that a callback receives cannot outlive the callback; the borrow checker sees to it.
//! - Owned things ([`Packet`], [`NewElement`], [`Map`], [`PerfReader`]) give back their handle when dropped.
//! - Only the host functions that a guest uses appear among the imports of its module.
//!
//! On other targets the crate compiles, so that a guest's pure code can have ordinary unit tests. There, the log goes to
//! standard error and every other host function panics.
//!
//! # Features
//!
//! - `host-gizmo` (default): use the host module `gizmo`, and let callbacks discard packets. Upstream's runtime lacks
//!   both: turn it off for images that must run there too.
//! - `list` (default): `params::list`.

// Not `forbid`: `raw` and `abi` are the two modules with unsafe code.
#![deny(unsafe_code)]

#[allow(
    unsafe_code,
    reason = "views plain data as bytes, for references to guest memory"
)]
mod abi;
#[cfg(feature = "host-gizmo")]
mod batch;
mod config;
mod data;
mod entry;
mod error;
mod field;
mod host;
#[cfg(feature = "host-gizmo")]
mod iterator;
pub mod log;
#[cfg(feature = "host-gizmo")]
mod look;
mod map;
pub mod params;
mod perf;
#[cfg(feature = "host-gizmo")]
mod program;
#[allow(unsafe_code, reason = "declares the functions of the host")]
mod raw;
mod scratch;
mod source;
mod subscription;
mod syscall;

pub use abi::Pod;
#[cfg(feature = "host-gizmo")]
pub use batch::{Batch, Row};
pub use config::set_config;
#[cfg(feature = "host-gizmo")]
pub use config::{set_constant, set_inner_max_entries, set_max_entries};
pub use data::{ArrayPacket, Data, DataArray, Elements, NewElement, Packet, PacketView};
#[cfg(feature = "host-gizmo")]
pub use entry::Flow;
pub use entry::{Outcome, Verdict};
pub use error::{Error, Result};
pub use field::{Bytes, Field, FieldType, Scalar, Text};
#[cfg(feature = "host-gizmo")]
pub use host::{
    architecture, boot_time_ns, follows_command, host_fact, page_size_bytes, possible_cpus,
    release, wall_clock_offset_ns,
};
pub use host::{should_discard_mntns_id, symbol_exists};
#[cfg(feature = "host-gizmo")]
pub use iterator::ProgramOutput;
#[cfg(feature = "host-gizmo")]
pub use look::{Follower, Recording, is_wanted};
pub use map::{Map, MapSpec, MapType, UpdateMode};
pub use perf::PerfReader;
#[cfg(feature = "host-gizmo")]
pub use program::program_misses;
pub use source::{DataSource, DataSourceKind};
#[cfg(feature = "host-gizmo")]
pub use syscall::{Abi, syscall_function, syscall_id_for_abi};
pub use syscall::{
    SyscallDeclaration, SyscallParameter, syscall_declaration, syscall_id, syscall_name,
};

/// What the expansions of this crate's macros call. Not part of the API.
#[doc(hidden)]
pub mod private {
    pub use crate::entry::{API_VERSION, dispatch, run};
    #[cfg(feature = "host-gizmo")]
    pub use crate::look::follower;
}
