//! Data sources, fields, packets, parameters and the traits that sibling crates share.
//!
//! What flows through a running gadget is declared here and nowhere else. The crate does no input or output and knows
//! neither libbpf nor wasmtime: siblings meet through its types and traits, and are joined by `gizmo-runtime`.

#![forbid(unsafe_code)]

pub mod config;
pub mod container;
pub mod datasource;
pub mod field;
pub mod iterator;
pub mod map;
pub mod packet;
pub mod params;
pub mod program;
pub mod template;

pub use datasource::{Batch, DataSource, DataSources, Edge, Flow, Payload, Shape, Subscription};
pub use field::{Field, Kind};
pub use packet::{Element, Packet};
