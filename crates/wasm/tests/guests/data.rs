//! Guests that read, write, make and emit data.

use std::sync::Arc;

use gizmo_model::{Kind, Packet, Shape};
use gizmo_wasm::Module;

use crate::host::{add, collect, errors, finish, init, single, source, world};
use crate::support::{chain, logged};

pub fn dataarray(module: &Module) {
    let world = world();
    let myds = world.source("myds", Shape::Array);
    let number = add(&myds, "foo", Kind::Uint32);
    let guest = init(module, world.context());
    let field = Arc::clone(&number);
    let seen = collect(&myds, move |element| field.value(element).unwrap());
    let elements = (0..10).map(|index| {
        let mut element = myds.new_element();
        number.set_value(&mut element, 424_143 * index).unwrap();
        element
    });
    let packet = Packet::Array(elements.collect());
    let ((), lines) = logged(|| {
        myds.emit(packet).unwrap();
        finish(&guest);
    });
    assert!(errors(&lines).is_empty(), "{lines:?}");
    let expected: Vec<u64> = (0..15).map(|index| 424_143 * index).collect();
    assert_eq!(*seen.lock().unwrap(), [expected]);
}

pub fn databatch(module: &Module) {
    let world = world();
    let guest = init(module, world.context());
    let numbers = source(&world, "numbers");
    let (number, text) = (
        numbers.field("number").unwrap(),
        numbers.field("text").unwrap(),
    );
    let seen = collect(&numbers, move |element| {
        let text = String::from_utf8(text.text(element).unwrap().to_vec());
        (number.value(element).unwrap().cast_signed(), text.unwrap())
    });
    let ((), lines) = logged(|| finish(&guest));
    assert!(errors(&lines).is_empty(), "{lines:?}");
    let seen: Vec<(i64, String)> = seen.lock().unwrap().concat();
    let expected: Vec<(i64, String)> = (0..10_000).map(|n| (-n, (-n).to_string())).collect();
    assert_eq!(seen, expected);
}

pub fn dataemit(module: &Module) {
    let world = world();
    let old = world.source("old_ds", Shape::Array);
    let number = add(&old, "foo", Kind::Uint32);
    let guest = init(module, world.context());
    let observe = |name: &str, field: &str, shape| {
        let found = source(&world, name);
        let field = found.field(field).unwrap();
        assert_eq!((found.shape(), field.kind()), (shape, Kind::Uint32));
        collect(&found, move |element| field.value(element).unwrap())
    };
    let products = observe("new_ds", "bar", Shape::Single);
    let reversed = observe("new_array", "baz", Shape::Array);
    let is_hidden = world
        .sources
        .get("hidden_ds")
        .is_none_or(|hidden| !hidden.is_referenced());
    assert!(is_hidden);

    let elements = [1, 2].map(|value| {
        let mut element = old.new_element();
        number.set_value(&mut element, value).unwrap();
        element
    });
    let packet = Packet::Array(elements.into());
    let ((), lines) = logged(|| {
        old.emit(packet).unwrap();
        finish(&guest);
    });
    assert!(errors(&lines).is_empty(), "{lines:?}");
    assert_eq!(*products.lock().unwrap(), [[10]]);
    assert_eq!(*reversed.lock().unwrap(), [[2, 1]]);
}

pub fn fields(module: &Module) {
    let world = world();
    let myds = world.source("myds", Shape::Single);
    let host_field = add(&myds, "host_field", Kind::String);
    host_field.update_meta(|meta| meta.tags.push("host_tag".into()));
    let guest = init(module, world.context());

    let numbers: [(&str, Kind, u64); 11] = [
        ("bool", Kind::Bool, 1),
        ("int8", Kind::Int8, -123i64 as u64),
        ("int16", Kind::Int16, -25_647i64 as u64),
        ("int32", Kind::Int32, -535_245_564i64 as u64),
        ("int64", Kind::Int64, -1_234_567_890i64 as u64),
        ("uint8", Kind::Uint8, 56),
        ("uint16", Kind::Uint16, 12_345),
        ("uint32", Kind::Uint32, 1_234_567_890),
        ("uint64", Kind::Uint64, 1_234_567_890_123_456),
        ("float32", Kind::Float32, 0x4049_0fd0),
        ("float64", Kind::Float64, 0x4009_21fb_5444_2eea),
    ];
    let texts: [(&str, Kind, &[u8]); 2] = [
        ("string", Kind::String, b"Hello, World!"),
        ("bytes", Kind::Bytes, &[1, 2, 3, 4, 5]),
    ];
    let kinds = numbers.iter().map(|(name, kind, _)| (name, kind));
    for (name, kind) in kinds.chain(texts.iter().map(|(name, kind, _)| (name, kind))) {
        let field = myds.field(&format!("field_{name}")).unwrap();
        assert_eq!(field.kind(), *kind, "{name}");
        assert!(field.has_tag(&format!("tag_{name}")), "{name}");
    }

    let all = myds.fields();
    let seen = collect(&myds, move |element| {
        let scalar = |name: &str| {
            let field = all.iter().find(|field| field.name() == name).unwrap();
            field.value(element).unwrap()
        };
        let bytes = |name: &str| {
            let field = all.iter().find(|field| field.name() == name).unwrap();
            field.bytes(element).unwrap().to_vec()
        };
        let numbers = numbers.map(|(name, _, _)| scalar(&format!("field_{name}")));
        let texts = texts.map(|(name, _, _)| bytes(&format!("field_{name}")));
        (numbers, texts, bytes("host_field"))
    });
    let ((), lines) = logged(|| {
        myds.emit(single(myds.new_element())).unwrap();
        finish(&guest);
    });
    assert!(errors(&lines).is_empty(), "{lines:?}");
    let expected = (
        numbers.map(|(_, _, value)| value),
        texts.map(|(_, _, bytes)| bytes.to_vec()),
        b"LOCALHOST".to_vec(),
    );
    assert_eq!(*seen.lock().unwrap(), [[expected]]);
}

