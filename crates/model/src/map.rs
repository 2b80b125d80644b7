//! BPF maps and perf buffers as guests see them: the traits that `gizmo-ebpf` implements and `gizmo-wasm` uses.

use std::any::Any;
use std::sync::Arc;

/// Sizes and type of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapInfo {
    /// Name in the object or as given on creation.
    pub name: String,
    /// Kernel number of the type (`enum bpf_map_type`).
    pub kind: u32,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value as a guest reads or writes it: for per-CPU maps, possible CPUs times the size rounded up to 8.
    pub value_bytes: usize,
    /// Entries at most.
    pub max_entries: u32,
}

/// Kernel numbers of map types that need special treatment (include/uapi/linux/bpf.h).
pub mod kind {
    #![expect(missing_docs, reason = "the kernel's names")]
    pub const HASH: u32 = 1;
    pub const ARRAY: u32 = 2;
    pub const PROG_ARRAY: u32 = 3;
    pub const PERF_EVENT_ARRAY: u32 = 4;
    pub const PERCPU_HASH: u32 = 5;
    pub const PERCPU_ARRAY: u32 = 6;
    pub const CGROUP_ARRAY: u32 = 8;
    pub const LRU_PERCPU_HASH: u32 = 10;
    pub const ARRAY_OF_MAPS: u32 = 12;
    pub const HASH_OF_MAPS: u32 = 13;
    pub const DEVMAP: u32 = 14;
    pub const SOCKMAP: u32 = 15;
    pub const CPUMAP: u32 = 16;
    pub const XSKMAP: u32 = 17;
    pub const SOCKHASH: u32 = 18;
    pub const REUSEPORT_SOCKARRAY: u32 = 20;
    pub const DEVMAP_HASH: u32 = 25;
    pub const STRUCT_OPS: u32 = 26;
    /// The highest type a guest may name.
    pub const LAST: u32 = 33;
}

/// Why an operation on a map failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// A key or value of the wrong length.
    #[error("{what} of map `{map}` has {expected} bytes, not {found}")]
    Length {
        /// Name of the map.
        map: String,
        /// `a key` or `a value`.
        what: &'static str,
        /// Bytes that the map wants.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The operation makes no sense or is not allowed for the map's type.
    #[error("{operation} is not possible on map `{map}` of type {kind}")]
    Unsupported {
        /// Name of the map.
        map: String,
        /// What was tried.
        operation: &'static str,
        /// Kernel number of the map's type.
        kind: u32,
    },
    /// There is no map of that name.
    #[error("there is no map `{0}`")]
    NotFound(String),
    /// The kernel refused.
    #[error("{operation} on map `{map}` failed")]
    Kernel {
        /// Name of the map.
        map: String,
        /// What was tried.
        operation: &'static str,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
}

/// How an update treats existing keys: the kernel's flags 0 to 4.
pub type UpdateFlags = u64;

/// A loaded map.
pub trait BpfMap: Send + Sync {
    /// Type and sizes.
    fn info(&self) -> &MapInfo;

    /// Reads the value of a key into `value` (of exactly `value_bytes`); `false` when the key is absent.
    ///
    /// # Errors
    /// Wrong lengths, or the kernel's refusal.
    fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool, MapError>;

    /// Writes the value of a key.
    ///
    /// # Errors
    /// Wrong lengths, or the kernel's refusal.
    fn update(&self, key: &[u8], value: &[u8], flags: UpdateFlags) -> Result<(), MapError>;

    /// Removes a key; `false` when it was absent.
    ///
    /// # Errors
    /// Wrong length, or the kernel's refusal.
    fn delete(&self, key: &[u8]) -> Result<bool, MapError>;

    /// Opens the map that a map of maps holds under a key.
    ///
    /// # Errors
    /// Not a map of maps, wrong length, or the kernel's refusal.
    fn lookup_map(&self, key: &[u8]) -> Result<Option<Arc<dyn BpfMap>>, MapError>;

    /// Puts a map into a map of maps.
    ///
    /// # Errors
    /// Not a map of maps, wrong length, a map of another kind, or the kernel's refusal.
    fn update_map(
        &self,
        key: &[u8],
        inner: &dyn BpfMap,
        flags: UpdateFlags,
    ) -> Result<(), MapError>;

    /// Opens a buffer per CPU, puts them into this perf event array, and so begins to record.
    ///
    /// # Errors
    /// Not a perf event array, or the kernel's refusal.
    fn perf_reader(&self, spec: &PerfSpec) -> Result<Box<dyn PerfReader>, MapError> {
        let _ = spec;
        let MapInfo { name, kind, .. } = self.info().clone();
        Err(MapError::Unsupported {
            map: name,
            operation: "a perf reader",
            kind,
        })
    }

    /// For the implementation, which needs its own type back in [`BpfMap::update_map`].
    fn as_any(&self) -> &dyn Any;
}

/// What to open a perf reader with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerfSpec {
    /// Bytes of each CPU's buffer, rounded up to a power of two of pages.
    pub bytes_per_cpu: u32,
    /// New records replace old ones, and the reader must be paused to be read. Else new records are lost when the buffer
    /// is full.
    pub is_overwritable: bool,
}

