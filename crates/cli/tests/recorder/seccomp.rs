//! Calls that seccomp denies, alone and among others, with and without a filter. `testing/fixtures/denied.c` is also seen by
//! strace in the tests of `oracle`. They do not get as far as the functions of the calls.

use crate::fixture::{Fixture, Link};
use crate::recording::turn;
use crate::shown::{Call, Shown};

/// Call, text of its first argument, and result or error.
type Outcome = (&'static str, &'static str, &'static str);

#[track_caller]
fn outcomes(shown: &Shown) -> Vec<(String, String, String)> {
    let history = shown.only();
    history.assert_nothing_lost();
    let outcome = |call: &Call| {
        let text = call.args.first().and_then(|arg| arg.text.clone());
        let ret = if call.error.is_empty() {
            &call.ret
        } else {
            &call.error
        };
        (call.syscall.clone(), text.unwrap_or_default(), ret.clone())
    };
    history.calls().map(outcome).collect()
}

fn owned(outcomes: &[Outcome]) -> Vec<(String, String, String)> {
    let own = |(call, text, ret): &Outcome| {
        let text = if text.is_empty() {
            String::new()
        } else {
            format!("{text:?}")
        };
        ((*call).to_owned(), text, (*ret).to_owned())
    };
    outcomes.iter().map(own).collect()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn denied_calls_are_recorded_with_their_error() {
    let turn = turn();
    let fixture = Fixture::compile("denied", Link::Static);
    let cases: [(&str, &[Outcome]); 4] = [
        ("mkdir", &[("mkdir", "denied with an error", "EXDEV")]),
        ("getppid", &[("getppid", "", "0")]),
        ("access", &[("access", "/allowed", "ENOENT")]),
        (
            "mkdir,getppid,access",
            &[
                ("mkdir", "denied with an error", "EXDEV"),
                ("getppid", "", "0"),
                ("access", "/allowed", "ENOENT"),
            ],
        ),
    ];
    for (filter, expected) in cases {
        let flags = ["--attach", "tracepoint", "--syscall-filters", filter];
        let shown = turn.record_fixture(&flags, &fixture, 0);
        assert_eq!(outcomes(&shown), owned(expected), "`{filter}`");
    }
}

/// By a program that is asked, by a tracer that is not there.
#[test]
#[ignore = "root: loads eBPF programs"]
fn calls_that_others_judge_are_recorded_with_their_verdict() {
    let turn = turn();
    let expected = [
        ("mkdir", "/no/such/with an error", "EDQUOT"),
        ("mkdir", "/no/such/with a result", "42"),
        ("mkdir", "/no/such/let through", "ENOENT"),
        ("rmdir", "/no/such/tracer", "ENOSYS"),
    ];
    for link in [Link::Static, Link::Narrow] {
        let fixture = Fixture::compile("judged", link);
        let flags = ["--attach", "tracepoint", "--syscall-filters", "mkdir,rmdir"];
        let shown = turn.record_fixture(&flags, &fixture, 0);
        assert_eq!(outcomes(&shown), owned(&expected), "{link:?}");
    }
}

/// The call that ends its process is the one that whoever asks for the reason wants to see. What it would have returned is
/// nothing; its number stands in that place in the kernel.
#[test]
#[ignore = "root: loads eBPF programs"]
fn calls_that_seccomp_kills_for_are_recorded_as_killed() {
    let turn = turn();
    let fixture = Fixture::compile("denied", Link::Static);
    for filter in ["chroot", ""] {
        let flags = ["--attach", "tracepoint", "--syscall-filters", filter];
        let shown = turn.record_fixture(&flags, &fixture, 0);
        let of_chroot: Vec<_> = outcomes(&shown)
            .into_iter()
            .filter(|it| it.0 == "chroot")
            .map(|it| it.2)
            .collect();
        assert_eq!(of_chroot, ["killed"], "`{filter}`");
    }
}
