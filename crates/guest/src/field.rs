//! Typed access to the fields of data.

use std::fmt;
use std::marker::PhantomData;

use crate::abi::{ErrorFlag, Input, Output, Value};
use crate::data::Data;
use crate::scratch;
use crate::{Error, Result, raw};

/// A field of a data source, to be read and written as `T`: a number, `bool`, [`Text`] or [`Bytes`].
pub struct Field<T> {
    handle: u32,
    kind: PhantomData<fn() -> T>,
}

/// The type of a field with text, and of one that is a `char` array in an eBPF program.
#[derive(Debug, Clone, Copy)]
pub enum Text {}

/// The type of a field with bytes.
#[derive(Debug, Clone, Copy)]
pub enum Bytes {}

/// What the type of a field can be.
pub trait FieldType: sealed::FieldType {
    /// The host's number for it.
    #[doc(hidden)]
    const KIND: u32;
}

/// A type of fields with a value of fixed size: numbers and `bool`.
pub trait Scalar: FieldType + Copy {
    /// The value from the 64 bits that the host returns.
    #[doc(hidden)]
    fn from_bits(bits: u64) -> Self;

    /// The value as the 64 bits that the host takes.
    #[doc(hidden)]
    fn into_bits(self) -> u64;
}

mod sealed {
    pub trait FieldType {}
}

impl sealed::FieldType for Text {}
impl FieldType for Text {
    const KIND: u32 = 12;
}

impl sealed::FieldType for Bytes {}
impl FieldType for Bytes {
    const KIND: u32 = 14;
}

macro_rules! scalars {
    ($($type:ty = $kind:literal: |$bits:ident| $from:expr, |$value:ident| $into:expr;)*) => {
        $(
            impl sealed::FieldType for $type {}
            impl FieldType for $type {
                const KIND: u32 = $kind;
            }
            impl Scalar for $type {
                fn from_bits($bits: u64) -> Self {
                    $from
                }

                fn into_bits(self) -> u64 {
                    let $value = self;
                    $into
                }
            }
        )*
    };
}

scalars! {
    bool = 1: |bits| bits != 0, |value| u64::from(value);
    i8 = 2: |bits| bits as i8, |value| value as u64;
    i16 = 3: |bits| bits as i16, |value| value as u64;
    i32 = 4: |bits| bits as i32, |value| value as u64;
    i64 = 5: |bits| bits as i64, |value| value as u64;
    u8 = 6: |bits| bits as u8, |value| u64::from(value);
    u16 = 7: |bits| bits as u16, |value| u64::from(value);
    u32 = 8: |bits| bits as u32, |value| u64::from(value);
    u64 = 9: |bits| bits, |value| value;
    f32 = 10: |bits| f32::from_bits(bits as u32), |value| u64::from(value.to_bits());
    f64 = 11: |bits| f64::from_bits(bits), |value| value.to_bits();
}

impl<T: FieldType> Field<T> {
    pub(crate) fn new(handle: u32) -> Self {
        Field {
            handle,
            kind: PhantomData,
        }
    }

    #[cfg(feature = "host-gizmo")]
    pub(crate) fn handle(self) -> u32 {
        self.handle
    }

    /// Adds a tag, like `type:gadget_mntns_id`, by which the host's enrichers find the field. Only in `init`.
    pub fn add_tag(self, tag: &str) -> Result<()> {
        match raw::field_add_tag(self.handle, Input::text(tag)) {
            0 => Ok(()),
            _ => Err(Error::refused("fieldAddTag", tag)),
        }
    }

    fn set_value(self, data: Data<'_>, value: Value<'_>) -> Result<()> {
        match raw::field_set(self.handle, data.handle(), T::KIND, value) {
            0 => Ok(()),
            _ => Err(refused("fieldSet")),
        }
    }

