//! Which calls of a recording somebody wants, and the way to read them all.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use gizmo_containers::{Selector, SelectorTexts};
use gizmo_model::container::Container;
use gizmo_model::{DataSource, Element};
use gizmo_output::calls::CONTAINER_FIELD;
use gizmo_recording::{Packets, Recording};
use tracing::warn;

use crate::error::chain;
use crate::{Error, operators, replay};

/// Damaged parts that are said one by one.
const MAX_SAID: u64 = 10;

/// Which calls of a recording are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Names of the containers, as [`SelectorTexts::container`] has them; all when it is empty.
    pub containers: String,
    /// Which system calls, in the language of traceloop's filter; all when it is empty.
    pub calls: String,
}

impl Wanted {
    /// Drops everything else, before the filter looks at it.
    ///
    /// # Errors
    /// What is wanted makes no sense for the recording.
    pub(crate) fn keep<R: Read>(
        &self,
        recording: &Recording<R>,
        sources: &[Arc<DataSource>],
    ) -> Result<(), Error> {
        for source in sources {
            keep_containers(source, &self.containers)?;
        }
        replay::keep_calls(sources, &self.calls, &recording.header().host.architecture)
    }
}

/// Drops what other containers have done.
fn keep_containers(source: &DataSource, names: &str) -> Result<(), Error> {
    let selector = Selector::parse(&SelectorTexts {
        container: names.to_owned(),
        ..SelectorTexts::default()
    })?;
    let Some(field) = source
        .field(CONTAINER_FIELD)
        .filter(|_| !selector.is_empty())
    else {
        return Ok(());
    };
    // Events of one container come in a row.
    let last = Mutex::new((Vec::new(), selector.matches(&Container::default())));
    operators::keep_only(source, move |element: &Element| {
        let name = field.text(element).unwrap_or_default();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != name {
            let container = Container {
                name: String::from_utf8_lossy(name).into_owned(),
                ..Container::default()
            };
            *last = (name.to_vec(), selector.matches(&container));
        }
        last.1
    })
}

/// Emits everything that is in a recording. Returns as [`read_all`].
pub(crate) fn emit_all<R: Read>(recording: &mut Recording<R>) -> Result<u64, Error> {
    read_all(recording, |packets| {
        for packet in packets {
            let (source, packet) = packet?;
            source.emit(packet)?;
        }
        Ok(true)
    })
}

/// Calls a function for each block until there are no more, or it returns `false`. Says what is wrong with the file on the way,
/// and returns how many parts of it are damaged.
pub(crate) fn read_all<R: Read>(
    recording: &mut Recording<R>,
    mut each: impl FnMut(Packets<'_>) -> Result<bool, Error>,
) -> Result<u64, Error> {
    let mut damaged = 0;
    loop {
        let outcome = match recording.next_block() {
            Ok(Some(packets)) => each(packets),
            Ok(None) => return Ok(damaged),
            Err(error) => Err(error.into()),
        };
        match outcome {
            Ok(true) => {}
            Ok(false) => return Ok(damaged),
            Err(Error::Recording(gizmo_recording::Error::Cut { at })) => {
                warn!(
                    bytes = at,
                    "the recording ends before its end was written; everything up to there is shown"
                );
            }
            Err(Error::Recording(error @ gizmo_recording::Error::Damaged { .. })) => {
                damaged += 1;
                if damaged <= MAX_SAID {
                    warn!("{}", chain(&error));
                }
            }
            Err(error) => return Err(error),
        }
    }
}
