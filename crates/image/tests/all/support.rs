//! Small gadgets to build, and shorthands that fail with the caller's line.

use std::fs;
use std::path::{Path, PathBuf};

use gizmo_image::{
    BuildSpec, Built, Digest, EmbeddedImage, Reference, Store, build, build_to_archive,
};
use tempfile::TempDir;

/// A fixed build date.
pub const EPOCH: i64 = 1_700_000_000;

/// An empty temporary directory.
#[track_caller]
pub fn temp() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// A reference.
#[track_caller]
pub fn reference(text: &str) -> Reference {
    text.parse().expect("valid reference")
}

/// A module whose content depends on `salt`: a header and one custom section.
pub fn module(salt: &str) -> Vec<u8> {
    let section_len = u8::try_from(salt.len() + 2).expect("short salt");
    let mut bytes = b"\0asm\x01\0\0\0\0".to_vec();
    bytes.extend([section_len, 1, b's']);
    bytes.extend(salt.as_bytes());
    bytes
}

/// A gadget with metadata and a module that is compiled already.
#[track_caller]
pub fn gadget(salt: &str) -> TempDir {
    let dir = temp();
    let yaml = format!("name: {salt}\ndescription: a <b> & c\nannotations:\n  some.key: value\n");
    fs::write(dir.path().join("gadget.yaml"), yaml).expect("writable");
    fs::write(dir.path().join("program.wasm"), module(salt)).expect("writable");
    fs::write(dir.path().join("build.yaml"), "wasm: program.wasm\n").expect("writable");
    dir
}

/// What to build from a gadget's directory.
#[track_caller]
pub fn spec(dir: &Path, tag: &str) -> BuildSpec {
    let mut spec = BuildSpec::new(dir);
    spec.tag = Some(reference(tag));
    spec.source_date_epoch = Some(EPOCH);
    spec
}

/// Builds a gadget named after its tag.
#[track_caller]
pub fn build_tagged(store: &Store, tag: &str) -> Built {
    let dir = gadget(tag);
    build(&spec(dir.path(), tag), store).expect("build")
}

/// A gadget's archive, as a binary would embed it.
#[track_caller]
pub fn embedded(tag: &str, salt: &str) -> EmbeddedImage {
    EmbeddedImage::from_archive(archive_bytes(tag, salt).leak()).expect("embedded image")
}

/// The bytes of a gadget's archive.
#[track_caller]
pub fn archive_bytes(tag: &str, salt: &str) -> Vec<u8> {
    let (dir, out) = (gadget(salt), temp());
    let path = out.path().join("a.tar");
    build_to_archive(&spec(dir.path(), tag), &path).expect("build");
    fs::read(path).expect("readable")
}

/// Where a store keeps a blob.
pub fn blob_path(store: &Store, digest: &Digest) -> PathBuf {
    store.path().join("blobs/sha256").join(digest.hex())
}

/// How many blobs a store has.
#[track_caller]
pub fn blob_count(store: &Store) -> usize {
    fs::read_dir(store.path().join("blobs/sha256"))
        .expect("readable")
        .count()
}
