//! Which containers there are: for now a command that is run as a pseudo-container.
//!
//! A [`Command`] is resolved first, so that a mistake in its name costs nothing. It is then started in a mount namespace
//! and a cgroup of its own and held before its first instruction, until everything that shall see it is in place.
//! Containers of runtimes come here, too; nothing in this crate knows gadgets.

#![forbid(unsafe_code)]

mod cgroup;
mod command;
mod launch;
mod resolve;

pub use command::{Command, CommandError, Ended, HeldCommand, wait_for_all};
pub use launch::{LAUNCH_COMMAND, launch};
pub use resolve::{Resolved, resolve};
