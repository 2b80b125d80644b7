//! Decoded arguments as JSON, with the escapes of the product's JSON output.

use super::DecodedArg;
use super::text::{is_plain, push};

/// Appends the arguments as a JSON array: `[{"name":…,"value":…,"text":…|null,"len":…|null,"truncated":…}]`.
pub fn args_json(args: &[DecodedArg], out: &mut String) {
    out.push('[');
    for (index, arg) in args.iter().enumerate() {
        out.push_str(if index == 0 {
            "{\"name\":"
        } else {
            ",{\"name\":"
        });
        string(&arg.name, out);
        out.push_str(",\"value\":");
        string(&arg.value, out);
        out.push_str(",\"text\":");
        match &arg.text {
            Some(text) => string(text, out),
            None => out.push_str("null"),
        }
        match arg.len {
            Some(len) => push(out, format_args!(",\"len\":{len}")),
            None => out.push_str(",\"len\":null"),
        }
        out.push_str(match arg.truncated {
            true => ",\"truncated\":true}",
            false => ",\"truncated\":false}",
        });
    }
    out.push(']');
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
        let mut out = String::new();
        let text = Some("\"a\\n\"...".to_owned());
        let (value, len) = ("0x10".to_owned(), Some(300));
        let long = DecodedArg {
            name: "buf".into(),
            value,
            text,
            len,
            truncated: true,
            fault: false,
        };
        let plain = DecodedArg {
            name: "fd".into(),
            value: "-1".into(),
            ..DecodedArg::default()
        };
        args_json(&[long, plain], &mut out);
        assert_eq!(
            out,
            r#"[{"name":"buf","value":"0x10","text":"\"a\\n\"...","len":300,"truncated":true},"#
                .to_owned()
                + r#"{"name":"fd","value":"-1","text":null,"len":null,"truncated":false}]"#
        );
        out.clear();
        args_json(&[], &mut out);
        assert_eq!(out, "[]");
    }

    #[test]
    fn strings_are_escaped_as_the_products_json_is() {
        let mut out = String::new();
        string("\"\\\n\r\t\x01\u{2028}<>&\x7fé", &mut out);
        assert_eq!(out, "\"\\\"\\\\\\n\\r\\t\\u0001\\u2028<>&\x7fé\"");
    }
}
