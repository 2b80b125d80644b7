//! Tests of the public interface: data sources in, bytes out.

mod batches;
mod columns;
mod detour;
mod fields;
mod filter;
mod formatters;
mod golden;
mod hostile;
mod json;
mod modes;
mod sort;
mod support;
mod writes;
