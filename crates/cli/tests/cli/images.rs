//! `gizmo image list|inspect|tag|remove|export|import`.

use std::fs;

use serde_json::Value;

use crate::gadgets::{build, copy_of_store};
use crate::support::{Gizmo, Ran};

const KEYS: [&str; 14] = [
    "datasources",
    "ebpf.maps",
    "ebpf.programs",
    "ebpf.variables",
    "oci.created",
    "oci.digest",
    "oci.manifest",
    "oci.metadata",
    "oci.repository",
    "oci.tag",
    "params",
    "wasm.gadgetAPIVersion",
    "wasm.gizmoUpcalls",
    "wasm.upcalls",
];

#[test]
fn an_empty_store_lists_what_is_embedded() {
    let gizmo = Gizmo::new();
    let list = gizmo.list();
    assert_eq!(list.len(), 1);
    let [name, tag, digest, source] = &list[0];
    assert_eq!([name, tag, source], ["traceloop", "latest", "embedded"]);
    assert!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{digest}"
    );
    assert!(!gizmo.store().exists(), "listing made a store");
}

#[test]
fn the_list_has_the_same_in_every_form() {
    let gizmo = Gizmo::new();
    build(&gizmo, "small");
    let table = gizmo.ok(["image", "list"]).stdout();
    assert_eq!(table, gizmo.ok(["image", "ls"]).stdout());
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["REPOSITORY", "TAG", "DIGEST", "CREATED", "SOURCE"]);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let json = gizmo.ok(["image", "list", "-o", "json"]);
    assert!(
        !json.stdout().ends_with('\n'),
        "upstream writes no line end"
    );
    let pretty = gizmo.ok(["image", "list", "-o", "jsonpretty"]);
    assert_eq!(json.json(), pretty.json());
    let entries = json.json();
    assert_eq!(entries.as_array().unwrap().len(), rows.len());
    for (entry, row) in entries.as_array().unwrap().iter().zip(rows) {
        let keys = ["Repository", "Tag", "Digest", "Created", "Source"];
        let names: Vec<&String> = entry.as_object().unwrap().keys().collect();
        assert_eq!(names, keys);
        assert_eq!(keys.map(|key| entry[key].as_str().unwrap()).to_vec(), row);
    }
}

#[test]
fn the_embedded_image_is_inspected() {
    let gizmo = Gizmo::new();
    let all = gizmo.ok(["image", "inspect", "traceloop"]).json();
    let keys: Vec<&String> = all.as_object().unwrap().keys().collect();
    assert_eq!(keys, KEYS);
    for (key, entry) in all.as_object().unwrap() {
        let names: Vec<&String> = entry.as_object().unwrap().keys().collect();
        assert_eq!(names, ["contentType", "content"], "{key}");
        let is_json = entry["contentType"] == "application/json";
        assert_eq!(is_json, !entry["content"].is_string(), "{key}");
    }
    assert_eq!(all["oci.repository"]["content"], "traceloop");
    assert_eq!(all["oci.tag"]["content"], "latest");
    assert_eq!(all["wasm.gadgetAPIVersion"]["content"], "1");

    assert_eq!(gizmo.inspect("traceloop", "oci.tag"), "latest\n");
    assert!(
        gizmo
            .inspect("traceloop", "oci.metadata")
            .contains("name: traceloop")
    );
    let params: Value = serde_json::from_str(&gizmo.inspect("traceloop", "params")).unwrap();
    assert_eq!(params[0]["key"], "operator.oci.wasm.syscall-filters");
    let sources = gizmo
        .ok(["image", "inspect", "traceloop", "--show-datasources"])
        .json();
    assert_eq!(sources, all["datasources"]["content"]);
    assert_eq!(sources[0]["name"], "traceloop");
    let one_line = gizmo.ok(["image", "inspect", "traceloop", "-o", "json"]);
    assert_eq!(one_line.stdout().lines().count(), 1);
    assert_eq!(one_line.json(), all);
}

#[test]
fn unknown_information_is_named_with_what_there_is() {
    let args = [
        "image",
        "inspect",
        "traceloop",
        "--extra-info",
        "oci.nothing",
    ];
    let mut words = vec!["`oci.nothing`"];
    words.extend(KEYS);
    Gizmo::new().fails(args, &words);
}

#[test]
fn an_image_can_have_several_names() {
    let gizmo = Gizmo::new();
    build(&gizmo, "small");
    let digest = gizmo.digest("small", "latest");
    let tagged = gizmo.ok(["image", "tag", "small", "localhost:5000/other:v2"]);
    let line = format!("Successfully tagged with localhost:5000/other:v2@{digest}\n");
    assert_eq!((tagged.stdout(), tagged.stderr()), (String::new(), line));
    assert_eq!(gizmo.digest("localhost:5000/other", "v2"), digest);

    let removed = gizmo.ok(["image", "remove", "small"]);
    assert_eq!(removed.stderr(), "Successfully removed small\n");
    assert_eq!(
        gizmo.inspect("localhost:5000/other:v2", "oci.metadata"),
        "name: small\ndescription: gadget small\n"
    );
    gizmo.ok(["image", "rm", "localhost:5000/other:v2"]);
    assert_eq!(gizmo.list().len(), 1);
    gizmo.fails(
        ["image", "rm", "localhost:5000/other:v2"],
        &["localhost:5000/other:v2", "not found"],
    );
}

