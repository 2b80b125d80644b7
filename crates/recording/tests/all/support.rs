//! Data sources, recordings of them, and what is read from these.

use std::sync::Arc;

use gizmo_model::field::FieldSpec;
use gizmo_model::{DataSource, Element, Field, Kind, Packet, Shape};
use gizmo_recording::{Block, Error, Header, Packer, Recording, Writer};

/// A value that one field of an element has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

/// A packet as a test sees it: its data source, and the values of its elements.
pub type Seen = (String, Vec<Vec<Value>>);

pub fn source(name: &str, shape: Shape, fields: &[(&str, Kind, bool)]) -> DataSource {
    let source = DataSource::described(name, shape, vec![], [].into());
    for (name, kind, array) in fields {
        let mut spec = FieldSpec::new(*name, *kind);
        spec.array = *array;
        source.add_field(spec).unwrap();
    }
    source
}

fn is_number(field: &Field) -> bool {
    field.kind().width().is_some() && !field.is_array()
}

fn values(source: &DataSource, element: &Element) -> Vec<Value> {
    let value = |field: &Arc<Field>| {
        if is_number(field) {
            Value::Number(field.value(element).unwrap())
        } else {
            Value::Bytes(field.text(element).unwrap().to_vec())
        }
    };
    let fields = source.fields();
    let stored = fields.iter().filter(|field| !field.is_empty());
    stored.map(value).collect()
}

pub fn seen(source: &DataSource, packet: &Packet) -> Seen {
    let elements = packet.elements().iter();
    let all = elements.map(|element| values(source, element)).collect();
    (source.name().to_owned(), all)
}

pub fn element(source: &DataSource, values: &[Value]) -> Element {
    let mut element = source.new_element();
    for (field, value) in source.fields().iter().zip(values) {
        match value {
            Value::Number(bits) => field.set_value(&mut element, *bits).unwrap(),
            Value::Bytes(bytes) => field.set_bytes(&mut element, bytes).unwrap(),
        }
    }
    element
}

pub fn header() -> Header {
    Header {
        gadget: "test".into(),
        params: [("a".into(), "b".into())].into(),
        ..Header::default()
    }
}

/// A file of these blocks.
pub fn file(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(&mut bytes, &header()).unwrap();
    for block in blocks {
        writer.write(block).unwrap();
    }
    bytes
}

/// A whole recording; a block ends after each packet whose flag is set.
pub fn record(sources: &[DataSource], packets: &[(usize, Packet, bool)]) -> Vec<u8> {
    let mut packer = Packer::new(sources).unwrap();
    let mut blocks = Vec::new();
    packer.flush(&mut blocks);
    for (position, packet, ends) in packets {
        packer
            .push(*position, &sources[*position], packet, &mut blocks)
            .unwrap();
        if *ends {
            packer.flush(&mut blocks);
        }
    }
    blocks.extend(packer.end(7));
    file(&blocks)
}

/// What can be read, and what went wrong on the way.
pub fn read(bytes: &[u8]) -> (Vec<Seen>, Vec<Error>) {
    let mut all = Vec::new();
    let mut errors = Vec::new();
    let mut recording = match Recording::open(bytes) {
        Ok(recording) => recording,
        Err(error) => return (all, vec![error]),
    };
    loop {
        match recording.next_block() {
            Ok(None) => return (all, errors),
            Ok(Some(packets)) => {
                for packet in packets {
                    match packet {
                        Ok((source, packet)) => {
                            all.push(seen(source, &packet));
                            source.emit(packet).unwrap();
                        }
                        Err(error) => errors.push(error),
                    }
                }
            }
            Err(error) => errors.push(error),
        }
        assert!(errors.len() < 1000, "the reader does not come to an end");
    }
}

/// A small recording of two data sources, and what is in it.
pub fn small() -> (Vec<u8>, Vec<Seen>) {
    let calls = source(
        "calls",
        Shape::Single,
        &[
            ("pid", Kind::Uint32, false),
            ("ret", Kind::Int64, false),
            ("comm", Kind::String, false),
        ],
    );
    let lists = source("lists", Shape::Array, &[("n", Kind::Uint8, false)]);
    let call = |pid, ret: i64, comm: &str| {
        let values = [
            Value::Number(pid),
            Value::Number(ret.cast_unsigned()),
            Value::Bytes(comm.into()),
        ];
        Packet::Single(element(&calls, &values))
    };
    let list = |numbers: &[u64]| {
        let elements = numbers
            .iter()
            .map(|n| element(&lists, &[Value::Number(*n)]));
        Packet::Array(elements.collect())
    };
    let packets = [
        (0, call(10, -2, "cat"), false),
        (0, call(11, 3, "sh"), false),
        (1, list(&[1, 2, 3]), false),
        (0, call(10, 0, "cat"), true),
        (1, list(&[]), false),
        (0, call(u64::from(u32::MAX), i64::MIN, ""), true),
        (0, call(12, 1, "\u{202e}\x1b[2J"), false),
    ];
    let expected = packets.iter().map(|(position, packet, _)| match position {
        0 => seen(&calls, packet),
        _ => seen(&lists, packet),
    });
    let expected = expected.collect();
    (record(&[calls, lists], &packets), expected)
}
