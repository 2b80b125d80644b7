//! An image becomes a running gadget: phases, threads and shutdown.
//!
//! The phases are types: [`OpenGadget`] (image read, nothing running) → [`ReadyGadget`] (guest instantiated, data sources
//! known) → [`RunningGadget`] (attached). [`run`] walks through them for a command line; it is the file to read first.

#![forbid(unsafe_code)]

mod audience;
mod containers;
mod enrich;
mod error;
mod following;
mod functions;
mod gadget;
mod host;
mod inspect;
mod kallsyms;
pub mod live;
mod roster;
mod run;
mod wait;

pub use error::Error;
pub use following::ContainerOptions;
pub use gadget::{OpenGadget, ReadyGadget, RunningGadget};
pub use host::HostKernel;
pub use inspect::{InfoEntry, describe_sources, inspect, sources_to_show};
pub use run::{Ending, RunOptions, run};
pub use wait::on_end_signal;