#[test]
fn a_local_tag_hides_the_embedded_image_until_it_is_removed() {
    let gizmo = Gizmo::new();
    build(&gizmo, "traceloop");
    let sources: Vec<String> = gizmo
        .list()
        .into_iter()
        .map(|[_, _, _, source]| source)
        .collect();
    assert!(
        sources.contains(&"embedded (hidden by a local tag)".to_owned()),
        "{sources:?}"
    );
    assert!(
        gizmo
            .inspect("traceloop", "oci.metadata")
            .contains("gadget traceloop")
    );
    gizmo.ok(["image", "remove", "traceloop"]);
    assert!(
        gizmo
            .inspect("traceloop", "oci.metadata")
            .contains("Flight recorder")
    );
    gizmo.fails(
        ["image", "remove", "traceloop"],
        &["`traceloop:latest`", "embedded"],
    );
}

#[test]
fn exported_images_come_back_with_the_same_digests() {
    let (from, to) = (Gizmo::new(), Gizmo::new());
    build(&from, "small");
    build(&from, "second");
    let file = from.name("images.tar");
    let exported = from.ok(["image", "export", "small", "second", "traceloop", &file]);
    assert_eq!(
        exported.stderr(),
        format!("Successfully exported images to {file}\n")
    );

    let imported = to.ok(["image", "import", &file]).stdout();
    let lines: Vec<&str> = imported.lines().collect();
    assert_eq!(lines[0], "Successfully imported images:");
    assert_eq!(lines.len(), 4);
    for name in ["small", "second", "traceloop"] {
        let full = format!("  ghcr.io/inspektor-gadget/gadget/{name}:latest");
        assert!(lines.contains(&full.as_str()), "{imported}");
        assert_eq!(
            from.digest(name, "latest"),
            to.digest(name, "latest"),
            "{name}"
        );
        let inspect = |gizmo: &Gizmo| gizmo.ok(["image", "inspect", name]).json();
        assert_eq!(inspect(&from), inspect(&to), "{name}");
    }
    let again: Value = to.ok(["image", "import", &file, "-o", "json"]).json();
    assert_eq!(again.as_array().unwrap().len(), 3);
    let second = to.name("again.tar");
    to.ok(["image", "export", "small", "second", "traceloop", &second]);
    assert_eq!(fs::read(file).unwrap(), fs::read(second).unwrap());
}

#[test]
fn an_archive_and_a_layout_folder_are_images_by_their_path() {
    let gizmo = Gizmo::new();
    build(&gizmo, "small");
    let digest = gizmo.inspect("small", "oci.digest");
    let (archive, layout) = (gizmo.name("small.tar"), copy_of_store(&gizmo, "layout"));
    gizmo.ok(["image", "export", "small", &archive]);
    let other = Gizmo::new();
    for path in [&archive, &layout] {
        assert_eq!(other.inspect(path, "oci.digest"), digest, "{path}");
    }
    for relative in ["./small.tar", "./layout", "small.tar"] {
        let mut command =
            other.command(["image", "inspect", relative, "--extra-info", "oci.digest"]);
        let ran = Ran::of(command.current_dir(gizmo.path("")));
        assert_eq!(
            (ran.code, ran.stdout()),
            (Some(0), digest.clone()),
            "{relative}"
        );
    }
    // The flags of a gadget are known from a path, too.
    for path in [&archive, &layout] {
        let help = other.ok(["run", path, "--help"]).stdout();
        assert!(help.starts_with("gadget small\n"), "{help}");
    }
}

#[test]
fn an_archive_of_several_images_is_ambiguous_as_an_image() {
    let gizmo = Gizmo::new();
    build(&gizmo, "small");
    let archive = gizmo.name("two.tar");
    gizmo.ok(["image", "export", "small", "traceloop", &archive]);
    let words = [archive.as_str(), "several images", "small", "traceloop"];
    gizmo.fails(["image", "inspect", &archive], &words);
    gizmo.fails(["run", &archive, "--", "true"], &words);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let gizmo = Gizmo::new();
    for args in [
        vec!["image", "inspect", "traceloop"],
        vec!["image", "list"],
        vec!["version"],
        vec!["run", "traceloop", "--help"],
        vec!["run", "--help"],
        vec!["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran: Ran = gizmo
            .command(&args)
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .and_then(std::process::Child::wait_with_output)
            .unwrap()
            .into();
        assert_eq!(
            (ran.code, ran.stderr()),
            (Some(0), String::new()),
            "{args:?}"
        );
    }
}
