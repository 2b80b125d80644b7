//! Example: a data source of its own, which sums up the events of another one when the gadget stops.
//!
//! Host provides: single data source `open` with field `comm` (String).
//!
//! Expect: the run succeeds; nobody sees `open` any more, and `opens_by_comm` (array; fields `comm`, String, and `opens`,
//! Uint64) has one packet, with the most frequent first.

#![deny(unsafe_code)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use gizmo_guest::{DataSource, DataSourceKind, Error, Field, Text, export};

thread_local! {
    static OPENS: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
    static SUMMARY: RefCell<Option<Summary>> = const { RefCell::new(None) };
}

struct Summary {
    source: DataSource,
    comm: Field<Text>,
    opens: Field<u64>,
}

export! { init = init, stop = stop }

fn init() -> Result<(), Error> {
    let source = DataSource::new("opens_by_comm", DataSourceKind::Array)?;
    SUMMARY.set(Some(Summary {
        source,
        comm: source.add_field("comm")?,
        opens: source.add_field("opens")?,
    }));

    let open = DataSource::get("open")?;
    let comm = open.field::<Text>("comm")?;
    // The sum is what people want to see.
    open.unreference()?;
    open.subscribe(0, move |_open, event| -> Result<(), Error> {
        let comm = comm.get(event)?;
        OPENS.with_borrow_mut(|opens| *opens.entry(comm).or_default() += 1);
        Ok(())
    })
}

fn stop() -> Result<(), Error> {
    let Some(summary) = SUMMARY.take() else {
        return Ok(());
    };
    let mut opens: Vec<(String, u64)> = OPENS.take().into_iter().collect();
    opens.sort_by_key(|(_, count)| std::cmp::Reverse(*count));

    let packet = summary.source.new_array_packet()?;
    for (comm, count) in opens {
        let element = packet.array().new_element()?;
        summary.comm.set(element.data(), &comm)?;
        summary.opens.set(element.data(), count)?;
        element.append()?;
    }
    packet.emit()
}
