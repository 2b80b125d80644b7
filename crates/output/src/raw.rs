//! The raw mode: the text of every field in the order of their indices, nothing in between.
//!
//! Made for data sources with one text field that a guest has laid out over several lines. On a terminal everything but
//! line breaks and tabs is still escaped.

use std::io::Write;
use std::sync::Arc;

use gizmo_model::{Element, Field, Kind};

use crate::columns::cell;
use crate::value;

pub(crate) fn fields(all: &[Arc<Field>]) -> Vec<Arc<Field>> {
    all.iter()
        .filter(|field| !field.is_empty() && !field.meta().unreferenced)
        .cloned()
        .collect()
}

pub(crate) fn write(fields: &[Arc<Field>], element: &Element, terminal: bool, out: &mut Vec<u8>) {
    for field in fields {
        match field.kind() {
            Kind::String | Kind::CString if !field.is_array() => {
                write_text(value::text(field, element), terminal, out);
            }
            _ => {
                let mut text = String::new();
                cell::write_value(field, element, cell::Format::default(), &mut text);
                // Writing to a vector cannot fail.
                let _ = out.write_all(text.as_bytes());
            }
        }
    }
}

fn write_text(text: &[u8], terminal: bool, out: &mut Vec<u8>) {
    if !terminal {
        out.extend_from_slice(text);
        return;
    }
    let mut quoted = String::new();
    for part in text.split_inclusive(|&byte| matches!(byte, b'\n' | b'\t')) {
        let (body, end) = match part {
            [body @ .., end @ (b'\n' | b'\t')] => (body, Some(*end)),
            body => (body, None),
        };
        quoted.clear();
        cell::escape(body, &mut quoted);
        out.extend_from_slice(quoted.as_bytes());
        out.extend(end);
    }
}
