//! System calls: names, numbers, argument declarations, filter lists and decoding.
//!
//! Everything here is pure: texts and numbers in, texts and numbers out. Reading tracefs or a ring is for others, so the
//! crate also builds for wasm32 and runs inside gadget guests.

#![forbid(unsafe_code)]

mod abi;
pub mod capture;
pub mod classes;
mod declaration;
pub mod decode;
pub mod descriptors;
pub mod entry;
pub mod errno;
pub mod expression;
pub mod fallback;
pub mod latency;
pub mod list;
mod record;
pub mod selection;
pub mod signal;
pub mod socketcall;
pub mod stats;
pub mod suggest;
pub mod table;
pub mod tracefs;

pub use abi::Abi;
pub use declaration::{Declaration, Parameter};
pub use record::{RECORD_BYTES, declaration_record};
