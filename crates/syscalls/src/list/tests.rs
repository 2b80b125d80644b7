//! Tests of the list grammar: examples, errors with their places, and properties.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn texts(list: &str) -> Vec<String> {
    let items = parse_list(list).unwrap_or_else(|error| panic!("`{list}`: {error}"));
    items.into_iter().map(|item| item.text).collect()
}

#[track_caller]
fn message(list: &str) -> String {
    parse_list(list).unwrap_err().to_string()
}

#[test]
fn blanks_around_items_go_and_blanks_inside_stay() {
    assert_eq!(
        texts("val1,val with space,val3"),
        ["val1", "val with space", "val3"]
    );
    assert_eq!(texts(" a ,\tb\n, c d "), ["a", "b", "c d"]);
}

#[test]
fn every_way_to_write_two_calls_gives_the_same_two() {
    let variants = [
        "openat,write",
        "openat, write",
        "  openat ,\n\twrite  ",
        r#""openat","write""#,
        r#""openat" , 'write'"#,
        "'openat','write'",
        r#"openat,"write""#,
        r#""openat",write"#,
        r#""openat, write""#,
        "'openat,write'",
        r#"  " openat , write "  "#,
        r#"'"openat","write"'"#,
        r#""'openat','write'""#,
        r#""\"openat\", \"write\"""#,
    ];
    for variant in variants {
        assert_eq!(texts(variant), ["openat", "write"], "`{variant}`");
    }
}

#[test]
fn a_sole_call_may_be_quoted() {
    for variant in [
        "openat",
        "\"openat\"",
        " 'openat' ",
        "'\"openat\"'",
        "\"'openat'\"",
    ] {
        assert_eq!(texts(variant), ["openat"], "`{variant}`");
    }
}

#[test]
fn a_blank_value_is_no_items() {
    for blank in ["", " ", "\t\r\n ", "\"\"", "''", " \" \" ", "'\t\n'"] {
        assert_eq!(parse_list(blank), Ok(vec![]), "`{blank}`");
    }
}

