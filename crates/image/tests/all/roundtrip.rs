//! An image stays the same on every way between builder, store, archive, layout and binary.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use gizmo_image::{Catalog, Image, Origin, Source, Store, archive, build};

use crate::support::{
    archive_bytes, blob_count, build_tagged, embedded, gadget, module, reference, spec, temp,
};

fn content(
    image: &Image,
) -> (
    &gizmo_image::Digest,
    &gizmo_image::Digest,
    &[u8],
    Vec<&[u8]>,
) {
    let layers = image
        .layers
        .iter()
        .map(|layer| layer.bytes.as_ref())
        .collect();
    (
        &image.index_digest,
        &image.manifest_digest,
        &image.metadata,
        layers,
    )
}

#[test]
fn build_export_import_and_load_give_the_same_image() {
    let (a, b, out) = (temp(), temp(), temp());
    let store = Store::open(a.path().join("store")).expect("store");
    let built = build_tagged(&store, "org/one:v1");
    let image = store.load(&reference("org/one:v1")).expect("load");
    assert_eq!(image.index_digest, built.digest);
    assert_eq!(image.created, "2023-11-14T22:13:20Z");
    assert_eq!(image.wasm().expect("module").bytes, module("org/one:v1"));
    assert!(image.metadata.starts_with(b"name: org/one:v1\n"));

    let tar = out.path().join("one.tar");
    Catalog::new(store, Vec::new())
        .export(&["org/one:v1"], &tar)
        .expect("export");
    let other = Store::open(b.path()).expect("store");
    assert_eq!(
        archive::import(&other, &tar).expect("import"),
        [reference("org/one:v1")]
    );
    let again = other.load(&reference("org/one:v1")).expect("load");
    assert_eq!(content(&again), content(&image));
    assert_eq!(
        other
            .resolve(&reference("org/one:v1"))
            .expect("there")
            .origin,
        Origin::Imported
    );

    let catalog = Catalog::new(other, Vec::new());
    let direct = catalog
        .find(tar.to_str().expect("UTF-8"))
        .expect("archive as argument");
    assert_eq!(content(&direct), content(&image));
    assert_eq!(direct.source, Source::Archive(tar));
    let layout = catalog
        .find(a.path().join("store").to_str().expect("UTF-8"))
        .expect("layout as argument");
    assert_eq!(content(&layout), content(&image));
}

#[test]
fn the_same_sources_and_date_give_the_same_bytes() {
    assert_eq!(
        archive_bytes("org/x", "same"),
        archive_bytes("org/x", "same")
    );
    assert_ne!(
        archive_bytes("org/x", "same"),
        archive_bytes("org/x", "other")
    );
    // By an independent computation of the documents; a change means that images differ from those of `ig`.
    let image = embedded("org/x", "same").load().expect("load");
    assert_eq!(
        image.manifest.annotations["io.inspektor-gadget.builder.version"],
        "v0.1.0"
    );
    assert_eq!(image.manifest.annotations["some.key"], "value");
}

#[test]
fn an_archive_does_not_depend_on_the_way_its_image_took() {
    let (a, b, out) = (temp(), temp(), temp());
    let built = Catalog::new(Store::open(a.path()).expect("store"), Vec::new());
    build_tagged(built.store(), "org/one");
    built
        .export(&["org/one"], &out.path().join("1.tar"))
        .expect("export");
    let imported = Catalog::new(Store::open(b.path()).expect("store"), Vec::new());
    build_tagged(imported.store(), "org/another");
    imported.import(&out.path().join("1.tar")).expect("import");
    imported
        .export(&["org/one"], &out.path().join("2.tar"))
        .expect("export");
    let read = |name: &str| fs::read(out.path().join(name)).expect("readable");
    assert_eq!(read("1.tar"), read("2.tar"));
}

