//! Builds that run compilers. Set-up (`cargo xtask setup`) installs clang and the Rust targets.

use std::fs;
use std::path::Path;

use gizmo_image::{Digest, Error, Store, build, oci};

use crate::support::{reference, spec, temp};

/// Enough C for an object with BTF line information, without any header of the system.
const PROGRAM: &str = r#"
#include <answer.h>
__attribute__((section("license"), used)) char _license[] = "GPL";
__attribute__((section("raw_tp/sys_enter"), used)) int enter(void *ctx) { return ANSWER; }
"#;

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("below a directory")).expect("creatable");
    fs::write(path, text).expect("writable");
}

fn ebpf_gadget(root: &Path) -> gizmo_image::BuildSpec {
    write(root, "g/program.bpf.c", PROGRAM);
    write(root, "include/amd64/answer.h", "#define ANSWER 1\n");
    write(root, "include/arm64/answer.h", "#define ANSWER 2\n");
    let mut spec = spec(&root.join("g"), "org/c");
    spec.include_dirs = vec![root.join("include")];
    spec
}

#[test]
fn an_ebpf_object_is_compiled_per_architecture_and_is_reproducible() {
    let mut digests: Vec<Digest> = Vec::new();
    for _ in 0..2 {
        let dir = temp();
        let store = Store::open(dir.path().join("store")).expect("store");
        let spec = ebpf_gadget(dir.path());
        let built = build(&spec, &store).expect("build");
        assert!(
            built
                .inputs
                .iter()
                .any(|path| path.ends_with("include/arm64/answer.h")),
            "{:?}",
            built.inputs
        );
        let image = store.load(&reference("org/c")).expect("load");
        assert_eq!(image.metadata, b"{}");
        let object = &image.ebpf().expect("object").bytes;
        let has = |text: &str| {
            object
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        assert!(has(".BTF.ext") && has("program.bpf.c") && !has(".debug_info"));
        assert!(
            !has(dir.path().to_str().expect("UTF-8")),
            "the build path is in the object"
        );
        digests.push(built.digest);
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_compiler_error_is_shown() {
    let dir = temp();
    let store = Store::open(dir.path().join("store")).expect("store");
    let mut spec = ebpf_gadget(dir.path());
    write(
        dir.path(),
        "g/program.bpf.c",
        "int f(void) { int unused; return 0; }\n",
    );
    let error = build(&spec, &store).expect_err("a warning is an error");
    assert!(
        matches!(&error, Error::ToolFailed { stderr, .. } if stderr.contains("unused")),
        "{error}"
    );
    assert_eq!(store.list().expect("list"), []);
    spec.deny_warnings = false;
    build(&spec, &store).expect("a warning is a warning");
}

fn guest(root: &Path) {
    write(
        root,
        "g/guest/Cargo.toml",
        "[package]\nname = \"my-guest\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n",
    );
    let code = "#[unsafe(no_mangle)]\npub extern \"C\" fn f(x: usize) -> u8 { std::hint::black_box([1, 2])[x] }\n";
    write(root, "g/guest/src/lib.rs", code);
    write(
        root,
        "g/build.yaml",
        "wasm: guest/src/lib.rs\nwasmTarget: wasm32-unknown-unknown\n",
    );
}

#[test]
fn a_rust_guest_is_compiled_and_is_reproducible() {
    let mut digests: Vec<Digest> = Vec::new();
    for _ in 0..2 {
        let dir = temp();
        guest(dir.path());
        let store = Store::open(dir.path().join("store")).expect("store");
        let built = build(&spec(&dir.path().join("g"), "org/rust"), &store).expect("build");
        assert!(
            built
                .inputs
                .iter()
                .any(|path| path.ends_with("guest/src/lib.rs")),
            "{:?}",
            built.inputs
        );
        let image = store.load(&reference("org/rust")).expect("load");
        let module = &image.wasm().expect("module").bytes;
        let text = dir.path().to_str().expect("UTF-8").as_bytes();
        assert!(
            !module.windows(text.len()).any(|window| window == text),
            "the build path is in the module"
        );
        assert_eq!(image.layers[0].media_type, oci::MEDIA_WASM);
        digests.push(built.digest);
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_module_that_is_none_is_refused() {
    let dir = temp();
    write(dir.path(), "g/x.wasm", "not wasm");
    write(dir.path(), "g/x.txt", "");
    let store = Store::open(dir.path().join("store")).expect("store");
    for name in ["x.wasm", "x.txt"] {
        write(dir.path(), "g/build.yaml", &format!("wasm: {name}\n"));
        assert!(matches!(
            build(&spec(&dir.path().join("g"), "org/x"), &store),
            Err(Error::Build { .. })
        ));
    }
    write(dir.path(), "g/build.yaml", "");
    write(dir.path(), "g/gadget.yaml", "- a list\n");
    assert!(matches!(
        build(&spec(&dir.path().join("g"), "org/x"), &store),
        Err(Error::Yaml { .. })
    ));
}
