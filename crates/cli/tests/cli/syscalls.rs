//! `gizmo syscalls` and `gizmo explain`.

use crate::support::{Gizmo, golden};

#[test]
fn calls_are_listed_with_their_numbers() {
    let gizmo = Gizmo::new();
    let list = |expression: &str, more: &[&str]| {
        let mut args = vec!["syscalls", expression];
        args.extend(more);
        gizmo.ok(args)
    };
    let epoll = list("/^epoll/,io_uring_setup", &["--arch", "x86_64"]);
    golden("syscalls", &epoll.stdout());
    let arm = list("openat", &["--arch", "arm64"]).stdout();
    assert!(arm.contains("ARM64") && arm.contains(" 56 "), "{arm}");
    let json = list("i386:%network", &["--arch", "x86_64", "-o", "json"]).json();
    let calls = json.as_array().unwrap();
    let connect = calls
        .iter()
        .find(|call| call["syscall"] == "connect")
        .unwrap();
    assert_eq!(connect["numbers"]["i386"], 362);
    assert_eq!(connect["parameters"][0]["name"], "fd");
    // All of them, and those that a set leaves, together.
    let count = |expression: &str| list(expression, &[]).stdout().lines().count() - 1;
    assert_eq!(
        count(""),
        count("!%security") + count("%security,!io_uring_setup") + 1
    );
}

#[test]
fn an_expression_is_explained() {
    let gizmo = Gizmo::new();
    let explain = |expression: &str| {
        gizmo
            .ok(["explain", "--arch", "x86_64", expression])
            .stdout()
    };
    golden(
        "explain",
        &[
            "openat, write",
            "%network, !sendto, failed",
            "! %file, duration>10ms, fd=3",
            "error=ENOENT, path~\"/etc/*\"",
            "ret=1|3|5|7|9",
            "%clock, io_uring_setup",
            "",
        ]
        .map(|text| format!("{text}\n{}\n", explain(text)))
        .concat(),
    );
    for (expression, shown) in [
        ("opnat", "did you mean `openat`?\n  opnat\n  ^^^^^\n"),
        ("a\x1b[2Jb", "\u{fffd}[2Jb\n"),
        (
            "open, duration>5",
            "`5` is no time; it needs a number and a unit: ns, us, ms, s, m or h\n  open, duration>5\n                 ^\n",
        ),
    ] {
        let ran = gizmo.fails(["explain", "--arch", "x86_64", expression], &[]);
        assert!(ran.stderr().contains(shown), "{}", ran.stderr());
        assert!(!ran.stderr().contains('\x1b'));
    }
}
