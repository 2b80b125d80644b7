//! An image becomes a running gadget: phases, threads and shutdown.
//!
//! The phases are types: [`OpenGadget`] (image read, nothing running) → [`ReadyGadget`] (guest instantiated, data sources
//! known) → [`RunningGadget`] (attached). [`run`] walks through them for a command line; it is the file to read first. [`show`] shows what a run has saved.

#![forbid(unsafe_code)]

mod audience;
mod containers;
mod diff;
mod enrich;
mod error;
mod following;
mod functions;
mod gadget;
mod host;
mod inspect;
mod kallsyms;
pub mod live;
mod load;
mod operators;
mod replay;
mod roster;
mod run;
mod save;
mod show;
mod summary;
mod tally;
mod wait;
mod wanted;

pub use diff::{Difference, Profile, What, compare};
pub use error::Error;
pub use following::ContainerOptions;
pub use gadget::{OpenGadget, ReadyGadget, RunningGadget};
pub use host::HostKernel;
pub use inspect::{InfoEntry, describe_sources, inspect, sources_to_show};
pub use load::{CallRow, Calls, Row, RowKind, TextId};
pub use run::{Ending, RunOptions, run};
pub use save::SaveOptions;
pub use show::{ShowOptions, show};
pub use summary::{SourceSummary, Summary, summarize};
pub use tally::SummaryBy;
pub use wait::on_end_signal;
pub use wanted::Wanted;
