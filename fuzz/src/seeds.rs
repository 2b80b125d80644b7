//! Makes the corpora: small recordings, packed and not, of all kinds of fields; and expressions with a bit of everything.

use std::path::Path;

use gizmo_model::field::FieldSpec;
use gizmo_model::{DataSource, Kind, Packet, Shape};
use gizmo_recording::{Header, Packer, Writer};

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/recording");
    std::fs::create_dir_all(&folder)?;
    for (shape, name) in [(Shape::Single, "single"), (Shape::Array, "array")] {
        let bytes = recording(shape);
        std::fs::write(folder.join(format!("{name}-plain")), gizmo_fuzz::unpack(&bytes))?;
        std::fs::write(folder.join(format!("{name}-packed")), bytes)?;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/expression");
    std::fs::create_dir_all(&folder)?;
    for (number, text) in EXPRESSIONS.iter().enumerate() {
        std::fs::write(folder.join(number.to_string()), text)?;
    }
    Ok(())
}

const EXPRESSIONS: [&str; 8] = [
    "openat, \"write\", 'read, close', 257, i386:0x66",
    "! %file, !/^epoll_(wait|ctl)$/, x32:%network",
    "failed, error=ENOENT|13, ret<=-2, ret!=0x10",
    "duration>1.5ms, pid=1|2|3|4|5, tid!=7, uid>=0",
    "comm~ngin?*|\"a, b\", comm!=sh, path~\"/etc/\\*\"",
    "fd=3, arg.flags=0x80000, arg.filename!~*.so",
    "%nothing",
    "ok, failed",
];

fn recording(shape: Shape) -> Vec<u8> {
    let source = DataSource::described("calls", shape, vec![], [].into());
    let group = source.add_field(FieldSpec::group("runtime")).expect("a new name");
    for (number, kind) in (1..=14).filter_map(|number| Some((number, Kind::from_number(number)?))) {
        let spec = FieldSpec::new(format!("f{number}"), kind);
        let spec = if number % 2 == 0 { spec.below(&group) } else { spec };
        source.add_field(spec).expect("a new name");
    }
    let mut list = FieldSpec::new("list", Kind::Uint16);
    list.array = true;
    source.add_field(list).expect("a new name");
    let time = FieldSpec::new("time_raw", Kind::Uint64).tagged("type:gadget_timestamp");
    source.add_field(time).expect("a new name");
    let json = FieldSpec::new("args", Kind::String).annotated("json.embed", "true");
    source.add_field(json).expect("a new name");

    let notices = [("cli.notice".to_owned(), "message".to_owned())].into();
    let notices = DataSource::described("lost", Shape::Single, vec![], notices);
    notices.add_field(FieldSpec::new("message", Kind::String)).expect("a new name");

    let mut packer = Packer::new([&source, &notices]).expect("it is small");
    let mut blocks = Vec::new();
    for round in 0..4u64 {
        let mut element = source.new_element();
        for (position, field) in source.fields().iter().enumerate() {
            let text = format!("\x1b[2J{}\u{202e}", round / 2);
            let text = if field.name() == "args" { r#"[{"a": "\u009b"}]"# } else { &text };
            let stored = field.set_bytes(&mut element, text.as_bytes());
            let _ = stored.or_else(|_| field.set_value(&mut element, round * position as u64));
        }
        let packet = match shape {
            Shape::Single => Packet::Single(element),
            Shape::Array => Packet::Array(vec![element; round as usize]),
        };
        packer.push(0, &source, &packet, &mut blocks).expect("it is small");
        let notice = notices.new_packet();
        packer.push(1, &notices, &notice, &mut blocks).expect("it is small");
        if round % 2 == 1 {
            packer.flush(&mut blocks);
        }
    }
    blocks.extend(packer.end(1));
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(&mut bytes, &Header::default()).expect("memory");
    for block in &blocks {
        writer.write(block).expect("memory");
    }
    bytes
}
