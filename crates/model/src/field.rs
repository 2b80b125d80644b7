//! Fields: where a value lies in an element, of which kind it is, and what is said about it.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use crate::packet::Element;

/// The kind of a field's value, with the numbers of the host API (wasm-host-api.md 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Kind {
    Invalid = 0,
    Bool = 1,
    Int8 = 2,
    Int16 = 3,
    Int32 = 4,
    Int64 = 5,
    Uint8 = 6,
    Uint16 = 7,
    Uint32 = 8,
    Uint64 = 9,
    Float32 = 10,
    Float64 = 11,
    String = 12,
    CString = 13,
    Bytes = 14,
}

impl Kind {
    const ALL: [Kind; 15] = [
        Kind::Invalid,
        Kind::Bool,
        Kind::Int8,
        Kind::Int16,
        Kind::Int32,
        Kind::Int64,
        Kind::Uint8,
        Kind::Uint16,
        Kind::Uint32,
        Kind::Uint64,
        Kind::Float32,
        Kind::Float64,
        Kind::String,
        Kind::CString,
        Kind::Bytes,
    ];

    /// The kind with this number.
    pub fn from_number(number: u32) -> Option<Kind> {
        Kind::ALL.get(number as usize).copied()
    }

    /// Bytes of a scalar of this kind; `None` for texts, bytes and `Invalid`.
    pub const fn width(self) -> Option<usize> {
        match self {
            Kind::Bool | Kind::Int8 | Kind::Uint8 => Some(1),
            Kind::Int16 | Kind::Uint16 => Some(2),
            Kind::Int32 | Kind::Uint32 | Kind::Float32 => Some(4),
            Kind::Int64 | Kind::Uint64 | Kind::Float64 => Some(8),
            Kind::Invalid | Kind::String | Kind::CString | Kind::Bytes => None,
        }
    }

    /// Whether the kind is a signed integer.
    pub const fn is_signed(self) -> bool {
        matches!(self, Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64)
    }

    /// Whether the kind is an integer of any width.
    pub const fn is_integer(self) -> bool {
        self.is_signed()
            || matches!(
                self,
                Kind::Uint8 | Kind::Uint16 | Kind::Uint32 | Kind::Uint64
            )
    }

    /// The name used in listings, such as `Uint32`.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// Where a field's bytes lie in an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the element's fixed part.
    Fixed {
        /// First byte.
        offset: usize,
        /// Number of bytes.
        size: usize,
    },
    /// In a slot of its own, of any length.
    Slot(usize),
    /// Nowhere: the field only groups others.
    Nowhere,
}

/// What can still change after a field was added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FieldMeta {
    /// Not among the default columns.
    pub hidden: bool,
    /// Invisible to look-up and output.
    pub unreferenced: bool,
    /// Made from other fields by a formatter: a recording does without it.
    pub derived: bool,
    /// Tags such as `type:gadget_mntns_id`.
    pub tags: Vec<String>,
    /// Annotations such as `columns.width`.
    pub annotations: BTreeMap<String, String>,
    /// Position among the default columns, lower first.
    pub order: i32,
}

/// A field of a data source.
#[derive(Debug)]
pub struct Field {
    pub(crate) source: u64,
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) parent: Option<usize>,
    pub(crate) kind: Kind,
    pub(crate) array: bool,
    pub(crate) place: Place,
    /// Part of a struct that an eBPF program fills: its size is fixed even for texts.
    pub(crate) member: bool,
    pub(crate) meta: RwLock<FieldMeta>,
}

/// Why a value could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The element belongs to another data source, or is older than the field.
    #[error("field `{0}` has no place in this packet")]
    NoPlace(String),
    /// The value's length is not the field's.
    #[error("field `{field}` holds {expected} bytes, not {found}")]
    Length {
        /// Full name of the field.
        field: String,
        /// Bytes that the field holds.
        expected: usize,
        /// Bytes that were asked for or given.
        found: usize,
    },
}

impl Field {
    /// Position in the data source's list of fields; never changes.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Own name, without the parents'.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parents' names and the own one, joined with dots.
    pub fn full_name(&self) -> &str {
        &self.full_name
    }

    /// Index of the parent field.
    pub fn parent(&self) -> Option<usize> {
        self.parent
    }

