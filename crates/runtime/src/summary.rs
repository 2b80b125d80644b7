//! What is in a recording, without its events.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field};
use gizmo_output::calls::CONTAINER_FIELD;
use gizmo_recording::{Header, Recording};
use serde::Serialize;

use crate::Error;
use crate::wanted::read_all;

/// Names of containers that are told; hostile files may have any number.
const MAX_CONTAINERS: usize = 1000;

/// Reasons for losses that are told, for the same reason.
const MAX_REASONS: usize = 32;

/// What is in a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What the file says about itself.
    pub header: Header,
    /// When the recording ended, ns since 1970; where it was cut, the time of its last event.
    pub ended_unix_ns: u64,
    /// The writer had ended properly.
    pub is_complete: bool,
    /// Parts of the file that cannot be read.
    pub damaged_parts: u64,
    /// Events that were too large to be saved.
    pub left_out: u64,
    /// Names of containers, up to a thousand.
    pub containers: BTreeSet<String>,
    /// In the order of the gadget.
    pub sources: Vec<SourceSummary>,
}

/// What is in a recording of one data source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SourceSummary {
    /// Name of the data source.
    pub name: String,
    /// Events, or the elements of lists.
    pub events: u64,
    /// Of a data source that tells losses: how many calls by reason.
    pub lost: BTreeMap<String, u64>,
}

/// Reads a recording to its end and counts. What is wrong with the file is logged and counted.
///
/// # Errors
/// The file is no recording, or cannot be read.
pub fn summarize(input: impl Read) -> Result<Summary, Error> {
    let mut recording = Recording::open(input)?;
    let mut counters: Vec<Counter> = recording.sources().iter().map(Counter::new).collect();
    let mut summary = Summary {
        header: recording.header().clone(),
        ..Summary::default()
    };
    summary.damaged_parts = read_all(&mut recording, |packets| {
        for packet in packets {
            let (source, packet) = packet?;
            let own = counters
                .iter_mut()
                .find(|own| Arc::ptr_eq(&own.source, source));
            if let Some(counter) = own {
                for element in packet.elements() {
                    counter.count(element, &mut summary.containers);
                }
            }
            source.recycle(packet);
        }
        Ok(true)
    })?;
    let last_event = counters.iter().map(|counter| counter.last_ns).max();
    summary.ended_unix_ns = last_event.unwrap_or(0);
    if let Some(totals) = recording.totals() {
        summary.is_complete = true;
        summary.ended_unix_ns = totals.ended_unix_ns;
        summary.left_out = totals.left_out;
    }
    summary.sources = counters
        .into_iter()
        .map(|counter| counter.summary)
        .collect();
    Ok(summary)
}

/// Counts the events of one data source.
struct Counter {
    source: Arc<DataSource>,
    time: Option<Arc<Field>>,
    container: Option<Arc<Field>>,
    /// How many were lost, and why.
    lost: Option<(Arc<Field>, Arc<Field>)>,
    last_ns: u64,
    summary: SourceSummary,
}

impl Counter {
    fn new(source: &Arc<DataSource>) -> Self {
        let field = |name: &str| source.field(name);
        let is_notice = source.annotation("cli.notice").is_some();
        Self {
            source: Arc::clone(source),
            time: source
                .fields_tagged("type:gadget_timestamp")
                .into_iter()
                .next(),
            container: field(CONTAINER_FIELD),
            lost: field("lost").zip(field("reason")).filter(|_| is_notice),
            last_ns: 0,
            summary: SourceSummary {
                name: source.name().to_owned(),
                ..SourceSummary::default()
            },
        }
    }

    fn count(&mut self, element: &Element, containers: &mut BTreeSet<String>) {
        self.summary.events += 1;
        let number = |field: &Arc<Field>| field.value(element).unwrap_or(0);
        let text = |field: &Arc<Field>| {
            let text = field.text(element).unwrap_or_default();
            String::from_utf8_lossy(text).into_owned()
        };
        self.last_ns = self.last_ns.max(self.time.as_ref().map_or(0, number));
        if let Some(name) = self.container.as_ref().map(text)
            && !name.is_empty()
            && containers.len() < MAX_CONTAINERS
        {
            containers.insert(name);
        }
        if let Some((lost, reason)) = &self.lost {
            let (lost, reason) = (number(lost), text(reason));
            let reasons = &mut self.summary.lost;
            if reasons.len() < MAX_REASONS || reasons.contains_key(&reason) {
                let sum = reasons.entry(reason).or_default();
                *sum = sum.saturating_add(lost);
            }
        }
    }
}
