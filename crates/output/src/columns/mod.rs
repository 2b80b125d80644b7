//! Columns: a table whose rows are printed as events come, as runtime-and-cli.md 1.8 says.
//!
//! Widths are display widths: the sum of the widths of the characters, which is how most terminals place them.

pub(crate) mod cell;
mod width;

use std::collections::BTreeMap;
use std::sync::Arc;

use gizmo_model::{Element, Field, Kind};

use cell::{Ellipsis, Format};
use width::Bounds;

/// Wider columns are cut to this; annotations come from images, and a row is padded to its full width.
const MAX_WIDTH: usize = 4096;

/// The width of a column that says nothing about it.
const DEFAULT_WIDTH: usize = 16;

/// What moves the cursor home and clears the screen.
pub(crate) const CLEAR_SCREEN: &[u8] = b"\x1b[H\x1b[2J";

struct Column {
    header: String,
    /// The field whose value is shown; another than the column's own with `columns.replace`.
    shown: Arc<Field>,
    format: Format,
    ellipsis: Ellipsis,
    right: bool,
    width: usize,
}

/// The columns of a data source with their final widths.
pub(crate) struct Table {
    columns: Vec<Column>,
    text: String,
    quoted: String,
}

impl Table {
    /// Lays out the columns for a terminal, or as their annotations say when there is none.
    pub(crate) fn new(
        selected: &[Arc<Field>],
        all: &[Arc<Field>],
        terminal_width: Option<u16>,
    ) -> Self {
        let (mut columns, bounds): (Vec<Column>, Vec<Bounds>) =
            selected.iter().map(|field| column(field, all)).unzip();
        let widths = match terminal_width {
            // A terminal that does not know its size, such as a serial line, says zero.
            Some(terminal) if terminal > 0 => width::scale(&bounds, usize::from(terminal)),
            _ => bounds.iter().map(|bounds| bounds.width).collect(),
        };
        columns.truncate(widths.len());
        for (column, width) in columns.iter_mut().zip(widths) {
            column.width = width;
        }
        Self {
            columns,
            text: String::new(),
            quoted: String::new(),
        }
    }

    /// Appends the line with the names of the columns.
    pub(crate) fn write_header(&self, out: &mut Vec<u8>) {
        for (position, column) in self.columns.iter().enumerate() {
            if position > 0 {
                out.push(b' ');
            }
            cell::fit(
                &column.header,
                column.width,
                Ellipsis::End,
                column.right,
                out,
            );
        }
        out.push(b'\n');
    }

    /// Appends the line of an element.
    pub(crate) fn write_row(&mut self, element: &Element, out: &mut Vec<u8>) {
        for (position, column) in self.columns.iter().enumerate() {
            if position > 0 {
                out.push(b' ');
            }
            self.quoted.clear();
            if crate::value::is_text(column.shown.kind()) && !column.shown.is_array() {
                let text = crate::value::text(&column.shown, element);
                let visible = cell::visible_part(text, column.width, column.ellipsis);
                cell::escape(visible, &mut self.quoted);
                cell::fit(
                    &self.quoted,
                    column.width,
                    column.ellipsis,
                    column.right,
                    out,
                );
            } else {
                self.text.clear();
                cell::write_value(&column.shown, element, column.format, &mut self.text);
                cell::fit(&self.text, column.width, column.ellipsis, column.right, out);
            }
        }
        out.push(b'\n');
    }
}

fn column(field: &Arc<Field>, all: &[Arc<Field>]) -> (Column, Bounds) {
    let meta = field.meta();
    let annotations = &meta.annotations;
    let is = |key: &str| annotations.get(key).is_some_and(|value| value == "true");
    let name = annotations
        .get("columns.alias")
        .filter(|alias| !alias.is_empty())
        .map_or(field.full_name(), String::as_str);
    let mut header = String::new();
    cell::escape(name.to_uppercase().as_bytes(), &mut header);
    let replacement = annotations.get("columns.replace").and_then(|wanted| {
        // The reference of a raw field may have been removed; only what is still there can be shown.
        all.iter().find(|other| {
            other.full_name() == wanted
                && other.index() != field.index()
                && !other.meta().unreferenced
        })
    });
    let bounds = bounds(field.kind(), field.is_array(), annotations);
    let column = Column {
        header,
        shown: Arc::clone(replacement.unwrap_or(field)),
        format: Format {
            hex: is("columns.hex"),
            precision: annotations
                .get("columns.precision")
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0)
                .min(64),
        },
        ellipsis: match annotations.get("columns.ellipsis").map(String::as_str) {
            Some("" | "none") => Ellipsis::Cut,
            Some("start") => Ellipsis::Start,
            Some("middle") => Ellipsis::Middle,
            _ => Ellipsis::End,
        },
        right: annotations
            .get("columns.alignment")
            .is_some_and(|side| side == "right"),
        width: bounds.width,
    };
    (column, bounds)
}

fn bounds(kind: Kind, array: bool, annotations: &BTreeMap<String, String>) -> Bounds {
    let type_width = if array { None } else { type_width(kind) };
    let read = |key: &str| -> Option<usize> {
        let width = match annotations.get(key)?.as_str() {
            "type" => type_width?,
            digits => digits.parse().ok()?,
        };
        (width > 0).then_some(width.min(MAX_WIDTH))
    };
    let min = read("columns.minwidth").unwrap_or(1);
    Bounds {
        width: read("columns.width")
            .or(type_width)
            .unwrap_or(DEFAULT_WIDTH),
        min,
        max: read("columns.maxwidth")
            .or(type_width)
            .unwrap_or(MAX_WIDTH)
            .max(min),
        fixed: annotations
            .get("columns.fixed")
            .is_some_and(|value| value == "true"),
    }
}

/// Characters that any value of the kind fits in.
fn type_width(kind: Kind) -> Option<usize> {
    Some(match kind {
        Kind::Uint8 => 3,
        Kind::Int8 => 4,
        Kind::Uint16 | Kind::Bool => 5,
        Kind::Int16 => 6,
        Kind::Uint32 => 10,
        Kind::Int32 => 11,
        Kind::Uint64 | Kind::Int64 => 20,
        _ => return None,
    })
}