#[test]
fn several_images_share_one_archive() {
    let (a, b, out) = (temp(), temp(), temp());
    let catalog = Catalog::new(
        Store::open(a.path()).expect("store"),
        vec![embedded("inside", "inside")],
    );
    for tag in ["org/one", "org/two"] {
        build_tagged(catalog.store(), tag);
    }
    let tar = out.path().join("all.tar");
    catalog
        .export(&["org/one", "org/two", "inside", "org/one"], &tar)
        .expect("export");
    let other = Catalog::new(Store::open(b.path()).expect("store"), Vec::new());
    assert_eq!(other.import(&tar).expect("import").len(), 3);
    assert_eq!(other.list().expect("list").len(), 3);
    let error = other
        .find(tar.to_str().expect("UTF-8"))
        .expect_err("ambiguous")
        .to_string();
    assert!(
        error.contains("`ghcr.io/org/one:latest`") && error.contains("`ghcr.io/org/two:latest`"),
        "{error}"
    );
}

#[test]
fn a_store_is_private_and_is_made_by_the_first_write() {
    let dir = temp();
    let path = dir.path().join("deep/store");
    let store = Store::open(&path).expect("store");
    assert_eq!(store.list().expect("list"), []);
    assert!(!path.exists());
    build_tagged(&store, "org/one");
    assert_eq!(
        fs::metadata(&path).expect("there").permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::read(path.join("oci-layout")).expect("there"),
        br#"{"imageLayoutVersion":"1.0.0"}"#
    );
    assert_eq!(fs::read_dir(path.join("ingest")).expect("there").count(), 0);
    Store::open(&path).expect("opens again");
    fs::create_dir(dir.path().join("other")).expect("creatable");
    fs::write(dir.path().join("other/file"), "x").expect("writable");
    assert!(Store::open(dir.path().join("other")).is_err());
}

#[test]
fn tags_move_and_the_last_one_takes_the_image_with_it() {
    let dir = temp();
    let store = Store::open(dir.path()).expect("store");
    let one = build_tagged(&store, "org/one");
    let alone = blob_count(&store);
    build_tagged(&store, "org/two");
    store
        .tag(&reference("org/one"), &reference("org/copy"))
        .expect("tag");
    store.remove(&reference("org/one")).expect("remove");
    assert_eq!(
        store
            .load(&reference("org/copy"))
            .expect("load")
            .index_digest,
        one.digest
    );
    // The copy now means the second image, and nothing means the first.
    store
        .tag(&reference("org/two"), &reference("org/copy"))
        .expect("tag");
    assert_eq!(blob_count(&store), alone);
    store.remove(&reference("org/copy")).expect("remove");
    store.load(&reference("org/two")).expect("load");
    store.remove(&reference("org/two")).expect("remove");
    assert_eq!(blob_count(&store), 0);
    assert!(store.remove(&reference("org/two")).is_err());
}

#[test]
fn a_digest_names_an_image_with_or_without_a_tag() {
    let dir = temp();
    let store = Store::open(dir.path()).expect("store");
    let source = gadget("untagged");
    let mut untagged = spec(source.path(), "x");
    untagged.tag = None;
    let built = build(&untagged, &store).expect("build");
    let by_digest = reference(&format!("org/any@{}", built.digest));
    assert_eq!(
        store.load(&by_digest).expect("load").index_digest,
        built.digest
    );
    assert_eq!(store.list().expect("list").len(), 1);
    let mut tagged = untagged.clone();
    tagged.tag = Some(reference("org/named"));
    build(&tagged, &store).expect("build");
    assert_eq!(store.list().expect("list").len(), 1);
    assert!(
        store.load(&by_digest).is_err(),
        "the name belongs to another repository now"
    );
    store
        .load(&reference(&format!("org/named@{}", built.digest)))
        .expect("load");
}

#[test]
fn entries_of_other_tools_survive_our_writes() {
    let dir = temp();
    let store = Store::open(dir.path()).expect("store");
    build_tagged(&store, "org/one");
    let path = dir.path().join("index.json");
    let text = fs::read_to_string(&path).expect("readable");
    let digest = "sha256:".to_owned() + &"a".repeat(64);
    let entry = format!(
        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":7,"annotations":{{"org.opencontainers.image.ref.name":"sha256-00.sig"}},"artifactType":"sig"}}"#
    );
    fs::write(
        &path,
        text.replace(r#""manifests":["#, &format!(r#""manifests":[{entry},"#)),
    )
    .expect("writable");
    build_tagged(&store, "org/two");
    store.remove(&reference("org/one")).expect("remove");
    assert!(
        fs::read_to_string(&path)
            .expect("readable")
            .contains(&entry)
    );
    assert_eq!(store.list().expect("list").len(), 1);
}
