//! JSON lines: the exact form of runtime-and-cli.md 1.7, written straight into a buffer.
//!
//! A [`Plan`] is the tree of fields in the order in which they are written, with their names already quoted. It is made
//! once per data source and again when fields were added.
//!
//! A field annotated `json.embed=true` whose text is JSON is inlined as structure. An empty text becomes `null`, and one
//! that is not valid JSON, or is nested too deeply, stays a string.

mod embed;
mod text;

pub(crate) use text::{is_active, write_string};

use std::sync::Arc;

use gizmo_model::field::extend;
use gizmo_model::{Element, Field, Kind};

use crate::value;

/// Fields nested deeper are left out, so that no reader of the output runs into its own limit (`serde_json` has 128
/// levels, which these and the levels of embedded texts share).
const MAX_LEVELS: usize = 64;

/// How the tokens are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// All on one line.
    Compact,
    /// One member per line, two spaces per level.
    Pretty,
}

/// The fields of a data source in the order in which they are written.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    roots: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    /// The quoted name and the colon.
    key: Vec<u8>,
    value: NodeValue,
}

#[derive(Debug)]
enum NodeValue {
    Object(Vec<Node>),
    Leaf(Arc<Field>),
    Embedded(Arc<Field>),
}

impl Plan {
    /// Plans the fields of a data source.
    pub(crate) fn new(fields: &[Arc<Field>]) -> Self {
        let mut children: Vec<Vec<&Arc<Field>>> = vec![Vec::new(); fields.len()];
        let mut roots = Vec::new();
        for field in fields.iter().filter(|field| !field.meta().unreferenced) {
            match field.parent() {
                None => roots.push(field),
                // A parent of another data source can have an index beyond the list; nothing can be shown below it.
                Some(parent) => {
                    if let Some(siblings) = children.get_mut(parent) {
                        siblings.push(field);
                    }
                }
            }
        }
        Self {
            roots: nodes(roots, &children, 1),
        }
    }

    /// Appends an element as an object; `level` is how deep it lies in what was written before.
    pub(crate) fn write(&self, element: &Element, style: Style, level: usize, out: &mut Vec<u8>) {
        write_object(&self.roots, element, style, level, out);
    }

    /// Appends a list of elements.
    pub(crate) fn write_list(&self, elements: &[Element], style: Style, out: &mut Vec<u8>) {
        out.push(b'[');
        for (position, element) in elements.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            break_line(style, 1, out);
            self.write(element, style, 1, out);
        }
        if !elements.is_empty() {
            break_line(style, 0, out);
        }
        out.push(b']');
    }
}

fn nodes(mut fields: Vec<&Arc<Field>>, children: &[Vec<&Arc<Field>>], level: usize) -> Vec<Node> {
    fields.sort_by_key(|field| field.name().as_bytes());
    fields
        .into_iter()
        .filter_map(|field| {
            let annotated = |key: &str| field.annotation(key).is_some_and(|value| value == "true");
            if annotated("json.skip") {
                return None;
            }
            let below = children.get(field.index()).map_or(&[][..], Vec::as_slice);
            let value = if !below.is_empty() {
                if level == MAX_LEVELS {
                    return None;
                }
                NodeValue::Object(nodes(below.to_vec(), children, level + 1))
            } else if annotated("json.embed") && value::is_text(field.kind()) && !field.is_array() {
                NodeValue::Embedded(Arc::clone(field))
            } else {
                NodeValue::Leaf(Arc::clone(field))
            };
            let mut key = Vec::new();
            text::write_string(field.name().as_bytes(), &mut key);
            key.push(b':');
            Some(Node { key, value })
        })
        .collect()
}

fn write_object(nodes: &[Node], element: &Element, style: Style, level: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (position, node) in nodes.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        break_line(style, level + 1, out);
        out.extend_from_slice(&node.key);
        if style == Style::Pretty {
            out.push(b' ');
        }
        match &node.value {
            NodeValue::Object(nodes) => write_object(nodes, element, style, level + 1, out),
            NodeValue::Leaf(field) => write_leaf(field, element, out),
            NodeValue::Embedded(field) => {
                write_embedded(value::text(field, element), style, level + 1, out);
            }
        }
    }
    if !nodes.is_empty() {
        break_line(style, level, out);
    }
    out.push(b'}');
}

/// Starts a line at the level, unless everything stays on one line.
fn break_line(style: Style, level: usize, out: &mut Vec<u8>) {
    if style == Style::Pretty {
        out.push(b'\n');
        out.resize(out.len() + 2 * level, b' ');
    }
}

fn write_embedded(content: &[u8], style: Style, level: usize, out: &mut Vec<u8>) {
    if content.is_empty() {
        out.extend_from_slice(b"null");
    } else if !embed::inline(content, style, level, out) {
        text::write_string(content, out);
    }
}

fn write_leaf(field: &Field, element: &Element, out: &mut Vec<u8>) {
    let kind = field.kind();
    if field.is_array() {
        write_array(kind, value::bytes(field, element), out);
    } else if value::is_text(kind) {
        text::write_string(value::text(field, element), out);
    } else if kind.width().is_some() {
        write_scalar(kind, value::bits(field, element), out);
    } else {
        write_hex(value::bytes(field, element), out);
    }
}

fn write_scalar(kind: Kind, bits: u64, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    match kind {
        Kind::Bool => out.extend_from_slice(if bits == 1 { b"true" } else { b"false" }),
        Kind::Float32 => text::write_float32(value::float32(bits), out),
        Kind::Float64 => text::write_float64(f64::from_bits(bits), out),
        kind if kind.is_signed() => out.extend_from_slice(digits.format(bits as i64).as_bytes()),
        _ => out.extend_from_slice(digits.format(bits).as_bytes()),
    }
}

/// A list of numbers or truth values; of the other kinds there are no lists, so their bytes are shown.
fn write_array(kind: Kind, bytes: &[u8], out: &mut Vec<u8>) {
    let Some(width) = kind.width() else {
        write_hex(bytes, out);
        return;
    };
    out.push(b'[');
    for (position, item) in bytes.chunks_exact(width).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_scalar(kind, extend(item, kind.is_signed()), out);
    }
    out.push(b']');
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    out.reserve(2 * bytes.len() + 1);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
}
