//! The guest of traceloop: reads the filter, tells the eBPF programs what to record, and shows what they recorded.
//!
//! | phase | file | what |
//! | --- | --- | --- |
//! | `init` | `event.rs` | the data source and its fields |
//! | `pre_start` | `filter.rs`, `options.rs`, `attach.rs` | the parameters are read, before anything is loaded; containers are followed |
//! | `start` | `rules.rs`, `selection.rs`, `predicates.rs`, `slots.rs` | the maps are filled, the kernel side gets rings to give to containers |
//! | a container comes or goes | `recorder.rs` | it has got a ring or gets one; the recording of one that ended is shown |
//! | somebody looks | `recorder/look.rs` | the rings are read, listed or emptied, the filter is changed; recording goes on |
//! | `pre_stop` | `inflight.rs` | the recording ends, the calls that have not returned are taken from the kernel |
//! | any of these | `counted.rs`, `statistics.rs` | with `--summary`: what the programs, or the guest from the records, have counted |
//! | `stop` | `ring.rs`, `segment.rs`, `descriptors.rs`, `event.rs` | the other rings are read, merged by time, decoded and emitted |

#![deny(unsafe_code)]

mod attach;
mod counted;
mod descriptors;
mod event;
mod filter;
mod inflight;
mod options;
mod predicates;
mod recorder;
mod ring;
mod rules;
mod segment;
mod selection;
mod slots;
mod statistics;

use std::cell::RefCell;

use gizmo_guest::{Error, export};

use crate::attach::Attached;
use crate::event::Events;
use crate::filter::Filter;
use crate::recorder::Recorder;

thread_local! {
    static EVENTS: RefCell<Option<Events>> = const { RefCell::new(None) };
    static FILTER: RefCell<Option<(Filter, Attached)>> = const { RefCell::new(None) };
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

export! {
    init = init,
    pre_start = pre_start,
    start = start,
    pre_stop = || recording(|recorder, _| recorder.end_recording()),
    stop = stop,
    snapshot = || recording(|recorder, events| recorder.snapshot(events)),
    follow = |follower| recording(|recorder, events| recorder.follow(follower, events)),
    forget = || recording(|recorder, _| recorder.drop_history()),
    recordings = || recording(|recorder, _| recorder.report()),
    set_params = || recording(|recorder, events| recorder.change_filter(Filter::from_param()?, events)),
}

fn init() -> Result<(), Error> {
    let events = Events::register()?;
    EVENTS.set(Some(events));
    Ok(())
}

fn pre_start() -> Result<(), Error> {
    let filter = Filter::from_param()?;
    recorder::size_programs(&filter)?;
    let attached = Attached::choose(&filter)?;
    FILTER.set(Some((filter, attached)));
    recorder::follow_containers(|event| {
        RECORDER.with_borrow_mut(|recorder| {
            EVENTS.with_borrow_mut(|events| match (recorder, events) {
                (Some(recorder), Some(events)) => recorder.take_note(event, events),
                _ => Ok(()),
            })
        })
    })
}

fn start() -> Result<(), Error> {
    let Some((filter, attached)) = FILTER.take() else {
        return Err(Error::new("nothing was prepared"));
    };
    EVENTS.with_borrow_mut(|events| {
        let events = events
            .as_mut()
            .ok_or_else(|| Error::new("nothing was prepared"))?;
        RECORDER.set(Some(Recorder::start(filter, attached, events)?));
        Ok(())
    })
}

/// Does something with a recording that goes on.
fn recording(
    act: impl FnOnce(&mut Recorder, &mut Events) -> Result<(), Error>,
) -> Result<(), Error> {
    RECORDER.with_borrow_mut(|recorder| {
        EVENTS.with_borrow_mut(|events| match (recorder, events) {
            (Some(recorder), Some(events)) => {
                let acted = act(recorder, events);
                // Nothing is left for whoever asks next.
                events.flush().and(acted)
            }
            _ => Err(Error::new("nothing is recorded")),
        })
    })
}

fn stop() -> Result<(), Error> {
    let (Some(recorder), Some(mut events)) = (RECORDER.take(), EVENTS.take()) else {
        return Ok(());
    };
    recorder.finish(&mut events)
}
