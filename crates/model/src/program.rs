//! A gadget's eBPF programs as guests see them: the trait that `gizmo-ebpf` implements and `gizmo-wasm` uses.

use std::io;

/// The eBPF programs of a gadget.
pub trait Programs: Send + Sync {
    /// How often the kernel has skipped a program because it was running on that CPU already, since it was loaded. Kernels
    /// before 5.12 do not count: 0.
    ///
    /// # Errors
    /// See [`ProgramError`].
    fn misses(&self, program: &str) -> Result<u64, ProgramError>;
}

/// Why nothing can be said about a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// There is no program of that name, or it is not loaded.
    #[error("the gadget's eBPF object has no program `{0}`, or it is not loaded")]
    NotFound(String),
    /// The kernel refused.
    #[error("the kernel says nothing about program `{program}`")]
    Kernel {
        /// Name of the program.
        program: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}
