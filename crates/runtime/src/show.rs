//! A recording is shown: its data sources emit once more what they did, into the operators of a run.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use gizmo_containers::{Selector, SelectorTexts};
use gizmo_model::container::Container;
use gizmo_model::params::ParamValues;
use gizmo_model::{DataSource, Element};
use gizmo_output::calls::Fields;
use gizmo_output::formatters::{ClockOffset, Context};
use gizmo_output::{Settings, SharedWriter};
use gizmo_recording::{Header, Packets, Recording};
use tracing::{debug, warn};

use crate::error::chain;
use crate::tally::{self, SummaryBy, Tally};
use crate::{Error, operators, replay};

/// The name of a container, in data sources that know one.
pub(crate) const CONTAINER_FIELD: &str = "runtime.containerName";

/// Damaged parts that are said one by one.
const MAX_SAID: u64 = 10;

/// How a recording is shown.
pub struct ShowOptions {
    /// Values of the output's parameters by full name, such as the rules of the filter.
    pub values: ParamValues,
    /// Names of the containers that are meant, as [`SelectorTexts::container`] has them; all when it is empty.
    pub containers: String,
    /// Which system calls are meant, in the language of traceloop's filter; all when it is empty.
    pub calls: String,
    /// Statistics are shown instead of calls.
    pub summary: Option<SummaryBy>,
    /// How events are printed.
    pub output: Settings,
    /// Where.
    pub writer: Box<dyn Write + Send>,
}

/// Shows a recording until its end, or until nobody reads any more. Where the file ends too early, a warning says so.
///
/// # Errors
/// The file is no recording, or damaged; what can be read is shown then. Or the options make no sense for it, or nothing can
/// be written.
pub fn show(input: impl Read, options: ShowOptions) -> Result<(), Error> {
    let mut recording = Recording::open(input)?;
    debug!(header = ?recording.header(), "recording");
    let sources = recording.sources();
    let writer = SharedWriter::new(options.writer);
    operators::attach_formatters(&sources, &context(recording.header()))?;
    recording.describe_derived();
    for source in &sources {
        keep_containers(source, &options.containers)?;
    }
    replay::keep_calls(
        &sources,
        &options.calls,
        &recording.header().host.architecture,
    )?;
    let tally = options
        .summary
        .map(|by| Tally::new(&sources, by))
        .transpose()?;
    let mut shown = sources.clone();
    if let Some(tally) = &tally {
        // Statistics that the run has made are of all calls, these are of those that are meant here.
        shown.retain(|source| source.name() != tally::NAME && Fields::find(source).is_none());
        shown.push(Arc::clone(tally.table()));
        operators::attach_formatters(&shown[shown.len() - 1..], &context(recording.header()))?;
    }
    let output = operators::attach_output(&shown, &options.values, &options.output, &writer)?;
    output.start();
    let damaged = read_all(&mut recording, |packets| {
        // What is emitted in a row may be written together.
        let _batches: Vec<_> = sources.iter().map(|source| source.batch()).collect();
        for packet in packets {
            let (source, packet) = packet?;
            if writer.is_closed() {
                return Ok(false);
            }
            source.emit(packet)?;
        }
        Ok(true)
    })?;
    if let Some(tally) = &tally {
        tally.emit()?;
    }
    output.finish();
    if let Some(error) = writer.take_error() {
        return Err(error.into());
    }
    match damaged {
        0 => Ok(()),
        parts => Err(Error::Damaged(parts)),
    }
}

/// Formatters work as they would where the recording was made, except for the time zone. Times are those of the wall clock
/// already.
fn context(header: &Header) -> Context {
    Context::new(ClockOffset(0)).with_architecture(&header.host.architecture)
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

/// Drops what other containers have done.
///
/// # Errors
/// The names cannot be read.
pub(crate) fn keep_containers(source: &DataSource, names: &str) -> Result<(), Error> {
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
        let mut last = last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
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
