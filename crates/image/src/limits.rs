//! Every size that an image, archive or store may ask us to read, with the reason for its cap.
//!
//! A cap is compared with the size in the descriptor (or tar header) before anything is read or allocated.

/// Largest index or manifest. Registries and `ig` refuse larger ones, so nobody can have published one.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// Largest `index.json` of a store. About 500 bytes per tag: room for 30 000 tags.
pub const MAX_INDEX_FILE_BYTES: u64 = 16 << 20;

/// Largest metadata file. The longest official `gadget.yaml` has 30 KiB; a YAML tree takes many times its text.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Largest layer. Official eBPF objects and Go guests stay below 6 MiB, BTFGen archives below 20 MiB; all layers
/// of an image are held in memory during a run.
pub const MAX_LAYER_BYTES: u64 = 64 << 20;

/// Most descriptors in one image graph: two architectures need about ten; a signature adds three.
pub const MAX_GRAPH_NODES: usize = 1024;

/// Deepest nesting: index, manifest, blob, and one index more for signatures kept as nested indexes.
pub const MAX_GRAPH_DEPTH: usize = 4;

/// Most entries of an archive: about ten per image, so room for thousands of images.
pub const MAX_ARCHIVE_ENTRIES: usize = 65_536;

/// Largest pax header: a few records of time and owner, never data.
pub const MAX_PAX_BYTES: u64 = 64 << 10;

/// Most bytes of a tool's `stderr` kept for an error message; a terminal shows less.
pub const MAX_TOOL_OUTPUT_BYTES: usize = 64 << 10;
