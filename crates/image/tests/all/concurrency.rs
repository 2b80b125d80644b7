//! Several writers at once, with a collector among them.

use std::thread;

use gizmo_image::{Store, archive};

use crate::kill::writer_process;
use crate::support::{archive_bytes, blob_count, build_tagged, reference, temp};

#[test]
fn many_writers_and_a_collector_lose_no_tag() {
    const WRITERS: usize = 4;
    const TAGS: usize = 8;
    let dir = temp();
    let open = || Store::open(dir.path()).expect("store");
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let store = open();
                for tag in 0..TAGS {
                    build_tagged(&store, &format!("org/w{writer}:t{tag}"));
                    store
                        .load(&reference(&format!("org/w{writer}:t{tag}")))
                        .expect("load at once");
                }
            });
        }
        scope.spawn(|| {
            let store = open();
            for round in 0..TAGS {
                build_tagged(&store, &format!("org/short:t{round}"));
                store
                    .remove(&reference(&format!("org/short:t{round}")))
                    .expect("remove");
                store.collect_garbage().expect("collect");
            }
        });
    });
    let store = open();
    assert_eq!(store.list().expect("list").len(), WRITERS * TAGS);
    store.collect_garbage().expect("collect");
    for tag in store.list().expect("list") {
        store.load(&tag.reference.expect("named")).expect("load");
    }
    // Index, one manifest for both architectures, config and module.
    assert_eq!(blob_count(&store), WRITERS * TAGS * 4);
}

#[test]
fn two_processes_lose_no_tag() {
    const TAGS: usize = 12;
    let dir = temp();
    let store = Store::open(dir.path()).expect("store");
    let mut child = writer_process(dir.path(), TAGS);
    for tag in 0..TAGS {
        build_tagged(&store, &format!("org/parent:t{tag}"));
    }
    assert!(child.wait().expect("child").success());
    let (mut parents, mut children) = (0, 0);
    for tag in store.list().expect("list") {
        let name = tag.reference.expect("named");
        store.load(&name).expect("load");
        *(if name.repository().ends_with("parent") {
            &mut parents
        } else {
            &mut children
        }) += 1;
    }
    assert_eq!((parents, children), (TAGS, TAGS));
}

#[test]
fn an_image_that_is_loaded_does_not_care_for_its_tag() {
    let (dir, out) = (temp(), temp());
    let store = Store::open(dir.path()).expect("store");
    build_tagged(&store, "org/one");
    let path = out.path().join("a.tar");
    std::fs::write(&path, archive_bytes("org/one", "other")).expect("writable");
    thread::scope(|scope| {
        let mover = scope.spawn(|| {
            for _ in 0..10 {
                archive::import(&store, &path).expect("import");
                build_tagged(&store, "org/one");
            }
        });
        while !mover.is_finished() {
            let image = store.load(&reference("org/one")).expect("one of the two");
            let name = image.manifest.annotations["org.opencontainers.image.title"].clone();
            assert_eq!(
                image.layers[0].bytes,
                crate::support::module(&name),
                "layers and metadata belong together"
            );
        }
    });
}
