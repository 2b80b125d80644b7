//! The values of one field, one after the other.
//!
//! Most values of a column are near the one before, or the same, and most texts come again and again.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use gizmo_model::field::AccessError;
use gizmo_model::{Element, Field, Kind};

use crate::bytes::{Cursor, put_len, put_varint, unzigzag, zigzag};

/// How a field's values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// A number of up to 64 bits.
    Scalar,
    /// Bytes of any length.
    Text,
}

impl Storage {
    /// `None` for what has no values.
    pub(crate) fn of(kind: Kind, is_array: bool, is_empty: bool) -> Option<Storage> {
        match kind.width() {
            _ if is_empty => None,
            Some(_) if !is_array => Some(Storage::Scalar),
            _ => Some(Storage::Text),
        }
    }
}

/// Stands for a new text.
const NEW: u64 = 0;
/// Stands for the text before.
const SAME: u64 = 1;
/// The first known text; the next ones follow.
const FIRST_KNOWN: u64 = 2;

/// A column that is being filled.
#[derive(Debug)]
pub(crate) enum Encoder {
    Scalar { previous: u64, out: Vec<u8> },
    Text(TextEncoder),
}

impl Encoder {
    pub(crate) fn new(storage: Storage) -> Self {
        match storage {
            Storage::Scalar => Encoder::Scalar {
                previous: 0,
                out: Vec::new(),
            },
            Storage::Text => Encoder::Text(TextEncoder::default()),
        }
    }

    /// Appends the field's value; what an element has no place for is zero or empty. Returns how many bytes it added.
    pub(crate) fn push(&mut self, field: &Field, element: &Element) -> usize {
        let before = self.bytes().len();
        match self {
            Encoder::Scalar { previous, out } => {
                let value = field.value(element).unwrap_or(0);
                let difference = value.wrapping_sub(*previous).cast_signed();
                put_varint(out, zigzag(difference));
                *previous = value;
            }
            Encoder::Text(text) => text.push(text_of(field, element)),
        }
        self.bytes().len() - before
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Encoder::Scalar { out, .. } | Encoder::Text(TextEncoder { out, .. }) => out,
        }
    }

    /// Begins anew, for another block.
    pub(crate) fn clear(&mut self) {
        match self {
            Encoder::Scalar { previous, out } => {
                *previous = 0;
                out.clear();
            }
            Encoder::Text(text) => text.clear(),
        }
    }
}

/// What is kept of a field that is no number: texts end where the field says.
pub(crate) fn text_of<'e>(field: &Field, element: &'e Element) -> &'e [u8] {
    let bytes = match field.kind() {
        Kind::String | Kind::CString if !field.is_array() => field.text(element),
        _ => field.bytes(element),
    };
    bytes.unwrap_or_default()
}

/// A text is kept once; where it stands in the column is known by its hash.
#[derive(Debug, Default)]
pub(crate) struct TextEncoder {
    out: Vec<u8>,
    previous: Place,
    known: HashMap<u64, (Place, u64)>,
    /// How many texts the block has.
    texts: u64,
    hasher: RandomState,
}

/// Where a text stands in the column.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    start: usize,
    len: usize,
}

impl Place {
    fn of(self, out: &[u8]) -> &[u8] {
        out.get(self.start..self.start + self.len)
            .unwrap_or_default()
    }
}

impl TextEncoder {
    fn push(&mut self, text: &[u8]) {
        if self.previous.of(&self.out) == text {
            put_varint(&mut self.out, SAME);
            return;
        }
        let hash = self.hasher.hash_one(text);
        let known = self.known.get(&hash).copied();
        if let Some((place, number)) = known.filter(|(place, _)| place.of(&self.out) == text) {
            put_varint(&mut self.out, FIRST_KNOWN + number);
            self.previous = place;
            return;
        }
        put_varint(&mut self.out, NEW);
        put_len(&mut self.out, text.len());
        self.previous = Place {
            start: self.out.len(),
            len: text.len(),
        };
        self.out.extend_from_slice(text);
        // Of two texts with the same hash the last is known.
        self.known.insert(hash, (self.previous, self.texts));
        self.texts += 1;
    }

    fn clear(&mut self) {
        self.out.clear();
        self.previous = Place::default();
        self.known.clear();
        self.texts = 0;
    }
}

/// A column that is being read.
#[derive(Debug)]
pub(crate) enum Decoder<'b> {
    Scalar { previous: u64, rest: Cursor<'b> },
    Text(TextDecoder<'b>),
}

#[derive(Debug, Default)]
pub(crate) struct TextDecoder<'b> {
    rest: Cursor<'b>,
    previous: &'b [u8],
    known: Vec<&'b [u8]>,
}

impl<'b> Decoder<'b> {
    pub(crate) fn new(storage: Storage, column: &'b [u8]) -> Self {
        let rest = Cursor::new(column);
        match storage {
            Storage::Scalar => Decoder::Scalar { previous: 0, rest },
            Storage::Text => Decoder::Text(TextDecoder {
                rest,
                ..TextDecoder::default()
            }),
        }
    }

    /// Stores the next value in the element and returns the bytes of its text; `None` when the column makes no sense.
    pub(crate) fn pull(&mut self, field: &Field, element: &mut Element) -> Option<usize> {
        let stored: Result<usize, AccessError> = match self {
            Decoder::Scalar { previous, rest } => {
                let difference = unzigzag(rest.varint()?);
                *previous = previous.wrapping_add(difference.cast_unsigned());
                field.set_value(element, *previous).map(|()| 0)
            }
            Decoder::Text(column) => {
                let text = column.next()?;
                field.set_bytes(element, text).map(|()| text.len())
            }
        };
        stored.ok()
    }

    /// Whether everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Decoder::Scalar { rest, .. } | Decoder::Text(TextDecoder { rest, .. }) => {
                rest.is_empty()
            }
        }
    }
}

impl<'b> TextDecoder<'b> {
    fn next(&mut self) -> Option<&'b [u8]> {
        match self.rest.varint()? {
            NEW => {
                let len = self.rest.len()?;
                self.previous = self.rest.take(len)?;
                self.known.push(self.previous);
            }
            SAME => {}
            known => {
                let position = usize::try_from(known - FIRST_KNOWN).ok()?;
                self.previous = self.known.get(position)?;
            }
        }
        Some(self.previous)
    }
}
