//! The gadget's configuration, and what an eBPF object is loaded with.

use crate::abi::Input;
use crate::field::{FieldType, Text};
use crate::raw;
use crate::{Error, Result};

/// Sets a dotted key of the gadget's configuration, as `gadget.yaml` would.
///
/// `programs.NAME.attach_to` decides in `init` and `pre_start` what a program is attached to; `gadget_program_disabled`
/// leaves it out.
pub fn set_config(key: &str, value: &str) -> Result<()> {
    match raw::set_config(Input::text(key), Input::text(value), Text::KIND) {
        0 => Ok(()),
        _ => Err(Error::refused("setConfig", key)),
    }
}

#[cfg(feature = "host-gizmo")]
pub use loading::{set_constant, set_inner_max_entries, set_max_entries};

#[cfg(feature = "host-gizmo")]
mod loading {
    use super::*;
    use crate::abi::Pod;

    /// Sets a `const volatile` variable of the eBPF object. Only in `init` and `pre_start`.
    ///
    /// The value must have exactly the variable's size; a `bool` is a `u8`.
    pub fn set_constant<T: Pod>(name: &str, value: T) -> Result<()> {
        match raw::set_constant(Input::text(name), Input::of(&value)) {
            0 => Ok(()),
            _ => Err(Error::refused("setConstant", name)),
        }
    }

    /// Sets the number of entries of a map of the eBPF object. Only in `init` and `pre_start`.
    pub fn set_max_entries(map: &str, entries: u32) -> Result<()> {
        resize(map, 0, entries)
    }

    /// Sets the number of entries of the inner maps of a map of maps. Only in `init` and `pre_start`.
    pub fn set_inner_max_entries(outer: &str, entries: u32) -> Result<()> {
        resize(outer, 1, entries)
    }

    fn resize(map: &str, is_inner: u32, entries: u32) -> Result<()> {
        match raw::set_max_entries(Input::text(map), is_inner, entries) {
            0 => Ok(()),
            _ => Err(Error::refused("setMaxEntries", map)),
        }
    }
}
