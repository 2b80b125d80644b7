//! Why a file cannot be written or read, or not all of it.

/// What is wrong with the bytes of a recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A block's head has another checksum than it says; nothing after it can be found.
    #[error("the head of a block is damaged")]
    Head,
    /// The body has another checksum than the head says.
    #[error("the checksum of a block is wrong")]
    Checksum,
    /// A body that cannot be unpacked, or not to the size that its head says.
    #[error("a block cannot be unpacked")]
    Packing,
    /// A body beyond what a reader takes.
    #[error("a block is larger than allowed")]
    TooLarge,
    /// A body with the right checksum that says what cannot be.
    #[error("{0}")]
    Content(String),
}

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are not those of a recording.
    #[error("this is not a recording of gizmo")]
    NotARecording,
    /// The first bytes are those of a recording after a conversion of line ends.
    #[error(
        "this was a recording, but its line ends were converted on the way (a transfer as text)"
    )]
    Converted,
    /// The format is newer than this reader.
    #[error("the recording has version {0} of the format, and this gizmo reads only up to {newest}; a newer gizmo is needed", newest = crate::frame::VERSION)]
    TooNew(u32),
    /// The file ends where there should be more.
    #[error("the recording ends at byte {at}, before its end was written")]
    Cut {
        /// Where the file ends.
        at: u64,
    },
    /// A block that cannot be used.
    #[error("the recording is damaged at byte {at}: {damage}")]
    Damaged {
        /// Where the block begins.
        at: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The bytes cannot be had.
    #[error("cannot read the recording")]
    Read(#[source] std::io::Error),
    /// The bytes cannot be stored.
    #[error("cannot write the recording")]
    Write(#[source] std::io::Error),
    /// A data source is beyond what a file can hold.
    #[error("data source `{source_name}` cannot be recorded: {reason}")]
    Unfit {
        /// Its name.
        source_name: String,
        /// Why.
        reason: String,
    },
}
