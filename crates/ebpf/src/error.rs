//! What can go wrong between an object file and a running program.

use std::io;

/// Kinds of errors that callers decide upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object is not usable on any host.
    BadObject,
    /// The object needs something that Gizmo does not do yet.
    Unsupported,
    /// The process may not do it.
    Permission,
    /// The kernel lacks something.
    Kernel,
    /// A value or name given for the object is wrong.
    Setting,
}

/// What can go wrong between an object file and a running program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no eBPF object.
    #[error("the layer is not an eBPF object: {0}")]
    NotAnObject(&'static str),
    /// libbpf cannot open the object.
    #[error("failed to open the eBPF object{}", log_suffix(.log))]
    Open {
        /// What libbpf printed.
        log: Vec<String>,
        /// Its error.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A name in the object that gives a data source or parameter its meaning is malformed.
    #[error("`{name}` in the eBPF object: {problem}")]
    Declaration {
        /// Name of the variable.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A program of a type that is not there yet.
    #[error("program `{program}` is not supported yet: section `{section}`")]
    UnsupportedSection {
        /// Name of the program.
        program: String,
        /// Its ELF section.
        section: String,
    },
    /// An attach point that makes no sense for the program.
    #[error("program `{program}` cannot be attached to `{target}`")]
    BadTarget {
        /// Name of the program.
        program: String,
        /// What it should be attached to.
        target: String,
    },
    /// The kernel has no BTF.
    #[error(
        "the kernel has no BTF (/sys/kernel/btf/vmlinux is missing), which program `{0}` needs; \
         use a kernel built with CONFIG_DEBUG_INFO_BTF"
    )]
    NoKernelBtf(String),
    /// The process may not load programs.
    #[error(
        "the kernel lets no such eBPF program be loaded: that needs root, or CAP_SYS_ADMIN, and may be forbidden by policy \
         all the same (`gizmo doctor` tries it)"
    )]
    Permission(#[source] io::Error),
    /// The verifier refused a program.
    #[error("the kernel's verifier refused program `{program}`:\n{log}")]
    Verifier {
        /// Name of the program.
        program: String,
        /// The end of the verifier's log.
        log: String,
        /// The kernel's answer.
        #[source]
        source: libbpf_rs::Error,
    },
    /// The object could not be loaded.
    #[error("failed to load the eBPF object{}", log_suffix(.log))]
    Load {
        /// What libbpf printed.
        log: Vec<String>,
        /// Its error.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A program could not be attached.
    #[error("failed to attach program `{program}` to `{target}`")]
    Attach {
        /// Name of the program.
        program: String,
        /// What it should be attached to.
        target: String,
        /// The kernel's answer.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A phase was called out of order.
    #[error("the eBPF object cannot be {0} in its present state")]
    State(&'static str),
    /// A value for a constant or a map's size is wrong.
    #[error(transparent)]
    Setting(#[from] gizmo_model::map::SettingError),
    /// A parameter's value does not fit its variable.
    #[error("`{value}` is not a valid value for `--{key}`: the eBPF object wants {expected}")]
    ParamValue {
        /// Key of the parameter.
        key: String,
        /// The value.
        value: String,
        /// What the variable holds.
        expected: String,
    },
    /// A data source could not be set up.
    #[error(transparent)]
    DataSource(#[from] gizmo_model::datasource::Error),
}

impl Error {
    /// The kind, for callers that decide.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::UnsupportedSection { .. } => ErrorKind::Unsupported,
            Error::Permission(_) => ErrorKind::Permission,
            Error::NoKernelBtf(_) | Error::Attach { .. } | Error::Load { .. } => ErrorKind::Kernel,
            Error::Setting(_) | Error::ParamValue { .. } => ErrorKind::Setting,
            _ => ErrorKind::BadObject,
        }
    }
}

/// The last lines of libbpf's own log, which say more than its error code.
fn log_suffix(log: &[String]) -> String {
    match log {
        [] => String::new(),
        lines => format!(" ({})", lines.join("; ")),
    }
}
