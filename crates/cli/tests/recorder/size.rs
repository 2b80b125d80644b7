//! How much room calls take.

use std::fs;

use crate::recording::turn;
use crate::start::finish;

/// What a call may take on average in a build of a small program, beside the structures that are passed: much less than one
/// with all that it could have.
const BYTES_PER_CALL: u64 = 72;

/// The same with structures. Compilers look at hundreds of files, and what `stat` says of one has 144 bytes.
const BYTES_WITH_STRUCTURES: u64 = 88;

/// What the guest says of a container when it is asked to be verbose: calls and bytes.
#[track_caller]
pub fn said(stderr: &str, name: &str) -> (u64, u64) {
    let middle = format!(" calls of `{name}` recorded in ");
    let said = stderr.lines().find_map(|line| {
        let (left, right) = line.split_once(&middle)?;
        let calls = left.rsplit(|c: char| !c.is_ascii_digit()).next()?;
        let bytes = right.split(' ').next()?;
        Some((calls.parse().ok()?, bytes.parse().ok()?))
    });
    said.unwrap_or_else(|| panic!("no sizes of `{name}`: {stderr}"))
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_build_takes_few_bytes_for_each_call() {
    let turn = turn();
    let source = turn.dir.path().join("hello.c");
    let text = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n";
    fs::write(&source, text).expect("writable");
    let program = turn.dir.path().join("hello");
    let build = [
        "cc".as_ref(),
        "-o".as_ref(),
        program.as_os_str(),
        source.as_os_str(),
    ];
    let events = turn.dir.path().join("events");
    let run = turn.run(&events, &[], &build).spawn();
    let shown = finish(&events, run.expect("gizmo starts"));
    assert!(program.exists());
    let history = shown.only();
    history.assert_nothing_lost();
    let (calls, bytes) = said(&shown.stderr, "cc");
    assert_eq!(calls, history.calls().count() as u64);
    // A compiler, an assembler and a linker: hundreds of calls, most of them with paths.
    let texts = history.calls().flat_map(|call| &call.args);
    let texts: u64 = texts
        .filter_map(|arg| Some(arg.text.as_ref().map(|_| arg.len)??.min(256)))
        .sum();
    assert!(
        calls > 300 && texts > 10 * calls,
        "{calls} calls with {texts} bytes of text"
    );
    println!(
        "{calls} calls in {bytes} bytes, {} for each",
        bytes as f64 / calls as f64
    );
    assert!(bytes > texts, "{bytes} bytes hold {texts} bytes of text");
    assert!(
        bytes <= BYTES_WITH_STRUCTURES * calls,
        "{calls} calls in {bytes} bytes"
    );
    let args = history.calls().flat_map(|call| &call.args);
    let is_structure = |text: &String| text.starts_with('{');
    let structures: u64 = args
        .filter(|arg| arg.text.as_ref().is_some_and(is_structure))
        .filter_map(|arg| Some(arg.len?.min(256)))
        .sum();
    println!("{structures} bytes of them are structures");
    assert!(
        bytes - structures <= BYTES_PER_CALL * calls,
        "{calls} calls in {bytes} bytes, {structures} of structures"
    );
}
