//! Writers of columns, JSON, YAML and pictures of system calls, the formatters and the output filter.
//!
//! The crate turns the packets of data sources into bytes on a writer. It owns no terminal and does not know where packets
//! come from: the caller gives the width of the terminal, if there is one, and a [`SharedWriter`] that all data sources
//! share. Everything a packet holds was written by a traced process or a guest and is treated as hostile text.

#![forbid(unsafe_code)]

pub mod calls;
mod columns;
mod detour;
mod error;
mod fields;
pub mod filter;
pub mod formatters;
mod json;
mod mode;
mod notice;
mod params;
mod press;
mod printer;
mod raw;
mod sink;
pub mod sort;
mod value;
mod writer;
mod yaml;

pub use columns::cell::escape;
pub use detour::{Detour, View};
pub use error::Error;
pub use mode::{Mode, is_shown};
pub use params::params;
pub use sink::{Output, PRIORITY, Settings};
pub use writer::SharedWriter;
