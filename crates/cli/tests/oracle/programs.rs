//! Every program under both tools: all that they did agrees.

use std::collections::BTreeSet;

use crate::compare::{Findings, Runs, compare};
use crate::differences::Difference::{self, *};
use crate::fixture::{Fixture, Link};
use crate::run;

#[track_caller]
pub fn assert_agree(findings: &Findings, expected: &[Difference]) {
    let shown: Vec<&String> = findings.mismatches.iter().take(20).collect();
    assert!(
        shown.is_empty(),
        "{} mismatches:\n{}",
        findings.mismatches.len(),
        shown
            .iter()
            .map(|mismatch| format!("- {mismatch}\n"))
            .collect::<String>()
    );
    let expected: BTreeSet<Difference> = expected.iter().copied().collect();
    assert_eq!(
        findings.differences, expected,
        "the differences are not the listed ones"
    );
}

#[track_caller]
fn agrees(name: &str, link: Link, expected: &[Difference]) {
    let fixture = Fixture::compile(name, link);
    let (threads, records) = run::under_both(&fixture);
    let findings = compare(&threads, &records, Runs::Same);
    assert_agree(&findings, expected);
    assert!(findings.contents > 0, "no content was compared");
}

/// One execution, seen by both.
macro_rules! programs {
    ($($name:ident: $file:literal, $link:ident, $expected:expr;)*) => {$(
        #[test]
        #[ignore = "root: loads eBPF programs"]
        fn $name() {
            agrees($file, Link::$link, &$expected);
        }
    )*};
}

programs! {
    direct_calls_without_libc: "direct", Bare, [];
    files_of_a_static_program: "files", Static, [];
    libc_loaded: "libc", Dynamic, [];
    threads: "threads", Dynamic, [];
    forks_and_clones: "forks", Static, [];
    signals_that_interrupt: "signals", Static, [Restored];
    many_errors: "errnos", Static, [];
    memory_that_ends: "pageend", Static, [];
    reads_of_nothing: "reads", Static, [];
    bytes_of_every_value: "bytes", Static, [];
    long_strings: "longs", Static, [];
    sockets_of_four_families: "sockets", Static, [];
    vectors: "vectors", Static, [];
    vectors_of_32_bits: "vectors", Narrow, [];
    messages: "messages", Static, [];
    messages_of_32_bits: "messages", Narrow, [];
    sockets_of_32_bits: "sockets", Narrow, [];
    programs_that_replace_themselves: "execs", Static, [];
    execve_of_a_thread: "threadexec", Static, [DeathInCall, ExecOfThread];
    ends_of_every_kind: "exits", Static, [DeathInCall];
    calls_denied_by_seccomp: "denied", Static, [Restored, Condemned];
    thirty_two_bits: "i386", Narrow, [];
    thirty_two_bits_without_libc: "narrow", BareNarrow, [];
    three_abis_in_one_program: "abis", Static, [];
    every_number: "numbers", Static, [NewCall];
    every_number_of_32_bits: "numbers", Narrow, [NewCall];
}

/// A tracer reads the pages before the recorder does, so these are runs of their own.
#[test]
#[ignore = "root: loads eBPF programs"]
fn pages_that_nobody_has_touched() {
    let fixture = Fixture::compile("untouched", Link::Static);
    let threads = run::under_strace(&fixture);
    let recording = run::under_gizmo(&fixture, None);
    assert_agree(&compare(&threads, &recording.records, Runs::Apart), &[]);
}
