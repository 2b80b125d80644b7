//! One buffer for everything that the host writes, reused from call to call.
//!
//! The host refuses a buffer that is too small without saying how much it needs, so the buffer doubles until the call
//! succeeds. It stays that large, because what was long once will be again.

use std::cell::Cell;

/// Where reading starts: enough for any field of an eBPF event seen so far, so that growing (and the warnings the host
/// logs when it refuses) stays an exception.
const FIRST_BYTES: usize = 64 << 10;

/// Where it ends: 1 MiB is a sixteenth of what the host grants a guest by default.
const MOST_BYTES: usize = 1 << 20;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `fill` with ever larger buffers until it returns the number of bytes it wrote, then `take` with those bytes.
///
/// Returns nothing if `fill` fails at every size. The buffer's contents are those of an earlier call. Both functions may
/// read something themselves; they then get another buffer.
pub(crate) fn read<T>(
    mut fill: impl FnMut(&mut [u8]) -> Option<usize>,
    take: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    let mut buffer = BUFFER.take();
    let mut bytes = buffer.len().max(FIRST_BYTES);
    let mut result = None;
    while bytes <= MOST_BYTES {
        buffer.resize(bytes, 0);
        if let Some(filled) = fill(&mut buffer) {
            result = buffer.get(..filled).map(take);
            break;
        }
        bytes *= 2;
    }
    // After a failure at every size nothing was too small, so the size is no reason to keep that much.
    if result.is_some() {
        BUFFER.set(buffer);
    }
    result
}

/// The text before the first NUL, with U+FFFD for what is not UTF-8.
pub(crate) fn text_until_nul(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_grows_until_the_call_succeeds_and_stays_large() {
        let mut sizes = Vec::new();
        let read_long = |sizes: &mut Vec<usize>| {
            read(
                |buffer| {
                    sizes.push(buffer.len());
                    (buffer.len() >= 200_000).then_some(200_000)
                },
                <[u8]>::len,
            )
        };
        assert_eq!(read_long(&mut sizes), Some(200_000));
        assert_eq!(read_long(&mut sizes), Some(200_000));
        assert_eq!(sizes, [64 << 10, 128 << 10, 256 << 10, 256 << 10]);
    }

    #[test]
    fn a_call_that_fails_at_every_size_ends() {
        let mut calls = 0;
        let failed = read(
            |_| {
                calls += 1;
                None
            },
            <[u8]>::len,
        );
        assert_eq!((failed, calls), (None, 5));
    }

    #[test]
    fn a_length_beyond_the_buffer_yields_nothing() {
        assert_eq!(read(|buffer| Some(buffer.len() + 1), <[u8]>::len), None);
    }

    #[test]
    fn reading_while_reading_uses_another_buffer() {
        let fill = |buffer: &mut [u8], byte: u8| {
            buffer.iter_mut().take(4).for_each(|b| *b = byte);
            Some(4)
        };
        let outer = read(
            |buffer| fill(buffer, b'a'),
            |outer| {
                let inner = read(|buffer| fill(buffer, b'b'), text_until_nul);
                (text_until_nul(outer), inner)
            },
        );
        assert_eq!(outer, Some(("aaaa".to_owned(), Some("bbbb".to_owned()))));
    }

    #[test]
    fn text_ends_at_the_first_nul() {
        assert_eq!(text_until_nul(b"abc\0def\0"), "abc");
        assert_eq!(text_until_nul(b"abc"), "abc");
        assert_eq!(text_until_nul(b"a\xffc"), "a\u{fffd}c");
        assert_eq!(text_until_nul(b""), "");
    }
}
