//! Plain data: what may be a key or a value of a map, or a constant.

/// Plain data, whose bytes in memory are what an eBPF program sees.
///
/// Implemented for numbers, arrays and slices of them; [`pod!`](crate::pod!) declares a structure. A `bool` of a program
/// is a `u8` here, since a program could store something else than 0 and 1.
///
/// # Safety
///
/// Every byte of a value must be initialised, so there is no padding; and any bytes must make a valid value.
pub unsafe trait Pod {}

macro_rules! numbers {
    ($($type:ty)*) => {
        // SAFETY: numbers have no padding, and each bit pattern is a number.
        $(unsafe impl Pod for $type {})*
    };
}

numbers! { u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64 }

// SAFETY: there is nothing between the elements of an array, and each of them is plain data.
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {}

// SAFETY: as for arrays.
unsafe impl<T: Pod> Pod for [T] {}

/// Declares a structure as C lays it out and makes it [`Pod`].
///
/// A field that is not plain data, or padding between or after the fields, is an error at compile time: name the padding.
///
/// ```
/// gizmo_guest::pod! {
///     /// The key of the map `sockets`.
///     #[derive(Debug, Default)]
///     pub struct SocketKey {
///         pub netns: u32,
///         pub port: u16,
///         padding: u16,
///     }
/// }
/// # fn main() {}
/// ```
///
/// ```compile_fail
/// gizmo_guest::pod! {
///     struct SocketKey {
///         netns: u32,
///         port: u16,
///     }
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! pod {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident : $type:ty),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy)]
        #[repr(C)]
        $visibility struct $name {
            $($(#[$field_attribute])* $field_visibility $field: $type),*
        }

        const _: () = {
            const fn is_plain_data<T: $crate::Pod>() {}
            $(is_plain_data::<$type>();)*
            assert!(
                ::core::mem::size_of::<$name>() == 0 $(+ ::core::mem::size_of::<$type>())*,
                "the structure has padding; make it a field"
            );
        };

        // SAFETY: checked right above: all fields are plain data, and nothing is between or after them.
        #[allow(unsafe_code, reason = "the conditions are checked at compile time")]
        unsafe impl $crate::Pod for $name {}
    };
}
