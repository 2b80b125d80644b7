//! Which containers there are: those of the runtimes of this host, and a command that is run as a pseudo-container.
//!
//! A [`Collection`] finds and follows the containers of Docker, containerd, CRI-O and podman. What the kernel shows, others
//! tell it ([`Collection::discover`], with [`identify_cgroup`] to tell a container from its cgroup); names arrive when they
//! arrive. A [`Selector`] says which of them are meant. Runtimes are strangers: whatever they send is limited before it is
//! read, and one that hangs delays nobody.
//!
//! A [`Command`] is resolved first, so that a mistake in its name costs nothing. It is then started in a mount namespace
//! and a cgroup of its own and held before its first instruction, until everything that shall see it is in place.
//!
//! Nothing in this crate knows gadgets. Async code stays inside; the interface is plain threads and channels.

#![forbid(unsafe_code)]

mod bundle;
mod cgroup;
mod cgroup_path;
mod clean;
mod collection;
mod command;
mod host;
mod launch;
mod open_files;
mod process;
mod resolve;
mod runtimes;
mod selector;

pub use cgroup_path::{CgroupContainer, identify_cgroup, identify_cgroup_in};
pub use clean::is_valid_id;
pub use collection::{Collection, CollectionOptions, ContainerEvent, Memory, RuntimeStatus};
pub use command::{Command, CommandError, Ended, HeldCommand, wait_for_all};
pub use host::HostRoot;
pub use launch::{LAUNCH_COMMAND, launch};
pub use open_files::{OpenFile, open_files};
pub use process::{CgroupFacts, Namespaces, ProcessFacts};
pub use resolve::{Resolved, resolve};
pub use runtimes::{Protocol, RuntimeError, RuntimeKind, RuntimeOptions};
pub use selector::{Selector, SelectorError, SelectorTexts};
