//! Which functions of the kernel programs can be attached to, as far as system calls begin in them.

use std::collections::HashSet;
use std::sync::OnceLock;

use tracing::warn;

/// The names of such functions, some 1100, read from the kernel's BTF only when somebody asks.
#[derive(Default)]
pub(crate) struct SyscallFunctions {
    names: OnceLock<HashSet<String>>,
}

impl SyscallFunctions {
    /// Whether there is such a function.
    pub(crate) fn has(&self, name: &str) -> bool {
        let names = self.names.get_or_init(|| {
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
