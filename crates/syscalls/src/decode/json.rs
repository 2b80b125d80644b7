//! Decoded arguments as JSON, with the escapes of the product's JSON output.

use super::content::Content;
use super::number::digits;
use super::text::{is_plain, push};

/// What stands before the value of an argument.
pub(super) fn head(arg: u8, name: &str) -> String {
    let mut out = String::from(if arg == 0 { "" } else { "," });
    out.push_str("{\"name\":");
    string(name, &mut out);
    out.push_str(",\"value\":\"");
    out
}

/// Appends what follows the value of an argument.
pub(super) fn tail(text: Option<&str>, content: &Content, out: &mut String) {
    match text {
        Some(text) => {
            out.push_str("\",\"text\":");
            string(text, out);
        }
        None => out.push_str("\",\"text\":null"),
    }
    out.push_str(",\"len\":");
    match content.len {
        Some(len) => digits::<10>(len, out),
        None => out.push_str("null"),
    }
    out.push_str(match content.truncated {
        true => ",\"truncated\":true}",
        false => ",\"truncated\":false}",
    });
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while !rest.is_empty() {
        // Mostly all of it.
        let plain = rest.bytes().take_while(|&byte| is_plain(byte)).count();
        let (whole, special) = rest.split_at(plain);
        out.push_str(whole);
        rest = special;
        let Some(char) = rest.chars().next() else {
            break;
        };
        rest = &rest[char.len_utf8()..];
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => {
                push(out, format_args!("\\u{:04x}", char as u32))
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_and_missing_things_are_null() {
        let mut out = head(0, "buf") + "0x10";
        let content = Content {
            len: Some(300),
            truncated: true,
            fault: false,
        };
        tail(Some("\"a\\n\"..."), &content, &mut out);
        out += &(head(1, "fd") + "-1");
        tail(None, &Content::default(), &mut out);
        assert_eq!(
            out,
            r#"{"name":"buf","value":"0x10","text":"\"a\\n\"...","len":300,"truncated":true},"#
                .to_owned()
                + r#"{"name":"fd","value":"-1","text":null,"len":null,"truncated":false}"#
        );
    }

    #[test]
    fn strings_are_escaped_as_the_products_json_is() {
        let mut out = String::new();
        string("\"\\\n\r\t\x01\u{2028}<>&\x7fé", &mut out);
        assert_eq!(out, "\"\\\"\\\\\\n\\r\\t\\u0001\\u2028<>&\x7fé\"");
    }
}
