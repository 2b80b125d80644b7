//! Wrong arguments: what is wrong is named, and nothing has happened.

use crate::support::Gizmo;

#[test]
fn an_unknown_image_is_named_with_similar_ones() {
    let gizmo = Gizmo::new();
    let full = "`ghcr.io/inspektor-gadget/gadget/tracelop:latest` not found";
    for args in [
        vec!["run", "tracelop", "--", "true"],
        vec!["run", "tracelop", "--help"],
        vec!["image", "inspect", "tracelop"],
        vec!["image", "tag", "tracelop", "x"],
        vec!["image", "remove", "tracelop"],
        vec!["image", "export", "tracelop", "/nowhere/x.tar"],
    ] {
        gizmo.fails(args, &[full, "`traceloop:latest`"]);
    }
    let nowhere = gizmo.name("nowhere");
    gizmo.fails(["run", &nowhere, "--", "true"], &[&nowhere]);
    gizmo.fails(["image", "inspect", "./nowhere.tar"], &["./nowhere.tar"]);
}

#[test]
fn a_name_that_is_none_is_refused_with_its_rule() {
    let gizmo = Gizmo::new();
    for name in ["UPPER/case", "a b", "x:", "x@sha256:00", ""] {
        let ran = gizmo.run(["image", "inspect", name]);
        assert_eq!(ran.code, Some(1), "{name}: {}", ran.stderr());
        assert!(
            ran.stderr().starts_with("Error: "),
            "{name}: {}",
            ran.stderr()
        );
    }
    gizmo.fails(["image", "tag", "traceloop", "Bad Name"], &["`Bad Name`"]);
}

/// Mistakes in the command line are told as clap does: exit code 2, so that scripts can tell them from failures.
#[test]
fn unknown_flags_and_commands_are_named() {
    for (args, word) in [
        (vec!["nosuch"], "'nosuch'"),
        (vec!["image", "nosuch"], "'nosuch'"),
        (vec!["--nosuch"], "'--nosuch'"),
        (vec!["image", "list", "--nosuch"], "'--nosuch'"),
        (vec!["image", "list", "-o", "xml"], "'xml'"),
        (vec!["image", "tag", "onlyone"], "<DESTINATION>"),
        (vec!["image", "export", "onlyone"], "IMAGE"),
        (vec!["image", "inspect"], "<IMAGE>"),
        (
            vec!["run", "traceloop", "--nosuch", "--", "true"],
            "'--nosuch'",
        ),
        (
            vec!["run", "traceloop", "--timeout", "soon", "--", "true"],
            "'soon'",
        ),
        (
            vec!["run", "traceloop", "--timeout", "-1", "--", "true"],
            "-1",
        ),
        (vec!["run", "traceloop", "--output-file"], "--output-file"),
    ] {
        let ran = Gizmo::new().run(&args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr());
        assert_eq!(ran.stdout(), "", "{args:?}");
        assert!(ran.stderr().contains(word), "{args:?}: {}", ran.stderr());
    }
}

#[test]
fn likely_mistakes_come_with_what_was_meant() {
    for (args, hint) in [
        (vec!["traceloop", "--", "ls"], "gizmo run traceloop"),
        (vec!["rum"], "'run'"),
        (
            vec!["run", "traceloop", "ls", "-l"],
            "gizmo run IMAGE -- COMMAND",
        ),
        (
            vec!["run", "traceloop", "--syscall-filter", "x", "--", "ls"],
            "'--syscall-filters'",
        ),
        (
            vec!["run", "traceloop", "-t", "5s", "--", "ls"],
            "whole number of seconds",
        ),
    ] {
        let ran = Gizmo::new().run(&args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr());
        assert!(ran.stderr().contains(hint), "{args:?}: {}", ran.stderr());
        assert!(!ran.stderr().contains("as a value"), "{}", ran.stderr());
    }
    // Passed over, as upstream has it, but not in silence. The command is not found, so that nothing runs.
    let gizmo = Gizmo::new();
    let ran = gizmo.run(["run", "traceloop", "ls", "/tmp", "--", "no-such-command"]);
    assert!(
        ran.stderr().contains("gizmo run traceloop -- ls /tmp"),
        "{}",
        ran.stderr()
    );
    // Without a word there is nothing to be wrong.
    for args in [vec![], vec!["image"]] {
        let mut command = std::process::Command::new(crate::support::BINARY);
        crate::support::clean(command.args(&args));
        let ran = crate::support::Ran::of(&mut command);
        assert!(ran.stderr().contains("Commands:"), "{}", ran.stderr());
    }
}

