use super::*;
use crate::list::parse_list;
use proptest::prelude::*;

#[track_caller]
fn parse(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

#[track_caller]
fn predicate(text: &str) -> Predicate {
    let mut predicates = parse(text).predicates;
    assert_eq!(predicates.len(), 1, "{text}");
    predicates.remove(0)
}

/// The message and what it points at.
#[track_caller]
fn refusal(text: &str) -> (String, String) {
    let Err(error) = Expression::parse(text) else {
        panic!("`{text}` is an expression")
    };
    let meant = text.chars().skip(error.column - 1).take(error.width);
    (error.to_string(), meant.collect())
}

#[test]
fn plain_lists_are_expressions() {
    for text in [
        "openat,write",
        r#""openat", 'write'"#,
        r#" "openat, write" "#,
    ] {
        let items: Vec<String> = parse(text)
            .selectors
            .into_iter()
            .map(|one| one.item.text)
            .collect();
        assert_eq!(items, ["openat", "write"], "{text}");
    }
    let expression = parse("");
    assert!(expression.selectors.is_empty() && expression.predicates.is_empty());
}

#[test]
fn selectors_and_predicates_stand_in_any_order() {
    let expression = parse("failed, %network, i386:openat, duration > 10ms, !sendto, /a,b/, 42");
    let predicates: Vec<&str> = expression
        .predicates
        .iter()
        .map(|one| one.text.as_str())
        .collect();
    assert_eq!(predicates, ["failed", "duration > 10ms"]);
    let removed: Vec<bool> = expression
        .selectors
        .iter()
        .map(|one| one.is_removed)
        .collect();
    assert_eq!(removed, [false, false, true, false, false]);
    assert!(
        matches!(expression.selectors[0].what, What::Class(None, class) if class.name == "network")
    );
    assert!(
        matches!(&expression.selectors[3].what, What::Pattern(None, regex) if regex.as_str() == "a,b")
    );
    assert!(matches!(expression.selectors[4].what, What::Call));
}

#[test]
fn a_blank_behind_the_first_mark_complements_everything() {
    assert!(parse("! openat, write").is_complement);
    assert!(!parse("!openat, write").is_complement);
    assert!(parse("'! %file'").is_complement);
    let twice = parse("! !openat");
    assert!(twice.is_complement && twice.selectors[0].is_removed);
}

#[test]
fn commas_in_patterns_and_quotes_are_literal() {
    assert_eq!(parse(r"/x{1,2}/, !i386:/a,b\/c/, read").selectors.len(), 3);
    let expression = parse(r#"path~"/a,b/*"|'c,d', comm="x,\"y", read"#);
    assert_eq!(expression.predicates.len(), 2);
    assert_eq!(expression.selectors.len(), 1);
    let texts = &expression.predicates[0].test.texts;
    assert!(texts[0].matches(b"/a,b/c") && texts[1].matches(b"c,d"));
    assert!(expression.predicates[1].test.texts[0].matches(b"x,\"y"));
}

#[test]
fn results_are_ranges() {
    let ranges = |text| predicate(text).test.passing();
    assert_eq!(ranges("failed").ranges(), [(-4095, -1)]);
    assert_eq!(ranges("ok"), ranges("failed").complement());
    assert_eq!(
        ranges("error=ENOENT|EACCES").ranges(),
        [(-13, -13), (-2, -2)]
    );
    assert!(!ranges("error!=ENOENT").contains(-2) && ranges("error != ENOENT").contains(0));
    assert_eq!(ranges("ret>4096").ranges(), [(4097, i128::MAX)]);
    assert_eq!(ranges("ret<=-1").ranges(), [(i128::MIN, -1)]);
    assert_eq!(ranges("duration>=1.5ms").ranges(), [(1_500_000, i128::MAX)]);
    assert_eq!(ranges("fd=3|0x4").ranges(), [(3, 4)]);
}

#[test]
fn arguments_are_numbers_and_texts() {
    let test = predicate(r#"arg.mode=0644|"0644"|rw"#).test;
    assert!(test.numbers.contains(420) && test.texts.len() == 2);
    assert_eq!(
        predicate("arg.flags>1").subject,
        Subject::Argument("flags".to_owned())
    );
    assert!(predicate("arg.filename~*.so").test.texts[0].matches(b"libc.so"));
}

#[test]
fn mistakes_are_pointed_at() {
    for (text, message, meant) in [
        (
            "openat, error=ENOFILE",
            "`ENOFILE` is no error; did you mean `ENFILE`?",
            "ENOFILE",
        ),
        ("ret>\"x\"", "`x` is no number", "\"x\""),
        ("ret>", "a value is missing", "ret>"),
        ("ret=ENOENT", "`error=ENOENT` tests for it", "ENOENT"),
        ("read, %netwrk", "did you mean `%network`?", "%netwrk"),
        ("read, %", "there is no class", "%"),
        ("durtion>1ms", "did you mean `duration`?", "durtion"),
        ("=3", "calls have no ``", "=3"),
        ("duration>10", "needs a number and a unit", "10"),
        ("pid=1|two", "`two` is no number", "two"),
        ("pid>1|2", "`|` separates", "pid>1|2"),
        ("pid~1", "`pid` cannot be tested with `~`", "pid~1"),
        ("path>a", "`path` cannot be tested with `>`", "path>a"),
        (
            "comm=a_name_that_is_too_long",
            "at most 15 bytes",
            "a_name_that_is_too_long",
        ),
        ("!failed", "the opposite of `failed` is `ok`", "!failed"),
        ("read, !", "nothing follows the `!`", "!"),
        ("read, ! write", "stands before the first item", "! write"),
        ("!", "there are none", "!"),
        ("! failed", "there are none", "failed"),
        ("/abc, read", "no slash at its end", "/abc, read"),
        ("/abc/d, read", "nothing can follow a pattern", "d"),
        ("/a(/", "no regular expression", "/a(/"),
        ("path=\"x, read", "the quote is never closed", "\""),
        ("path=\"x\"y, read", "must follow the closing quote", "y"),
        ("arg.=1", "the name of an argument is missing", "arg."),
        ("read,,write", "item 2 of the list is empty", ","),
    ] {
        let (said, at) = refusal(text);
        assert!(said.contains(message), "{text}: {said}");
        assert_eq!(at, meant, "{text}: {said}");
    }
}

#[test]
fn marks_stand_under_what_is_meant() {
    let shown = |text: &str| point(text, &Expression::parse(text).unwrap_err());
    assert_eq!(
        shown("openat, error=ENOFILE"),
        "openat, error=ENOFILE\n              ^^^^^^^"
    );
    // In long expressions, too.
    let long = format!("{}error=X{}", "openat, ".repeat(30), ", write".repeat(30));
    let shown_long = shown(&long);
    let (line, marks) = shown_long.split_once('\n').unwrap();
    assert!(line.chars().count() < 90 && line.starts_with('…') && line.ends_with('…'));
    assert_eq!(line.chars().nth(marks.len() - 1), Some('X'));
    // And nothing that a terminal would obey.
    let hostile = shown("\u{1b}[2J\u{202e}=\u{7}");
    assert!(!hostile.contains(['\u{1b}', '\u{202e}', '\u{7}']));
}

#[test]
fn messages_obey_nobody() {
    let hostile = format!("\u{1b}[2J\u{61c}\u{202e}{}", "x".repeat(1000));
    for text in [
        format!("%{hostile}"),
        format!("{hostile}=1"),
        format!("pid={hostile}"),
        format!("error={hostile}"),
        format!("duration>{hostile}"),
        format!("{hostile}>1|2"),
        format!("pid=\"1\"{hostile}"),
        format!("/({hostile}/"),
        format!("/a/{hostile}"),
        format!("!{hostile}<3"),
    ] {
        let error = Expression::parse(&text).unwrap_err();
        for shown in [error.to_string(), point(&text, &error)] {
            assert!(
                !shown.contains(['\u{1b}', '\u{61c}', '\u{202e}']),
                "{shown:?}"
            );
            assert!(shown.chars().count() < 500, "{shown}");
        }
    }
}

#[test]
fn the_kernel_tests_what_it_can() {
    let plan = |text| Plan::new(&parse(text).predicates).unwrap();
    let failed = plan("failed, path~/etc/*, comm~nginx|sh*, pid!=1, pid<100");
    assert_eq!(failed.is_in_kernel, [true, false, true, true, true]);
    assert!(failed.kernel.is_of_failures());
    assert_eq!(
        failed.kernel.pid.unwrap().ranges(),
        [(i128::MIN, 0), (2, 99)]
    );
    let (is_wanted, names) = failed.kernel.comm.unwrap();
    assert!(is_wanted && !names[0].is_prefix && names[1].is_prefix);
    // A duration must be measured, and so it must be known when the call begins.
    assert!(!plan("failed, duration>1ms").kernel.is_of_failures());
    assert!(!plan("ret<5").kernel.is_of_failures());
    assert!(plan("error=ENOENT").kernel.is_of_failures());
    // More than the programs compare with: some others pass, and are left for later.
    let many = plan("ret=1|3|5|7|100, ok");
    assert_eq!(many.is_in_kernel, [false, true]);
    assert_eq!(many.kernel.result.unwrap().ranges().len(), NUMBER_TESTS);
    let names = plan("comm=a|b|c|d|e, comm~*x");
    assert_eq!(
        (names.is_in_kernel, names.kernel.comm),
        (vec![false, false], None)
    );
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC",
        "[,\"'|/\\\\!%=<>~: x0-9a-z]",
        Just("failed".to_owned()),
        Just("path~".to_owned()),
        Just("error=ENOENT".to_owned()),
        Just("%file".to_owned()),
        Just("i386:".to_owned()),
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_or_pointed_at(pieces in proptest::collection::vec(piece(), 0..12)) {
        let text = pieces.concat();
        if let Err(error) = Expression::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
            prop_assert!(error.width >= 1);
            prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1, "{}", error.column);
            let shown = point(&text, &error);
            prop_assert_eq!(shown.lines().count(), 2);
            prop_assert!(!shown.chars().any(|letter| letter.is_control() && letter != '\n'));
        }
    }

    #[test]
    fn lists_of_names_mean_what_they_always_meant(text in "([a-z_0-9:\"' ,\\\\]|openat|, ){0,20}") {
        let items = parse_list(&text);
        match Expression::parse(&text) {
            Ok(expression) => {
                let mut items = items.unwrap();
                // These words have got a meaning.
                items.retain(|item| item.text != "ok" && item.text != "failed");
                let selected: Vec<_> = expression.selectors.into_iter().map(|one| one.item).collect();
                prop_assert_eq!(selected, items);
            }
            Err(error) => prop_assert_eq!(error.reason, Reason::List(items.unwrap_err())),
        }
    }

    #[test]
    fn what_the_kernel_tests_never_excludes_what_is_wanted(
        bounds in proptest::collection::vec(-50i128..50, 1..7), probe in -60i128..60, is_negated in any::<bool>(),
    ) {
        let values: Vec<String> = bounds.iter().map(i128::to_string).collect();
        let text = format!("ret{}{}", if is_negated { "!=" } else { "=" }, values.join("|"));
        let predicates = parse(&text).predicates;
        let plan = Plan::new(&predicates).unwrap();
        let tested = plan.kernel.result.unwrap();
        let passes = predicates[0].test.passing().contains(probe);
        prop_assert!(!passes || tested.contains(probe));
        if plan.is_in_kernel[0] {
            prop_assert_eq!(passes, tested.contains(probe));
        }
    }
}
