//! Who is recorded: the identity of a container.

/// A container, or a command that is treated as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// The runtime's id; unique for a command's recording.
    pub id: String,
    /// The runtime's name for it, or the command's.
    pub name: String,
    /// Inode number of the mount namespace.
    pub mntns_id: u64,
    /// Id of the cgroup in the v2 hierarchy, 0 when unknown.
    pub cgroup_id: u64,
    /// The OCI runtime specification as JSON, empty when there is none.
    pub config: String,
}
