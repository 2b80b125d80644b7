//! What a guest needs to be looked at while it runs.

use crate::abi::Input;
use crate::{Error, Result, raw};

/// Somebody who is shown everything once: what is held when it begins, then what is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Follower {
    /// Its number, used again when it has gone; few are used at once. 0 is the output of the run itself: at the end, it is
    /// shown nothing twice either.
    pub number: u32,
    /// Whether it has been shown nothing yet. Whoever had the number before is to be forgotten.
    pub is_new: bool,
}

/// What the host passes to `gadgetFollow`.
#[doc(hidden)]
pub fn follower(number: u32, is_new: u32) -> Follower {
    let is_new = is_new != 0;
    Follower { number, is_new }
}

/// Whether a container is one of those that are asked about. Unknown ids are 0, and an unknown name is empty.
///
/// Only in the handlers `snapshot`, `follow`, `forget` and `recordings`; elsewhere nobody asks, and no container is.
pub fn is_wanted(cgroup_id: u64, mntns_id: u64, name: &str) -> bool {
    raw::is_wanted(cgroup_id, mntns_id, Input::text(name)) == 1
}

/// What a guest says of a container in the handler `recordings`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recording<'a> {
    /// Its name, empty when unknown.
    pub name: &'a str,
    /// Id of its cgroup, 0 when unknown.
    pub cgroup_id: u64,
    /// Inode number of its mount namespace, 0 when unknown.
    pub mntns_id: u64,
    /// Records that were made, those that are not held any more too.
    pub recorded: u64,
    /// Records that are held.
    pub held: u64,
    /// Records that could not be made.
    pub lost: u64,
}

impl Recording<'_> {
    /// Tells the host.
    ///
    /// # Errors
    /// Nobody has asked, or there are too many.
    pub fn report(&self) -> Result<()> {
        let name = Input::text(self.name);
        match raw::report_recording(
            name,
            self.cgroup_id,
            self.mntns_id,
            self.recorded,
            self.held,
            self.lost,
        ) {
            0 => Ok(()),
            _ => Err(Error::refused("reportRecording", self.name)),
        }
    }
}
