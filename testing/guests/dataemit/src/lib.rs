//! Test guest: emits on sources of its own for what it receives.
//!
//! Host provides: array data source `old_ds` with field `foo` (Uint32); emits one array with the elements 1 and 2.
//!
//! Expect: the run succeeds. The single source `new_ds` (field `bar`, Uint32) emits exactly once, with 10. The array
//! source `new_array` (field `baz`, Uint32) emits exactly once, with the elements 2 and 1. `hidden_ds` is not referenced.

use gizmo_guest::{DataSource, DataSourceKind, Error, ensure, export};

export! { init = init }

fn init() -> Result<(), Error> {
    let old = DataSource::get("old_ds")?;
    let number = old.field::<u32>("foo")?;
    let new = DataSource::new("new_ds", DataSourceKind::Single)?;
    let product = new.add_field::<u32>("bar")?;
    let new_array = DataSource::new("new_array", DataSourceKind::Array)?;
    let copy = new_array.add_field::<u32>("baz")?;
    let hidden = DataSource::new("hidden_ds", DataSourceKind::Single)?;
    ensure!(hidden.is_referenced()?, "a new source is not referenced");
    hidden.unreference()?;
    ensure!(
        !hidden.is_referenced()?,
        "an unreferenced source is referenced"
    );
    ensure!(
        DataSource::get("hidden_ds").is_err(),
        "an unreferenced source was found"
    );

    old.subscribe(0, move |_, data| -> Result<(), Error> {
        let value = number.get(data)?;
        let packet = new.new_packet()?;
        product.set(packet.data(), value * 5)?;
        // The other packet is dropped.
        if value % 2 == 0 {
            packet.emit()
        } else {
            Ok(())
        }
    })?;
    old.subscribe_packet(1, move |_, packet| -> Result<(), Error> {
        let reversed = new_array.new_array_packet()?;
        for index in (0..packet.array().len()).rev() {
            let element = reversed.array().new_element()?;
            copy.set(element.data(), number.get(packet.array().get(index)?)?)?;
            element.append()?;
        }
        reversed.emit()
    })
}
