//! Tests of the host with guests written as text, well-behaved and hostile ones; see `support` for the notation.

mod batch;
mod cache;
mod datasource;
mod field;
mod hostile;
mod instantiate;
mod iterator;
mod lifecycle;
mod look;
mod map;
mod measure;
mod names;
mod perf;
mod support;
mod system;
mod timing;
mod wasi;
