//! Inlining of texts that are JSON: one pass checks the text and copies its tokens without the white space between them.
//!
//! What passes here can be read by any reader, `serde_json` and Go's `encoding/json` among them: numbers are within the
//! range of 64-bit floating point, escaped surrogates come in pairs, and nesting is limited.

use super::text::{plain_bytes, write_harmless};
use super::{Style, break_line};

/// Deeper texts stay strings; together with the levels of fields this is below the 128 levels of `serde_json`.
const MAX_LEVELS: usize = 48;

/// Appends the text as structure; leaves `out` alone and says `false` when it is not JSON.
pub(super) fn inline(text: &[u8], style: Style, level: usize, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let Ok(valid) = std::str::from_utf8(text) else {
        return false;
    };
    let mut scanner = Scanner {
        valid,
        text,
        at: 0,
        copied: 0,
        style,
        level,
        deepest: level + MAX_LEVELS,
    };
    let is_json = scanner.value(out).is_some() && scanner.peek(out).is_none();
    if is_json {
        scanner.copy(out);
    } else {
        out.truncate(start);
    }
    is_json
}

struct Scanner<'t> {
    valid: &'t str,
    /// The bytes of `valid`.
    text: &'t [u8],
    at: usize,
    /// How much of the text is written or left out; what follows up to `at` is written in one piece.
    copied: usize,
    style: Style,
    level: usize,
    deepest: usize,
}

impl Scanner<'_> {
    /// The next byte that is no white space.
    fn peek(&mut self, out: &mut Vec<u8>) -> Option<u8> {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        if self.text.get(self.at).is_some_and(is_space) {
            self.copy(out);
            while self.text.get(self.at).is_some_and(is_space) {
                self.at += 1;
            }
            self.copied = self.at;
        }
        self.text.get(self.at).copied()
    }

    /// Writes what was read.
    fn copy(&mut self, out: &mut Vec<u8>) {
        // Both are at tokens' ends; elsewhere the text is no JSON, and what was written is taken back.
        write_harmless(
            self.valid.get(self.copied..self.at).unwrap_or_default(),
            out,
        );
        self.copied = self.at;
    }

    fn break_line(&mut self, out: &mut Vec<u8>) {
        if self.style == Style::Pretty {
            self.copy(out);
            break_line(self.style, self.level, out);
        }
    }

    fn value(&mut self, out: &mut Vec<u8>) -> Option<()> {
        match self.peek(out)? {
            b'{' => self.list(b'}', true, out),
            b'[' => self.list(b']', false, out),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn list(&mut self, close: u8, keys: bool, out: &mut Vec<u8>) -> Option<()> {
        if self.level == self.deepest {
            return None;
        }
        self.at += 1;
        if self.peek(out)? == close {
            self.at += 1;
            return Some(());
        }
        self.level += 1;
        loop {
            self.break_line(out);
            if keys {
                self.key(out)?;
            }
            self.value(out)?;
            let next = self.peek(out)?;
            if next == close {
                break;
            }
            if next != b',' {
                return None;
            }
            self.at += 1;
        }
        self.level -= 1;
        self.break_line(out);
        self.at += 1;
        Some(())
    }

    fn key(&mut self, out: &mut Vec<u8>) -> Option<()> {
        if self.peek(out)? != b'"' {
            return None;
        }
        self.string()?;
        if self.peek(out)? != b':' {
            return None;
        }
        self.at += 1;
        if self.style == Style::Pretty {
            self.copy(out);
            out.push(b' ');
        }
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        if !self.text[self.at..].starts_with(word) {
            return None;
        }
        self.at += word.len();
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.at += plain_bytes(&self.text[self.at..]);
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => self.escape()?,
                0..0x20 => return None,
                _ => {}
            }
        }
        Some(())
    }

    /// Checks what follows a backslash.
    fn escape(&mut self) -> Option<()> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.hex()? {
                0xd800..0xdc00 => {
                    let pair = self.text.get(self.at..self.at + 2)? == b"\\u";
                    self.at += 2;
                    (pair && matches!(self.hex()?, 0xdc00..0xe000)).then_some(())
                }
                0xdc00..0xe000 => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |value, &digit| {
            Some(value * 16 + char::from(digit).to_digit(16)?)
        })
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let zero = self.text.get(self.at) == Some(&b'0');
        let first = self.at;
        self.digits()?;
        let digits = self.at - first;
        if zero && digits > 1 {
            return None;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = &self.text[start..self.at];
        // Without an exponent it takes more digits than these to leave the range.
        if self.at == first + digits && digits < 300 {
            return Some(());
        }
        let value: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
        value.is_finite().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact(text: &str) -> Option<String> {
        let mut out = b"x".to_vec();
        let valid = inline(text.as_bytes(), Style::Compact, 0, &mut out);
        assert!(valid || out == b"x");
        valid.then(|| String::from_utf8(out[1..].to_vec()).unwrap())
    }

    #[test]
    fn white_space_between_tokens_goes() {
        let text = " { \"a b\" : [ 1 , -0.5e+3 ,\n true, null ] , \"\" : { } } ";
        assert_eq!(
            compact(text).unwrap(),
            r#"{"a b":[1,-0.5e+3,true,null],"":{}}"#
        );
    }

    #[test]
    fn what_is_not_json_stays_a_text() {
        let wrong = [
            "",
            " ",
            "{",
            "{}}",
            "{a:1}",
            "[1,]",
            "[1 2]",
            "01",
            "1.",
            "+1",
            ".5",
            "1e",
            "1e999",
            "nul",
            "\"a",
            "\"\\x\"",
            "\"\n\"",
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "{\"a\" 1}",
            "{,}",
            "-",
        ];
        for text in wrong {
            assert_eq!(compact(text), None, "{text:?}");
        }
        assert!(!inline(b"\"\xff\"", Style::Compact, 0, &mut Vec::new()));
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(compact(&nested(MAX_LEVELS)).is_some());
        assert!(compact(&nested(MAX_LEVELS + 1)).is_none());
        assert!(compact(&"[".repeat(1_000_000)).is_none());
    }

    #[test]
    fn pretty_output_is_indented_from_its_level() {
        let mut out = Vec::new();
        assert!(inline(b"{\"a\":[1,{}]}", Style::Pretty, 1, &mut out));
        let text = "{\n    \"a\": [\n      1,\n      {}\n    ]\n  }";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
