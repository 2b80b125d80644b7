//! Container runtimes for tests: Docker, containerd (with its part for Kubernetes) and podman, with private sockets and
//! folders, so that runtimes of the machine are not disturbed. Dropping one ends its containers and itself.
//!
//! Needs root and Debian's `docker.io`, `containerd`, `runc`, `podman` and `busybox-static`. A runtime that does not start is
//! a panic, so that the test fails: a test that was skipped has shown nothing.
//!
//! No image is pulled: [`IMAGE`] is made of busybox. All containers use the network of the host and need no network plug-in.
//!
//! ```no_run
//! let docker = gizmo_test_runtimes::Docker::start();
//! let id = docker.run("web", &["sleep", "60"]);
//! let sockets = docker.socket();
//! # let _ = (id, sockets);
//! ```

#![forbid(unsafe_code)]

mod containerd;
mod cri;
mod daemon;
mod docker;
mod hand;
mod image;
mod podman;
mod turn;

pub use containerd::{Containerd, K8S_NAMESPACE};
pub use cri::{Cri, Pod};
pub use daemon::{output, wait_until};
pub use docker::Docker;
pub use hand::Cgroups;
pub use image::IMAGE;
pub use podman::Podman;
pub use turn::Turn;
