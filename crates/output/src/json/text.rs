//! Strings and floating-point numbers as Go's `encoding/json` writes them, without its escaping for HTML.

use std::io::Write;

/// Appends a quoted string; every byte that is not UTF-8 becomes one replacement character.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    // Most texts are whole here.
    let plain = plain_bytes(text);
    out.extend_from_slice(&text[..plain]);
    if plain < text.len() {
        write_special(&text[plain..], out);
    }
    out.push(b'"');
}

fn write_special(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        write_valid(chunk.valid(), out);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

/// How many bytes there are before the first that is a quote, a backslash, a control character (delete is one) or no ASCII.
pub(super) fn plain_bytes(text: &[u8]) -> usize {
    const STEP: usize = size_of::<u64>();
    let mut done = 0;
    while done < text.len() {
        let mut step = [b' '; STEP];
        let rest = &text[done..];
        match rest.first_chunk() {
            Some(whole) => step = *whole,
            None => step[..rest.len()].copy_from_slice(rest),
        }
        let special = special_bytes(u64::from_le_bytes(step));
        if special != 0 {
            return done + special.trailing_zeros() as usize / 8;
        }
        done += STEP;
    }
    text.len()
}

/// The highest bit of the lowest byte that is special; bits of higher bytes may be wrong, since subtraction borrows from them.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHEST: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHEST;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (word & HIGHEST) | below(word, 0x20) | equal(b'"') | equal(b'\\') | equal(0x7f)
}

fn write_valid(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let (length, escape): (usize, &[u8]) = match byte {
            b'"' => (1, b"\\\""),
            b'\\' => (1, b"\\\\"),
            b'\n' => (1, b"\\n"),
            b'\r' => (1, b"\\r"),
            b'\t' => (1, b"\\t"),
            0..0x20 => (1, b""),
            _ => {
                at += 1;
                continue;
            }
        };
        write_harmless(&text[done..at], out);
        if escape.is_empty() {
            // Writing to a vector cannot fail.
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.extend_from_slice(escape);
        }
        at += length;
        done = at;
    }
    write_harmless(&text[done..], out);
}

/// What a terminal acts on, beside the controls of ASCII that JSON has to escape.
pub(crate) fn is_active(character: char) -> bool {
    matches!(character, '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends a part of a JSON text, where what a terminal acts on can only stand in strings, and an escape means the same:
/// delete, the controls beyond ASCII, line separators (which JavaScript minds, too), and marks that turn the direction of text.
pub(super) fn write_harmless(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if bytes.iter().all(|&byte| byte < 0x7f) {
        out.extend_from_slice(bytes);
        return;
    }
    let mut done = 0;
    for (at, found) in text.match_indices(is_active) {
        out.extend_from_slice(&bytes[done..at]);
        let code = found.chars().next().map_or(0, u32::from);
        // Writing to a vector cannot fail.
        let _ = write!(out, "\\u{code:04x}");
        done = at + found.len();
    }
    out.extend_from_slice(&bytes[done..]);
}

pub(super) fn write_float64(value: f64, out: &mut Vec<u8>) {
    if use_exponent(value.is_finite(), value.abs(), 1e-6, 1e21, out) {
        write_exponent(format_args!("{value:e}"), out);
    } else if value.is_finite() {
        let _ = write!(out, "{value}");
    }
}

/// As for 64 bits, but with the shortest digits that give the same 32-bit number.
pub(super) fn write_float32(value: f32, out: &mut Vec<u8>) {
    if use_exponent(value.is_finite(), value.abs(), 1e-6, 1e21, out) {
        write_exponent(format_args!("{value:e}"), out);
    } else if value.is_finite() {
        let _ = write!(out, "{value}");
    }
}

/// Whether the number is written with an exponent; one that JSON does not have becomes `null` at once.
fn use_exponent<T: PartialOrd + Default>(
    finite: bool,
    magnitude: T,
    low: T,
    high: T,
    out: &mut Vec<u8>,
) -> bool {
    if !finite {
        out.extend_from_slice(b"null");
        return false;
    }
    magnitude != T::default() && (magnitude < low || magnitude >= high)
}

fn write_exponent(text: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    let _ = out.write_fmt(text);
    let exponent = out[start..].iter().position(|&byte| byte == b'e');
    if let Some(position) = exponent
        && out.get(start + position + 1) != Some(&b'-')
    {
        out.insert(start + position + 1, b'+');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &[u8]) -> String {
        let mut out = Vec::new();
        write_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        write_float64(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_specified() {
        assert_eq!(string(b"a\"b\\c\n\r\t"), r#""a\"b\\c\n\r\t""#);
        assert_eq!(
            string(b"\x00\x08\x1b\x7f<>&"),
            "\"\\u0000\\u0008\\u001b\\u007f<>&\""
        );
        assert_eq!(
            string("\u{2028}\u{2029}\u{20ac}".as_bytes()),
            "\"\\u2028\\u2029\u{20ac}\""
        );
    }

    #[test]
    fn special_bytes_are_found_at_every_place() {
        for length in 0..70 {
            let plain = vec![b'a'; length];
            assert_eq!(plain_bytes(&plain), length);
            for at in 0..length {
                for special in [b'"', b'\\', 0, 0x1f, 0x7f, 0x80, 0xff] {
                    let mut text = plain.clone();
                    text[at] = special;
                    assert_eq!(plain_bytes(&text), at, "{special} {length}");
                }
            }
        }
    }

    #[test]
    fn strings_are_whole_wherever_something_is_escaped() {
        for length in 0..40 {
            let text = format!("{}\"{}", "a".repeat(length), "b".repeat(40 - length));
            let escaped = format!("\"{}\\\"{}\"", "a".repeat(length), "b".repeat(40 - length));
            assert_eq!(string(text.as_bytes()), escaped);
        }
    }

    #[test]
    fn every_byte_that_is_not_utf8_is_replaced_on_its_own() {
        assert_eq!(string(b"a\xff\xe2\x82b"), r#""a\ufffd\ufffd\ufffdb""#);
    }

    #[test]
    fn floats_look_as_in_go() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            (9.9e-7, "9.9e-7"),
            (1e-10, "1e-10"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (f64::NAN, "null"),
            (f64::NEG_INFINITY, "null"),
        ];
        for (value, text) in cases {
            assert_eq!(float(value), text);
        }
        let mut out = Vec::new();
        write_float32(0.1, &mut out);
        assert_eq!(out, b"0.1");
    }
}
