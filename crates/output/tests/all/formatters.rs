//! Formatters: which fields get texts, where, and what is printed.

use gizmo_model::field::FieldSpec;
use gizmo_model::{Kind, Shape};
use gizmo_output::formatters::{self, ClockOffset, Context};
use gizmo_syscalls::Abi;
use jiff::tz::TimeZone;

use crate::support::{add, attach, element, emit, settings, source};

fn context() -> Context {
    Context::new(ClockOffset(1_767_323_045_000_000_000))
        .with_zone(TimeZone::UTC)
        .with_abi(Abi::native("x86_64").unwrap())
}

fn typed(name: &str, kind: Kind, type_name: &str) -> FieldSpec {
    FieldSpec::new(name, kind).tagged(&format!("type:{type_name}"))
}

#[test]
fn texts_stand_beside_the_raw_values() {
    let yaml = "datasources: {ds: {fields: {lat: {annotations: {formatters.duration.target: took}}, \
                error_raw: {annotations: {columns.hidden: false}}}}}";
    let ds = source("ds", Shape::Single, yaml);
    let group = ds.add_field(FieldSpec::group("g")).unwrap();
    let time = typed("timestamp_raw", Kind::Uint64, "gadget_timestamp");
    ds.add_field(time.below(&group).at(-7)).unwrap();
    ds.add_field(typed("error_raw", Kind::Uint32, "gadget_errno"))
        .unwrap();
    ds.add_field(typed("lat", Kind::Uint64, "gadget_duration"))
        .unwrap();
    ds.add_field(typed("plain", Kind::Uint64, "gadget_bytes"))
        .unwrap();
    ds.add_field(typed("call_raw", Kind::Uint64, "gadget_syscall"))
        .unwrap();
    formatters::attach(&ds, &context()).unwrap();
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    let values = [
        ("g.timestamp_raw", 6.into()),
        ("error_raw", 2.into()),
        ("lat", 1_500.into()),
        ("plain", 10.into()),
        ("call_raw", 257.into()),
    ];
    emit(&ds, vec![element(&ds, &values)]);
    let expected = "{\"call\":\"SYS_OPENAT\",\"call_raw\":257,\"error\":\"ENOENT\",\"error_raw\":2,\
                    \"g\":{\"timestamp\":\"2026-01-02T03:04:05.000000006Z\",\"timestamp_raw\":1767323045000000006},\
                    \"lat\":1500,\"plain\":10,\"took\":\"1.50µs\"}\n";
    assert_eq!(memory.text(), expected);
    assert!(ds.field("g.timestamp_raw").unwrap().meta().hidden);
    assert_eq!(ds.field("g.timestamp").unwrap().meta().order, -7);
    assert!(!ds.field("error_raw").unwrap().meta().hidden);
}

#[test]
fn a_lower_bound_is_marked() {
    let yaml = "datasources: {ds: {fields: {took_raw: {annotations: {formatters.duration.at-least: open}}, \
                other_raw: {annotations: {formatters.duration.at-least: nosuch}}}}}";
    let ds = source("ds", Shape::Single, yaml);
    for name in ["took_raw", "other_raw"] {
        ds.add_field(typed(name, Kind::Uint64, "gadget_duration"))
            .unwrap();
    }
    ds.add_field(FieldSpec::new("open", Kind::Bool)).unwrap();
    formatters::attach(&ds, &context()).unwrap();
    let chosen = settings("columns", "took,other", None);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &chosen).unwrap();
    for open in [0, 1] {
        let values = [
            ("took_raw", 1_500.into()),
            ("other_raw", 1_500.into()),
            ("open", open.into()),
        ];
        emit(&ds, vec![element(&ds, &values)]);
    }
    let text = memory.text();
    let words: Vec<&str> = text.split_whitespace().collect();
    let expected = ["TOOK", "OTHER", "1.50µs", "1.50µs", "≥1.50µs", "1.50µs"];
    assert_eq!(words, expected);
}

#[test]
fn a_zero_that_is_unknown_has_no_text() {
    let yaml = "datasources: {ds: {fields: {took_raw: {annotations: {formatters.duration.zero-is-unknown: true}}}}}";
    let ds = source("ds", Shape::Single, yaml);
    for name in ["took_raw", "other_raw"] {
        ds.add_field(typed(name, Kind::Uint64, "gadget_duration"))
            .unwrap();
    }
    formatters::attach(&ds, &context()).unwrap();
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    for ns in [0u64, 15] {
        let values = [("took_raw", ns.into()), ("other_raw", ns.into())];
        emit(&ds, vec![element(&ds, &values)]);
    }
    let expected = concat!(
        r#"{"other":"0ns","other_raw":0,"took":"","took_raw":0}"#,
        "\n",
        r#"{"other":"15ns","other_raw":15,"took":"15ns","took_raw":15}"#,
        "\n"
    );
    assert_eq!(memory.text(), expected);
}

#[test]
fn fields_of_other_kinds_stay_as_they_are() {
    let ds = source("ds", Shape::Single, "");
    ds.add_field(typed("a_raw", Kind::Uint8, "gadget_errno"))
        .unwrap();
    ds.add_field(typed("b_raw", Kind::String, "gadget_timestamp"))
        .unwrap();
    ds.add_field(typed("_raw", Kind::Uint64, "gadget_bytes"))
        .unwrap();
    formatters::attach(&ds, &context()).unwrap();
    assert_eq!(ds.fields().len(), 3);
    assert!(!ds.has_subscribers());
}

#[test]
fn a_taken_name_is_an_error() {
    let ds = source("ds", Shape::Single, "");
    add(&ds, "t", Kind::String);
    ds.add_field(typed("t_raw", Kind::Uint64, "gadget_timestamp"))
        .unwrap();
    assert!(matches!(
        formatters::attach(&ds, &context()),
        Err(gizmo_output::Error::DataSource { .. })
    ));
}

#[test]
fn elements_older_than_the_text_do_no_harm() {
    let ds = source("ds", Shape::Single, "");
    let raw = ds
        .add_field(typed("t_raw", Kind::Uint64, "gadget_timestamp"))
        .unwrap();
    let mut old = ds.new_element();
    raw.set_value(&mut old, 1).unwrap();
    formatters::attach(&ds, &context()).unwrap();
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    emit(&ds, vec![old]);
    assert_eq!(
        memory.text(),
        "{\"t\":\"\",\"t_raw\":1767323045000000001}\n"
    );
}
