//! Headers, when they are printed, and annotations of columns.

use gizmo_model::field::FieldSpec;
use gizmo_model::{Kind, Packet, Shape};
use gizmo_output::{Output, SharedWriter};

use crate::support::{Memory, add, attach, element, emit, settings, source};

const CLEAR: &str = "\x1b[H\x1b[2J";

fn array(clear: bool) -> std::sync::Arc<gizmo_model::DataSource> {
    let yaml =
        format!("datasources: {{ds: {{annotations: {{cli.clear-screen-before: {clear}}}}}}}");
    let ds = source("ds", Shape::Array, &yaml);
    ds.add_field(FieldSpec::new("n", Kind::Uint8).annotated("columns.width", "3"))
        .unwrap();
    ds
}

#[test]
fn lists_have_a_header_each() {
    let ds = array(false);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("", "", None)).unwrap();
    emit(
        &ds,
        vec![element(&ds, &[("n", 1.into())]), ds.new_element()],
    );
    emit(&ds, Vec::new());
    assert_eq!(memory.text(), "N  \n1  \n0  \nN  \n");
}

#[test]
fn the_screen_is_cleared_on_terminals_only() {
    let ds = array(true);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("", "", Some(3))).unwrap();
    emit(&ds, vec![ds.new_element()]);
    assert_eq!(memory.text(), format!("{CLEAR}N  \n{CLEAR}N  \n0  \n"));
    let ds = array(true);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("", "", None)).unwrap();
    emit(&ds, vec![ds.new_element()]);
    assert_eq!(memory.text(), "N  \n0  \n");
}

#[test]
fn a_row_before_the_start_brings_its_header() {
    let ds = source("ds", Shape::Single, "");
    ds.add_field(FieldSpec::new("n", Kind::Uint8).annotated("columns.width", "3"))
        .unwrap();
    let memory = Memory::default();
    let writer = SharedWriter::new(memory.clone());
    let output =
        Output::attach(std::slice::from_ref(&ds), &settings("", "", None), writer).unwrap();
    ds.emit(Packet::Single(ds.new_element())).unwrap();
    output.start();
    assert_eq!(memory.text(), "N  \n0  \n");
}

#[test]
fn fields_added_between_attach_and_start_are_columns() {
    let ds = source("ds", Shape::Single, "");
    add(&ds, "a", Kind::Uint8);
    let memory = Memory::default();
    let writer = SharedWriter::new(memory.clone());
    let output =
        Output::attach(std::slice::from_ref(&ds), &settings("", "", None), writer).unwrap();
    add(&ds, "b", Kind::Uint8);
    output.start();
    assert_eq!(memory.text(), format!("{:16} {:16}\n", "A", "B"));
}

#[test]
fn annotations_shape_columns() {
    let yaml = "datasources: {ds: {fields: {\
                hex: {annotations: {columns.hex: true, columns.width: type, columns.alias: code}},\
                text: {annotations: {columns.replace: real, columns.width: 4, columns.ellipsis: start}},\
                real: {annotations: {columns.hidden: true}}, num: {annotations: {columns.width: 0}}}}}";
    let ds = source("ds", Shape::Single, yaml);
    add(&ds, "hex", Kind::Int16);
    add(&ds, "text", Kind::Uint32);
    add(&ds, "real", Kind::String);
    add(&ds, "num", Kind::Uint16);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("", "", None)).unwrap();
    let values = [("hex", 0xabu64.into()), ("real", "123456".into())];
    emit(&ds, vec![element(&ds, &values)]);
    let negative = [("hex", ((-1i64) as u64).into())];
    emit(&ds, vec![element(&ds, &negative)]);
    let expected = "CODE   TEXT NUM  \n0xAB   …456 0    \n-0x1        0    \n";
    assert_eq!(memory.text(), expected);
}
