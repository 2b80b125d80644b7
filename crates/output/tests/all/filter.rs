//! The table of filter rules, and what is wrong with others.

use std::collections::BTreeMap;
use std::sync::Arc;

use gizmo_model::{DataSource, Kind, Shape};
use gizmo_output::{Error, filter};

use crate::support::{add, attach, element, emit, settings, source};

fn numbers(shape: Shape) -> Arc<DataSource> {
    let ds = source("ds", shape, "");
    add(&ds, "i", Kind::Int8);
    add(&ds, "u", Kind::Uint64);
    add(&ds, "f", Kind::Float32);
    add(&ds, "b", Kind::Bool);
    add(&ds, "s", Kind::String);
    add(&ds, "raw", Kind::Bytes);
    ds
}

fn rules(name: &str, text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), text.to_owned())])
}

#[track_caller]
fn passes(text: &str) -> bool {
    let ds = numbers(Shape::Single);
    let sources = std::slice::from_ref(&ds);
    filter::attach(sources, &rules("", text)).unwrap();
    let (_output, memory) = attach(sources, &settings("json", "", None)).unwrap();
    let values = [
        ("i", ((-5i64) as u64).into()),
        ("u", u64::MAX.into()),
        ("f", u64::from(1.5f32.to_bits()).into()),
        ("b", 1.into()),
        ("s", "a,b~c\\d".into()),
    ];
    emit(&ds, vec![element(&ds, &values)]);
    !memory.bytes().is_empty()
}

#[track_caller]
fn refused(text: &str) -> Error {
    filter::attach(&[numbers(Shape::Single)], &rules("", text)).unwrap_err()
}

#[test]
fn rules_hold_or_do_not() {
    let holding = [
        "",
        "i==-5",
        "i=-5",
        "i!=5",
        "i<0",
        "i<=-5",
        "i>-6",
        "i>=-5",
        "u==18446744073709551615",
        "u>0",
        "f==1.5",
        "f<2",
        "f>=1",
        "b==true",
        "b=1",
        "b!=false",
        "b!=0",
        "s==a\\,b~c\\d",
        "s!=a",
        "s>a",
        "s<b",
        "s~^a",
        "s!~x",
        "s~b.c",
        "s~\\\\d",
        "s~a\\,b",
        "i<0,u>0",
        "I==-5",
        " i==-5",
        "i==-5,",
    ];
    for rule in holding {
        assert!(passes(rule), "{rule}");
    }
    let failing = [
        "i==5",
        "i!=-5",
        "u<18446744073709551615",
        "f!=1.5",
        "b==false",
        "s==a",
        "s<a",
        "s~^b",
        "s!~a",
        "i<0,u<1",
    ];
    for rule in failing {
        assert!(!passes(rule), "{rule}");
    }
}

#[test]
fn wrong_rules_are_found_at_attach() {
    for rule in ["i", "i==", "==5", "i!", "s~"] {
        assert!(matches!(refused(rule), Error::IncompleteRule(_)), "{rule}");
    }
    for rule in ["i=!5", "i=~5", "i===5", "s!~~a"] {
        assert!(
            matches!(refused(rule), Error::UnknownOperator { .. }),
            "{rule}"
        );
    }
    for rule in ["i==128", "i==x", "i==1.5", "u==-1", "f==x", "b==yes"] {
        assert!(matches!(refused(rule), Error::BadValue { .. }), "{rule}");
    }
    for rule in ["i~5", "raw==x", "raw~x", "b<true"] {
        assert!(
            matches!(refused(rule), Error::NotComparable { .. }),
            "{rule}"
        );
    }
    for rule in ["s~(", "s~(a{1000}){1000}"] {
        assert!(matches!(refused(rule), Error::Regex { .. }), "{rule}");
    }
    let text = refused("x==1").to_string();
    assert!(
        text.starts_with("field `x` not found in data source `ds`"),
        "{text}"
    );
    let other = filter::attach(&[numbers(Shape::Single)], &rules("other", "i==1"));
    assert!(matches!(other, Err(Error::UnknownSource { .. })));
}

#[test]
fn elements_of_lists_are_removed_one_by_one() {
    let ds = numbers(Shape::Array);
    let sources = std::slice::from_ref(&ds);
    let both = BTreeMap::from([
        (String::new(), "u>1".to_owned()),
        ("ds".to_owned(), "u<4".to_owned()),
    ]);
    filter::attach(sources, &both).unwrap();
    let (_output, memory) = attach(sources, &settings("columns", "u", None)).unwrap();
    let list = |from: u64, to: u64| {
        (from..to)
            .map(|u| element(&ds, &[("u", u.into())]))
            .collect()
    };
    emit(&ds, list(0, 6));
    let text = memory.text();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words, ["U", "2", "3"]);
}

#[test]
fn expressions_are_refused() {
    assert!(filter::refuse_expressions(&rules("", " ")).is_ok());
    let error = filter::refuse_expressions(&rules("", "i == 1")).unwrap_err();
    assert_eq!(error.to_string(), "`filter-expr` is not supported yet");
}
