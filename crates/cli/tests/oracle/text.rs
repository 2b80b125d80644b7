//! Escaped text back into bytes: gizmo's escapes and those of `strace -xx`, which are among them.

/// The bytes of a text in quotes, whether the text says that there are more, and what stands behind it.
pub fn quoted(text: &str) -> Option<((Vec<u8>, bool), &str)> {
    let inside = text.strip_prefix('"')?;
    let mut bytes = Vec::new();
    let mut rest = inside;
    while !rest.starts_with('"') {
        rest = unescape_one(rest, &mut bytes)?;
    }
    let rest = &rest[1..];
    Some(match rest.strip_prefix("...") {
        Some(rest) => ((bytes, true), rest),
        None => ((bytes, false), rest),
    })
}

/// The bytes of a text without quotes.
pub fn bare(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = unescape_one(rest, &mut bytes)?;
    }
    Some(bytes)
}

fn unescape_one<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first != '\\' {
        bytes.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
        return Some(chars.as_str());
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let digits = match escape {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => {
            let plain = "\"\\ntrabfv".find(escape)?;
            bytes.push(b"\"\\\n\t\r\x07\x08\x0c\x0b"[plain]);
            return Some(rest);
        }
    };
    let code = u32::from_str_radix(rest.get(..digits)?, 16).ok()?;
    match escape {
        'x' => bytes.push(u8::try_from(code).ok()?),
        _ => bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes()),
    }
    Some(&rest[digits..])
}

/// Splits at separators that are not inside brackets or quotes.
pub fn split(text: &str, separator: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut depth, mut is_quoted, mut start, mut at) = (0usize, false, 0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if depth == 0 && !is_quoted && rest.starts_with(separator) {
            parts.push(text[start..at].to_owned());
            at += separator.len();
            start = at;
            continue;
        }
        let char = rest.chars().next().unwrap_or_default();
        match char {
            '\\' if is_quoted => at += rest.chars().nth(1).map_or(0, char::len_utf8),
            '"' => is_quoted = !is_quoted,
            '(' | '[' | '{' if !is_quoted => depth += 1,
            ')' | ']' | '}' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += char.len_utf8();
    }
    if start < text.len() || !parts.is_empty() {
        parts.push(text[start..].to_owned());
    }
    parts
}

#[test]
fn escapes_become_the_bytes_they_stand_for() {
    let text = r#""a\x00\n\\\"\u202e\U0010ffff\xffü"... rest"#;
    let expected = "a\0\n\\\"\u{202e}\u{10ffff}".as_bytes();
    let ((bytes, cut), rest) = quoted(text).expect("a quoted text");
    assert_eq!(bytes, [expected, b"\xff", "ü".as_bytes()].concat());
    assert!(cut);
    assert_eq!(rest, " rest");
    assert_eq!(quoted(r#""open"#), None);
    assert_eq!(quoted(r#""\q""#), None);
}

#[test]
fn brackets_and_quotes_keep_separators() {
    assert_eq!(
        split(r#"1, "a, \", b", {c, [d, e]}, f"#, ", "),
        ["1", r#""a, \", b""#, "{c, [d, e]}", "f"]
    );
    assert_eq!(split("", ", "), [""; 0]);
}
