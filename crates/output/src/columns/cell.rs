//! The text of one cell: values to text, escaping of what must not reach a terminal, cutting and padding.
//!
//! Escaping follows Go's `strconv.Quote`, which leaves only letters, marks, numbers, punctuation, symbols and the plain
//! space. Marks that would pile up or that change how their neighbours are drawn are escaped on top of that.

use std::fmt::Write;

use gizmo_model::{Element, Field, Kind};
use unicode_width::UnicodeWidthChar;

use crate::value;

/// Marks of no width that may follow one character; real scripts need at most two or three.
const MAX_MARKS: usize = 3;

/// Where a text that is too long is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ellipsis {
    /// At the end, without a sign.
    Cut,
    /// At its start.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

/// How numbers are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Format {
    pub(crate) hex: bool,
    /// Digits after the point of floating-point numbers.
    pub(crate) precision: usize,
}

/// Appends the text of a value that is no text itself.
pub(crate) fn write_value(field: &Field, element: &Element, format: Format, out: &mut String) {
    let kind = field.kind();
    // Writing to a string cannot fail.
    let _ = if field.is_array() || kind.width().is_none() {
        write!(out, "<{} bytes>", value::bytes(field, element).len())
    } else {
        let bits = value::bits(field, element);
        match kind {
            Kind::Bool => write!(out, "{}", bits == 1),
            Kind::Float32 => write!(out, "{:.*}", format.precision, value::float32(bits)),
            Kind::Float64 => write!(out, "{:.*}", format.precision, f64::from_bits(bits)),
            kind if kind.is_signed() && format.hex => {
                let sign = if (bits as i64) < 0 { "-" } else { "" };
                write!(out, "{sign}0x{:X}", (bits as i64).unsigned_abs())
            }
            kind if kind.is_signed() => write!(out, "{}", bits as i64),
            _ if format.hex => write!(out, "0x{bits:X}"),
            _ => write!(out, "{bits}"),
        }
    };
}

/// The part of a text that can show in a column; the rest of a long text need not be escaped.
pub(crate) fn visible_part(text: &[u8], width: usize, ellipsis: Ellipsis) -> &[u8] {
    // A column of the terminal takes at most one character and its marks, each of at most four bytes. Two more columns
    // decide whether the text is too long.
    let enough = (width + 2) * 4 * (1 + MAX_MARKS);
    match ellipsis {
        Ellipsis::Cut | Ellipsis::End => &text[..text.len().min(enough)],
        Ellipsis::Start | Ellipsis::Middle => text,
    }
}

/// Appends the text without anything that a terminal would act on.
///
/// Quotes and backslashes stay as they are, unlike upstream's: they harm no terminal, and a text that is quoted already, as
/// in the parameters of a system call, would be unreadable with two layers of escapes.
pub fn escape(text: &[u8], out: &mut String) {
    // How many marks can still follow the last character.
    let mut marks = 0;
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            let width = character.width().unwrap_or(0);
            if is_printable(character) && (width > 0 || marks > 0) {
                marks = if width > 0 { MAX_MARKS } else { marks - 1 };
                out.push(character);
            } else {
                marks = 0;
                write_escape(character, out);
            }
        }
        for byte in chunk.invalid() {
            marks = 0;
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

fn write_escape(character: char, out: &mut String) {
    let short = match character {
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\x0c' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\x0b' => "\\v",
        _ => "",
    };
    let code = u32::from(character);
    let _ = match (short, code) {
        ("", 0..0x20 | 0x7f) => write!(out, "\\x{code:02x}"),
        ("", ..0x10000) => write!(out, "\\u{code:04x}"),
        ("", _) => write!(out, "\\U{code:08x}"),
        (short, _) => out.write_str(short),
    };
}

fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return (' '..='~').contains(&character);
    }
    if matches!(character,
        // Fillers that are letters or marks by their category and show nothing, and selectors that change the width
        // of the character before them.
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}')
    {
        return false;
    }
    // The standard library knows the same set as Go's `unicode.IsPrint`, but shows it only through `escape_debug`, and
    // does not escape marks that follow another character.
    let mut buffer = [b'a', 0, 0, 0, 0];
    let length = 1 + character.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..length])
        .is_ok_and(|text| text.escape_debug().nth(1) == Some(character))
}

