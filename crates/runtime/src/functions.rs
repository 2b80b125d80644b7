//! Which functions of the kernel programs can be attached to, as far as system calls begin in them.

use std::collections::HashSet;
use std::sync::OnceLock;

use gizmo_ebpf::probe::Probe;
use tracing::{debug, warn};

/// What the kernel says about such functions when somebody asks first.
#[derive(Default)]
pub(crate) struct SyscallFunctions {
    /// Whether programs can stand at functions at all: some kernels cannot, and policies forbid it.
    is_possible: OnceLock<bool>,
    /// Those that the kernel's BTF describes, some 1100.
    described: OnceLock<HashSet<String>>,
}

impl SyscallFunctions {
    /// Whether programs can be attached to a function of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        let is_possible = || match Probe::new().trampoline() {
            Ok(()) => true,
            Err(refusal) => {
                debug!(%refusal, "no program can stand at functions");
                false
            }
        };
        *self.is_possible.get_or_init(is_possible) && self.describes(name)
    }

    fn describes(&self, name: &str) -> bool {
        let names = self.described.get_or_init(|| {
            let found = gizmo_ebpf::kernel_functions(|name| name.contains("_sys_"));
            found.unwrap_or_else(|error| {
                warn!(%error, "the kernel's BTF cannot be read; no function of a system call is known");
                HashSet::new()
            })
        });
        names.contains(name)
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
