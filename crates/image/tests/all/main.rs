//! Tests of the crate through its public interface: builds, stores, archives, and what happens when they are damaged.

mod build;
mod catalog;
mod concurrency;
mod damage;
mod hostile;
mod kill;
mod roundtrip;
mod support;
