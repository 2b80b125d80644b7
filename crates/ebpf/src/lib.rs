//! The only door to libbpf: load, size, attach, maps and BTF.
//!
//! An [`EbpfLayer`] is one eBPF object of an image. It is opened, its BTF says which data sources and parameters it
//! declares, constants and sizes are set, then it is loaded and attached. Nothing here knows WASM or the command line.

mod attach;
mod bpf_map;
mod discover;
mod error;
mod floor;
mod iter;
mod libbpf_log;
mod object;
mod old_kernel;
mod perf;
pub mod probe;
mod program;
mod settings;
mod starts;
mod structure;

pub use attach::{AttachPoint, attach_point};
pub use bpf_map::possible_cpus;
pub use discover::{Declared, Tracer};
pub use error::{Error, ErrorKind};
pub use floor::Floor;
pub use object::{EbpfLayer, ProgramInfo, create_map};
pub use starts::{Seen, Start, StartEvents, Starts};

/// Whether the kernel offers its own BTF, which CO-RE and `tp_btf` programs need.
pub fn kernel_has_btf() -> bool {
    std::path::Path::new("/sys/kernel/btf/vmlinux").exists()
}
