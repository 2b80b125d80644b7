//! What a file is a recording of, and how much of it there was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a file is a recording of. Texts that are not known are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Version of the gizmo that wrote it.
    pub gizmo: String,
    /// Name of the gadget.
    pub gadget: String,
    /// The image as it was named.
    pub image: String,
    /// Digest of the image: it tells the gadget's code, and the tables with which it decoded.
    pub digest: String,
    /// When the recording began, ns since 1970.
    pub started_unix_ns: u64,
    /// Where.
    pub host: Host,
    /// The command that was recorded, none for containers.
    pub command: Vec<String>,
    /// The gadget's parameters, and which containers were meant: values that were given, by full name.
    pub params: BTreeMap<String, String>,
}

/// The host of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Architecture, as `uname -m` has it.
    pub architecture: String,
    /// The id that the kernel gave this boot.
    pub boot_id: String,
}

/// The last words of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// When it ended, ns since 1970.
    pub ended_unix_ns: u64,
    /// Packets by name of data source.
    pub packets: BTreeMap<String, u64>,
    /// Packets that were too large to be recorded.
    pub left_out: u64,
}
