//! The order of lists, and what cannot be ordered.

use std::sync::Arc;

use gizmo_model::{DataSource, Kind, Shape};
use gizmo_output::sort;

use crate::support::{add, attach, element, emit, settings, source};

fn calls(shape: Shape) -> Arc<DataSource> {
    let ds = source("ds", shape, "");
    add(&ds, "name", Kind::String);
    add(&ds, "count", Kind::Int32);
    add(&ds, "took_raw", Kind::Uint64);
    add(&ds, "took", Kind::String);
    ds
}

#[track_caller]
fn order(keys: &str) -> String {
    let ds = calls(Shape::Array);
    let sources = std::slice::from_ref(&ds);
    sort::attach(sources, keys).unwrap();
    let (_output, memory) = attach(sources, &settings("columns", "name", None)).unwrap();
    let row = |name: &str, count: i64, took: u64, text: &str| {
        let values = [
            ("name", name.into()),
            ("count", (count as u64).into()),
            ("took_raw", took.into()),
            ("took", text.into()),
        ];
        element(&ds, &values)
    };
    let rows = vec![
        row("b", -1, 9_000, "9µs"),
        row("a", 5, 10_000, "10µs"),
        row("c", 5, 2, "2ns"),
    ];
    emit(&ds, rows);
    let text = memory.text();
    text.lines().skip(1).map(str::trim).collect()
}

#[test]
fn lists_have_the_order_of_their_fields() {
    for (keys, expected) in [
        ("", "bac"),
        ("name", "abc"),
        ("-name", "cba"),
        ("count", "bac"),
        ("-count,name", "acb"),
        ("-count, -name", "cab"),
        // Times have the order of their numbers.
        ("-took", "abc"),
        ("ds:took", "cba"),
        ("ds:took;", "cba"),
    ] {
        assert_eq!(order(keys), expected, "{keys}");
    }
}

#[test]
fn what_has_no_order_is_refused() {
    let refused = |shape, keys: &str| sort::attach(&[calls(shape)], keys).unwrap_err().to_string();
    assert!(refused(Shape::Array, "nmae").contains("`name`"));
    assert!(refused(Shape::Array, "other:name").contains("`other`"));
    assert!(refused(Shape::Single, "name").contains("lists"));
    assert!(refused(Shape::Single, "ds:name").contains("lists"));
}
