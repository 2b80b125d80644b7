//! Test guest: emits many events at once.
//!
//! Host provides: nothing.
//!
//! Expect: the run succeeds. The single source `numbers` (fields `number`, Int64, and `text`, String) emits 10000 events
//! in order, with the numbers 0, -1, -2 and so on and the same as texts.

use gizmo_guest::{DataSource, DataSourceKind, Error, Field, Text, ensure, export};

export! { init = init, stop = stop }

fn init() -> Result<(), Error> {
    let source = DataSource::new("numbers", DataSourceKind::Single)?;
    source.add_field::<i64>("number")?;
    source.add_field::<Text>("text")?;
    Ok(())
}

fn stop() -> Result<(), Error> {
    let source = DataSource::get("numbers")?;
    let number: Field<i64> = source.field("number")?;
    let text: Field<Text> = source.field("text")?;
    let mut batch = source.new_batch();
    for value in (-9999..=0).rev() {
        let mut row = batch.row();
        number.put(&mut row, value);
        text.put(&mut row, &value.to_string());
        row.add()?;
        // An event that is not added is none.
        drop(batch.row());
    }
    batch.emit()?;
    ensure!(batch.is_empty(), "what was emitted is still there");
    Ok(())
}
