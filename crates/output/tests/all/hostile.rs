//! Whatever a traced process writes: JSON stays JSON, rows stay rows, and YAML reads back.

use std::sync::Arc;

use gizmo_model::field::FieldSpec;
use gizmo_model::{DataSource, Kind, Shape};
use proptest::prelude::*;
use serde_json::Value;
use unicode_width::UnicodeWidthChar;

use crate::support::{add, attach, element, emit, settings, source};

/// Any bytes, and texts with more of what is interesting.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let character = prop_oneof![
        any::<char>(),
        prop::char::range('\0', '\u{a0}'),
        prop::char::range('\u{300}', '\u{36f}'),
        prop::char::range('\u{2000}', '\u{206f}'),
        prop::char::range('\u{4e00}', '\u{4e20}'),
        prop::char::range('\u{fe00}', '\u{feff}'),
        prop::char::range('\u{1f1e6}', '\u{1f64f}'),
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(character, 0..60)
            .prop_map(|c| c.iter().collect::<String>().into_bytes()),
    ]
}

fn texts() -> Arc<DataSource> {
    let ds = source("ds", Shape::Single, "");
    for (name, ellipsis) in [("a", "end"), ("b", "start"), ("c", "middle"), ("d", "")] {
        ds.add_field(
            FieldSpec::new(name, Kind::String)
                .annotated("columns.ellipsis", ellipsis)
                .annotated(
                    "columns.alignment",
                    if name == "b" { "right" } else { "left" },
                ),
        )
        .unwrap();
    }
    ds.add_field(
        FieldSpec::new("embedded", Kind::String)
            .annotated("json.embed", "true")
            .annotated("columns.width", "7"),
    )
    .unwrap();
    add(&ds, "blob", Kind::Bytes);
    ds
}

fn print(mode: &str, fields: &str, terminal: Option<u16>, text: &[u8]) -> Vec<u8> {
    let ds = texts();
    let (_output, memory) =
        attach(std::slice::from_ref(&ds), &settings(mode, fields, terminal)).unwrap();
    let values: Vec<_> = ["a", "b", "c", "d", "embedded", "blob"]
        .map(|name| (name, text.into()))
        .into();
    emit(&ds, vec![element(&ds, &values)]);
    memory.bytes()
}

/// What Go and this crate make of text: each byte that is no UTF-8 is one replacement character.
fn lossy(text: &[u8]) -> String {
    text.utf8_chunks()
        .map(|chunk| {
            format!(
                "{}{}",
                chunk.valid(),
                "\u{fffd}".repeat(chunk.invalid().len())
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn json_is_one_valid_line(text in hostile()) {
        let line = print("json", "", None, &text);
        prop_assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let shown = std::str::from_utf8(&line[..line.len() - 1]).unwrap();
        prop_assert!(!shown.chars().any(char::is_control), "{:?}", shown);
        let value: Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(value["a"].as_str().unwrap(), lossy(&text));
        let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(value["blob"].as_str().unwrap(), hex);
        let embedded = serde_json::from_slice(&text).unwrap_or_else(|_| {
            if text.is_empty() { Value::Null } else { Value::String(lossy(&text)) }
        });
        prop_assert_eq!(&value["embedded"], &embedded);
    }

    #[test]
    fn pretty_json_and_yaml_say_the_same(text in hostile()) {
        let plain: Value = serde_json::from_slice(&print("json", "", None, &text)).unwrap();
        let pretty: Value = serde_json::from_slice(&print("jsonpretty", "", None, &text)).unwrap();
        prop_assert_eq!(&plain, &pretty);
        let document = print("yaml", "", None, &text);
        let yaml: Value = serde_saphyr::from_slice(&document)
            .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&document)));
        prop_assert_eq!(&plain, &yaml);
    }

    #[test]
    fn rows_are_harmless_and_exactly_as_wide_as_they_should_be(
        text in hostile(),
        terminal in prop::option::of(1u16..200),
    ) {
        let printed = print("columns", "a,b,c,d,embedded,blob", terminal, &text);
        let printed = String::from_utf8(printed).unwrap();
        prop_assert!(printed.ends_with('\n'));
        let lines: Vec<&str> = printed[..printed.len() - 1].split('\n').collect();
        prop_assert_eq!(lines.len(), 2);
        for line in lines {
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
            let forbidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
            prop_assert!(!line.chars().any(forbidden), "{:?}", line);
            let width: usize = line.chars().map(|c| c.width().unwrap()).sum();
            let wanted = terminal.map_or(4 * 16 + 7 + 16 + 5, usize::from);
            // Six columns and what is between them; on less, the last one shown may end before the edge.
            let narrow = terminal.is_some_and(|terminal| terminal < 11);
            prop_assert!(width == wanted || narrow && width + 1 == wanted, "{:?}", line);
        }
    }

    #[test]
    fn raw_output_on_a_terminal_is_harmless(text in hostile()) {
        let printed = String::from_utf8(print_raw(&text)).unwrap();
        let control = |c: char| c.is_control() && c != '\n' && c != '\t';
        prop_assert!(!printed.chars().any(control), "{:?}", printed);
    }
}

fn print_raw(text: &[u8]) -> Vec<u8> {
    let yaml = "datasources: {ds: {annotations: {cli.supported-output-modes: 'none,advise'}}}";
    let ds = source("ds", Shape::Single, yaml);
    add(&ds, "text", Kind::String);
    let (_output, memory) =
        attach(std::slice::from_ref(&ds), &settings("advise", "", Some(80))).unwrap();
    emit(&ds, vec![element(&ds, &[("text", text.into())])]);
    memory.bytes()
}