pub fn nesting(module: &Module) {
    let world = world();
    let guest = init(module, world.context());
    let countdown = source(&world, "countdown");
    let left = countdown.field("left").unwrap();
    assert_eq!(left.kind(), Kind::Uint32);
    let seen = collect(&countdown, move |element| left.value(element).unwrap());
    let ((), lines) = logged(|| finish(&guest));
    assert!(errors(&lines).is_empty(), "{lines:?}");
    assert_eq!(*seen.lock().unwrap(), [[0], [1], [2], [3]]);
}

pub fn template(module: &Module) {
    let mut world = world();
    world.params.insert("min-depth".into(), "2".into());
    let open = world.source("open", Shape::Single);
    let fname = add(&open, "fname", Kind::String);
    let guest = init(module, world.context());

    let (name, depth) = (Arc::clone(&fname), open.field("depth").unwrap());
    let opened = collect(&open, move |element| {
        let name = String::from_utf8(name.bytes(element).unwrap().to_vec()).unwrap();
        (name, depth.value(element).unwrap())
    });
    let deep = source(&world, "deep");
    let (name, depth) = (deep.field("fname").unwrap(), deep.field("depth").unwrap());
    assert_eq!((name.kind(), depth.kind()), (Kind::String, Kind::Uint32));
    let emitted = collect(&deep, move |element| {
        let name = String::from_utf8(name.bytes(element).unwrap().to_vec()).unwrap();
        (name, depth.value(element).unwrap())
    });

    let ((), lines) = logged(|| {
        for path in ["/etc/passwd", "/etc/ssl/openssl.cnf", ""] {
            let mut element = open.new_element();
            fname.set_bytes(&mut element, path.as_bytes()).unwrap();
            open.emit(single(element)).unwrap();
        }
        finish(&guest);
    });
    assert!(
        lines.contains(&"INFO no more files".to_owned()),
        "{lines:?}"
    );
    assert!(errors(&lines).is_empty(), "{lines:?}");
    let expect = |path: &str, depth| vec![(path.to_owned(), depth)];
    assert_eq!(
        *opened.lock().unwrap(),
        [
            expect("/etc/passwd", 1),
            expect("/etc/ssl/openssl.cnf", 2),
            expect("", 0)
        ]
    );
    assert_eq!(
        *emitted.lock().unwrap(),
        [expect("/etc/ssl/openssl.cnf", 2)]
    );

    let mut world = crate::host::world();
    world.params.insert("min-depth".into(), "three".into());
    add(&world.source("open", Shape::Single), "fname", Kind::String);
    let error = gizmo_wasm::Guest::instantiate(module, world.context()).unwrap_err();
    assert_eq!(
        chain(&error),
        "gadgetInit failed: `min-depth` is no number: `three`"
    );
}

pub fn discard(module: &Module) {
    let world = world();
    let one = world.source("one", Shape::Single);
    let many = world.source("many", Shape::Array);
    let fields = [&one, &many].map(|source| add(source, "n", Kind::Uint32));
    let guest = init(module, world.context());
    let seen = [(&one, &fields[0]), (&many, &fields[1])].map(|(source, field)| {
        let field = Arc::clone(field);
        collect(source, move |element| field.value(element).unwrap())
    });
    let ((), lines) = logged(|| {
        for number in [1, 2, 3, 7, 8] {
            let mut element = one.new_element();
            fields[0].set_value(&mut element, number).unwrap();
            one.emit(single(element)).unwrap();
        }
        for numbers in [vec![1, 2, 3, 4], vec![1000, 1], vec![]] {
            let elements = numbers.into_iter().map(|number| {
                let mut element = many.new_element();
                fields[1].set_value(&mut element, number).unwrap();
                element
            });
            many.emit(Packet::Array(elements.collect())).unwrap();
        }
        finish(&guest);
    });
    assert_eq!(errors(&lines), ["ERROR callback failed: seven"]);
    assert_eq!(*seen[0].lock().unwrap(), [[1], [3], [7]]);
    assert_eq!(*seen[1].lock().unwrap(), [vec![1, 3], vec![]]);
}
