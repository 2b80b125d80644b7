//! What a file may ask of its reader. The writer keeps within the same limits, so that whatever was written can be read.

/// Bytes of a block's body, unpacked.
pub(crate) const MAX_BODY_BYTES: usize = 32 << 20;

/// Bytes of a header's, schema's or end's body: the fields of all data sources with all that is said about them.
pub(crate) const MAX_TEXT_BODY_BYTES: usize = 4 << 20;

/// What the packets of one block cost in memory, all texts written out: a few bytes may mean a long text again and again.
/// The writer ends a block at [`FULL_COST`], and then one more packet has room.
pub(crate) const MAX_BLOCK_COST: usize = 24 << 20;

/// The same for a single packet. The host takes texts of 1 MiB and batches of 8 MiB from guests.
pub(crate) const MAX_PACKET_COST: usize = 16 << 20;

/// Packets of one block.
pub(crate) const MAX_BLOCK_PACKETS: usize = 1 << 16;

/// A block is complete with so many encoded bytes …
pub(crate) const FULL_BYTES: usize = 256 << 10;

/// … or with packets of this cost …
pub(crate) const FULL_COST: usize = 4 << 20;

/// … or with so many packets.
pub(crate) const FULL_PACKETS: usize = 1 << 14;

/// Data sources; guests may make 64.
pub(crate) const MAX_SOURCES: usize = 256;

/// Fields of all data sources together.
pub(crate) const MAX_FIELDS: usize = 16 << 10;

/// Bytes of the name of a field or data source; the host takes 512 from guests.
pub(crate) const MAX_NAME_BYTES: usize = 512;

/// How deep fields may lie below each other.
pub(crate) const MAX_LEVELS: usize = 32;

/// What an element costs beside its texts: so much, and [`FIELD_COST`] for each field.
pub(crate) const ELEMENT_COST: usize = 64;

/// See [`ELEMENT_COST`]; an empty text is three words.
pub(crate) const FIELD_COST: usize = 24;
