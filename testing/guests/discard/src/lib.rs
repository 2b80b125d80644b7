//! Test guest: callbacks that discard what they receive.
//!
//! Host provides: single data source `one` and array data source `many`, both with field `n` (Uint32).
//!
//! Expect: the run succeeds. Later subscribers see the packets of `one` whose `n` is odd, of each array of `many` the
//! elements whose `n` is odd, and no array whose first element is 1000. A packet whose `n` is 7 goes on with an ERROR
//! line.

use gizmo_guest::{DataSource, Error, Flow, bail, export};

export! { init = init }

fn init() -> Result<(), Error> {
    let one = DataSource::get("one")?;
    let n = one.field::<u32>("n")?;
    one.subscribe_packet(0, move |_, packet| -> Result<Flow, Error> {
        match n.get(packet.data())? {
            7 => bail!("seven"),
            number => Ok(odd(number)),
        }
    })?;

    let many = DataSource::get("many")?;
    let n = many.field::<u32>("n")?;
    many.subscribe_array(0, move |_, array| {
        let first = array.get(0).and_then(|element| n.get(element));
        match first {
            Ok(1000) => Flow::Discard,
            _ => Flow::Continue,
        }
    })?;
    many.subscribe(1, move |_, element| n.get(element).map(odd))
}

fn odd(number: u32) -> Flow {
    if number.is_multiple_of(2) {
        Flow::Discard
    } else {
        Flow::Continue
    }
}
