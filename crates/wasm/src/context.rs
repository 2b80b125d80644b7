//! What a guest is given: the gadget's data sources, configuration, parameters and maps, and facts about the host.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use gizmo_model::DataSources;
use gizmo_model::config::Config;
use gizmo_model::iterator::{IteratorError, Iterators};
use gizmo_model::map::{BpfMap, MapError, MapSpec, Maps, ObjectSettings, SettingError};
use gizmo_model::program::{ProgramError, Programs};
use gizmo_syscalls::{Abi, Parameter};

/// Facts about the host's kernel, and about what is recorded on it.
pub trait Kernel: Send + Sync {
    /// The system call table of the kernel's own architecture.
    fn native_abi(&self) -> Abi;
    /// The release, as `uname -r` prints it.
    fn release(&self) -> &str;
    /// CPUs that can ever be online.
    fn possible_cpus(&self) -> u32;
    /// Bytes of a page.
    fn page_bytes(&self) -> u32;
    /// What to add to a boot-time reading to get Unix time.
    fn wall_clock_offset_ns(&self) -> i64;
    /// Whether a command is what is recorded; otherwise containers are.
    fn follows_command(&self) -> bool;
    /// Whether the kernel has exactly one symbol of this name.
    fn symbol_exists(&self, name: &str) -> bool;
    /// Whether programs can be attached to the kernel's function of this name, which is one that system calls begin in.
    fn has_syscall_function(&self, name: &str) -> bool;
    /// The parameters of a system call, by its name in the system call table.
    fn declaration(&self, name: &str) -> Option<Vec<Parameter>>;
}

/// The map of mount namespaces that are selected: empty until there is a filter, and in host mode.
pub type MntnsFilter = Arc<RwLock<Option<Arc<dyn BpfMap>>>>;

/// How long a guest may run per call; time inside host functions does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Instantiation and `gadgetInit` together.
    pub init: Duration,
    /// `gadgetPreStart`.
    pub pre_start: Duration,
    /// `gadgetStart`.
    pub start: Duration,
    /// `gadgetPreStop`.
    pub pre_stop: Duration,
    /// `gadgetStop`; upstream's value, made for traceloop.
    pub stop: Duration,
    /// `gadgetPostStop`.
    pub post_stop: Duration,
    /// `gadgetSnapshot`, `gadgetFollow` and the other exports for looking while a gadget runs; a snapshot does what
    /// `gadgetStop` does.
    pub look: Duration,
    /// `dataSourceCallback`. A callback inside another call shares that call's time.
    pub callback: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let plain = Duration::from_secs(10);
        Self {
            init: plain,
            pre_start: plain,
            start: plain,
            pre_stop: plain,
            stop: Duration::from_secs(42),
            look: Duration::from_secs(42),
            post_stop: plain,
            callback: plain,
        }
    }
}

/// Everything a guest can reach.
#[derive(Clone)]
pub struct HostContext {
    /// Name of the gadget, for log lines.
    pub gadget: String,
    /// The run's data sources.
    pub sources: Arc<DataSources>,
    /// The gadget's configuration tree.
    pub config: Arc<RwLock<Config>>,
    /// Values of parameters given by the client, with `operator.oci.wasm.` cut off.
    pub params: BTreeMap<String, String>,
    /// The gadget's maps.
    pub maps: Arc<dyn Maps>,
    /// The gadget's iterator programs.
    pub iterators: Arc<dyn Iterators>,
    /// All programs of the gadget.
    pub programs: Arc<dyn Programs>,
    /// What can be set in the eBPF object before it is loaded.
    pub settings: Arc<dyn ObjectSettings>,
    /// Facts about the host.
    pub kernel: Arc<dyn Kernel>,
    /// The filter that `shouldDiscardMntnsID` asks.
    pub mntns_filter: MntnsFilter,
    /// Time limits.
    pub deadlines: Deadlines,
}

impl std::fmt::Debug for HostContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostContext")
            .field("gadget", &self.gadget)
            .finish_non_exhaustive()
    }
}

impl HostContext {
    /// A context without a gadget: enough to ask a guest for its version.
    pub(crate) fn inert() -> Self {
        Self {
            gadget: String::new(),
            sources: Arc::default(),
            config: Arc::default(),
            params: BTreeMap::new(),
            maps: Arc::new(Nothing),
            iterators: Arc::new(Nothing),
            programs: Arc::new(Nothing),
            settings: Arc::new(Nothing),
            kernel: Arc::new(Nothing),
            mntns_filter: Arc::default(),
            deadlines: Deadlines::default(),
        }
    }
}

struct Nothing;

impl Maps for Nothing {
    fn get(&self, name: &str) -> Result<Arc<dyn BpfMap>, MapError> {
        Err(MapError::NotFound(name.to_owned()))
    }

    fn create(&self, spec: &MapSpec) -> Result<Arc<dyn BpfMap>, MapError> {
        Err(MapError::NotFound(spec.name.clone()))
    }

    fn create_inner(&self, outer: &str, _: &str) -> Result<Arc<dyn BpfMap>, MapError> {
        Err(MapError::NotFound(outer.to_owned()))
    }
}

impl Iterators for Nothing {
    fn iterate(&self, program: &str) -> Result<Box<dyn std::io::Read + Send>, IteratorError> {
        Err(IteratorError::NotFound(program.to_owned()))
    }
}

impl Programs for Nothing {
    fn misses(&self, program: &str) -> Result<u64, ProgramError> {
        Err(ProgramError::NotFound(program.to_owned()))
    }
}

impl ObjectSettings for Nothing {
    fn set_constant(&self, name: &str, _: &[u8]) -> Result<(), SettingError> {
        Err(SettingError::Loaded(name.to_owned()))
    }

    fn set_max_entries(&self, map: &str, _: bool, _: u32) -> Result<(), SettingError> {
        Err(SettingError::Loaded(map.to_owned()))
    }
}

impl Kernel for Nothing {
    fn native_abi(&self) -> Abi {
        if cfg!(target_arch = "aarch64") {
            Abi::Aarch64
        } else {
            Abi::X86_64
        }
    }

    fn release(&self) -> &str {
        ""
    }

    fn possible_cpus(&self) -> u32 {
        1
    }

    fn page_bytes(&self) -> u32 {
        4096
    }

    fn follows_command(&self) -> bool {
        true
    }

    fn wall_clock_offset_ns(&self) -> i64 {
        0
    }

    fn symbol_exists(&self, _: &str) -> bool {
        false
    }

    fn has_syscall_function(&self, _: &str) -> bool {
        false
    }

    fn declaration(&self, _: &str) -> Option<Vec<Parameter>> {
        None
    }
}
