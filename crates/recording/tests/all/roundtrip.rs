//! Everything that data sources can hold comes back, in its order.

use gizmo_model::field::{FieldSpec, MemberSpec};
use gizmo_model::{DataSource, Kind, Packet, Shape};
use gizmo_recording::{Error, Packer, Recording};
use proptest::prelude::*;

use crate::support::{Value, element, file, header, read, record, seen, small, source};

#[test]
fn a_recording_comes_back_whole() {
    let (bytes, expected) = small();
    let (found, errors) = read(&bytes);
    assert_eq!(found, expected);
    assert!(errors.is_empty(), "{errors:?}");
    let mut recording = Recording::open(bytes.as_slice()).unwrap();
    assert_eq!(recording.header(), &header());
    while recording.next_block().unwrap().is_some() {}
    let totals = recording.totals().unwrap();
    assert_eq!(
        totals.packets,
        [("calls".into(), 5), ("lists".into(), 2)].into()
    );
    assert_eq!(totals.ended_unix_ns, 7);
}

/// Fields as the model knows them: what is said about them, groups, hidden and unreferenced ones, and those that a
/// formatter makes.
#[test]
fn fields_come_back_as_they_are() {
    let ds = DataSource::described(
        "ds",
        Shape::Single,
        vec!["t".into()],
        [("a".into(), "b".into())].into(),
    );
    let group = ds.add_field(FieldSpec::group("runtime")).unwrap();
    let name = FieldSpec::new("name", Kind::String).below(&group).at(-27);
    let name = ds
        .add_field(name.annotated("columns.width", "30").tagged("x"))
        .unwrap();
    let old = ds.add_field(FieldSpec::new("twice", Kind::Uint8)).unwrap();
    ds.unreference_field(&old);
    let twice = ds
        .add_field(FieldSpec::new("twice", Kind::CString))
        .unwrap();
    twice.update_meta(|meta| meta.hidden = true);
    let derived = ds.add_field(FieldSpec::new("time", Kind::String)).unwrap();
    derived.update_meta(|meta| {
        meta.derived = true;
        meta.order = 5;
    });
    let mut made = ds.new_element();
    name.set_bytes(&mut made, b"web").unwrap();
    twice.set_bytes(&mut made, b"x").unwrap();
    derived.set_bytes(&mut made, b"not kept").unwrap();
    let bytes = record(&[ds], &[(0, Packet::Single(made), false)]);

    let mut recording = Recording::open(bytes.as_slice()).unwrap();
    let restored = recording.sources().remove(0);
    assert_eq!(restored.tags(), ["t"]);
    assert_eq!(restored.annotation("a").as_deref(), Some("b"));
    let field = |name: &str| restored.field(name).unwrap();
    let again = field("runtime.name");
    assert_eq!(*again.meta(), *name.meta());
    assert_eq!(field("twice").kind(), Kind::CString);
    assert!(field("twice").meta().hidden);
    assert!(restored.field("time").is_none());
    // As a formatter does it.
    let time = restored
        .add_field(FieldSpec::new("time", Kind::String))
        .unwrap();
    time.update_meta(|meta| meta.derived = true);
    recording.describe_derived();
    assert_eq!(*time.meta(), *derived.meta());

    let mut packets = recording.next_block().unwrap().unwrap();
    let (_, packet) = packets.next().unwrap().unwrap();
    let element = &packet.elements()[0];
    assert_eq!(field("runtime.name").text(element).unwrap(), b"web");
    assert_eq!(field("twice").text(element).unwrap(), b"x");
    assert_eq!(time.text(element).unwrap(), b"");
}

/// Members of eBPF structs have places of a fixed size; their values are kept, their places are not.
#[test]
fn members_of_structs_come_back_as_values() {
    let ds = DataSource::described("ds", Shape::Single, vec![], [].into());
    let member = |name: &str, kind, offset, size| MemberSpec {
        spec: FieldSpec::new(name, kind),
        offset,
        size,
        parent: None,
    };
    let members = vec![
        member("pid", Kind::Uint32, 0, 4),
        member("comm", Kind::CString, 4, 16),
        member("blob", Kind::Bytes, 20, 3),
    ];
    ds.add_struct(members, 24).unwrap();
    let mut made = ds.new_element();
    made.fixed_mut()[..8].copy_from_slice(b"\x01\0\0\0cat\0");
    made.fixed_mut()[20..].copy_from_slice(b"a\0b!");
    let bytes = record(&[ds], &[(0, Packet::Single(made), false)]);
    let mut recording = Recording::open(bytes.as_slice()).unwrap();
    let restored = recording.sources().remove(0);
    let packet = recording
        .next_block()
        .unwrap()
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .1;
    let element = &packet.elements()[0];
    let field = |name: &str| restored.field(name).unwrap();
    assert_eq!(field("pid").value(element).unwrap(), 1);
    assert_eq!(field("comm").text(element).unwrap(), b"cat");
    assert_eq!(field("blob").bytes(element).unwrap(), b"a\0b");
}

#[test]
fn fields_that_come_late_are_there_from_then_on() {
    let ds = source("ds", Shape::Single, &[("a", Kind::Uint32, false)]);
    let mut packer = Packer::new([&ds]).unwrap();
    let mut blocks = Vec::new();
    let packet = |values: &[Value]| Packet::Single(element(&ds, values));
    let first = packet(&[Value::Number(1)]);
    packer.push(0, &ds, &first, &mut blocks).unwrap();
    ds.add_field(FieldSpec::new("late", Kind::String)).unwrap();
    let second = packet(&[Value::Number(2), Value::Bytes(b"x".into())]);
    packer.push(0, &ds, &second, &mut blocks).unwrap();
    blocks.extend(packer.end(0));
    let (found, errors) = read(&file(&blocks));
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(found[0].1, [[Value::Number(1)]]);
    assert_eq!(found[1], seen(&ds, &second));
}

