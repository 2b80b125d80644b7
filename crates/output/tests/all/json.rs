//! JSON that is read back and compared, and the order and choice of its fields.

use gizmo_model::field::FieldSpec;
use gizmo_model::{Kind, Shape};
use serde_json::{Value, json};

use crate::support::{add, attach, element, emit, events, samples, settings, source};

#[test]
fn values_survive() {
    let ds = events(Shape::Single);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    emit(&ds, samples(&ds));
    let text = memory.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let first = json!({
        "args": {"path": "/etc", "list": [1, {}]}, "blob": "00ff7a", "containerName": "c1",
        "fname": "/etc/a name\nthat is \"long\"", "load": 1.255, "numbers": [1, u64::MAX], "ok": true,
        "proc": {"comm": "cat", "mntns_id": 4_026_531_840u64, "pid": 4242}, "ret": 255,
    });
    assert_eq!(lines[0], first);
    assert_eq!(lines[1]["args"], "{not json");
    assert_eq!(lines[1]["ret"], -2);
    assert_eq!(lines[2]["args"], Value::Null);
    assert_eq!(lines[2]["load"], 0);
}

#[test]
fn all_modes_show_the_same_values() {
    let read = |mode: &str| {
        let ds = events(Shape::Single);
        let (_output, memory) =
            attach(std::slice::from_ref(&ds), &settings(mode, "", None)).unwrap();
        let mut elements = samples(&ds);
        elements.truncate(1);
        emit(&ds, elements);
        memory.text()
    };
    let plain: Value = serde_json::from_str(&read("json")).unwrap();
    assert_eq!(
        plain,
        serde_json::from_str::<Value>(&read("jsonpretty")).unwrap()
    );
    assert_eq!(
        plain,
        serde_saphyr::from_str::<Value>(&read("yaml")).unwrap()
    );
}

#[test]
fn fields_are_sorted_by_their_bytes_on_each_level() {
    let ds = source("ds", Shape::Single, "");
    for name in ["b", "a_raw", "a", "B", "\u{e9}"] {
        add(&ds, name, Kind::Uint8);
    }
    let group = ds.add_field(FieldSpec::group("Z")).unwrap();
    ds.add_field(FieldSpec::new("y", Kind::Uint8).below(&group))
        .unwrap();
    ds.add_field(FieldSpec::new("x", Kind::Uint8).below(&group))
        .unwrap();
    ds.add_field(FieldSpec::group("none")).unwrap();
    let gone = add(&ds, "gone", Kind::Uint8);
    ds.unreference_field(&gone);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    emit(&ds, vec![ds.new_element()]);
    let expected = "{\"B\":0,\"Z\":{\"x\":0,\"y\":0},\"a\":0,\"a_raw\":0,\"b\":0,\"none\":\"\",\"\u{e9}\":0}\n";
    assert_eq!(memory.text(), expected);
}

#[test]
fn fields_added_later_are_shown() {
    let ds = source("ds", Shape::Single, "");
    add(&ds, "b", Kind::Uint8);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    emit(&ds, vec![ds.new_element()]);
    add(&ds, "a", Kind::String);
    emit(&ds, vec![element(&ds, &[("a", "x".into())])]);
    assert_eq!(memory.text(), "{\"b\":0}\n{\"a\":\"x\",\"b\":0}\n");
}

#[test]
fn numbers_that_json_does_not_have_are_null() {
    let ds = source("ds", Shape::Single, "");
    add(&ds, "f", Kind::Float32);
    add(&ds, "g", Kind::Float64);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    let values = [
        ("f", u64::from(f32::NAN.to_bits()).into()),
        ("g", f64::INFINITY.to_bits().into()),
    ];
    emit(&ds, vec![element(&ds, &values)]);
    let small = [
        ("f", u64::from(0.1f32.to_bits()).into()),
        ("g", 1e21f64.to_bits().into()),
    ];
    emit(&ds, vec![element(&ds, &small)]);
    assert_eq!(
        memory.text(),
        "{\"f\":null,\"g\":null}\n{\"f\":0.1,\"g\":1e+21}\n"
    );
}

#[test]
fn very_deep_fields_are_left_out() {
    let ds = source("ds", Shape::Single, "");
    let mut parent = ds.add_field(FieldSpec::group("g")).unwrap();
    for _ in 0..1000 {
        parent = ds.add_field(FieldSpec::group("g").below(&parent)).unwrap();
    }
    ds.add_field(FieldSpec::new("leaf", Kind::Uint8).below(&parent))
        .unwrap();
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    emit(&ds, vec![ds.new_element()]);
    serde_json::from_str::<Value>(&memory.text()).unwrap();
}

#[test]
fn yaml_texts_are_texts_to_every_reader() {
    let ds = source("ds", Shape::Single, "");
    let texts = [
        "yes",
        "No",
        "on",
        "~",
        "null",
        "0x1f",
        "1e3",
        "0o7",
        "017",
        "1_000",
        "12:30",
        ".5",
        ".inf",
        "2001-01-01",
        "<<",
        "=",
        "- a",
        "a: b",
        "#a",
        " a",
        "---",
        "...",
        "!t",
        "&a",
        "*a",
        "%a",
        "@a",
        "`a",
        "y",
        "0b1",
        "+1",
        "0e1",
    ];
    for (i, _) in texts.iter().enumerate() {
        add(&ds, &format!("k{i:02}"), Kind::String);
    }
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("yaml", "", None)).unwrap();
    let names: Vec<String> = (0..texts.len()).map(|i| format!("k{i:02}")).collect();
    let values: Vec<_> = names
        .iter()
        .zip(texts)
        .map(|(n, t)| (n.as_str(), t.into()))
        .collect();
    emit(&ds, vec![element(&ds, &values)]);
    for (line, text) in memory.text().lines().skip(1).zip(texts) {
        let value = line.split_once(": ").unwrap().1;
        assert!(value.starts_with(['"', '\'']), "{text}: {line}");
    }
}

/// What a terminal acts on is escaped, also in a text that is inlined; for a reader of JSON it is the same.
#[test]
fn marks_that_a_terminal_acts_on_are_escaped() {
    let ds = source(
        "ds",
        Shape::Single,
        "datasources: {ds: {fields: {e: {annotations: {json.embed: true}}}}}",
    );
    add(&ds, "e", Kind::String);
    add(&ds, "t", Kind::String);
    let text = "a\u{202e}\u{9b}2J\u{7f}\u{2066}\u{200f}ü\u{200d}";
    let embedded = format!("[\"{text}\"]");
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    let values = [("e", embedded.as_str().into()), ("t", text.into())];
    emit(&ds, vec![element(&ds, &values)]);
    let line = memory.text();
    assert!(
        line.contains("a\\u202e\\u009b2J\\u007f\\u2066\\u200fü\u{200d}"),
        "{line}"
    );
    assert!(
        !line.contains(['\u{202e}', '\u{9b}', '\u{7f}', '\u{2066}', '\u{200f}']),
        "{line}"
    );
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&read["t"], &read["e"][0]), (&text.into(), &text.into()));
}
