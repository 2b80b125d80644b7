//! A recording is shown: its data sources emit once more what they did, into the operators of a run.

use std::io::{Read, Write};
use std::sync::Arc;

use gizmo_model::params::ParamValues;
use gizmo_output::calls::Fields;
use gizmo_output::formatters::{ClockOffset, Context};
use gizmo_output::{Settings, SharedWriter};
use gizmo_recording::{Header, Recording};
use tracing::debug;

use crate::tally::{self, SummaryBy, Tally};
use crate::wanted::{Wanted, read_all};
use crate::{Error, operators};

/// How a recording is shown.
pub struct ShowOptions {
    /// Values of the output's parameters by full name, such as the rules of the filter.
    pub values: ParamValues,
    /// What is shown.
    pub wanted: Wanted,
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
    options.wanted.keep(&recording, &sources)?;
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
