//! Test guest: reads and appends elements of an array.
//!
//! Host provides: array data source `myds` with field `foo` (Uint32); emits one array of 10 elements, 424143 * index.
//!
//! Expect: the run succeeds without ERROR lines, and a later subscriber sees 15 elements, 424143 * index.

use gizmo_guest::{DataArray, DataSource, Error, Field, ensure, export};

export! { init = init }

fn init() -> Result<(), Error> {
    let source = DataSource::get("myds")?;
    let field = source.field::<u32>("foo")?;
    source.subscribe_array(0, move |_, array| check_and_extend(field, array))
}

fn check_and_extend(field: Field<u32>, array: DataArray<'_>) -> Result<(), Error> {
    ensure!(array.len() == 10, "{} elements instead of 10", array.len());
    for (index, element) in (0..).zip(array) {
        let value = field.get(element)?;
        ensure!(value == 424_143 * index, "element {index} is {value}");
    }
    ensure!(array.get(10).is_err(), "got an element beyond the end");
    ensure!(
        array.get(u32::MAX).is_err(),
        "got an element with a negative index"
    );

    // Dropped, so it must not show up.
    field.set(array.new_element()?.data(), 1)?;
    for index in 10..15 {
        let element = array.new_element()?;
        field.set(element.data(), 424_143 * index)?;
        element.append()?;
    }
    ensure!(
        array.iter().count() == 15,
        "{} elements instead of 15",
        array.len()
    );
    Ok(())
}