#[test]
fn a_run_without_an_image_says_so() {
    let gizmo = Gizmo::new();
    for args in [
        vec!["run"],
        vec!["run", "--", "true"],
        vec!["run", "-o", "json"],
    ] {
        let ran = gizmo.run(&args);
        assert_eq!(ran.code, Some(1), "{args:?}");
        assert!(
            ran.stderr().contains("Error: no image named"),
            "{}",
            ran.stderr()
        );
    }
}

#[test]
fn flags_of_every_command_may_stand_anywhere() {
    let gizmo = Gizmo::new();
    crate::gadgets::build(&gizmo, "small");
    let store = gizmo.store();
    let store = store.to_str().unwrap();
    let equals = format!("--store={store}");
    for args in [
        vec!["--store", store, "run", "small", "--help"],
        vec!["run", "--store", store, "small", "--help"],
        vec!["run", "small", "--store", store, "--help"],
        vec!["run", &equals, "small", "-v", "--help"],
        vec!["-v", "run", "small", &equals, "--help"],
    ] {
        let mut command = std::process::Command::new(crate::support::BINARY);
        crate::support::clean(command.args(&args));
        let ran = crate::support::Ran::of(&mut command);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr());
        assert!(ran.stdout().starts_with("gadget small\n"), "{args:?}");
    }
    let mut command = std::process::Command::new(crate::support::BINARY);
    crate::support::clean(command.args(["image", "inspect", "small"]));
    let ran = crate::support::Ran::of(command.env("GIZMO_STORE", store));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let gizmo = Gizmo::new();
    let store = |path: &str, args: &[&str]| {
        let mut all = vec!["--store", path];
        all.extend(args);
        let mut command = std::process::Command::new(crate::support::BINARY);
        crate::support::clean(command.args(all));
        crate::support::Ran::of(&mut command)
    };
    // Nobody can write to these, not even root.
    let file = gizmo.write("file", "");
    let below = gizmo.name("file/store");
    for path in ["/proc/nowhere/store", file.to_str().unwrap(), &below] {
        let ran = store(path, &["image", "tag", "traceloop", "copy"]);
        assert_eq!(ran.code, Some(1), "{path}");
        assert!(ran.stderr().starts_with("Error: "), "{}", ran.stderr());
        let parent = path.rsplit_once('/').unwrap().0;
        assert!(ran.stderr().contains(parent), "{path}: {}", ran.stderr());
    }
    // What is embedded can be used all the same.
    let ran = store("/proc/nowhere/store", &["image", "inspect", "traceloop"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
}

#[test]
fn an_archive_that_cannot_be_written_is_named() {
    let path = "/proc/nowhere/a.tar";
    Gizmo::new().fails(["image", "export", "traceloop", path], &["/proc/nowhere"]);
}

#[test]
fn a_mistake_in_the_command_is_told_before_anything_is_loaded() {
    let gizmo = Gizmo::new();
    let ran = gizmo.run(["run", "traceloop", "--", "no-such-command-here"]);
    ran.is_error(127, &["`no-such-command-here`"]);
    let text = gizmo.write("text", "no program");
    let text = text.to_str().unwrap();
    gizmo
        .run(["run", "traceloop", "--", text])
        .is_error(126, &[text]);
    gizmo
        .run(["run", "traceloop", "--", "/"])
        .is_error(126, &["`/`"]);
}
