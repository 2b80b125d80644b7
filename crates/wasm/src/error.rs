//! What can go wrong with a guest, and in whose words it is told.

use std::fmt;

/// Why an engine, a module or a guest could not be made, or a phase failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// wasmtime could not be set up.
    #[error("the WebAssembly engine could not be set up")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The bytes are no module that the engine accepts.
    #[error("the gadget's WebAssembly module cannot be compiled")]
    Compile(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The module wants more memory than a guest may have.
    #[error(
        "the gadget's WebAssembly module needs {needed} bytes of memory from the start, more than the {allowed} allowed"
    )]
    Memory {
        /// Bytes that the module asks for.
        needed: u64,
        /// Bytes that a guest may have.
        allowed: u64,
    },
    /// The module imports something the host does not have.
    #[error(
        "the gadget's WebAssembly module imports `{name}` from `{module}`, which does not exist"
    )]
    UnknownImport {
        /// Module of the import.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// The module could not be instantiated.
    #[error("the gadget's WebAssembly module cannot be instantiated")]
    Instantiate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// `gadgetAPIVersion` is not exported.
    #[error("the gadget's WebAssembly module does not export `gadgetAPIVersion`")]
    NoVersion,
    /// Another version of the API.
    #[error("the gadget is made for version {found} of the API, this host has version {expected}")]
    Version {
        /// Version that the guest names.
        found: i64,
        /// Version of this host.
        expected: i64,
    },
    /// An export does not have the type that the API says.
    #[error("export `{export}` of the gadget's WebAssembly module must have the type `{expected}`")]
    ExportType {
        /// Name of the export.
        export: &'static str,
        /// Type it must have.
        expected: &'static str,
    },
    /// A phase failed.
    #[error("{}", phase_text(export, cause))]
    Phase {
        /// The export that failed.
        export: &'static str,
        /// Why.
        #[source]
        cause: Cause,
    },
}

/// Upstream's wording, which tests match on (wasm-host-api.md 1.4).
fn phase_text(export: &str, cause: &Cause) -> String {
    match cause {
        Cause::Trap(_) => format!("calling {export}"),
        _ => format!("{export} failed"),
    }
}

/// Why a phase failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// What the guest itself says: the text given to `gizmo.fail`, or its last log line at level error.
    Said(String),
    /// The guest trapped, exited or ran too long.
    Trap(String),
    /// The guest returned this and said nothing.
    Returned(i64),
    /// The guest has trapped before.
    Dead(String),
    /// The guest was called by a thread that is inside it already.
    Busy,
    /// The guest is closed.
    Closed,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Said(text) | Cause::Trap(text) => f.write_str(text),
            Cause::Returned(value) => write!(f, "returned {value}"),
            Cause::Dead(text) => write!(f, "the guest has ended before: {text}"),
            Cause::Busy => f.write_str("the guest is in use by the same thread"),
            Cause::Closed => f.write_str("the guest is closed"),
        }
    }
}

impl std::error::Error for Cause {}

/// Trap: the guest has used up its time.
#[derive(Debug, thiserror::Error)]
#[error("ran longer than {} s", .allowed.as_secs_f64())]
pub(crate) struct DeadlineExceeded {
    pub(crate) allowed: std::time::Duration,
}

/// Trap: the guest called `proc_exit`.
#[derive(Debug, thiserror::Error)]
#[error("the guest exited with status {0}")]
pub(crate) struct Exit(pub(crate) i32);

/// What a trap says: its root cause, and the innermost function that has a name.
pub(crate) fn trap_text(error: &wasmtime::Error) -> String {
    let cause = error.root_cause().to_string();
    let frames = error.downcast_ref::<wasmtime::WasmBacktrace>();
    let name = frames.and_then(|trace| trace.frames().iter().find_map(|frame| frame.func_name()));
    match name {
        Some(name) => format!("{cause} (in `{name}`)"),
        None => cause,
    }
}
