//! The flags that say which containers and calls of a run or of a recording are meant.

use clap::Args;
use gizmo_runtime::Wanted;

/// Which containers and calls.
#[derive(Args)]
pub(crate) struct WantedFlags {
    #[command(flatten)]
    containers: ContainersFlag,
    #[command(flatten)]
    calls: CallsFlag,
}

/// Which containers.
#[derive(Args)]
pub(crate) struct ContainersFlag {
    /// Only containers with these names: a,b; !a leaves one out
    #[arg(
        short = 'c',
        long = "containername",
        alias = "runtime-containername",
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) containers: String,
}

/// Which calls.
#[derive(Args)]
pub(crate) struct CallsFlag {
    /// Only these system calls, in the language of `gizmo run traceloop --syscall-filters`
    #[arg(
        long,
        value_name = "EXPRESSION",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    syscall_filters: String,
}

impl WantedFlags {
    /// What the flags come to.
    pub(crate) fn wanted(&self) -> Wanted {
        self.calls.wanted(&self.containers.containers)
    }
}

impl CallsFlag {
    /// What the flag comes to for some containers.
    pub(crate) fn wanted(&self, containers: &str) -> Wanted {
        Wanted {
            containers: containers.to_owned(),
            calls: self.syscall_filters.clone(),
        }
    }
}
