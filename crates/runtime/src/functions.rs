//! Which functions of the kernel programs can be attached to, as far as system calls begin in them.

use std::collections::HashSet;
use std::sync::OnceLock;

use gizmo_ebpf::probe::{Probe, Refusal};
use tracing::debug;

/// The names of such functions, some 1100, asked for when somebody needs one. None where programs can stand at no function at
/// all: some kernels cannot do it, and policies forbid it.
#[derive(Default)]
pub(crate) struct SyscallFunctions(OnceLock<HashSet<String>>);

impl SyscallFunctions {
    /// Whether programs can be attached to a function of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get_or_init(attachable).contains(name)
    }
}

fn attachable() -> HashSet<String> {
    let probe = Probe::new();
    let found = probe.trampoline().and_then(|()| described(&probe));
    found.unwrap_or_else(|refusal| {
        debug!(%refusal, "no program can stand at functions");
        HashSet::new()
    })
}

fn described(probe: &Probe) -> Result<HashSet<String>, Refusal> {
    probe.functions(|name| name.contains("_sys_"))
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
