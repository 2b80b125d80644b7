//! The grammar of `-o`, and the parameters that describe it.

use std::sync::Arc;

use gizmo_model::{DataSource, Kind, Shape};
use gizmo_output::{Error, Mode, params};

use crate::support::{add, attach, emit, settings, source};

fn sources() -> [Arc<DataSource>; 3] {
    let yaml = "datasources: {quiet: {annotations: {cli.default-output-mode: none}}, \
                text: {annotations: {cli.supported-output-modes: 'none, advise'}}}";
    ["events", "quiet", "text"].map(|name| {
        let ds = source(name, Shape::Single, yaml);
        add(&ds, "text", Kind::String);
        ds
    })
}

#[track_caller]
fn modes(output: &str) -> (Vec<Mode>, usize) {
    let (attached, _) = attach(&sources(), &settings(output, "", None)).unwrap();
    let modes = attached
        .modes()
        .iter()
        .map(|(_, mode)| mode.clone())
        .collect();
    (modes, attached.warnings().len())
}

#[track_caller]
fn refused(output: &str) -> Error {
    attach(&sources(), &settings(output, "", None))
        .map(|_| ())
        .unwrap_err()
}

#[test]
fn modes_are_chosen_for_all_or_for_each() {
    let advise = || Mode::Raw("advise".into());
    assert_eq!(modes(""), (vec![Mode::Columns, Mode::None, advise()], 0));
    assert_eq!(modes("json"), (vec![Mode::Json, Mode::Json, Mode::None], 1));
    assert_eq!(modes("none"), (vec![Mode::None, Mode::None, Mode::None], 0));
    assert_eq!(modes("advise"), (vec![Mode::None, Mode::None, advise()], 2));
    assert_eq!(
        modes("quiet:yaml"),
        (vec![Mode::Columns, Mode::Yaml, advise()], 0)
    );
    assert_eq!(
        modes("events:jsonpretty, text:none"),
        (vec![Mode::JsonPretty, Mode::None, Mode::None], 0)
    );
}

#[test]
fn wrong_modes_are_errors_that_name_the_right_ones() {
    let text = refused("jsn").to_string();
    assert_eq!(
        text,
        "output mode `jsn` is not supported; supported: advise, columns, json, jsonpretty, none, yaml"
    );
    assert!(matches!(
        refused("text:json"),
        Error::UnsupportedMode { .. }
    ));
    assert!(matches!(refused("nope:json"), Error::UnknownSource { .. }));
    assert!(matches!(refused("json,text:none"), Error::MixedModes(_)));
    for wrong in [
        "json,yaml",
        "text:none,text:advise",
        "text:",
        ":json",
        "json,",
    ] {
        assert!(matches!(refused(wrong), Error::Modes { .. }), "{wrong}");
    }
    let capture = source(
        "p",
        Shape::Single,
        "datasources: {p: {annotations: {cli.supported-output-modes: pcap-ng}}}",
    );
    let error = attach(&[capture], &settings("pcap-ng", "", None))
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "output mode `pcap-ng` is not supported yet"
    );
}

#[test]
fn raw_output_is_the_text_as_it_is() {
    let [_, _, ds] = sources();
    add(&ds, "n", Kind::Uint8);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("", "", None)).unwrap();
    emit(
        &ds,
        vec![crate::support::element(
            &ds,
            &[("text", "a\n\x1bb".into()), ("n", 7.into())],
        )],
    );
    assert_eq!(memory.text(), "a\n\x1bb7");
}

#[test]
fn parameters_describe_modes_and_fields() {
    let names = |sources: &[Arc<DataSource>]| -> Vec<String> {
        params(sources)
            .iter()
            .map(|param| param.full_name())
            .collect()
    };
    let [events, quiet, _] = sources();
    let one = std::slice::from_ref(&events);
    assert_eq!(
        names(one),
        [
            "operator.cli.output",
            "operator.cli.fields",
            "operator.filter.filter",
            "operator.filter.filter.events"
        ]
    );
    assert_eq!(params(one)[0].alias, "o");
    assert_eq!(params(one)[2].alias, "F");
    assert!(
        params(one)[0]
            .description
            .contains("events: columns (default), json")
    );
    assert!(params(one)[1].description.contains("\n * text"));
    assert_eq!(names(&[events, quiet]).len(), 4);
}