    /// Kind of the value, or of its elements when it is an array.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the value is a list of scalars of the kind.
    pub fn is_array(&self) -> bool {
        self.array
    }

    /// Where the value lies.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether the field groups others and has no value.
    pub fn is_empty(&self) -> bool {
        self.place == Place::Nowhere
    }

    /// Whether the field lies in a struct that an eBPF program fills.
    pub fn is_member(&self) -> bool {
        self.member
    }

    /// Flags, tags and annotations as they are now.
    pub fn meta(&self) -> RwLockReadGuard<'_, FieldMeta> {
        self.meta
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes flags, tags or annotations.
    pub fn update_meta(&self, change: impl FnOnce(&mut FieldMeta)) {
        change(
            &mut self
                .meta
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
    }

    /// Whether the field has this tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.meta().tags.iter().any(|own| own == tag)
    }

    /// The annotation's value.
    pub fn annotation(&self, key: &str) -> Option<String> {
        self.meta().annotations.get(key).cloned()
    }

    /// The field's bytes in an element; a text that was never set is empty.
    ///
    /// # Errors
    /// [`AccessError::NoPlace`] when the element has no room for the field.
    pub fn bytes<'e>(&self, element: &'e Element) -> Result<&'e [u8], AccessError> {
        self.check(element)?;
        let found = match self.place {
            Place::Fixed { offset, size } => element.fixed.get(offset..offset + size),
            Place::Slot(slot) => element.slots.get(slot).map(Vec::as_slice),
            Place::Nowhere => Some(&[][..]),
        };
        found.ok_or_else(|| AccessError::NoPlace(self.full_name.clone()))
    }

    /// The value of a field that holds a text: up to the first NUL for fixed-size ones.
    ///
    /// # Errors
    /// As [`Field::bytes`].
    pub fn text<'e>(&self, element: &'e Element) -> Result<&'e [u8], AccessError> {
        let bytes = self.bytes(element)?;
        if self.kind == Kind::CString || self.member {
            let end = bytes
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(bytes.len());
            return Ok(&bytes[..end]);
        }
        Ok(bytes)
    }

    /// The scalar's bits, zero-extended (sign-extended for signed kinds).
    ///
    /// # Errors
    /// As [`Field::bytes`], and [`AccessError::Length`] when the field's length is not that of `kind`.
    pub fn scalar(&self, element: &Element, kind: Kind) -> Result<u64, AccessError> {
        let bytes = self.bytes(element)?;
        if kind.width() != Some(bytes.len()) {
            return Err(self.length_error(kind.width().unwrap_or(0), bytes.len()));
        }
        Ok(extend(bytes, kind.is_signed()))
    }

    /// The scalar's bits read with the field's own kind.
    ///
    /// # Errors
    /// As [`Field::scalar`].
    pub fn value(&self, element: &Element) -> Result<u64, AccessError> {
        self.scalar(element, self.kind)
    }

    /// Stores the low bytes of `bits`, as many as `kind` has.
    ///
    /// # Errors
    /// As [`Field::scalar`].
    pub fn set_scalar(
        &self,
        element: &mut Element,
        kind: Kind,
        bits: u64,
    ) -> Result<(), AccessError> {
        let bits = if kind == Kind::Bool {
            u64::from(bits != 0)
        } else {
            bits
        };
        let width = kind.width().unwrap_or(0);
        let place = self.bytes_mut(element)?;
        if width == 0 || place.len() != width {
            let found = place.len();
            return Err(self.length_error(width, found));
        }
        place.copy_from_slice(&bits.to_ne_bytes()[..width]);
        Ok(())
    }

    /// Stores the scalar with the field's own kind.
    ///
    /// # Errors
    /// As [`Field::set_scalar`].
    pub fn set_value(&self, element: &mut Element, bits: u64) -> Result<(), AccessError> {
        self.set_scalar(element, self.kind, bits)
    }

    /// Stores bytes. A slot takes any length. A fixed place takes its own length, and a shorter value where the field
    /// holds a text, whose rest is zeroed.
    ///
    /// # Errors
    /// As [`Field::bytes`], and [`AccessError::Length`] when the value does not fit.
    pub fn set_bytes(&self, element: &mut Element, value: &[u8]) -> Result<(), AccessError> {
        self.check(element)?;
        if let Place::Slot(slot) = self.place {
            let slot = element
                .slots
                .get_mut(slot)
                .ok_or_else(|| AccessError::NoPlace(self.full_name.clone()))?;
            slot.clear();
            slot.extend_from_slice(value);
            return Ok(());
        }
        let shorter_allowed = matches!(self.kind, Kind::String | Kind::CString);
        let place = self.bytes_mut(element)?;
        let found = place.len();
        if value.len() > found || (value.len() < found && !shorter_allowed) {
            return Err(self.length_error(found, value.len()));
        }
        place[..value.len()].copy_from_slice(value);
        place[value.len()..].fill(0);
        Ok(())
    }

    fn bytes_mut<'e>(&self, element: &'e mut Element) -> Result<&'e mut [u8], AccessError> {
        self.check(element)?;
        let found = match self.place {
            Place::Fixed { offset, size } => element.fixed.get_mut(offset..offset + size),
            Place::Slot(slot) => element.slots.get_mut(slot).map(Vec::as_mut_slice),
            Place::Nowhere => Some(&mut [][..]),
        };
        found.ok_or_else(|| AccessError::NoPlace(self.full_name.clone()))
    }

    fn check(&self, element: &Element) -> Result<(), AccessError> {
        if element.source == self.source {
            Ok(())
        } else {
            Err(AccessError::NoPlace(self.full_name.clone()))
        }
    }

    fn length_error(&self, expected: usize, found: usize) -> AccessError {
        AccessError::Length {
            field: self.full_name.clone(),
            expected,
            found,
        }
    }
}

