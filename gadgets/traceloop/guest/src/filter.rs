//! The parameter `syscall-filters`: a text by a person becomes the set of selected calls.

use gizmo_guest::{Error, architecture, params, symbol_exists, syscall_id, warn};
use gizmo_syscalls::selection::{Selected, select};
use gizmo_syscalls::{Abi, table, tracefs};

/// Which calls are recorded.
#[derive(Debug, Clone)]
pub struct Filter {
    /// ABI of the kernel itself.
    pub native: Abi,
    /// The selected calls; empty selects all.
    pub selected: Vec<Selected>,
}

impl Filter {
    /// Reads, parses and resolves the parameter.
    pub fn from_param() -> Result<Self, Error> {
        let native = Abi::native(&architecture()?)
            .or_else(|| architecture().ok()?.parse().ok())
            .ok_or_else(|| Error::new("this architecture is not supported"))?;
        let items = params::list("syscall-filters")?;
        let selected =
            select(&items, native, syscall_id).map_err(|error| Error::new(error.to_string()))?;
        for call in selected.iter().filter(|call| call.abi == native) {
            // A number that no table knows has a name made from it.
            let is_known = table::number(native, &call.name) == Some(call.number);
            if (!is_known || !is_implemented(call)) && symbol_exists(ALWAYS_THERE) {
                let name = if is_known {
                    call.name.clone()
                } else {
                    call.number.to_string()
                };
                warn!("this kernel does not implement `{name}`; it is selected all the same");
            }
        }
        Ok(Self { native, selected })
    }

    /// What this filter or the other one selects.
    pub fn or(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.selected.extend(other.selected.iter().cloned());
        both
    }

    /// Whether a call is recorded.
    pub fn selects(&self, abi: Abi, number: u32) -> bool {
        self.selected.is_empty()
            || self
                .selected
                .iter()
                .any(|call| call.abi == abi && call.number == number)
    }
}

/// A function that every kernel has; without it the symbol table is closed to us and says nothing.
const ALWAYS_THERE: &str = "vfs_read";

/// Whether the kernel has a function for the call: tracefs lacks some calls that exist, the symbol table does not.
fn is_implemented(call: &Selected) -> bool {
    let name = tracefs::tracepoint_name(&call.name, call.abi);
    let prefix = match call.abi {
        Abi::Aarch64 => "__arm64_sys_",
        _ => "__x64_sys_",
    };
    [name, call.name.as_str()].iter().any(|name| {
        symbol_exists(&format!("{prefix}{name}")) || symbol_exists(&format!("sys_{name}"))
    })
}
