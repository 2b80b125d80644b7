//! Following runtimes: made-up ones that misbehave, and real ones.

mod containerd;
mod cri;
mod docker;
mod fake;
mod podman;
mod support;
mod together;