/// Extends up to eight bytes in native order to 64 bits.
pub fn extend(bytes: &[u8], signed: bool) -> u64 {
    match *bytes {
        [a] if signed => i64::from(a as i8) as u64,
        [a] => u64::from(a),
        [a, b] if signed => i64::from(i16::from_ne_bytes([a, b])) as u64,
        [a, b] => u64::from(u16::from_ne_bytes([a, b])),
        [a, b, c, d] if signed => i64::from(i32::from_ne_bytes([a, b, c, d])) as u64,
        [a, b, c, d] => u64::from(u32::from_ne_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// A field to be added to a data source.
#[derive(Debug, Clone)]
pub struct FieldSpec {
    /// Own name.
    pub name: String,
    /// Kind of the value, or of its elements.
    pub kind: Kind,
    /// Whether the value is a list of scalars.
    pub array: bool,
    /// The field that groups this one.
    pub parent: Option<Arc<Field>>,
    /// Position among the default columns; `None` puts it after those that exist.
    pub order: Option<i32>,
    /// Annotations by the creator; they replace the defaults (gadget-image.md 3.3).
    pub annotations: BTreeMap<String, String>,
    /// Tags by the creator.
    pub tags: Vec<String>,
    /// The field only groups others.
    pub empty: bool,
}

impl FieldSpec {
    /// A field with a place of its own.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            array: false,
            parent: None,
            order: None,
            annotations: BTreeMap::new(),
            tags: Vec::new(),
            empty: false,
        }
    }

    /// A field that only groups others.
    pub fn group(name: impl Into<String>) -> Self {
        Self {
            empty: true,
            ..Self::new(name, Kind::Invalid)
        }
    }

    /// Below another field.
    #[must_use]
    pub fn below(mut self, parent: &Arc<Field>) -> Self {
        self.parent = Some(Arc::clone(parent));
        self
    }

    /// At this position among the default columns.
    #[must_use]
    pub fn at(mut self, order: i32) -> Self {
        self.order = Some(order);
        self
    }

    /// With an annotation.
    #[must_use]
    pub fn annotated(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With a tag.
    #[must_use]
    pub fn tagged(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self
    }
}

/// A member of a struct that an eBPF program fills; see [`crate::DataSource::add_struct`].
#[derive(Debug, Clone)]
pub struct MemberSpec {
    /// Name, kind, annotations and tags; `parent` is ignored.
    pub spec: FieldSpec,
    /// First byte in the struct.
    pub offset: usize,
    /// Number of bytes.
    pub size: usize,
    /// Position in the same list of the member that contains this one.
    pub parent: Option<usize>,
}
