//! References to guest memory, in the form the host expects them.
//!
//! Owns the packing of address and length into an `i64`, and the view of plain data as bytes. The types carry the
//! lifetime of the memory they refer to, and only slices can make them; that is what makes the functions in `raw` safe.

mod pod;

use std::marker::PhantomData;

pub use pod::Pod;

/// Bytes that the host reads during the call.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Input<'a>(u64, PhantomData<&'a [u8]>);

impl<'a> Input<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Input::bytes(text.as_bytes())
    }

    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Input(
            pack(bytes.as_ptr().expose_provenance(), bytes.len()),
            PhantomData,
        )
    }

    pub(crate) fn of<T: Pod + ?Sized>(value: &'a T) -> Self {
        Input::bytes(bytes_of(value))
    }
}

/// Initialised bytes that the host may overwrite during the call.
#[repr(transparent)]
pub(crate) struct Output<'a>(u64, PhantomData<&'a mut [u8]>);

impl<'a> Output<'a> {
    pub(crate) fn bytes(bytes: &'a mut [u8]) -> Self {
        let len = bytes.len();
        Output(
            pack(bytes.as_mut_ptr().expose_provenance(), len),
            PhantomData,
        )
    }

    pub(crate) fn of<T: Pod + ?Sized>(value: &'a mut T) -> Self {
        Output::bytes(bytes_of_mut(value))
    }
}

/// The value given to `fieldSet`: a number, or a reference to bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Value<'a>(u64, PhantomData<&'a [u8]>);

impl<'a> Value<'a> {
    pub(crate) fn number(number: u64) -> Self {
        Value(number, PhantomData)
    }

    pub(crate) fn buffer(input: Input<'a>) -> Self {
        Value(input.0, PhantomData)
    }
}

/// A number that the host sets to 1 if the call fails, and leaves alone otherwise.
#[repr(transparent)]
pub(crate) struct ErrorFlag<'a>(u32, PhantomData<&'a mut u32>);

impl<'a> ErrorFlag<'a> {
    pub(crate) fn new(flag: &'a mut u32) -> Self {
        ErrorFlag((&raw mut *flag).expose_provenance() as u32, PhantomData)
    }
}

/// Length in the upper half, address in the lower one.
///
/// Both fit on wasm32. On other targets the result is meaningless, and nothing reads it.
fn pack(address: usize, len: usize) -> u64 {
    (len as u64) << 32 | u64::from(address as u32)
}

fn bytes_of<T: Pod + ?Sized>(value: &T) -> &[u8] {
    // SAFETY: the pointer and the length are those of a live value, borrowed for as long as the result; `Pod` promises
    // that each of its bytes is initialised.
    unsafe { std::slice::from_raw_parts((&raw const *value).cast(), size_of_val(value)) }
}

fn bytes_of_mut<T: Pod + ?Sized>(value: &mut T) -> &mut [u8] {
    // SAFETY: as in `bytes_of`, with a unique borrow; `Pod` promises that any bytes make a valid value.
    unsafe { std::slice::from_raw_parts_mut((&raw mut *value).cast(), size_of_val(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_the_upper_half_and_address_the_lower() {
        assert_eq!(pack(0x1234, 7), 0x7_0000_1234);
        assert_eq!(pack(1, 0), 1);
    }

    #[test]
    fn plain_data_is_seen_as_native_bytes() {
        assert_eq!(bytes_of(&0x0102_0304u32), 0x0102_0304u32.to_ne_bytes());
        assert_eq!(bytes_of(&[1u16, 2]), bytes_of(&[1u16, 2][..]));
        assert!(bytes_of::<[u8]>(&[]).is_empty());
    }

    #[test]
    fn plain_data_can_be_written_as_bytes() {
        let mut value = [0u32; 2];
        bytes_of_mut(&mut value).copy_from_slice(&[0xff; 8]);
        assert_eq!(value, [u32::MAX; 2]);
    }
}
