//! `gizmo run` beside real container runtimes: containers are recorded from their first instruction to their last, whatever
//! happens around them.
//!
//! Every test starts the daemons it needs, with private sockets, and takes its turn with the other tests that load eBPF
//! programs. `GIZMO_FULL=1` runs the long versions.

mod apart;
mod crowd;
mod damage;
mod descriptors;
mod filter;
mod inflight;
mod live;
mod many;
mod recording;
mod support;
mod whole;
