//! The examples of docs/writing-a-guest.md, and that the chapter quotes them as they are.

use gizmo_model::map::{BpfMap, kind};
use gizmo_model::{Kind, Shape};
use gizmo_wasm::{Module, Phase};

use crate::host::{add, collect, errors, finish, init, single, source, world};
use crate::support::{FakeMap, chain, logged};

pub fn example_enrich(module: &Module) {
    let world = world();
    let open = world.source("open", Shape::Single);
    let raw = add(&open, "flags_raw", Kind::Int32);
    let guest = init(module, world.context());
    let flags = open.field("flags").unwrap();
    assert_eq!(flags.kind(), Kind::String);
    let seen = collect(&open, move |element| {
        String::from_utf8(flags.bytes(element).unwrap().to_vec()).unwrap()
    });
    let ((), lines) = logged(|| {
        for number in [0, 0o101, 0o2000002] {
            let mut element = open.new_element();
            raw.set_value(&mut element, number).unwrap();
            open.emit(single(element)).unwrap();
        }
        finish(&guest);
    });
    assert!(errors(&lines).is_empty(), "{lines:?}");
    let expected = ["O_RDONLY", "O_WRONLY|O_CREAT", "O_RDWR|O_CLOEXEC"];
    assert_eq!(*seen.lock().unwrap(), expected.map(|text| [text]));
}

pub fn example_source(module: &Module) {
    let world = world();
    let open = world.source("open", Shape::Single);
    let comm = add(&open, "comm", Kind::String);
    let guest = init(module, world.context());
    assert!(!open.is_referenced());
    let summary = source(&world, "opens_by_comm");
    assert_eq!(summary.shape(), Shape::Array);
    let [name, opens] = ["comm", "opens"].map(|name| summary.field(name).unwrap());
    let seen = collect(&summary, move |element| {
        let name = String::from_utf8(name.bytes(element).unwrap().to_vec()).unwrap();
        (name, opens.value(element).unwrap())
    });
    let ((), lines) = logged(|| {
        for text in ["sh", "cat", "cat"] {
            let mut element = open.new_element();
            comm.set_bytes(&mut element, text.as_bytes()).unwrap();
            open.emit(single(element)).unwrap();
        }
        finish(&guest);
    });
    assert!(errors(&lines).is_empty(), "{lines:?}");
    let expected = [("cat".to_owned(), 2), ("sh".to_owned(), 1)];
    assert_eq!(*seen.lock().unwrap(), [expected]);
}

pub fn example_map(module: &Module) {
    let mut world = world();
    world.params.insert("uids".into(), "0, 1000".into());
    let selected = FakeMap::new("selected_uids", kind::HASH, 4, 1, 8);
    let calls = FakeMap::new("calls", kind::PERCPU_ARRAY, 4, 32, 1);
    let counters = [3u64, 0, 30, 9].map(u64::to_le_bytes).concat();
    calls.update(&[0; 4], &counters, 0).unwrap();
    world.maps.add(selected.clone());
    world.maps.add(calls);
    let guest = init(module, world.context());
    let ((), lines) = logged(|| finish(&guest));
    assert_eq!(lines, ["INFO 42 calls"]);
    for (uid, there) in [(0u32, true), (1000, true), (1, false)] {
        let found = selected.lookup(&uid.to_le_bytes(), &mut [0]).unwrap();
        assert_eq!(found, there, "{uid}");
    }

    world.params.insert("uids".into(), "0,root".into());
    let guest = init(module, world.context());
    let error = guest.call(Phase::PreStart).unwrap_err();
    assert_eq!(
        chain(&error),
        "gadgetPreStart failed: `uids` has `root`, which is no number"
    );
}

/// A block of Rust that follows a line with a file's path is a piece of that file.
#[test]
fn the_chapter_quotes_the_examples() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let read = |path: &str| std::fs::read_to_string(format!("{root}{path}")).unwrap();
    let chapter = read("docs/writing-a-guest.md");
    let mut quoted = Vec::new();
    for (before, block) in chapter
        .split("```rust\n")
        .collect::<Vec<_>>()
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
    {
        let line = before.trim_end().lines().last().unwrap_or_default();
        let Some(path) = line.split('`').find(|word| word.starts_with("testing/")) else {
            continue;
        };
        let block = block.split("```").next().unwrap();
        assert!(
            read(path).contains(block),
            "{path} does not contain:\n{block}"
        );
        quoted.push(path.to_owned());
    }
    let example = |name| format!("testing/guests/example-{name}/src/lib.rs");
    assert_eq!(quoted, ["enrich", "source", "map"].map(example));
}
