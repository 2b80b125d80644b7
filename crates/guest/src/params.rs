//! The parameters of the gadget, as the person set them.

use crate::abi::{Input, Output};
use crate::{Error, Result, raw};

#[cfg(feature = "list")]
pub use gizmo_syscalls::list::{Item, ListError};

/// The value of the parameter with this key in `params.wasm` of `gadget.yaml`, of any length.
#[cfg(feature = "host-gizmo")]
pub fn get(key: &str) -> Result<String> {
    let refused = || Error::refused("getParamValue", key);
    let bytes = usize::try_from(raw::get_param_length(Input::text(key))).map_err(|_| refused())?;
    let mut value = vec![0; bytes];
    match raw::get_param_value(Input::text(key), Output::bytes(&mut value)) {
        0 => Ok(String::from_utf8(value)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
        _ => Err(refused()),
    }
}

/// The value of the parameter with this key in `params.wasm` of `gadget.yaml`, of up to 1 MiB.
#[cfg(not(feature = "host-gizmo"))]
pub fn get(key: &str) -> Result<String> {
    use crate::scratch;

    // The host does not tell the length, so the value ends where the zeros begin that were there before.
    let fill = |buffer: &mut [u8]| {
        buffer.fill(0);
        let result = raw::get_param_value(Input::text(key), Output::bytes(buffer));
        (result == 0).then_some(buffer.len())
    };
    scratch::read(fill, scratch::text_until_nul).ok_or_else(|| Error::refused("getParamValue", key))
}

/// The items of the parameter with this key, which holds a list.
#[cfg(feature = "list")]
pub fn list(key: &str) -> Result<Vec<Item>> {
    gizmo_syscalls::list::parse_list(&get(key)?).map_err(|source| Error::List {
        key: key.to_owned(),
        source,
    })
}