#[test]
fn commas_and_blanks_in_a_quoted_item_are_literal() {
    assert_eq!(texts(r#""a, b",' c '"#), ["a, b", " c "]);
    assert_eq!(texts(r#"'"a,b"'"#), ["a,b"]);
}

#[test]
fn a_backslash_escapes_the_quote_and_itself_and_nothing_else() {
    assert_eq!(
        texts(r#""a\"b","c\\","d\'e\n""#),
        [r#"a"b"#, r"c\", r"d\'e\n"]
    );
    assert_eq!(texts(r#"'it\'s',"it's""#), ["it's", "it's"]);
}

#[test]
fn in_a_plain_item_backslashes_and_later_quotes_are_ordinary() {
    assert_eq!(texts(r#"a\,b"c,it's"#), [r"a\", "b\"c", "it's"]);
}

#[test]
fn only_one_pair_is_taken_off_the_whole_value() {
    assert_eq!(texts(r#"'"openat,write"'"#), ["openat,write"]);
    assert_eq!(message(r#"'""'"#), "item 1 of the list is empty (column 2)");
}

#[test]
fn items_know_their_index_and_column() {
    let places = |list: &str| -> Vec<(usize, usize)> {
        let items = parse_list(list).unwrap();
        items.iter().map(|item| (item.index, item.column)).collect()
    };
    assert_eq!(places("ä, b"), [(1, 1), (2, 4)]);
    assert_eq!(places(r#" "a",  'b'"#), [(1, 2), (2, 8)]);
    assert_eq!(places(r#" "a, b""#), [(1, 3), (2, 6)]);
    assert_eq!(places(r#""\"a\",b""#), [(1, 3), (2, 8)]);
}

#[test]
fn empty_items_are_named_with_their_column() {
    assert_eq!(message("a,,b"), "item 2 of the list is empty (column 3)");
    assert_eq!(message("a, ,b"), "item 2 of the list is empty (column 3)");
    assert_eq!(message("a,"), "item 2 of the list is empty (column 3)");
    assert_eq!(message("\"a,\""), "item 2 of the list is empty (column 4)");
    assert_eq!(message(","), "item 1 of the list is empty (column 1)");
    assert_eq!(message(" ,a"), "item 1 of the list is empty (column 2)");
    assert_eq!(message("a,\"\""), "item 2 of the list is empty (column 3)");
    assert_eq!(message("'',a"), "item 1 of the list is empty (column 1)");
}

#[test]
fn unclosed_quotes_are_named_with_their_column() {
    assert_eq!(
        message("a, \"b"),
        "item 2 of the list opens a quote that is never closed: `\"` (column 4)"
    );
    for list in ["\"", "'", "'a\"", r#""a\""#, r#""a,b\""#] {
        let error = parse_list(list).unwrap_err();
        assert!(
            matches!(
                error,
                ListError::UnclosedQuote {
                    index: 1,
                    column: 1,
                    ..
                }
            ),
            "`{list}`: {error}"
        );
    }
}

#[test]
fn garbage_after_a_closing_quote_is_named_with_its_column() {
    assert_eq!(
        message("\"a\"b"),
        "item 1 of the list goes on after its closing quote: `b` (column 4)"
    );
    assert_eq!(
        message("x,'a' 'b'"),
        "item 2 of the list goes on after its closing quote: `'` (column 7)"
    );
    assert_eq!(
        message("\"a\"\u{7}"),
        "item 1 of the list goes on after its closing quote: `\\u{7}` (column 4)"
    );
}

#[test]
fn ten_thousand_items_are_no_problem() {
    let list = vec!["a".repeat(100); 10_000].join(", ");
    assert_eq!(texts(&list).len(), 10_000);
}

#[test]
fn a_sole_item_with_a_comma_survives_joining() {
    assert_eq!(join_items(&["a,b"]), r#"'"a,b"'"#);
    assert_eq!(texts(&join_items(&["it's, here"])), ["it's, here"]);
    assert_eq!(join_items::<&str>(&[]), "");
}

/// Texts made of what the grammar cares about.
fn tricky() -> impl Strategy<Value = String> {
    "[a-c,\"'\\\\ \t\nä]{1,8}"
}

fn blanks() -> impl Strategy<Value = String> {
    "[ \t\n]{0,3}"
}

/// Writes `names` in one of the accepted ways, with the given blanks.
fn write_variant(names: &[String], style: u8, outer: u8, blank: &str) -> String {
    let quote = |name: &String| match style {
        0 => name.clone(),
        1 => format!("\"{name}\""),
        _ => format!("'{name}'"),
    };
    let items: Vec<String> = names.iter().map(quote).collect();
    let list = items.join(&format!("{blank},{blank}"));
    let pair = match (outer, style) {
        (0, _) => "",
        (_, 1) => "'",
        _ => "\"",
    };
    format!("{blank}{pair}{blank}{list}{blank}{pair}{blank}")
}

proptest! {
    #[test]
    fn joined_items_read_back(items in prop::collection::vec(tricky(), 0..6)) {
        prop_assert_eq!(texts(&join_items(&items)), items);
    }

    #[test]
    fn two_or_more_quoted_items_read_back(items in prop::collection::vec(tricky(), 2..6)) {
        let quoted: Vec<String> = items.iter().map(|item| quote_item(item)).collect();
        prop_assert_eq!(texts(&quoted.join(",")), items);
    }

    #[test]
    fn a_list_can_be_quoted_as_a_whole(items in prop::collection::vec(tricky(), 2..6), single in any::<bool>()) {
        let list = join_items(&items);
        let quote = if single { '\'' } else { '"' };
        prop_assert_eq!(texts(&in_quotes(&list, quote)), items);
    }

    #[test]
    fn every_formatting_gives_the_same_items(
        names in prop::collection::vec("[a-z_][a-z0-9_]{0,9}", 1..6),
        style in 0..3u8,
        outer in 0..2u8,
        blank in blanks(),
    ) {
        prop_assert_eq!(texts(&write_variant(&names, style, outer, &blank)), names);
    }

    #[test]
    fn items_and_errors_point_into_the_text(list in "(\\PC|[,\"'\\\\ \t\n]){0,40}") {
        let columns = list.chars().count();
        match parse_list(&list) {
            Ok(items) => for (item, index) in items.iter().zip(1..) {
                prop_assert_eq!(item.index, index);
                prop_assert!((1..=columns).contains(&item.column));
                prop_assert!(!item.text.is_empty());
            },
            Err(ListError::Empty { column, .. }) => prop_assert!((1..=columns + 1).contains(&column)),
            Err(ListError::UnclosedQuote { column, quote, .. }) => {
                prop_assert_eq!(list.chars().nth(column - 1), Some(quote));
            }
            Err(ListError::AfterQuote { column, found, .. }) => {
                prop_assert_eq!(list.chars().nth(column - 1), Some(found));
            }
        }
    }
}
