//! Damaged archives, stores and images: the error names the thing, and nothing half-read is used.

use std::fs;
use std::path::Path;

use crate::gadgets::{EBPF, WASM, build, copy_of_store, folder, guest, layout, metadata};
use crate::support::Gizmo;

/// Changes one byte of the metadata of the gadget `small`; its words stand in the manifest, too, but on one line.
#[track_caller]
fn damage(path: &Path) {
    let mut bytes = fs::read(path).expect("readable");
    let word = b"small\ndescription: gadget small";
    let at = bytes.windows(word.len()).position(|window| window == word);
    bytes[at.expect("metadata")] ^= 1;
    fs::remove_file(path).expect("removable");
    fs::write(path, bytes).expect("writable");
}

#[test]
fn a_damaged_archive_is_refused_with_the_blobs_digest() {
    let gizmo = Gizmo::new();
    build(&gizmo, "small");
    let digest = gizmo.inspect("small", "oci.digest");
    let archive = gizmo.name("small.tar");
    gizmo.ok(["image", "export", "small", &archive]);
    damage(archive.as_ref());
    let other = Gizmo::new();
    other.fails(["image", "import", &archive], &[digest.trim(), "damaged"]);
    assert_eq!(other.list().len(), 1);
    other.fails(["image", "inspect", &archive], &[digest.trim(), "damaged"]);
    other.fails(["run", &archive, "--", "true"], &[digest.trim(), "damaged"]);
}

#[test]
fn a_truncated_archive_is_refused_by_name() {
    let gizmo = Gizmo::new();
    build(&gizmo, "small");
    let archive = gizmo.name("small.tar");
    gizmo.ok(["image", "export", "small", &archive]);
    let whole = fs::read(&archive).unwrap();
    let other = Gizmo::new();
    for length in [0, 1, 511, 512, 700, whole.len() / 2, whole.len() / 3 * 2] {
        let name = format!("cut-{length}.tar");
        let cut = other.write(&name, &whole[..length]);
        let cut = cut.to_str().unwrap();
        other.fails(["image", "import", cut], &[cut]);
        other.fails(["image", "inspect", cut], &[cut]);
        other.fails(["run", cut, "--", "true"], &[cut]);
    }
    let text = other.write("text.tar", "this is no archive".repeat(100));
    let text = text.to_str().unwrap();
    other.fails(["image", "import", text], &[text]);
    let missing = other.name("missing.tar");
    other.fails(["image", "import", &missing], &[&missing]);
    assert_eq!(other.list().len(), 1);
}

#[test]
fn a_blob_that_was_changed_in_the_store_is_refused() {
    let gizmo = Gizmo::new();
    build(&gizmo, "small");
    let digest = gizmo.inspect("small", "oci.digest");
    let digest = digest.trim();
    damage(&gizmo.blob(digest));
    gizmo.fails(["image", "inspect", "small"], &[digest, "damaged"]);
    gizmo.fails(["run", "small", "--", "true"], &[digest, "damaged"]);
    gizmo.fails(
        ["image", "export", "small", &gizmo.name("a.tar")],
        &[digest],
    );
    fs::remove_file(gizmo.blob(digest)).unwrap();
    gizmo.fails(["image", "inspect", "small"], &[digest, "missing"]);
    // A new build repairs it.
    build(&gizmo, "small");
    gizmo.ok(["image", "inspect", "small"]);
}

#[test]
fn a_changed_layer_of_a_layout_folder_is_refused() {
    let gizmo = Gizmo::new();
    build(&gizmo, "small");
    let digest = gizmo.inspect("small", "oci.digest");
    let copy = copy_of_store(&gizmo, "layout");
    let hex = digest.trim().strip_prefix("sha256:").unwrap();
    damage(&Path::new(&copy).join("blobs/sha256").join(hex));
    gizmo.fails(["image", "inspect", &copy], &[digest.trim(), "damaged"]);
    gizmo.fails(["run", &copy, "--", "true"], &[digest.trim(), "damaged"]);
    gizmo.ok(["image", "inspect", "small"]);
}

