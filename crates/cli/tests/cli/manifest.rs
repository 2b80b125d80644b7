//! `gizmo run -f`: what is wrong with a manifest, or with a command line that has one, is told before anything runs.

use std::io::Write;
use std::process::Stdio;

use crate::support::{Gizmo, Ran};

const HEAD: &str = "apiVersion: 1\nkind: instance-spec\nimage: traceloop\n";

/// Runs with this manifest; `after` stands after it.
#[track_caller]
fn run(gizmo: &Gizmo, text: &str, after: &[&str]) -> Ran {
    let file = gizmo.write("run.yaml", text);
    let mut args = vec!["run", "-f", file.to_str().unwrap()];
    args.extend(after);
    gizmo.run(args)
}

#[test]
fn mistakes_are_named_with_file_document_and_key() {
    let gizmo = Gizmo::new();
    let filters = "paramValues:\n  operator.oci.wasm.syscall-filter: openat\n";
    for (text, words) in [
        ("", vec!["no gadget instance spec"]),
        ("# nothing\n---\n", vec!["no gadget instance spec"]),
        ("- a\n", vec!["document 1", "a list"]),
        ("kind: [", vec!["line"]),
        (
            "kind: instance-spec\nimage: x\n",
            vec!["document 1", "`apiVersion`"],
        ),
        (&format!("{HEAD}size: 3\n"), vec!["document 1", "`size`"]),
        (
            &format!("{HEAD}{filters}"),
            vec![
                "document 1",
                "`operator.oci.wasm.syscall-filter`",
                "operator.oci.wasm.syscall-filters",
            ],
        ),
        (
            &format!("{HEAD}---\n{HEAD}"),
            vec!["multiple gadget instance specs found in manifest"],
        ),
        (
            "apiVersion: 1\nkind: instance-spec\nimage: tracelop\n",
            vec!["document 1", "tracelop", "`traceloop:latest`"],
        ),
    ] {
        let ran = run(&gizmo, text, &["--", "true"]);
        ran.is_error(1, &words);
        assert!(ran.stderr().contains("run.yaml"), "{}", ran.stderr());
        assert_eq!(ran.stderr().lines().count(), 1, "{}", ran.stderr());
    }
}

#[test]
fn a_manifest_that_cannot_be_read_is_named() {
    let gizmo = Gizmo::new();
    let args = |file: &str| ["run", "-f", file, "--", "true"].map(str::to_owned);
    let large = gizmo.write("large.yaml", vec![b'#'; (1 << 20) + 1]);
    let binary = gizmo.write("binary.yaml", b"\xff\xfe\x00");
    let folder = gizmo.name("");
    for (file, word) in [
        ("/no/such/file", "No such file"),
        (folder.as_str(), "directory"),
        (large.to_str().unwrap(), "1048576"),
        ("/dev/zero", "1048576"),
        (binary.to_str().unwrap(), "UTF-8"),
        ("https://example.com/run.yaml", "download it"),
    ] {
        gizmo.fails(args(file), &["manifest", file, word]);
    }
}

#[test]
fn control_characters_of_a_manifest_do_not_reach_the_terminal() {
    let gizmo = Gizmo::new();
    for text in [
        format!("{HEAD}\"\\e[2J\": 1\n"),
        format!("{HEAD}id: \"\\e[2J\"\n"),
        "apiVersion: 1\nkind: instance-spec\nimage: \"\\e[2J\"\n".to_owned(),
        format!("{HEAD}paramValues: {{\"\\e[2J\": 1}}\n"),
    ] {
        let ran = run(&gizmo, &text, &["--", "true"]);
        ran.is_error(1, &[]);
        assert!(!ran.stderr().contains('\x1b'), "{}", ran.stderr());
    }
}

#[test]
fn image_and_manifest_exclude_each_other() {
    let gizmo = Gizmo::new();
    let file = gizmo.write("run.yaml", HEAD);
    let file = file.to_str().unwrap();
    for args in [
        vec!["run", "traceloop", "-f", file, "--", "true"],
        vec!["run", "-f", file, "traceloop", "--", "true"],
        vec!["run", "-f", file, "traceloop"],
    ] {
        gizmo.fails(args, &["please only specify an image OR manifest"]);
    }
}

#[test]
fn flags_of_the_gadget_belong_into_the_manifest() {
    let gizmo = Gizmo::new();
    for flag in ["--syscall-filters=openat", "--fields=pid", "-o", "--nosuch"] {
        let ran = run(&gizmo, HEAD, &[flag, "--", "true"]);
        assert_eq!(ran.code, Some(2), "{flag}: {}", ran.stderr());
        assert!(ran.stderr().contains("paramValues"), "{}", ran.stderr());
    }
    let ran = gizmo.run(["run", "-f"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr());
    assert!(ran.stderr().contains("--file <FILE>"), "{}", ran.stderr());
}

#[test]
fn help_beside_a_manifest_is_that_of_any_run() {
    let gizmo = Gizmo::new();
    let ran = run(&gizmo, HEAD, &["--help"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    assert_eq!(ran.stdout(), gizmo.ok(["run", "--help"]).stdout());
}

#[test]
fn a_manifest_on_stdin_is_read() {
    let gizmo = Gizmo::new();
    let mut command = gizmo.command(["run", "-f", "-", "--", "no-such-command-here"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"kind: pod\napiVersion: 1\n").unwrap();
    drop(stdin);
    let ran = Ran::from(child.wait_with_output().unwrap());
    ran.is_error(1, &["manifest `stdin`, document 1", "`pod`"]);
}
