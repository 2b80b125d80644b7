//! Archives made to harm: everything ends in a typed error and leaves the store as it was.

use std::fs;
use std::path::Path;

use gizmo_image::{Digest, Error, ErrorKind, Reference, Result, Store, archive, oci};

use crate::support::{blob_count, build_tagged, reference, temp};

const LAYOUT: (&str, &[u8]) = ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);

fn tar_of(path: &Path, files: &[(&str, &[u8])]) {
    let mut builder = tar::Builder::new(fs::File::create(path).expect("creatable"));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, *content)
            .expect("writable");
    }
    builder.into_inner().expect("writable");
}

#[track_caller]
fn import(files: &[(&str, &[u8])]) -> Result<Vec<Reference>> {
    let (dir, out) = (temp(), temp());
    let store = Store::open(dir.path()).expect("store");
    build_tagged(&store, "org/kept");
    let blobs = blob_count(&store);
    let path = out.path().join("a.tar");
    tar_of(&path, files);
    let result = archive::import(&store, &path);
    if result.is_err() {
        assert_eq!(
            (store.list().expect("list").len(), blob_count(&store)),
            (1, blobs)
        );
        store.load(&reference("org/kept")).expect("load");
    }
    result
}

/// An `index.json` with one tagged descriptor.
fn index_json(digest: &Digest, size: u64, name: &str) -> String {
    let media = oci::MEDIA_INDEX;
    format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{media}","digest":"{digest}","size":{size},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}]}}"#
    )
}

fn blob(bytes: &[u8]) -> (String, Digest) {
    let digest = Digest::of(bytes);
    (format!("blobs/sha256/{}", digest.hex()), digest)
}

#[test]
fn entries_that_no_layout_has_are_refused() {
    let digest = Digest::of(b"x");
    let index = index_json(&digest, 1, "ghcr.io/a/b:c");
    let index = ("index.json", index.as_bytes());
    let long = format!("blobs/sha256/{}", "a".repeat(120));
    for (files, expected) in [
        (
            vec![LAYOUT, index, ("evil.sh", b"x".as_slice())],
            "not part of an image layout",
        ),
        (
            vec![LAYOUT, index, ("blobs/sha256/xyz", b"x")],
            "not part of an image layout",
        ),
        (
            vec![LAYOUT, index, ("blobs/sha512/00", b"x")],
            "not part of an image layout",
        ),
        (vec![LAYOUT, index, (long.as_str(), b"x")], "long name"),
        (vec![LAYOUT, index, index], "there twice"),
        (vec![LAYOUT], "no `index.json`"),
        (vec![index], "no `oci-layout`"),
        (
            vec![("oci-layout", b"{}".as_slice()), index],
            "layout version",
        ),
        (
            vec![
                LAYOUT,
                ("index.json", br#"{"schemaVersion":2,"manifests":[]}"#),
            ],
            "no image",
        ),
    ] {
        let error = import(&files).expect_err(expected);
        assert!(
            error.to_string().contains(expected),
            "{error} lacks {expected}"
        );
        assert_eq!(error.kind(), ErrorKind::BadArchive, "{error}");
    }
}

#[test]
fn sizes_are_judged_before_anything_is_read() {
    let (name, digest) = blob(b"x");
    for size in [u64::from(u32::MAX), u64::MAX] {
        let index = index_json(&digest, size, "ghcr.io/a/b:c");
        let error = import(&[LAYOUT, ("index.json", index.as_bytes()), (&name, b"x")])
            .expect_err("too large");
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}

#[test]
fn graphs_that_never_end_are_cut() {
    // An index cannot contain itself (it would have to know its digest), but it can be very deep or very wide.
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut text = br#"{"schemaVersion":2,"manifests":[]}"#.to_vec();
    for _ in 0..10 {
        let (name, digest) = blob(&text);
        let child = format!(
            r#"{{"mediaType":"{}","digest":"{digest}","size":{}}}"#,
            oci::MEDIA_INDEX,
            text.len()
        );
        files.push((name, text));
        text = format!(r#"{{"schemaVersion":2,"manifests":[{child}]}}"#).into_bytes();
    }
    let (name, digest) = blob(&text);
    let index = index_json(&digest, text.len() as u64, "ghcr.io/a/b:c");
    files.push((name, text));
    files.push(("index.json".into(), index.into_bytes()));
    let mut all: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(n, c)| (n.as_str(), c.as_slice()))
        .collect();
    all.push(LAYOUT);
    assert!(matches!(
        import(&all).expect_err("too deep"),
        Error::ImplausibleGraph { .. }
    ));
}

#[test]
fn missing_blobs_wrong_types_and_bad_names_are_errors() {
    let (name, digest) = blob(b"{}");
    let good_size = index_json(&digest, 2, "ghcr.io/a/b:c");
    let error = import(&[LAYOUT, ("index.json", good_size.as_bytes())]).expect_err("missing");
    assert!(matches!(error, Error::MissingBlob { .. }), "{error}");
    let manifest = good_size.replace(oci::MEDIA_INDEX, oci::MEDIA_MANIFEST);
    let error = import(&[LAYOUT, ("index.json", manifest.as_bytes()), (&name, b"{}")])
        .expect_err("not an index");
    assert!(matches!(error, Error::NotAnIndex { .. }), "{error}");
    for bad in ["latest", "a b", "ghcr.io/a/b"] {
        let index = index_json(&digest, 2, bad);
        let error =
            import(&[LAYOUT, ("index.json", index.as_bytes()), (&name, b"{}")]).expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::BadArchive, "{error}");
    }
    let traversal = good_size.replace(digest.as_str(), "sha256:../../../etc/passwd");
    assert!(import(&[LAYOUT, ("index.json", traversal.as_bytes())]).is_err());
}

#[test]
fn a_pipe_is_not_an_archive_and_does_not_block() {
    let dir = temp();
    let path = dir.path().join("pipe.tar");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).expect("creatable");
    let store = Store::open(dir.path().join("store")).expect("store");
    assert!(archive::import(&store, &path).is_err());
}
