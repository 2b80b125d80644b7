//! What images say ends up on terminals: nothing in it may move a cursor, and nothing may stop gizmo with a panic.

use std::fs;

use serde_json::Value;

use crate::gadgets::{WASM, guest, layout, metadata};
use crate::support::{Gizmo, Ran};

#[track_caller]
fn is_harmless(ran: &Ran, what: &str) {
    for (name, bytes) in [("stdout", &ran.out), ("stderr", &ran.err)] {
        let text = String::from_utf8_lossy(bytes);
        let bad = text
            .chars()
            .find(|c| c.is_control() && !"\n\t".contains(*c));
        assert_eq!(bad, None, "{what}: {name}: {}", text.escape_debug());
        assert!(!text.contains("panicked"), "{what}: {text}");
    }
    assert!(matches!(ran.code, Some(0 | 1)), "{what}: {:?}", ran.code);
}

/// A guest that fails `gadgetInit` and says why.
fn complainer(text: &str) -> Vec<u8> {
    let reference = (text.len() as u64) << 32;
    let escaped: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let text = format!(
        "(module (import \"gizmo\" \"fail\" (func $fail (param i64)))
        (memory (export \"memory\") 1) (data (i32.const 0) \"{escaped}\")
        (func (export \"gadgetAPIVersion\") (result i64) (i64.const 1))
        (func (export \"gadgetInit\") (result i32) (call $fail (i64.const {reference})) (i32.const 1)))"
    );
    wat::parse_str(text).expect("a module")
}

/// A guest with the data source `ds` and its field `f`.
fn sourcerer() -> Vec<u8> {
    let text = "(module (import \"ig\" \"newDataSource\" (func $new (param i64 i32) (result i32)))
        (import \"ig\" \"dataSourceAddField\" (func $add (param i32 i64 i32) (result i32)))
        (memory (export \"memory\") 1) (data (i32.const 0) \"dsf\")
        (func (export \"gadgetAPIVersion\") (result i64) (i64.const 1))
        (func (export \"gadgetInit\") (result i32)
            (drop (call $add (call $new (i64.const 0x200000000) (i32.const 1)) (i64.const 0x100000002) (i32.const 8)))
            (i32.const 0)))";
    wat::parse_str(text).expect("a module")
}

#[test]
fn what_a_guest_says_of_its_failure_is_escaped() {
    let gizmo = Gizmo::new();
    let module = complainer("red \x1b[31m alert \x07");
    let path = layout(&gizmo, "bad", &metadata("bad"), &[(WASM, &module)]);
    let ran = gizmo.fails(["image", "inspect", &path], &["red", "alert"]);
    is_harmless(&ran, "inspect");
    is_harmless(&gizmo.run(["run", &path, "--help"]), "help");
}

#[test]
fn descriptions_of_an_image_are_escaped_in_its_help() {
    let yaml = r#"
name: "bad"
description: "a \e[2J b"
datasources: {ds: {fields: {f: {annotations: {description: "c \e[2J d"}}}}}
params: {wasm: {p: {key: p, description: "e \e[2J f", defaultValue: "g \e[2J h"}}}
"#;
    let gizmo = Gizmo::new();
    let path = layout(&gizmo, "bad", yaml, &[(WASM, &sourcerer())]);
    let ran = gizmo.ok(["run", &path, "--help"]);
    assert!(ran.stdout().contains("Fields of ds"), "{}", ran.stdout());
    is_harmless(&ran, "help");
}

#[test]
fn names_of_parameters_do_no_harm() {
    let mut panics = Vec::new();
    for param in [
        r#"{key: "a\e[2Jb"}"#,
        r#"{key: "a=b"}"#,
        r#"{key: "a b"}"#,
        "{key: timeout}",
        "{key: help, alias: h}",
        "{key: x, alias: t}",
        "{key: x, alternativeKey: timeout}",
        "{key: x, alternativeKey: output}",
        "{key: x, alternativeKey: x}",
        "{key: x, typeHint: bool, alias: o}",
    ] {
        let yaml = format!("name: bad\nparams: {{wasm: {{p: {param}}}}}\n");
        let gizmo = Gizmo::new();
        let path = layout(&gizmo, "bad", &yaml, &[(WASM, &guest(1))]);
        let ran = gizmo.run(["run", &path, "--help"]);
        if ran.code == Some(101) {
            panics.push(param);
        } else {
            is_harmless(&ran, param);
        }
    }
    assert!(panics.is_empty(), "these make gizmo panic: {panics:?}");
}

#[test]
fn dates_of_images_are_escaped_in_the_list() {
    let gizmo = Gizmo::new();
    let path = layout(&gizmo, "bad", &metadata("bad"), &[(WASM, &guest(1))]);
    let index = gizmo.path("bad/index.json");
    let mut top: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    top["manifests"][0]["annotations"]["org.opencontainers.image.created"] = "1\u{1b}[2J".into();
    fs::write(&index, top.to_string()).unwrap();
    gizmo.ok(["image", "tag", &path, "bad"]);
    assert_eq!(gizmo.list()[0][0], "bad");
    is_harmless(&gizmo.ok(["image", "list"]), "list");
}

/// A shell's history or a script may hold names that somebody else has chosen.
#[test]
fn names_that_were_given_are_escaped_in_errors() {
    let gizmo = Gizmo::new();
    let name = "/no/\u{1b}[2J";
    is_harmless(&gizmo.run(["image", "inspect", name]), "image");
    is_harmless(&gizmo.run(["image", "import", name]), "archive");
    let ran = gizmo.run(["run", "traceloop", "--", name]);
    assert_eq!(ran.code, Some(127));
    assert!(
        !ran.stderr().contains('\u{1b}'),
        "{}",
        ran.stderr().escape_debug()
    );
}