/// Appends an escaped text, cut and padded to exactly `width`.
pub(crate) fn fit(text: &str, width: usize, ellipsis: Ellipsis, right: bool, out: &mut Vec<u8>) {
    let own = display_width(text);
    if own <= width {
        let padding = width - own;
        out.resize(out.len() + if right { padding } else { 0 }, b' ');
        out.extend_from_slice(text.as_bytes());
        out.resize(out.len() + if right { 0 } else { padding }, b' ');
        return;
    }
    let (head, tail) = match (ellipsis, width) {
        (_, 0) => ("", ""),
        (Ellipsis::Cut, _) => (prefix(text, width), ""),
        (Ellipsis::End, _) => (prefix(text, width - 1), ""),
        (Ellipsis::Start, _) => ("", suffix(text, width - 1)),
        (Ellipsis::Middle, 1) => ("", ""),
        (Ellipsis::Middle, _) => (prefix(text, width / 2), suffix(text, width - width / 2 - 1)),
    };
    let sign = if ellipsis == Ellipsis::Cut || width == 0 {
        ""
    } else {
        "…"
    };
    // A wide character may not have fitted into the last column.
    let padding = width - display_width(head) - display_width(sign) - display_width(tail);
    out.resize(out.len() + if right { padding } else { 0 }, b' ');
    for part in [head, sign, tail] {
        out.extend_from_slice(part.as_bytes());
    }
    out.resize(out.len() + if right { 0 } else { padding }, b' ');
}

/// Columns that a terminal needs for the text.
pub(crate) fn display_width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars()
        .map(|character| character.width().unwrap_or(0))
        .sum()
}

/// The longest beginning that is at most so wide.
fn prefix(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > width {
            return &text[..at];
        }
    }
    text
}

/// The longest end that is at most so wide and does not start with a mark of the character before it.
fn suffix(text: &str, width: usize) -> &str {
    let mut used = 0;
    let mut start = text.len();
    for (at, character) in text.char_indices().rev() {
        let own = character.width().unwrap_or(0);
        used += own;
        if used > width {
            break;
        }
        if own > 0 {
            start = at;
        }
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut out = String::new();
        escape(text, &mut out);
        out
    }

    fn fitted(text: &str, width: usize, ellipsis: Ellipsis, right: bool) -> String {
        let mut out = Vec::new();
        fit(text, width, ellipsis, right, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        let cases: [(&[u8], &str); 9] = [
            (
                b"a\n\t\"\\\x1b[31m\x07\x7f\0",
                "a\\n\\t\"\\\\x1b[31m\\a\\x7f\\x00",
            ),
            (b"\xff\xe2\x82", "\\xff\\xe2\\x82"),
            ("\u{9b}\u{85}".as_bytes(), "\\u009b\\u0085"),
            (
                "\u{202e}\u{2066}\u{200f}".as_bytes(),
                "\\u202e\\u2066\\u200f",
            ),
            (
                "\u{200b}\u{200d}\u{feff}\u{ad}".as_bytes(),
                "\\u200b\\u200d\\ufeff\\u00ad",
            ),
            ("\u{a0}\u{2028}\u{3000}".as_bytes(), "\\u00a0\\u2028\\u3000"),
            ("\u{e0041}\u{10ffff}".as_bytes(), "\\U000e0041\\U0010ffff"),
            ("é \u{4e2d} \u{1f600}".as_bytes(), "é \u{4e2d} \u{1f600}"),
            (
                "\u{301}e\u{301}\u{fe0f}".as_bytes(),
                "\\u0301e\u{301}\\ufe0f",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn marks_do_not_pile_up() {
        let text = escaped(format!("a{}", "\u{301}".repeat(5)).as_bytes());
        assert_eq!(text, "a\u{301}\u{301}\u{301}\\u0301\\u0301");
    }

    #[test]
    fn texts_are_cut_where_they_should_be() {
        use Ellipsis::{Cut, End, Middle, Start};
        let cases = [
            ("abcdef", 3, Cut, "abc"),
            ("abcdef", 4, End, "abc…"),
            ("abcdef", 4, Start, "…def"),
            ("abcdef", 5, Middle, "ab…ef"),
            ("abcdef", 4, Middle, "ab…f"),
            ("abcdef", 1, End, "…"),
            ("abcdef", 1, Middle, "…"),
            ("abcdef", 1, Cut, "a"),
            ("abcdef", 0, End, ""),
            ("abcdef", 6, End, "abcdef"),
            ("\u{4e2d}\u{4e2d}\u{4e2d}", 4, End, "\u{4e2d}… "),
            ("\u{4e2d}\u{4e2d}\u{4e2d}", 5, Middle, "\u{4e2d}…\u{4e2d}"),
        ];
        for (text, width, ellipsis, expected) in cases {
            assert_eq!(fitted(text, width, ellipsis, false), expected);
        }
        assert_eq!(fitted("ab", 4, End, true), "  ab");
        assert_eq!(
            fitted("\u{4e2d}\u{4e2d}\u{4e2d}", 4, End, true),
            " \u{4e2d}…"
        );
    }
}
