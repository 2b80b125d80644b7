//! Who wins when a name could mean several images.

use gizmo_image::{Catalog, Error, ErrorKind, ListedSource, Origin, Source, Store, inspect};

use crate::support::{build_tagged, embedded, reference, temp};

#[test]
fn the_users_tag_shadows_the_embedded_image_and_gives_way_when_removed() {
    let dir = temp();
    let catalog = Catalog::new(
        Store::open(dir.path()).expect("store"),
        vec![embedded("traceloop", "inside")],
    );
    let inside = catalog.find("traceloop").expect("embedded");
    assert_eq!(inside.source, Source::Embedded);
    assert!(matches!(
        inside.layers[0].bytes,
        std::borrow::Cow::Borrowed(_)
    ));
    assert_eq!(
        catalog.find_verified("traceloop:latest").expect("embedded"),
        inside
    );

    build_tagged(catalog.store(), "traceloop");
    let built = catalog.find("traceloop").expect("store");
    assert_eq!(
        built.source,
        Source::Store {
            path: dir.path().to_path_buf()
        }
    );
    assert_ne!(built.index_digest, inside.index_digest);
    let listed: Vec<ListedSource> = catalog
        .list()
        .expect("list")
        .iter()
        .map(|l| l.source)
        .collect();
    assert!(listed.contains(&ListedSource::Store(Origin::Built)));
    assert!(listed.contains(&ListedSource::Embedded { shadowed: true }));

    catalog.remove("traceloop").expect("remove");
    assert_eq!(catalog.find("traceloop").expect("embedded"), inside);
    let error = catalog.remove("traceloop").expect_err("embedded");
    assert!(matches!(error, Error::EmbeddedImage { .. }) && error.kind() == ErrorKind::Refused);
}

#[test]
fn a_pulled_image_does_not_take_the_embedded_ones_name() {
    let dir = temp();
    let catalog = Catalog::new(
        Store::open(dir.path()).expect("store"),
        vec![embedded("traceloop", "inside")],
    );
    let pulled = build_tagged(catalog.store(), "traceloop");
    let path = dir.path().join("index.json");
    let text = std::fs::read_to_string(&path).expect("readable");
    for origin in [r#""io.gizmo.origin":"pulled""#, r#""x":"y""#] {
        std::fs::write(&path, text.replace(r#""io.gizmo.origin":"built""#, origin))
            .expect("writable");
        assert_eq!(
            catalog.find("traceloop").expect("embedded").source,
            Source::Embedded
        );
        let full = catalog
            .find("ghcr.io/inspektor-gadget/gadget/traceloop")
            .expect("store");
        assert_eq!(full.index_digest, pulled.digest);
    }
}

#[test]
fn an_embedded_image_can_be_tagged_into_the_store() {
    let dir = temp();
    let image = embedded("traceloop", "inside");
    let catalog = Catalog::new(Store::open(dir.path()).expect("store"), vec![image.clone()]);
    catalog
        .tag("traceloop", &reference("org/mine"))
        .expect("tag");
    let mine = catalog.find("org/mine").expect("store");
    assert_eq!(&mine.index_digest, image.digest());
    assert_eq!(
        mine.layers[0].bytes,
        image.load().expect("load").layers[0].bytes
    );
    catalog
        .tag("org/mine", &reference("org/more"))
        .expect("tag");
    catalog.remove("org/mine").expect("remove");
    catalog.find("org/more").expect("store");
    image.verify().expect("intact");
}

#[test]
fn what_is_not_found_is_told_with_its_neighbours() {
    let dir = temp();
    let catalog = Catalog::new(
        Store::open(dir.path()).expect("store"),
        vec![embedded("traceloop", "inside")],
    );
    let error = catalog.find("tracelop").expect_err("absent");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    assert!(
        text.contains("registry is not supported yet") && text.contains("`traceloop:latest`"),
        "{text}"
    );
    assert_eq!(
        catalog
            .find("ghcr.io/inspektor-gadget/gadget/traceloop")
            .expect_err("absent")
            .kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        catalog.find("./nowhere").expect_err("absent").kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        catalog.find("No").expect_err("invalid").kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn inspect_describes_the_image() {
    let image = embedded("traceloop", "inside").load().expect("load");
    let entries = inspect::oci_entries(&image, "traceloop:v9");
    let get = |key: &str| {
        let entry = entries.iter().find(|entry| entry.key == key).expect(key);
        String::from_utf8(entry.content.clone()).expect("UTF-8")
    };
    assert_eq!(
        (get("oci.repository").as_str(), get("oci.tag").as_str()),
        ("traceloop", "v9")
    );
    assert_eq!(get("oci.digest"), image.manifest.config.digest.as_str());
    assert_eq!(get("oci.created"), "2023-11-14T22:13:20Z");
    assert_eq!(get("oci.metadata").as_bytes(), image.metadata);
    assert_eq!(
        gizmo_image::Digest::of(get("oci.manifest").as_bytes()),
        image.manifest_digest
    );
    let text = inspect::describe(image.reference.as_ref(), &image.index_digest);
    assert_eq!(text, format!("traceloop:latest@{}", image.index_digest));
}
