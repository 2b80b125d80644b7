//! Caps on everything that grows because a guest asks for it, each with its reason.
//!
//! Linear memory is capped by the engine's options; these caps bound what the host itself holds on a guest's behalf.

/// Open handles, wasm-host-api.md 1.8.
pub(crate) const MAX_HANDLES: usize = 4096;

/// Names of data sources, fields, maps, symbols and system calls. The kernel's longest symbol has 512 bytes.
pub(crate) const MAX_NAME_BYTES: usize = 512;

/// Keys and tags: four names joined with dots.
pub(crate) const MAX_KEY_BYTES: usize = 2048;

/// A value for the configuration: the largest official `gadget.yaml` as a whole has 20 KiB.
pub(crate) const MAX_CONFIG_VALUE_BYTES: usize = 64 << 10;

/// Calls of `setConfig` and the bytes they may add: the tree has no limit of its own.
pub(crate) const MAX_CONFIG_CALLS: usize = 4096;

/// One log line: a stack trace of a guest fits, and a thousand lines per second stay below 16 MiB.
pub(crate) const MAX_LOG_LINE_BYTES: usize = 16 << 10;

/// Log lines per second that a guest may write; more are counted and the number is logged.
pub(crate) const LOG_LINES_PER_SECOND: u32 = 1000;

/// Warnings of the host about a guest's calls per second. A loop of failing calls says everything in a few lines.
pub(crate) const WARNINGS_PER_SECOND: u32 = 100;

/// One text or byte field: a seccomp profile or OCI configuration of a container has up to some 100 KiB.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// Events that are emitted in one call: a text of the largest size and everything else of its event fit, and thousands of
/// usual events.
pub(crate) const MAX_BATCH_BYTES: usize = 8 << 20;

/// What packets and elements in the handle table may hold together: eight times a guest's default memory.
pub(crate) const MAX_HELD_BYTES: usize = 128 << 20;

/// What an element is taken to cost the host besides its own values.
pub(crate) const ELEMENT_BYTES: usize = 1 << 10;

/// What a field's slot costs in every element.
pub(crate) const SLOT_BYTES: usize = 24;

/// Data sources per guest; official gadgets create one or two.
pub(crate) const MAX_DATA_SOURCES: usize = 64;

/// Fields per guest; official gadgets add up to 15.
pub(crate) const MAX_ADDED_FIELDS: usize = 512;

/// Tags per guest.
pub(crate) const MAX_ADDED_TAGS: usize = 4096;

/// Subscriptions per guest: each one is called for every event.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 256;

/// Memory of one created map; traceloop's rings stay far below.
pub(crate) const MAX_MAP_BYTES: u64 = 64 << 20;

/// Memory of all created maps that are still open.
pub(crate) const MAX_MAPS_BYTES: u64 = 1 << 30;

/// Maps created and not released: traceloop makes one per container, and its outer map has 1024 entries.
pub(crate) const MAX_CREATED_MAPS: usize = 2048;

/// Perf readers that are open: traceloop as upstream has it opens one per container, and each takes a descriptor per CPU.
pub(crate) const MAX_PERF_READERS: usize = 2048;

/// Memory of all perf readers that are open: kernel memory that cannot be swapped out.
pub(crate) const MAX_PERF_BYTES: u64 = 1 << 30;

/// Iterator programs that a guest runs side by side: each takes a descriptor and 32 KiB in the kernel.
pub(crate) const MAX_ITERATORS: usize = 16;

/// What one read of an iterator program's output may bring; the kernel's own buffer has 32 KiB.
pub(crate) const MAX_ITERATOR_READ_BYTES: usize = 64 << 10;

/// A key or value of a map as the host copies it; the kernel itself refuses values above some MiB.
pub(crate) const MAX_MAP_VALUE_BYTES: usize = 4 << 20;

/// Guest calls inside guest calls: each level takes host stack beyond the 512 KiB that wasmtime watches.
pub(crate) const MAX_NESTING: usize = 16;

/// Elements of a guest's tables: 8 bytes each; Go guests need some thousands.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 100_000;

/// Tables of a guest; compilers emit one.
pub(crate) const MAX_TABLES: usize = 8;

/// Text of `gizmo.fail`: it is shown to a person.
pub(crate) const MAX_FAIL_BYTES: usize = 4096;

/// Its lines.
pub(crate) const MAX_FAIL_LINES: usize = 8;

/// Bytes that WASI's `random_get` fills in one call, and entries that one call of its other functions handles.
pub(crate) const MAX_WASI_ENTRIES: u32 = 1024;

/// Lines of standard error kept for the case that the guest traps: a panic message with some frames.
pub(crate) const MAX_STDERR_LINES: usize = 20;

/// Recordings that a guest may report in one answer: traceloop has a ring for 1024 containers at most.
pub(crate) const MAX_RECORDINGS: usize = 4096;
