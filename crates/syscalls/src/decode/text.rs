//! Bytes from a traced program as text that cannot be mistaken for anything else.
//!
//! One escape form for everything: the short C escapes, `\xNN` for a byte, `\uNNNN` or `\UNNNNNNNN` for a character
//! that would be invisible or would reorder the line. A backslash in the data is always doubled, so the original
//! bytes can be told from the text.

use std::fmt::Write;

/// Appends `bytes` in double quotes, followed by `...` if `cut`.
pub(super) fn quote(bytes: &[u8], cut: bool, out: &mut String) {
    out.push('"');
    escape(bytes, |_| false, out);
    out.push('"');
    if cut {
        out.push_str("...");
    }
}

/// Appends `bytes` without quotes; what could end or imitate a parameter is escaped too.
pub(super) fn bare(bytes: &[u8], cut: bool, out: &mut String) {
    escape(
        bytes,
        |char| matches!(char, ' ' | ',' | '{' | '}' | '(' | ')'),
        out,
    );
    if cut {
        out.push_str("...");
    }
}

/// Appends what a descriptor refers to, between angle brackets.
pub(super) fn target(text: &str, out: &mut String) {
    escape(text.as_bytes(), |char| matches!(char, '<' | '>'), out);
}

/// Appends `bytes` as lower-case hex digits.
pub(super) fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        push(out, format_args!("{byte:02x}"));
    }
}

/// Appends formatted text.
pub(super) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("writing to a `String` never fails");
}

fn escape(bytes: &[u8], is_special: impl Fn(char) -> bool, out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while !rest.is_empty() {
            // Mostly all of it.
            let plain = rest
                .bytes()
                .take_while(|&byte| is_plain(byte) && !is_special(byte.into()));
            let (whole, special) = rest.split_at(plain.count());
            out.push_str(whole);
            rest = special;
            if let Some(char) = rest.chars().next() {
                escape_char(char, &is_special, out);
                rest = &rest[char.len_utf8()..];
            }
        }
        for byte in chunk.invalid() {
            push(out, format_args!("\\x{byte:02x}"));
        }
    }
}

/// Whether a byte is a character that stands for itself between quotes.
pub(super) fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')
}

fn escape_char(char: char, is_special: &impl Fn(char) -> bool, out: &mut String) {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\x0b' => out.push_str("\\v"),
        '\0'..='\x1f' | '\x7f' => push(out, format_args!("\\x{:02x}", char as u32)),
        _ if char.is_ascii() && is_special(char) => {
            push(out, format_args!("\\x{:02x}", char as u32))
        }
        _ if is_deceptive(char) && (char as u32) < 0x10000 => {
            push(out, format_args!("\\u{:04x}", char as u32))
        }
        _ if is_deceptive(char) => push(out, format_args!("\\U{:08x}", char as u32)),
        _ => out.push(char),
    }
}

/// Whether a terminal would obey this character, or show it as something else than what it is.
pub(crate) fn is_unfit(char: char) -> bool {
    char.is_ascii_control() || is_deceptive(char)
}

/// Whether a terminal would show nothing for this character, or show other characters elsewhere because of it:
/// C1 controls, format characters (bidirectional ones above all), other blanks than the space, fillers, private use
/// and non-characters.
fn is_deceptive(char: char) -> bool {
    let code = char as u32;
    matches!(code,
        0x80..=0xa0 | 0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2
        | 0x115f..=0x1160 | 0x1680 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x2000..=0x200f | 0x2028..=0x202f
        | 0x205f..=0x206f | 0x2800 | 0x3000 | 0x3164 | 0xe000..=0xf8ff | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
        | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1345f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
        | 0xe0000..)
        || code & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(bytes: &[u8]) -> String {
        let mut out = String::new();
        quote(bytes, false, &mut out);
        out
    }

    #[test]
    fn printable_text_is_kept() {
        assert_eq!(
            quoted("/tmp/größe 漢字 🦀".as_bytes()),
            "\"/tmp/größe 漢字 🦀\""
        );
    }

    #[test]
    fn quotes_backslashes_and_controls_are_escaped() {
        assert_eq!(
            quoted(b"\"\\\n\t\r\x07\x08\x0c\x0b\0\x1b\x7f"),
            r#""\"\\\n\t\r\a\b\f\v\x00\x1b\x7f""#
        );
    }

    #[test]
    fn bytes_that_are_no_utf8_are_shown_one_by_one() {
        assert_eq!(
            quoted(b"a\xff\xe2\x82z\xe2\x82"),
            r#""a\xff\xe2\x82z\xe2\x82""#
        );
    }

    #[test]
    fn characters_that_hide_or_reorder_text_are_escaped() {
        assert_eq!(
            quoted("a\u{202e}b\u{200b}\u{feff}\u{9b}".as_bytes()),
            r#""a\u202eb\u200b\ufeff\u009b""#
        );
        assert_eq!(
            quoted("\u{e0041}\u{10ffff}\u{a0}".as_bytes()),
            r#""\U000e0041\U0010ffff\u00a0""#
        );
    }

    #[test]
    fn a_cut_string_is_marked_outside_its_quotes() {
        let mut out = String::new();
        quote(b"abc...", true, &mut out);
        assert_eq!(out, r#""abc..."..."#);
    }

    #[test]
    fn bare_text_cannot_imitate_the_next_parameter() {
        let mut out = String::new();
        bare(b"/a, addrlen=3} (x)", false, &mut out);
        assert_eq!(out, r"/a\x2c\x20addrlen=3\x7d\x20\x28x\x29");
    }
}
