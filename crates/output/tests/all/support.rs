//! Data sources, a writer that remembers, and short ways to fill elements.

use std::io::Write;
use std::sync::{Arc, Mutex};

use gizmo_model::config::Config;
use gizmo_model::field::FieldSpec;
use gizmo_model::{DataSource, Element, Field, Kind, Packet, Shape};
use gizmo_output::{Error, Output, Settings, SharedWriter};

/// A writer that remembers each call of `write`.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Vec<Vec<u8>>>>);

impl Memory {
    pub fn calls(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.calls().concat()
    }

    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[track_caller]
pub fn source(name: &str, shape: Shape, yaml: &str) -> Arc<DataSource> {
    let config = Config::parse(yaml.as_bytes()).unwrap();
    Arc::new(DataSource::new(name, shape, &config))
}

#[track_caller]
pub fn add(source: &DataSource, name: &str, kind: Kind) -> Arc<Field> {
    source.add_field(FieldSpec::new(name, kind)).unwrap()
}

#[track_caller]
pub fn element(source: &DataSource, values: &[(&str, Value)]) -> Element {
    let mut element = source.new_element();
    for (name, value) in values {
        let field = source.field(name).unwrap();
        match value {
            Value::Bits(bits) => field.set_value(&mut element, *bits).unwrap(),
            Value::Bytes(bytes) => field.set_bytes(&mut element, bytes).unwrap(),
        }
    }
    element
}

pub enum Value {
    Bits(u64),
    Bytes(Vec<u8>),
}

impl From<u64> for Value {
    fn from(bits: u64) -> Self {
        Value::Bits(bits)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Bytes(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Value::Bytes(bytes.to_vec())
    }
}

pub fn settings(output: &str, fields: &str, terminal_width: Option<u16>) -> Settings {
    Settings {
        output: output.to_owned(),
        fields: fields.to_owned(),
        terminal_width,
    }
}

/// Attaches and starts.
pub fn attach(sources: &[Arc<DataSource>], settings: &Settings) -> Result<(Output, Memory), Error> {
    let memory = Memory::default();
    let output = Output::attach(sources, settings, SharedWriter::new(memory.clone()))?;
    output.start();
    Ok((output, memory))
}

/// A data source with a bit of everything, as a tracing gadget has it.
pub fn events(shape: Shape) -> Arc<DataSource> {
    let yaml = "datasources: {events: {fields: {ret: {annotations: {columns.hex: true, columns.width: 6, columns.alignment: right}}, \
                load: {annotations: {columns.precision: 2, columns.width: 8}}}}}";
    let ds = source("events", shape, yaml);
    let proc = ds.add_field(FieldSpec::group("proc")).unwrap();
    ds.add_field(
        FieldSpec::new("comm", Kind::CString)
            .below(&proc)
            .annotated("template", "comm"),
    )
    .unwrap();
    ds.add_field(
        FieldSpec::new("pid", Kind::Uint32)
            .below(&proc)
            .annotated("template", "pid"),
    )
    .unwrap();
    ds.add_field(
        FieldSpec::new("mntns_id", Kind::Uint64)
            .below(&proc)
            .annotated("template", "mntns_id"),
    )
    .unwrap();
    add(&ds, "fname", Kind::String);
    add(&ds, "ret", Kind::Int32);
    add(&ds, "load", Kind::Float64);
    add(&ds, "ok", Kind::Bool);
    add(&ds, "blob", Kind::Bytes);
    ds.add_field(FieldSpec::new("args", Kind::String).annotated("json.embed", "true"))
        .unwrap();
    let mut numbers = FieldSpec::new("numbers", Kind::Uint64);
    numbers.array = true;
    ds.add_field(numbers.annotated("columns.hidden", "true"))
        .unwrap();
    ds.add_field(FieldSpec::new("secret", Kind::String).annotated("json.skip", "true"))
        .unwrap();
    ds.add_field(FieldSpec::new("containerName", Kind::String).at(-30))
        .unwrap();
    ds
}

/// Elements for [`events`].
#[track_caller]
pub fn samples(ds: &DataSource) -> Vec<Element> {
    let numbers: Vec<u8> = [1u64, u64::MAX]
        .iter()
        .flat_map(|n| n.to_ne_bytes())
        .collect();
    let full = element(
        ds,
        &[
            ("proc.comm", "cat".into()),
            ("proc.pid", 4242.into()),
            ("proc.mntns_id", 4_026_531_840.into()),
            ("fname", "/etc/a name\nthat is \"long\"".into()),
            ("ret", 255.into()),
            ("load", 1.255f64.to_bits().into()),
            ("ok", 1.into()),
            ("blob", b"\x00\xffz".as_slice().into()),
            ("args", "{\"path\": \"/etc\", \"list\": [1, {}]}".into()),
            ("numbers", numbers.as_slice().into()),
            ("secret", "s".into()),
            ("containerName", "c1".into()),
        ],
    );
    let broken = element(
        ds,
        &[
            ("proc.comm", "\x1b[31m".into()),
            ("fname", "/\u{4e2d}\u{6587}/\u{e9}".into()),
            ("ret", ((-2i64) as u64).into()),
            ("args", "{not json".into()),
        ],
    );
    vec![full, broken, ds.new_element()]
}

/// Emits the elements in packets of the data source's shape.
#[track_caller]
pub fn emit(ds: &DataSource, elements: Vec<Element>) {
    match ds.shape() {
        Shape::Array => ds.emit(Packet::Array(elements)).unwrap(),
        Shape::Single => {
            for element in elements {
                ds.emit(Packet::Single(element)).unwrap();
            }
        }
    }
}
