//! Back from a quoted text to its bytes, for those who have only the text.

/// The bytes of a text as it is shown between quotes. `None` if it does not begin with a quote, or has no end. What follows the
/// closing quote, such as the mark of a text that was cut, does not count.
pub fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.strip_prefix('"')?;
    loop {
        let mut letters = rest.chars();
        let letter = letters.next()?;
        rest = letters.as_str();
        match letter {
            '"' => return Some(bytes),
            '\\' => rest = escape(rest, &mut bytes)?,
            letter => push(letter, &mut bytes),
        }
    }
}

/// Appends what follows a backslash, and returns what is behind it.
fn escape<'t>(text: &'t str, bytes: &mut Vec<u8>) -> Option<&'t str> {
    let mut letters = text.chars();
    let letter = letters.next()?;
    let rest = letters.as_str();
    let digits = |count: usize| {
        let (digits, rest) = rest.split_at_checked(count)?;
        Some((u32::from_str_radix(digits, 16).ok()?, rest))
    };
    let (byte, rest) = match letter {
        'a' => (0x07, rest),
        'b' => (0x08, rest),
        'f' => (0x0c, rest),
        'v' => (0x0b, rest),
        'n' => (b'\n', rest),
        'r' => (b'\r', rest),
        't' => (b'\t', rest),
        'x' => {
            let (byte, rest) = digits(2)?;
            (u8::try_from(byte).ok()?, rest)
        }
        'u' | 'U' => {
            let (code, rest) = digits(if letter == 'u' { 4 } else { 8 })?;
            push(char::from_u32(code)?, bytes);
            return Some(rest);
        }
        other => {
            push(other, bytes);
            return Some(rest);
        }
    };
    bytes.push(byte);
    Some(rest)
}

fn push(letter: char, bytes: &mut Vec<u8>) {
    bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::text::quote;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_quoted_text_has_no_bytes() {
        for text in [
            "",
            "AT_FDCWD",
            "\"open",
            "\"\\",
            "\"\\x1\"",
            "\"\\uzzzz\"",
            "\"\\u12é\"",
        ] {
            assert_eq!(unquote(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn quoted_bytes_come_back(bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..40), "\\PC{0,20}".prop_map(String::into_bytes)], cut in any::<bool>()) {
            let mut text = String::new();
            quote(&bytes, cut, &mut text);
            prop_assert_eq!(unquote(&text), Some(bytes));
        }

        #[test]
        fn any_text_has_bytes_or_none(text in "(\"|\\\\|[xuU0-9a-f]|\\PC){0,20}") {
            let _ = unquote(&text);
        }
    }
}
