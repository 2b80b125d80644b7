//! What stands between those who emit and those who read: the same for a gadget that runs and for a recording that is shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gizmo_model::params::ParamValues;
use gizmo_model::{DataSource, Element, Flow, Payload, Subscription};
use gizmo_output::formatters::{self, ClockOffset, Context};
use gizmo_output::{Output, Settings, SharedWriter, filter, sort};
use tracing::warn;

use crate::{Error, HostKernel};

/// Behind everything that fills fields, before the filter and the writers.
pub(crate) const PRIORITY: i32 = filter::PRIORITY - 1;

/// Behind the filter: what is counted is not shown.
const COUNTER_PRIORITY: i32 = filter::PRIORITY + 1;

/// What formatters need to know of this host, whose events have boot times.
pub(crate) fn context(kernel: &HostKernel) -> Context {
    Context::new(ClockOffset(kernel.wall_clock_offset_ns()))
}

/// Attaches filter, order and output, which show what formatters have made, too.
///
/// # Errors
/// What a person asked for makes no sense.
pub(crate) fn attach_output(
    sources: &[Arc<DataSource>],
    values: &ParamValues,
    settings: &Settings,
    writer: &SharedWriter,
) -> Result<Output, Error> {
    filter::attach(sources, &filter_values(values))?;
    sort::attach(
        sources,
        values.get("operator.sort.sort").unwrap_or_default(),
    )?;
    let output = Output::attach(sources, settings, writer.clone())?;
    for warning in output.warnings() {
        warn!("{warning}");
    }
    Ok(output)
}

/// Adds the fields that are made from others, such as a text from a time.
///
/// # Errors
/// A field's name is taken.
pub(crate) fn attach_formatters(
    sources: &[Arc<DataSource>],
    context: &Context,
) -> Result<(), Error> {
    for source in sources {
        formatters::attach(source, context)?;
    }
    Ok(())
}

/// Drops elements that a predicate is false for, before the filter looks at them.
///
/// # Errors
/// The data source cannot be subscribed to.
pub(crate) fn keep_only(
    source: &DataSource,
    holds: impl Fn(&Element) -> bool + Send + Sync + 'static,
) -> Result<(), Error> {
    let test = move |_: &DataSource, payload: Payload<'_>| match payload {
        Payload::Element(element) if !holds(element) => Flow::Discard,
        _ => Flow::Continue,
    };
    Ok(source.subscribe(Subscription::Element, PRIORITY, test)?)
}

/// Gives elements that the filter has let through to a function, instead of those who print.
///
/// # Errors
/// The data source cannot be subscribed to.
pub(crate) fn consume<T: Send + 'static>(
    source: &DataSource,
    consumer: &Arc<Mutex<T>>,
    take: impl Fn(&mut T, &Element) + Send + Sync + 'static,
) -> Result<(), Error> {
    let consumer = Arc::clone(consumer);
    let take = move |_: &DataSource, payload: Payload<'_>| {
        if let Payload::Element(element) = payload {
            let mut consumer = consumer.lock().unwrap_or_else(PoisonError::into_inner);
            take(&mut consumer, element);
        }
        Flow::Discard
    };
    Ok(source.subscribe(Subscription::Element, COUNTER_PRIORITY, take)?)
}

/// The rules by data source; the empty name is for all.
fn filter_values(values: &ParamValues) -> BTreeMap<String, String> {
    let below = values.below("operator.filter.filter");
    below
        .into_iter()
        .map(|(name, rules)| (name.trim_start_matches('.').to_owned(), rules))
        .collect()
}
