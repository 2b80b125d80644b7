//! The grammar of `--fields`, seen through the header.

use gizmo_model::Shape;
use gizmo_output::Error;

use crate::support::{attach, events, settings};

#[track_caller]
fn shown(fields: &str) -> Vec<String> {
    let ds = events(Shape::Single);
    let (_output, memory) = attach(&[ds], &settings("columns", fields, None)).unwrap();
    memory
        .text()
        .split_whitespace()
        .map(str::to_lowercase)
        .collect()
}

#[track_caller]
fn refused(fields: &str) -> Error {
    let ds = events(Shape::Single);
    attach(&[ds], &settings("columns", fields, None))
        .map(|_| ())
        .unwrap_err()
}

#[test]
fn lists_start_from_the_plain_names_or_from_what_is_visible() {
    let visible = [
        "proc.comm",
        "proc.pid",
        "fname",
        "ret",
        "load",
        "ok",
        "blob",
        "secret",
        "containername",
    ];
    let cases: [(&str, Vec<&str>); 7] = [
        ("", [&["containername"], &visible[..8]].concat()),
        ("ret,proc.comm", vec!["ret", "proc.comm"]),
        ("RET,Proc.Comm,ret", vec!["ret", "proc.comm"]),
        ("+proc.mntns_id", [&visible[..], &["proc.mntns_…"]].concat()),
        (
            "-secret,-blob,-ok",
            [&visible[..5], &["containername"]].concat(),
        ),
        ("events:ret,+ok,-ret", vec!["ok"]),
        ("args", vec!["args"]),
    ];
    for (fields, expected) in cases {
        assert_eq!(shown(fields), expected, "{fields}");
    }
}

#[test]
fn unknown_fields_are_an_error_with_near_matches() {
    let text = refused("comm").to_string();
    assert_eq!(
        text,
        "field `comm` not found in data source `events`; did you mean `proc.comm`?"
    );
    let text = refused("+proc.pdi").to_string();
    assert!(text.contains("did you mean `proc.pid`"), "{text}");
    let text = refused("-events:xyzzy").to_string();
    assert!(text.contains("no data source `-events`"), "{text}");
    assert!(matches!(refused("-xyzzy"), Error::UnknownField { .. }));
    assert!(matches!(refused("proc"), Error::UnknownField { .. }));
    assert!(matches!(refused("nope:ret"), Error::UnknownSource { .. }));
    for wrong in ["a,,b", "ret;ret", "events:ret;events:ok", "+", ","] {
        assert!(matches!(refused(wrong), Error::Fields { .. }), "{wrong}");
    }
    let json = attach(&[events(Shape::Single)], &settings("json", "comm", None));
    assert!(matches!(json, Err(Error::UnknownField { .. })));
}

#[test]
fn several_data_sources_have_lists_of_their_own() {
    let one = events(Shape::Single);
    let other = crate::support::source("other", Shape::Single, "");
    crate::support::add(&other, "n", gizmo_model::Kind::Uint8);
    let sources = [one, other];
    let print = |fields: &str| {
        let (output, memory) = attach(&sources, &settings("columns", fields, None)).unwrap();
        let words: Vec<String> = memory
            .text()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        (words, output.warnings().len())
    };
    assert_eq!(print("events:ret"), (vec!["RET".into(), "N".into()], 0));
    assert_eq!(print("events:ret;n"), (vec!["RET".into(), "N".into()], 0));
    assert_eq!(print("n"), (vec!["N".into()], 1));
    let mixed = attach(
        &sources,
        &settings("events:json,other:columns", "ret", None),
    );
    assert!(matches!(mixed, Err(Error::UnknownField { .. })));
    let nowhere = attach(&sources, &settings("columns", "xyzzy", None));
    assert!(matches!(nowhere, Err(Error::UnknownField { .. })));
}
