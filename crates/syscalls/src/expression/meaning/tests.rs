use super::*;
use crate::table;

fn read(text: &str) -> Result<Meaning, ExpressionError> {
    let native = Abi::X86_64;
    Meaning::of(text, native, |name| table::number(native, name))
}

#[track_caller]
fn meaning(text: &str) -> Meaning {
    read(text).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

#[test]
fn a_test_of_an_argument_selects_the_calls_that_have_it() {
    let paths = meaning("path~/etc/*").selection;
    assert!(paths.selects(Abi::X86_64, 257) && paths.selects(Abi::I386, 5));
    assert!(!paths.is_complement && !paths.selects(Abi::X86_64, 0));
    // Names of attributes are no paths.
    assert!(!paths.selects(
        Abi::X86_64,
        table::number(Abi::X86_64, "memfd_create").unwrap()
    ));
    let descriptors = meaning("fd=3, !%file").selection;
    assert!(descriptors.selects(Abi::X86_64, 0) && !descriptors.selects(Abi::X86_64, 257));
    // An operation of i386's socketcall has what it is asked for.
    assert!(descriptors.selects(Abi::I386, 102) && !descriptors.selects_operation(1));
    assert!(descriptors.selects_operation(3));
    assert!(meaning("failed").selection.is_everything());
}

#[test]
fn what_cannot_be_is_pointed_at() {
    for (text, column, words) in [
        ("read, arg.flgs=3", 7, "did you mean `flags`?"),
        ("read, path=/x", 7, "none of the selected calls"),
        ("ok, error=EPERM", 5, "no call can pass"),
        ("pid<5, tid=3, pid>6", 15, "no call can pass"),
        ("openat, opnat", 9, "opnat"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.column, column, "{text}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn what_the_kernel_does_not_test_is_left() {
    let texts = |predicates: Vec<Predicate>| -> Vec<String> {
        predicates.into_iter().map(|one| one.text).collect()
    };
    let both = meaning("path~/etc/*, pid=3, duration>1ms");
    assert_eq!(texts(both.rest()), ["path~/etc/*"]);
    // Nobody has tested how long they take.
    assert_eq!(
        texts(both.rest_in_flight()),
        ["path~/etc/*", "duration>1ms"]
    );
    // Programs that were loaded for another filter do not test what that had not.
    let loaded = meaning("pid=4").plan.kernel;
    let there = both.within(&loaded);
    assert_eq!(texts(there.rest()), ["path~/etc/*", "duration>1ms"]);
    assert!(there.plan.kernel.pid.is_some() && there.plan.kernel.duration.is_none());
}

#[test]
fn calls_are_named_one_by_one_or_in_sets() {
    let call = |name: &str| Selected {
        abi: Abi::X86_64,
        number: table::number(Abi::X86_64, name).unwrap(),
        name: name.to_owned(),
    };
    let meaning = meaning("openat, 0, x86_64:getpid, %ipc, !close");
    assert!(
        ["openat", "read", "getpid"]
            .map(call)
            .iter()
            .all(|call| meaning.names(call))
    );
    assert!(
        !["shmget", "close"]
            .map(call)
            .iter()
            .any(|call| meaning.names(call))
    );
}

#[test]
fn it_is_said_what_is_tested_where() {
    assert_eq!(meaning("").to_string(), "all calls");
    assert_eq!(
        meaning("x86_64:openat, i386:openat, read, failed, path~/x*").to_string(),
        "2 calls (1 of x86_64, 1 of i386): openat\n\
         tested in the kernel, before a record is written: failed\n\
         tested when records are shown: path~/x*\n\
         only failures: nothing is done when calls begin, so durations are not known, and arguments are read when calls have failed"
    );
    let long = meaning("! %ipc").to_string();
    assert!(
        long.starts_with("all but ") && !long.contains('\n'),
        "{long}"
    );
    assert!(meaning("%file").to_string().contains(" more"));
}
