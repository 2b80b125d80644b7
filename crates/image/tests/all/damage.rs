//! Damaged stores and archives: the error names the digest, and nothing half-read is used.

use std::fs;
use std::io::Write as _;

use gizmo_image::{Digest, Error, ErrorKind, Store, archive};

use crate::support::{archive_bytes, blob_count, blob_path, build_tagged, reference, temp};

/// Replaces a read-only file.
fn overwrite(path: &std::path::Path, bytes: &[u8]) {
    fs::remove_file(path).expect("removable");
    fs::File::create(path)
        .and_then(|mut file| file.write_all(bytes))
        .expect("writable");
}

#[test]
fn a_changed_blob_of_any_role_is_named_by_its_digest() {
    let dir = temp();
    let store = Store::open(dir.path()).expect("store");
    build_tagged(&store, "org/one");
    let name = reference("org/one");
    let image = store.load(&name).expect("load");
    let digests = [
        &image.index_digest,
        &image.manifest_digest,
        &image.manifest.config.digest,
        &image.layers[0].digest,
    ];
    for digest in digests {
        let path = blob_path(&store, digest);
        let intact = fs::read(&path).expect("readable");
        let mut changed = intact.clone();
        changed[intact.len() / 2] ^= 1;
        overwrite(&path, &changed);
        let error = store.load(&name).expect_err("changed");
        assert!(
            matches!(error, Error::DigestMismatch { .. })
                && error.to_string().contains(digest.as_str()),
            "{error}"
        );
        overwrite(&path, &intact[1..]);
        let error = store.load(&name).expect_err("shortened");
        assert!(
            matches!(error, Error::SizeMismatch { .. })
                && error.to_string().contains(digest.as_str()),
            "{error}"
        );
        fs::remove_file(&path).expect("removable");
        let error = store.load(&name).expect_err("missing");
        assert!(
            matches!(error, Error::MissingBlob { .. }) && error.kind() == ErrorKind::BadImage,
            "{error}"
        );
        std::os::unix::fs::symlink("/dev/zero", &path).expect("creatable");
        assert!(store.load(&name).is_err(), "a link is not followed");
        overwrite(&path, &intact);
        store.load(&name).expect("repaired");
    }
}

#[test]
fn a_rebuild_repairs_a_damaged_blob() {
    let dir = temp();
    let store = Store::open(dir.path()).expect("store");
    build_tagged(&store, "org/one");
    let layer = store.load(&reference("org/one")).expect("load").layers[0]
        .digest
        .clone();
    overwrite(&blob_path(&store, &layer), b"junk");
    build_tagged(&store, "org/one");
    store.load(&reference("org/one")).expect("load");
}

#[test]
fn a_damaged_index_file_is_an_error_and_not_an_empty_store() {
    let dir = temp();
    let store = Store::open(dir.path()).expect("store");
    build_tagged(&store, "org/one");
    fs::write(dir.path().join("index.json"), "{").expect("writable");
    assert!(store.list().is_err() && store.remove(&reference("org/one")).is_err());
    let before = blob_count(&store);
    assert!(store.collect_garbage().is_err());
    assert_eq!(blob_count(&store), before);
}

#[test]
fn a_flipped_byte_in_an_archive_imports_nothing() {
    let (dir, out) = (temp(), temp());
    let store = Store::open(dir.path()).expect("store");
    let intact = archive_bytes("org/one", "salt");
    let path = out.path().join("a.tar");
    // Blobs start behind the first header; the layer and the documents lie in the first 8 KiB.
    for at in (512..intact.len()).step_by(97) {
        let mut bytes = intact.clone();
        bytes[at] ^= 0x20;
        fs::write(&path, &bytes).expect("writable");
        match archive::import(&store, &path) {
            // Padding, modes and end marker carry no information about the image.
            Ok(_) => drop(store.remove(&reference("org/one"))),
            Err(_) => assert_eq!(store.list().expect("list"), [], "{at}"),
        }
    }
    store.collect_garbage().expect("collect");
    assert_eq!(blob_count(&store), 0);
}

#[test]
fn a_changed_blob_in_an_archive_is_named_by_its_digest() {
    let (dir, out) = (temp(), temp());
    let store = Store::open(dir.path()).expect("store");
    let mut bytes = archive_bytes("org/one", "salt");
    let layer = Digest::of(&crate::support::module("salt"));
    let name = format!("blobs/sha256/{}", layer.hex());
    let header = bytes
        .windows(name.len())
        .position(|w| w == name.as_bytes())
        .expect("has the layer");
    let content = (header / 512 + 1) * 512;
    bytes[content + 10] ^= 1;
    let path = out.path().join("a.tar");
    fs::write(&path, &bytes).expect("writable");
    let error = archive::import(&store, &path).expect_err("changed");
    assert!(
        matches!(error, Error::DigestMismatch { .. }) && error.to_string().contains(layer.as_str()),
        "{error}"
    );
    assert_eq!(
        (store.list().expect("list").len(), blob_count(&store)),
        (0, 0)
    );
}

#[test]
fn a_truncated_archive_imports_nothing() {
    let (dir, out) = (temp(), temp());
    let store = Store::open(dir.path()).expect("store");
    let intact = archive_bytes("org/one", "salt");
    let path = out.path().join("a.tar");
    for len in (0..intact.len() - 1024).step_by(256) {
        fs::write(&path, &intact[..len]).expect("writable");
        let error = archive::import(&store, &path).expect_err("truncated");
        assert_eq!(error.kind(), ErrorKind::BadArchive, "{error}");
        assert_eq!(store.list().expect("list"), []);
    }
}
