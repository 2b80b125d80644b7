//! Golden outputs of all modes; `BLESS=1` rewrites them.

use std::path::Path;

use gizmo_model::Shape;

use crate::support::{attach, emit, events, samples, settings};

#[track_caller]
fn check(name: &str, shape: Shape, mode: &str, terminal_width: Option<u16>) {
    let ds = events(shape);
    let (_output, memory) = attach(
        std::slice::from_ref(&ds),
        &settings(mode, "", terminal_width),
    )
    .unwrap();
    emit(&ds, samples(&ds));
    if shape == Shape::Array {
        emit(&ds, Vec::new());
    }
    let found = memory.text();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    assert!(found == wanted, "{name} differs, found:\n{found}");
}

#[test]
fn columns_without_a_terminal() {
    check("columns", Shape::Single, "", None);
}

#[test]
fn columns_on_a_terminal() {
    check("columns-120", Shape::Single, "columns", Some(120));
}

#[test]
fn columns_on_a_narrow_terminal() {
    check("columns-40", Shape::Single, "columns", Some(40));
}

#[test]
fn columns_of_lists() {
    check("columns-array", Shape::Array, "columns", None);
}

#[test]
fn json_lines() {
    check("json", Shape::Single, "json", None);
}

#[test]
fn json_lists() {
    check("json-array", Shape::Array, "json", None);
}

#[test]
fn pretty_json() {
    check("jsonpretty", Shape::Single, "jsonpretty", None);
}

#[test]
fn pretty_json_lists() {
    check("jsonpretty-array", Shape::Array, "jsonpretty", None);
}

#[test]
fn yaml_documents() {
    check("yaml", Shape::Single, "yaml", None);
}

#[test]
fn yaml_documents_of_lists() {
    check("yaml-array", Shape::Array, "yaml", None);
}
