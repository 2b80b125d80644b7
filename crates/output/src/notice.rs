//! Notices: data sources that say something about the events of another, such as that some are missing.
//!
//! The annotation `cli.notice` of the data source names its text field. Among columns a notice is a line of its own, with this
//! text and without a header; in the other modes it is an event like all others. Filters and lists of fields that name
//! no data source are meant for events and leave notices alone.

use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field};

use crate::columns::cell;
use crate::value;

/// The field with the text, if the data source is one of notices.
pub(crate) fn text_field(source: &DataSource) -> Option<Arc<Field>> {
    let name = source.annotation("cli.notice")?;
    source.fields().into_iter().find(|field| {
        field.full_name() == name && value::is_text(field.kind()) && !field.is_array()
    })
}

/// Appends the line of a notice.
pub(crate) fn write(field: &Field, element: &Element, out: &mut Vec<u8>) {
    let mut text = String::new();
    cell::escape(value::text(field, element), &mut text);
    out.extend_from_slice(b"--- ");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b" ---\n");
}
