//! JSON to the byte as Go's `encoding/json` writes it, so that a build here has the digest of a build by `ig`.
//!
//! The one difference to `serde_json`: Go escapes `<`, `>`, `&` and the two Unicode line separators in strings.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

struct GoFormatter(CompactFormatter);

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let escaped = rest[at..].chars().next().expect("found just above");
            self.0.write_string_fragment(writer, &rest[..at])?;
            write!(writer, "\\u{:04x}", u32::from(escaped))?;
            rest = &rest[at + escaped.len_utf8()..];
        }
        self.0.write_string_fragment(writer, rest)
    }
}

/// Compact JSON of a value whose types cannot fail to serialise (maps with string keys, no foreign impls).
pub(crate) fn to_vec(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut out, GoFormatter(CompactFormatter));
    value
        .serialize(&mut serializer)
        .expect("OCI documents have string keys and are written to memory");
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_are_escaped_as_go_does() {
        let text = super::to_vec(&"a<b>&\u{2028}é\n\u{1}\"");
        assert_eq!(
            String::from_utf8(text).expect("UTF-8"),
            r#""a\u003cb\u003e\u0026\u2028é\n\u0001\"""#
        );
    }
}
