//! Test guest: a callback that emits on its own source, and one that subscribes.
//!
//! Host provides: nothing.
//!
//! Expect: the run succeeds. On the single source `countdown` (field `left`, Uint32), which the guest emits on in
//! `start`, a later subscriber sees 0, 1, 2 and 3, in this order, since each packet is delivered within the delivery of
//! the one before it.

use std::cell::Cell;
use std::rc::Rc;

use gizmo_guest::{DataSource, DataSourceKind, Error, ensure, export};

const DEPTH: u32 = 4;

thread_local! {
    static ENTERED: Cell<u32> = const { Cell::new(0) };
    static LATE: Cell<u32> = const { Cell::new(0) };
}

export! { init = init, start = start }

fn init() -> Result<(), Error> {
    let source = DataSource::new("countdown", DataSourceKind::Single)?;
    let left = source.add_field::<u32>("left")?;
    let has_subscribed = Rc::new(Cell::new(false));
    source.subscribe(0, move |source, data| -> Result<(), Error> {
        ENTERED.set(ENTERED.get() + 1);
        if !has_subscribed.replace(true) {
            source.subscribe(1, |_, _| LATE.set(LATE.get() + 1))?;
        }
        match left.get(data)? {
            0 => Ok(()),
            number => {
                let packet = source.new_packet()?;
                left.set(packet.data(), number - 1)?;
                packet.emit()
            }
        }
    })
}

fn start() -> Result<(), Error> {
    let source = DataSource::get("countdown")?;
    let left = source.field::<u32>("left")?;
    let packet = source.new_packet()?;
    left.set(packet.data(), DEPTH - 1)?;
    packet.emit()?;
    ensure!(
        ENTERED.get() == DEPTH,
        "entered {} times instead of {DEPTH}",
        ENTERED.get()
    );
    // Whether a packet on its way reaches a new subscriber is up to the host; the ones emitted later do.
    ensure!(
        LATE.get() >= DEPTH - 1,
        "the late subscriber saw {} packets",
        LATE.get()
    );
    Ok(())
}