    /// Reads into a buffer and returns how many bytes there are; nothing if the host refuses.
    fn fill(self, data: Data<'_>, buffer: &mut [u8]) -> Option<usize> {
        usize::try_from(raw::field_get_buffer(
            self.handle,
            data.handle(),
            T::KIND,
            Output::bytes(buffer),
        ))
        .ok()
    }

    fn read_with<R>(self, data: Data<'_>, take: impl FnOnce(&[u8]) -> R) -> Result<R> {
        scratch::read(|buffer| self.fill(data, buffer), take)
            .ok_or_else(|| refused("fieldGetBuffer"))
    }
}

impl<T: Scalar> Field<T> {
    /// Reads the value. It is an error if the field has another size than `T`.
    pub fn get(self, data: Data<'_>) -> Result<T> {
        let mut failed = 0;
        let bits = raw::field_get_scalar(
            self.handle,
            data.handle(),
            T::KIND,
            ErrorFlag::new(&mut failed),
        );
        match failed {
            0 => Ok(T::from_bits(bits)),
            _ => Err(refused("fieldGetScalar")),
        }
    }

    /// Writes the value. It is an error if the field has another size than `T`.
    pub fn set(self, data: Data<'_>, value: T) -> Result<()> {
        self.set_value(data, Value::number(value.into_bits()))
    }
}

impl Field<Text> {
    /// Reads the text, up to the first NUL, with U+FFFD for what is not UTF-8. Up to 1 MiB.
    pub fn get(self, data: Data<'_>) -> Result<String> {
        self.read_with(data, scratch::text_until_nul)
    }

    /// Writes the text. A `char` array of an eBPF structure cannot take more than its size.
    pub fn set(self, data: Data<'_>, text: &str) -> Result<()> {
        self.set_value(data, Value::buffer(Input::text(text)))
    }
}

impl Field<Bytes> {
    /// Reads all bytes of the field, up to 1 MiB.
    pub fn get(self, data: Data<'_>) -> Result<Vec<u8>> {
        self.read_with(data, <[u8]>::to_vec)
    }

    /// Reads the field into a buffer, which must be large enough, and returns how many bytes there are.
    pub fn read(self, data: Data<'_>, buffer: &mut [u8]) -> Result<usize> {
        self.fill(data, buffer)
            .ok_or_else(|| refused("fieldGetBuffer"))
    }

    /// Writes the bytes. A member of an eBPF structure takes exactly its size.
    pub fn set(self, data: Data<'_>, bytes: &[u8]) -> Result<()> {
        self.set_value(data, Value::buffer(Input::bytes(bytes)))
    }
}

fn refused(function: &'static str) -> Error {
    Error::refused_unnamed(function, "a field")
}

// Not derived: that would ask the same of `T`.
impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("handle", &self.handle)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Scalar>(value: T) -> T {
        T::from_bits(value.into_bits())
    }

    #[test]
    fn scalars_survive_the_trip_through_64_bits() {
        assert_eq!(round_trip(i8::MIN), i8::MIN);
        assert_eq!(round_trip(i16::MIN), i16::MIN);
        assert_eq!(round_trip(i32::MIN), i32::MIN);
        assert_eq!(round_trip(i64::MIN), i64::MIN);
        assert_eq!(round_trip(u8::MAX), u8::MAX);
        assert_eq!(round_trip(u16::MAX), u16::MAX);
        assert_eq!(round_trip(u32::MAX), u32::MAX);
        assert_eq!(round_trip(u64::MAX), u64::MAX);
        assert_eq!(round_trip(-1.5f32), -1.5);
        assert_eq!(round_trip(f64::MIN_POSITIVE), f64::MIN_POSITIVE);
        assert!(round_trip(true));
    }

    #[test]
    fn signed_values_are_extended_and_unsigned_ones_are_not() {
        assert_eq!((-1i8).into_bits(), u64::MAX);
        assert_eq!(u8::MAX.into_bits(), 0xff);
        assert_eq!(f32::from_bits(0x8000_0000).into_bits(), 0x8000_0000);
    }
}