#[test]
fn metadata_of_the_wrong_types_names_the_key() {
    for (key, yaml) in [
        ("datasources", "datasources: [1, 2]\n"),
        ("params", "params: 7\n"),
        ("params.wasm", "params: {wasm: [a]}\n"),
        ("annotations", "annotations: [x]\n"),
        ("name", "name: {a: b}\n"),
    ] {
        let gizmo = Gizmo::new();
        let path = layout(&gizmo, "bad", yaml, &[(WASM, &guest(1))]);
        for args in [
            vec!["image", "inspect", &path],
            vec!["run", &path, "--", "true"],
        ] {
            gizmo.fails(args, &[&format!("`{key}`")]);
        }
    }
    let gizmo = Gizmo::new();
    let path = layout(&gizmo, "bad", "name: [", &[(WASM, &guest(1))]);
    gizmo.fails(["image", "inspect", &path], &["metadata"]);
}

#[test]
fn an_object_that_is_no_bpf_object_is_refused() {
    let elf = fs::read("/proc/self/exe").unwrap();
    let objects: [&[u8]; 4] = [
        b"",
        b"not an object",
        b"\x7fELF\x02\x01\x01",
        &elf[..100_000],
    ];
    for object in objects {
        let gizmo = Gizmo::new();
        let path = layout(&gizmo, "bad", &metadata("bad"), &[(EBPF, object)]);
        for args in [
            vec!["image", "inspect", &path],
            vec!["run", &path, "--", "true"],
        ] {
            gizmo.fails(args, &["eBPF object"]);
        }
    }
}

#[test]
fn a_module_for_another_api_is_refused() {
    let none = wat::parse_str("(module (memory (export \"memory\") 1))").unwrap();
    let cases: [(&str, Vec<u8>, &[&str]); 4] = [
        ("unversioned", none, &["gadgetAPIVersion"]),
        ("future", guest(2), &["version 2", "version 1"]),
        ("ancient", guest(0), &["version 0", "version 1"]),
        (
            "junk",
            b"\0asm\x01\0\0\0\xff".to_vec(),
            &["WebAssembly module"],
        ),
    ];
    for (name, module, words) in cases {
        let gizmo = Gizmo::new();
        let path = layout(&gizmo, name, &metadata(name), &[(WASM, &module)]);
        for args in [
            vec!["image", "inspect", &path],
            vec!["run", &path, "--", "true"],
        ] {
            gizmo.fails(args, words);
        }
    }
}

/// Somebody with thirty images wants to know which of them is meant.
#[test]
fn errors_of_a_layer_name_the_image() {
    let gizmo = Gizmo::new();
    let folder = folder(&gizmo, "future", &metadata("future"), &guest(2));
    gizmo.ok(["image", "build", &folder, "-t", "future"]);
    gizmo.fails(["run", "future", "--", "true"], &["`future`", "version 2"]);
    gizmo.fails(["image", "inspect", "future"], &["`future`", "version 2"]);
}

#[test]
fn an_image_without_a_program_is_refused() {
    let gizmo = Gizmo::new();
    let path = layout(&gizmo, "hollow", &metadata("hollow"), &[]);
    gizmo.fails(["image", "inspect", &path], &["neither"]);
    let two: [(&str, &[u8]); 2] = [(WASM, &guest(1)), (WASM, &guest(1))];
    let path = layout(&gizmo, "double", &metadata("double"), &two);
    gizmo.fails(["image", "inspect", &path], &["several layers", WASM]);
}

#[test]
fn a_damaged_index_of_the_store_is_named() {
    let gizmo = Gizmo::new();
    build(&gizmo, "small");
    let index = gizmo.store().join("index.json");
    fs::write(&index, "{").unwrap();
    gizmo.fails(["image", "list"], &["index.json"]);
    gizmo.fails(["run", "small", "--", "true"], &["index.json"]);
}
