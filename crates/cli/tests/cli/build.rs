//! `gizmo image build`.

use std::process::Command;

use serde_json::Value;

use crate::gadgets::{folder, guest, metadata};
use crate::support::{Gizmo, Ran};

const PROGRAM: &str = r#"
__attribute__((section("license"), used)) char _license[] = "GPL";
__attribute__((section("raw_tp/sys_enter"), used)) int watch_enter(void *ctx) { return 0; }
"#;

#[test]
fn a_gadget_of_metadata_and_a_module_is_built() {
    let gizmo = Gizmo::new();
    let folder = folder(&gizmo, "g", &metadata("small"), &guest(1));
    let built = gizmo.ok(["image", "build", &folder, "--tag", "small:v1"]);
    let digest = gizmo.digest("small", "v1");
    let line = format!("Successfully built small:v1@{digest}\n");
    assert_eq!((built.stdout(), built.stderr()), (String::new(), line));
    assert_eq!(gizmo.list()[0][3], "built");
    assert_eq!(gizmo.inspect("small:v1", "oci.metadata"), metadata("small"));
    assert_eq!(gizmo.inspect("small:v1", "wasm.gadgetAPIVersion"), "1\n");
}

#[test]
fn a_gadget_in_c_is_built() {
    let gizmo = Gizmo::new();
    gizmo.write("g/program.bpf.c", PROGRAM);
    gizmo.write("g/gadget.yaml", metadata("watch"));
    let built = gizmo.ok(["image", "build", &gizmo.name("g"), "-t", "watch"]);
    assert!(
        built
            .stderr()
            .starts_with("Successfully built watch:latest@sha256:")
    );
    let programs: Value = serde_json::from_str(&gizmo.inspect("watch", "ebpf.programs")).unwrap();
    assert_eq!(programs[0]["Name"], "watch_enter");
    assert_eq!(programs[0]["Section"], "raw_tp/sys_enter");
}

#[test]
fn builds_with_a_given_date_are_reproducible() {
    let digests = [(), ()].map(|()| {
        let gizmo = Gizmo::new();
        let folder = folder(&gizmo, "g", &metadata("small"), &guest(1));
        let mut command: Command = gizmo.command(["image", "build", &folder, "-t", "small"]);
        let ran = Ran::of(command.env("SOURCE_DATE_EPOCH", "1700000000"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr());
        gizmo.digest("small", "latest")
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_compiler_error_is_shown() {
    let gizmo = Gizmo::new();
    gizmo.write("g/program.bpf.c", "int f(void) { return no_such_thing; }\n");
    let words = ["clang", "no_such_thing", "program.bpf.c"];
    gizmo.fails(["image", "build", &gizmo.name("g"), "-t", "bad"], &words);
    assert_eq!(gizmo.list().len(), 1);
}

#[test]
fn what_cannot_be_built_is_named() {
    let gizmo = Gizmo::new();
    let nowhere = gizmo.name("nowhere");
    gizmo.fails(["image", "build", &nowhere, "-t", "x"], &[&nowhere]);
    gizmo.write("empty/README", "");
    let empty = gizmo.name("empty");
    gizmo.fails(["image", "build", &empty, "-t", "x"], &[&empty]);
    gizmo.write("lost/build.yaml", "wasm: lost.wasm\n");
    gizmo.fails(
        ["image", "build", &gizmo.name("lost"), "-t", "x"],
        &["lost.wasm"],
    );
    let text = folder(&gizmo, "text", &metadata("text"), b"no module");
    gizmo.fails(["image", "build", &text, "-t", "x"], &["guest.wasm"]);
    let yaml = folder(&gizmo, "yaml", "name: [", &guest(1));
    gizmo.fails(["image", "build", &yaml, "-t", "x"], &["gadget.yaml"]);
    assert_eq!(gizmo.list().len(), 1, "something was built");
}
