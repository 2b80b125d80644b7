//! What `inspect` shows of a module.

use crate::context::HostContext;
use crate::engine::Module;
use crate::error::Error;
use crate::guest::Guest;
use crate::host;

/// Facts about a module (wasm-host-api.md 1.2, step 7).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleInfo {
    /// `wasm.gadgetAPIVersion`: what the guest answers.
    pub api_version: i64,
    /// `wasm.upcalls`: names imported from `ig`, in the order of the imports.
    pub upcalls: Vec<String>,
    /// Names imported from `gizmo`; a module with any runs on this host only.
    pub gizmo_upcalls: Vec<String>,
}

impl ModuleInfo {
    /// Asks a module: it is instantiated without a gadget, and `gadgetInit` is not called.
    ///
    /// # Errors
    /// As [`Guest::instantiate`].
    pub fn of(module: &Module) -> Result<Self, Error> {
        // Preparing fails unless the guest answers with the host's version.
        let _guest = Guest::prepare(module, HostContext::inert())?;
        let names = |from: &str| {
            let imports = module.module.imports();
            imports
                .filter(|import| import.module() == from)
                .map(|import| import.name().to_owned())
                .collect()
        };
        Ok(Self {
            api_version: crate::guest::API_VERSION,
            upcalls: names(host::IG),
            gizmo_upcalls: names(host::GIZMO),
        })
    }
}
