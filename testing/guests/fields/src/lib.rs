//! Test guest: adds a field of every type and sets it.
//!
//! Host provides: single data source `myds` with field `host_field` (String, tag `host_tag`).
//!
//! Expect: the run succeeds. After `init` there are the fields `field_bool`, `field_int8` .. `field_int64`,
//! `field_uint8` .. `field_uint64`, `field_float32`, `field_float64`, `field_string` and `field_bytes` with the tags
//! `tag_bool` and so on. A packet emitted by the host leaves the guest with the values below and `host_field` set to
//! `LOCALHOST`; the guest has read back what it set, and fails the callback (an ERROR line) otherwise.

use gizmo_guest::{Bytes, DataSource, Error, Field, FieldType, Text, ensure, export};

#[expect(clippy::approx_constant, reason = "upstream's guest uses these values")]
const FLOAT32: f32 = 3.14159;
#[expect(clippy::approx_constant, reason = "upstream's guest uses these values")]
const FLOAT64: f64 = 3.14159265359;

export! { init = init }

fn init() -> Result<(), Error> {
    let source = DataSource::get("myds")?;
    let field_bool = add::<bool>(source, "bool")?;
    let field_int8 = add::<i8>(source, "int8")?;
    let field_int16 = add::<i16>(source, "int16")?;
    let field_int32 = add::<i32>(source, "int32")?;
    let field_int64 = add::<i64>(source, "int64")?;
    let field_uint8 = add::<u8>(source, "uint8")?;
    let field_uint16 = add::<u16>(source, "uint16")?;
    let field_uint32 = add::<u32>(source, "uint32")?;
    let field_uint64 = add::<u64>(source, "uint64")?;
    let field_float32 = add::<f32>(source, "float32")?;
    let field_float64 = add::<f64>(source, "float64")?;
    let field_string = add::<Text>(source, "string")?;
    let field_bytes = add::<Bytes>(source, "bytes")?;
    let host_field = source.field::<Text>("host_field")?;
    ensure!(
        source.find_field::<u32>("no_such_field").is_none(),
        "found a field that does not exist"
    );
    ensure!(
        source.add_field::<u32>("field_bool").is_err(),
        "added a field twice"
    );

    source.subscribe(0, move |_, data| -> Result<(), Error> {
        field_bool.set(data, true)?;
        field_int8.set(data, -123)?;
        field_int16.set(data, -25647)?;
        field_int32.set(data, -535_245_564)?;
        field_int64.set(data, -1_234_567_890)?;
        field_uint8.set(data, 56)?;
        field_uint16.set(data, 12345)?;
        field_uint32.set(data, 1_234_567_890)?;
        field_uint64.set(data, 1_234_567_890_123_456)?;
        field_float32.set(data, FLOAT32)?;
        field_float64.set(data, FLOAT64)?;
        field_string.set(data, "Hello, World!")?;
        field_bytes.set(data, &[1, 2, 3, 4, 5])?;
        host_field.set(data, "LOCALHOST")?;

        ensure!(field_bool.get(data)?, "bool");
        ensure!(field_int8.get(data)? == -123, "int8");
        ensure!(field_int16.get(data)? == -25647, "int16");
        ensure!(field_int32.get(data)? == -535_245_564, "int32");
        ensure!(field_int64.get(data)? == -1_234_567_890, "int64");
        ensure!(field_uint8.get(data)? == 56, "uint8");
        ensure!(field_uint16.get(data)? == 12345, "uint16");
        ensure!(field_uint32.get(data)? == 1_234_567_890, "uint32");
        ensure!(field_uint64.get(data)? == 1_234_567_890_123_456, "uint64");
        ensure!(field_float32.get(data)? == FLOAT32, "float32");
        ensure!(field_float64.get(data)? == FLOAT64, "float64");
        ensure!(field_string.get(data)? == "Hello, World!", "string");
        ensure!(field_bytes.get(data)? == [1, 2, 3, 4, 5], "bytes");
        let mut buffer = [0; 8];
        ensure!(field_bytes.read(data, &mut buffer)? == 5, "length of bytes");
        ensure!(buffer == [1, 2, 3, 4, 5, 0, 0, 0], "bytes in a buffer");
        Ok(())
    })
}

fn add<T: FieldType>(source: DataSource, kind: &str) -> Result<Field<T>, Error> {
    let field = source.add_field::<T>(&format!("field_{kind}"))?;
    field.add_tag(&format!("tag_{kind}"))?;
    Ok(field)
}
