//! Reading values for output: what is missing or too short counts as the zero value of its kind.

use gizmo_model::{Element, Field, Kind};

/// The scalar's bits, zero when the element has no such field.
pub(crate) fn bits(field: &Field, element: &Element) -> u64 {
    field.value(element).unwrap_or(0)
}

/// The text, empty when the element has no such field.
pub(crate) fn text<'e>(field: &Field, element: &'e Element) -> &'e [u8] {
    field.text(element).unwrap_or(&[])
}

/// The bytes, none when the element has no such field.
pub(crate) fn bytes<'e>(field: &Field, element: &'e Element) -> &'e [u8] {
    field.bytes(element).unwrap_or(&[])
}

/// The number in the low half of a scalar's bits.
pub(crate) fn float32(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

/// Whether fields of this kind hold text.
pub(crate) fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::String | Kind::CString)
}
