//! Iterator programs (`SEC("iter/…")`) as guests see them: the trait that `gizmo-ebpf` implements and `gizmo-wasm` uses.

use std::io;

/// The iterator programs of a gadget.
pub trait Iterators: Send + Sync {
    /// Runs a program of the gadget's object over everything there is, while what it prints is read: at the end a read
    /// yields nothing. Dropping the reader ends the run.
    ///
    /// # Errors
    /// See [`IteratorError`].
    fn iterate(&self, program: &str) -> Result<Box<dyn io::Read + Send>, IteratorError>;
}

/// Why an iterator program cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IteratorError {
    /// There is no program of that name, or the object is not loaded.
    #[error("the gadget's eBPF object has no program `{0}`, or is not loaded")]
    NotFound(String),
    /// The program is something else.
    #[error("program `{program}` of section `{section}` is no iterator")]
    NotAnIterator {
        /// Name of the program.
        program: String,
        /// Its ELF section.
        section: String,
    },
    /// The kernel refused.
    #[error("iterator program `{program}` cannot be run")]
    Kernel {
        /// Name of the program.
        program: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}
