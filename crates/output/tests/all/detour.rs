//! Views of a run beside its own output.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Write};
use std::sync::Arc;

use gizmo_model::{DataSource, Shape};
use gizmo_output::{Detour, Output, SharedWriter, View};

use crate::support::{Memory, add, attach, element, emit, settings, source};

/// A data source with a number and a text.
fn numbers(shape: Shape) -> Arc<DataSource> {
    let ds = source("numbers", shape, "");
    add(&ds, "n", gizmo_model::Kind::Uint64);
    add(&ds, "text", gizmo_model::Kind::String);
    ds
}

fn emit_three(ds: &DataSource) {
    let elements = (1..=3).map(|n| element(ds, &[("n", n.into()), ("text", "x".into())]));
    emit(ds, elements.collect());
}

fn rules(text: &str) -> BTreeMap<String, String> {
    [(String::new(), text.to_owned())].into()
}

#[track_caller]
fn view(detour: &Detour, mode: &str, fields: &str, filter: &str) -> (Arc<View>, Memory) {
    let memory = Memory::default();
    let writer = SharedWriter::new(memory.clone());
    let view = detour.view(&settings(mode, fields, None), &rules(filter), writer);
    (Arc::new(view.unwrap()), memory)
}

#[test]
fn a_view_has_a_form_of_its_own_and_the_run_sees_nothing_of_it() {
    for shape in [Shape::Single, Shape::Array] {
        let ds = numbers(shape);
        let detour = Detour::attach(std::slice::from_ref(&ds)).unwrap();
        let (_output, own) =
            attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
        let (columns, seen) = view(&detour, "columns", "n", "n>1");
        detour.through(&columns, || emit_three(&ds));
        assert_eq!(own.text(), "", "{shape:?}");
        let lines: Vec<String> = seen
            .text()
            .lines()
            .map(|line| line.trim().to_owned())
            .collect();
        assert_eq!(lines, ["N", "2", "3"], "{shape:?}");
        emit_three(&ds);
        assert!(own.text().contains("\"n\":1") && seen.text().lines().count() == 3);
    }
}

#[test]
fn a_run_without_output_can_be_viewed() {
    let ds = numbers(Shape::Single);
    let (_output, own) = attach(std::slice::from_ref(&ds), &settings("none", "", None)).unwrap();
    let detour = Detour::attach(std::slice::from_ref(&ds)).unwrap();
    let (json, seen) = view(&detour, "json", "", "");
    detour.through(&json, || emit_three(&ds));
    assert_eq!((seen.text().lines().count(), own.text().as_str()), (3, ""));
    assert_eq!(detour.emitted(), 3);
}

#[test]
fn other_threads_go_on_as_ever() {
    let ds = numbers(Shape::Single);
    let detour = Detour::attach(std::slice::from_ref(&ds)).unwrap();
    let (_output, own) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    let (json, seen) = view(&detour, "json", "", "");
    detour.through(&json, || {
        std::thread::scope(|scope| scope.spawn(|| emit_three(&ds)).join().unwrap());
    });
    assert_eq!((own.text().lines().count(), seen.text().as_str()), (3, ""));
}

#[test]
fn a_view_ends_with_its_call_even_when_that_panics() {
    let ds = numbers(Shape::Single);
    let detour = Detour::attach(std::slice::from_ref(&ds)).unwrap();
    let (_output, own) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    let (outer, outside) = view(&detour, "json", "", "");
    let (inner, inside) = view(&detour, "json", "", "");
    detour.through(&outer, || {
        detour.through(&inner, || emit_three(&ds));
        emit_three(&ds);
    });
    assert_eq!(inside.text().lines().count(), 3);
    assert_eq!(outside.text().lines().count(), 3);
    let call = std::panic::AssertUnwindSafe(|| detour.through(&outer, || panic!("on purpose")));
    assert!(std::panic::catch_unwind(call).is_err());
    emit_three(&ds);
    assert_eq!(own.text().lines().count(), 3);
}

#[test]
fn wrong_settings_are_refused_before_anything_is_printed() {
    let ds = numbers(Shape::Single);
    let detour = Detour::attach(std::slice::from_ref(&ds)).unwrap();
    for (mode, fields, filter) in [("xml", "", ""), ("", "nosuch", ""), ("", "", "nosuch==1")] {
        let writer = SharedWriter::new(Memory::default());
        let view = detour.view(&settings(mode, fields, None), &rules(filter), writer);
        assert!(view.is_err(), "{mode} {fields} {filter}");
    }
}

#[test]
fn a_viewer_who_has_gone_harms_nobody() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(Error::from(ErrorKind::BrokenPipe))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let ds = numbers(Shape::Single);
    let detour = Detour::attach(std::slice::from_ref(&ds)).unwrap();
    let (_output, own) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    let writer = SharedWriter::new(Gone);
    let gone = detour.view(
        &settings("json", "", None),
        &BTreeMap::new(),
        writer.clone(),
    );
    detour.through(&Arc::new(gone.unwrap()), || emit_three(&ds));
    assert_eq!((own.text().as_str(), writer.dropped()), ("", 3));
}

#[test]
fn a_list_that_starts_again_has_its_header_again() {
    let ds = numbers(Shape::Single);
    let memory = Memory::default();
    let writer = SharedWriter::new(memory.clone());
    let output = Output::attach(
        std::slice::from_ref(&ds),
        &settings("columns", "n", None),
        writer,
    );
    let output = output.unwrap();
    output.start();
    emit_three(&ds);
    output.start_again();
    emit_three(&ds);
    let headers = memory
        .text()
        .lines()
        .filter(|line| line.trim() == "N")
        .count();
    assert_eq!((headers, memory.text().lines().count()), (2, 8));
}