#[test]
fn what_is_too_large_is_left_out_and_counted() {
    let ds = source("ds", Shape::Single, &[("text", Kind::Bytes, false)]);
    let packet = |len| Packet::Single(element(&ds, &[Value::Bytes(vec![b'x'; len])]));
    let packets = [(0, packet(17 << 20), false), (0, packet(15 << 20), false)];
    let bytes = record(&[ds], &packets);
    let mut recording = Recording::open(bytes.as_slice()).unwrap();
    let mut found = 0;
    while let Some(packets) = recording.next_block().unwrap() {
        found += packets.filter(Result::is_ok).count();
    }
    assert_eq!(found, 1);
    assert_eq!(recording.totals().unwrap().left_out, 1);
}

#[test]
fn a_block_ends_when_it_is_large() {
    let ds = source("ds", Shape::Single, &[("n", Kind::Uint64, false)]);
    let mut packer = Packer::new([&ds]).unwrap();
    let mut blocks = Vec::new();
    for n in 0..100_000 {
        let packet = Packet::Single(element(&ds, &[Value::Number(n * n * n)]));
        packer.push(0, &ds, &packet, &mut blocks).unwrap();
        ds.recycle(packet);
    }
    assert!(blocks.len() > 3, "{}", blocks.len());
    assert!(blocks.iter().all(|block| block.size() < 300 << 10));
}

#[test]
fn names_beyond_all_limits_are_refused_before_anything_is_written() {
    let long = source(&"x".repeat(513), Shape::Single, &[]);
    assert!(matches!(Packer::new([&long]), Err(Error::Unfit { .. })));
    let many: Vec<_> = (0..5)
        .map(|n| {
            let ds = source(&n.to_string(), Shape::Single, &[]);
            for field in 0..4096 {
                ds.add_field(FieldSpec::new(field.to_string(), Kind::Bool))
                    .unwrap();
            }
            ds
        })
        .collect();
    assert!(matches!(Packer::new(&many), Err(Error::Unfit { .. })));
    assert!(Packer::new(&many[..4]).is_ok());
}

/// Kinds whose values a file keeps.
const KINDS: [Kind; 14] = [
    Kind::Invalid,
    Kind::Bool,
    Kind::Int8,
    Kind::Int16,
    Kind::Int32,
    Kind::Int64,
    Kind::Uint8,
    Kind::Uint16,
    Kind::Uint32,
    Kind::Uint64,
    Kind::Float32,
    Kind::Float64,
    Kind::String,
    Kind::Bytes,
];

fn value(kind: Kind, array: bool) -> BoxedStrategy<Value> {
    if kind.width().is_some() && !array {
        prop_oneof![any::<u64>(), 0..4u64]
            .prop_map(Value::Number)
            .boxed()
    } else {
        let short = proptest::collection::vec(0..3u8, 0..3);
        let long = proptest::collection::vec(any::<u8>(), 0..300);
        prop_oneof![short, long].prop_map(Value::Bytes).boxed()
    }
}

/// Fields, and packets of as many elements each; after a packet a block may end.
#[derive(Debug, Clone)]
struct Made {
    is_array: bool,
    fields: Vec<(Kind, bool)>,
    packets: Vec<(Vec<Vec<Value>>, bool)>,
}

fn made() -> impl Strategy<Value = Made> {
    let fields =
        proptest::collection::vec((proptest::sample::select(&KINDS[..]), any::<bool>()), 0..6);
    (any::<bool>(), fields).prop_flat_map(|(is_array, fields)| {
        let element: Vec<_> = fields
            .iter()
            .map(|(kind, array)| value(*kind, *array))
            .collect();
        let elements = if is_array { 0..4usize } else { 1..2 };
        let packet = (proptest::collection::vec(element, elements), any::<bool>());
        let packets = proptest::collection::vec(packet, 0..20);
        packets.prop_map(move |packets| Made {
            is_array,
            fields: fields.clone(),
            packets,
        })
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(all in proptest::collection::vec(made(), 1..4), order in proptest::collection::vec(any::<prop::sample::Index>(), 60)) {
        let names: Vec<String> = (0..6).map(|n| format!("f{n}")).collect();
        let sources: Vec<DataSource> = all.iter().enumerate().map(|(n, made)| {
            let shape = if made.is_array { Shape::Array } else { Shape::Single };
            let fields: Vec<_> = made.fields.iter().zip(&names).map(|((kind, array), name)| (name.as_str(), *kind, *array)).collect();
            source(&format!("ds{n}"), shape, &fields)
        }).collect();
        // Packets of all data sources in some order.
        let mut waiting: Vec<_> = all.iter().map(|made| made.packets.iter()).collect();
        let mut packets = Vec::new();
        for pick in order {
            let position = pick.index(sources.len());
            let Some((elements, ends)) = waiting[position].next() else { continue };
            let ds = &sources[position];
            let mut elements: Vec<_> = elements.iter().map(|values| element(ds, values)).collect();
            let packet = if ds.shape() == Shape::Array { Packet::Array(elements) } else { Packet::Single(elements.remove(0)) };
            packets.push((position, packet, *ends));
        }
        let expected: Vec<_> = packets.iter().map(|(position, packet, _)| seen(&sources[*position], packet)).collect();
        let (found, errors) = read(&record(&sources, &packets));
        prop_assert_eq!(found, expected);
        prop_assert!(errors.is_empty(), "{:?}", errors);
    }
}
