//! Any text as an expression of the filter language: read, resolved, explained, tested, and pointed at.

#![no_main]

use gizmo_syscalls::decode::{Call, Capture, Outcome};
use gizmo_syscalls::expression::{Checks, Duration, Facts, Meaning, point};
use gizmo_syscalls::{Abi, fallback, table};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for native in [Abi::X86_64, Abi::Aarch64] {
        match Meaning::of(text, native, |name| table::number(native, name)) {
            Ok(meaning) => {
                assert_harmless(&meaning.to_string());
                test(&meaning, native, text);
            }
            Err(error) => {
                assert_harmless(&error.to_string());
                let shown = point(text, &error);
                assert_eq!(shown.lines().count(), 2, "{shown}");
                assert_harmless(&shown);
            }
        }
    }
});

/// What stands in the expression's own texts may be a call's.
fn test(meaning: &Meaning, native: Abi, text: &str) {
    let captures = [Capture {
        arg: 1,
        part: 0,
        bytes: text.as_bytes(),
        true_len: None,
        fault: false,
    }];
    let call = Call {
        args: [3, 4096, 0x80000, 0, 0, 0],
        arg_count: 4,
        outcome: Outcome::Returned(-2),
        captures: &captures,
        args_known: true,
        files: [None; 6],
    };
    let facts = Facts {
        call: &call,
        duration: Some(Duration::AtLeast(5)),
        pid: 1,
        tid: 1,
        uid: None,
        comm: b"cat",
    };
    let declaration = fallback::declaration(native, "openat");
    let all = Checks::new(&meaning.predicates, native, "openat", declaration);
    let rest = Checks::new(&meaning.rest(), native, "openat", declaration);
    assert!(!all.pass(&facts) || rest.pass(&facts));
}

fn assert_harmless(text: &str) {
    let is_active = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.contains(is_active), "{text:?}");
}
