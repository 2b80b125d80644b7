//! Guests that are asked while they run, and what can go wrong then.

use std::sync::Arc;

use gizmo_wasm::{Error, Phase, Question, Selection};

use crate::support::{World, chain, logged, module};

fn everything() -> Selection {
    Arc::new(|_, _, _| true)
}

const FOLLOW: Question = Question::Follow {
    follower: 7,
    is_new: true,
};

#[test]
fn a_guest_without_exports_cannot_be_asked() {
    let guest = World::new().guest("");
    for question in [
        Question::Snapshot,
        FOLLOW,
        Question::Forget,
        Question::Recordings,
    ] {
        assert!(!guest.answers(question));
        assert_eq!(guest.ask(question, &everything()).unwrap(), []);
    }
    assert!(!guest.takes_params());
}

#[test]
fn a_follower_has_a_number_and_is_new_or_not() {
    let guest = World::new().guest(
        "(func (export \"gadgetFollow\") (param $number i32) (param $new i32) (result i32)
            (eq (i32.const 7) (local.get $number)) (eq (i32.const 1) (local.get $new)) (i32.const 0))",
    );
    assert!(guest.answers(FOLLOW));
    guest.ask(FOLLOW, &everything()).unwrap();
}

#[test]
fn exports_of_another_type_are_refused() {
    for (export, body) in [
        ("gadgetSnapshot", "(param i32) (result i32) (i32.const 0)"),
        ("gadgetFollow", "(result i32) (i32.const 0)"),
        ("gadgetFollow", "(param i32 i64) (result i32) (i32.const 0)"),
        ("gadgetFollow", "(param i32 i32)"),
    ] {
        let text = format!("(func (export \"{export}\") {body})");
        let error = gizmo_wasm::Guest::instantiate(&module(&text), World::new().context());
        let error = error.unwrap_err();
        assert!(
            matches!(error, Error::ExportType { export: named, .. } if named == export),
            "{error}"
        );
    }
}

#[test]
fn a_guest_that_does_not_answer_says_why_and_lives() {
    let guest = World::new().guest(
        "(func (export \"gadgetForget\") (result i32) (call $fail @\"not now\") (i32.const 1))
        (func (export \"gadgetSnapshot\") (result i32) (i32.const 0))",
    );
    let error = guest.ask(Question::Forget, &everything()).unwrap_err();
    assert_eq!(chain(&error), "gadgetForget failed: not now");
    guest.ask(Question::Snapshot, &everything()).unwrap();
}

#[test]
fn a_trap_ends_the_guest_for_everybody() {
    let guest = World::new().guest(
        "(func (export \"gadgetFollow\") (param i32 i32) (result i32) unreachable)
        (func (export \"gadgetStop\") (result i32) (i32.const 0))",
    );
    let error = guest.ask(FOLLOW, &everything()).unwrap_err();
    assert!(chain(&error).starts_with("calling gadgetFollow: wasm trap"));
    assert!(guest.ask(FOLLOW, &everything()).is_err());
    assert!(guest.call(Phase::Stop).is_err());
}

#[test]
fn answers_have_a_deadline() {
    let guest = World::hasty()
        .guest("(func (export \"gadgetSnapshot\") (result i32) (loop (br 0)) (i32.const 0))");
    let error = guest.ask(Question::Snapshot, &everything()).unwrap_err();
    assert!(chain(&error).contains("0.2"), "{}", chain(&error));
}

#[test]
fn nobody_is_wanted_where_nobody_has_asked() {
    let ((), lines) = logged(|| {
        World::new().guest(
            "(func (export \"gadgetInit\") (result i32)
                (eq (i32.const 0) (call $isWanted (i64.const 1) (i64.const 2) @\"x\"))
                (eq (i32.const 1) (call $reportRecording @\"x\" (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)))
                (i32.const 0))",
        );
    });
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("nobody has asked"))
            .count(),
        2
    );
}

#[test]
fn recordings_are_bounded_and_their_names_harmless() {
    let guest = World::new().guest(
        "(func (export \"gadgetRecordings\") (result i32) (local $i i32)
            (loop $again
                (drop (call $reportRecording @[32768,3] (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (i32.const 5000))))
            (eq (i32.const 1) (call $reportRecording @\"a\\1bb\" (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)))
            (i32.const 0))",
    );
    let found = guest.ask(Question::Recordings, &everything()).unwrap();
    assert_eq!(found.len(), 4096);
    assert_eq!(found[0].name, "a\\u{1b}b");
    assert_eq!((found[0].cgroup_id, found[0].lost), (1, 5));
}