/// The buffers behind a perf event array. Dropping it closes them.
pub trait PerfReader: Send {
    /// Takes the buffers out of the map: nothing is recorded until [`PerfReader::resume`]. May be repeated.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn pause(&mut self) -> Result<(), PerfError>;

    /// Puts the buffers into the map. May be repeated.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn resume(&mut self) -> Result<(), PerfError>;

    /// Copies the next record to the beginning of `record` and returns its length; `None` when there is none now. Never
    /// waits. Overwritable buffers yield the newest record first, others the oldest.
    ///
    /// # Errors
    /// An overwritable reader that is not paused, or a record that is too long, which is lost then.
    fn read(&mut self, record: &mut [u8]) -> Result<Option<usize>, PerfError>;

    /// Records that were found missing so far.
    fn lost(&self) -> u64;
}

/// Why an operation on a perf reader failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PerfError {
    /// The kernel may be writing where we would read.
    #[error("an overwritable perf reader must be paused before it is read")]
    NotPaused,
    /// The record does not fit and is gone.
    #[error("a record of {bytes} bytes does not fit into {room} and is lost")]
    TooLong {
        /// Bytes of the record.
        bytes: usize,
        /// Bytes of the destination.
        room: usize,
    },
    /// The kernel refused.
    #[error("{operation} of a perf reader failed")]
    Kernel {
        /// What was tried.
        operation: &'static str,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
}

/// A map to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapSpec {
    /// Name; the kernel keeps 15 bytes.
    pub name: String,
    /// Kernel number of the type.
    pub kind: u32,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value.
    pub value_bytes: u32,
    /// Entries at most.
    pub max_entries: u32,
}

/// The maps of a gadget, and a way to make more.
pub trait Maps: Send + Sync {
    /// The map of the gadget's object with this name.
    ///
    /// # Errors
    /// [`MapError::NotFound`], also before the object is loaded.
    fn get(&self, name: &str) -> Result<Arc<dyn BpfMap>, MapError>;

    /// Creates a map.
    ///
    /// # Errors
    /// The kernel's refusal, or a type that cannot be created alone.
    fn create(&self, spec: &MapSpec) -> Result<Arc<dyn BpfMap>, MapError>;

    /// Creates a map that fits into the map of maps `outer` of the gadget's object.
    ///
    /// # Errors
    /// As [`Maps::get`] and [`Maps::create`]; `outer` is not a map of maps.
    fn create_inner(&self, outer: &str, name: &str) -> Result<Arc<dyn BpfMap>, MapError>;
}

/// What can be set in an eBPF object before it is loaded.
pub trait ObjectSettings: Send + Sync {
    /// Sets the constant `name` (`const volatile` in the object); the value must have its size.
    ///
    /// # Errors
    /// No such constant, another size, or the object is loaded already.
    fn set_constant(&self, name: &str, value: &[u8]) -> Result<(), SettingError>;

    /// Sets the number of entries of a map, or of a map of maps' inner template when `inner` is set.
    ///
    /// # Errors
    /// No such map, or the object is loaded already.
    fn set_max_entries(&self, map: &str, inner: bool, max_entries: u32)
    -> Result<(), SettingError>;
}

/// Why a setting of an eBPF object was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// The gadget has no eBPF object or it is loaded already.
    #[error("{0} cannot be set: the gadget's eBPF object is loaded already")]
    Loaded(String),
    /// The object has nothing of that name.
    #[error("the gadget's eBPF object has no {what} `{name}`")]
    NotFound {
        /// `constant`, `map` or `inner map of`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The value has another size than the constant.
    #[error("constant `{name}` has {expected} bytes, not {found}")]
    Length {
        /// Name of the constant.
        name: String,
        /// Bytes of the constant.
        expected: usize,
        /// Bytes of the value.
        found: usize,
    },
    /// libbpf refused.
    #[error("{0} could not be set")]
    Refused(String, #[source] std::io::Error),
}
