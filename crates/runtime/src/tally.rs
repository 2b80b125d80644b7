//! Statistics of the calls in a recording, as a list like the one that traceloop makes itself.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use gizmo_model::field::FieldSpec;
use gizmo_model::{DataSource, Element, Field, Kind, Packet, Shape};
use gizmo_output::calls::Fields;
use gizmo_syscalls::decode::Outcome;
use gizmo_syscalls::expression::Duration;
use gizmo_syscalls::stats::CallStats;
use tracing::warn;

use crate::{Error, operators};

/// The data source of statistics.
pub(crate) const NAME: &str = "traceloop_stats";

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryBy {
    /// All calls of a container.
    Container,
    /// Those of a process.
    Process,
    /// Those of a thread.
    Thread,
}

impl FromStr for SummaryBy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "container" => Self::Container,
            "process" => Self::Process,
            "thread" => Self::Thread,
            _ => return Err("container, process or thread is needed"),
        })
    }
}

/// Whose calls of which kind are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    container: Vec<u8>,
    pid: u32,
    tid: u32,
    abi: Vec<u8>,
    syscall: Vec<u8>,
}

/// Rows at most; a file may have any number of names.
const MOST_ROWS: usize = 20_000;

#[derive(Debug, Default)]
struct Rows {
    rows: BTreeMap<Key, (CallStats, Vec<u8>)>,
    uncounted: u64,
}

/// Counts calls instead of showing them.
pub(crate) struct Tally {
    table: Arc<DataSource>,
    columns: Columns,
    rows: Arc<Mutex<Rows>>,
}

/// The fields of the table.
struct Columns {
    container: Arc<Field>,
    pid: Option<Arc<Field>>,
    tid: Option<Arc<Field>>,
    comm: Option<Arc<Field>>,
    abi: Arc<Field>,
    syscall: Arc<Field>,
    calls: Arc<Field>,
    failed: Arc<Field>,
    times: [Arc<Field>; 6],
    histogram: Arc<Field>,
    buckets: Arc<Field>,
    errors: Arc<Field>,
}

/// Durations of a row.
const TIMES: [&str; 6] = ["total", "mean", "p50", "p90", "p99", "max"];

impl Columns {
    fn add_to(table: &DataSource, by: SummaryBy) -> Result<Self, Error> {
        let add = |spec: FieldSpec| table.add_field(spec);
        let hidden = |spec: FieldSpec| spec.annotated("columns.hidden", "true");
        let number = |name: &str, width: &str| {
            FieldSpec::new(name, Kind::Uint64)
                .annotated("columns.width", width)
                .annotated("columns.alignment", "right")
        };
        let id = |name: &str| {
            let spec = FieldSpec::new(name, Kind::Uint32).annotated("columns.width", "7");
            add(spec.annotated("columns.alignment", "right"))
        };
        let text = |name: &str, width: &str| {
            FieldSpec::new(name, Kind::String).annotated("columns.width", width)
        };
        let runtime = add(FieldSpec::group("runtime"))?;
        let container = add(text("containerName", "24").below(&runtime))?;
        let has_pid = by != SummaryBy::Container;
        let pid = has_pid.then(|| id("pid")).transpose()?;
        let has_tid = by == SummaryBy::Thread;
        let tid = has_tid.then(|| id("tid")).transpose()?;
        let comm = has_pid.then(|| add(text("comm", "16"))).transpose()?;
        let abi = add(hidden(text("abi", "6")))?;
        let syscall = add(text("syscall", "18"))?;
        let calls = add(number("calls", "10"))?;
        let failed = add(number("failed", "8"))?;
        let times = TIMES.map(|name| {
            let spec = FieldSpec::new(format!("{name}_raw"), Kind::Uint64);
            // Calls that never return take no time that anybody knows.
            let spec = spec.annotated("formatters.duration.zero-is-unknown", "true");
            add(hidden(spec.tagged("type:gadget_duration")))
        });
        let [total, mean, p50, p90, p99, max] = times;
        Ok(Self {
            container,
            pid,
            tid,
            comm,
            abi,
            syscall,
            calls,
            failed,
            times: [total?, mean?, p50?, p90?, p99?, max?],
            histogram: add(text("histogram", "32"))?,
            buckets: add(hidden(text("buckets", "32")).annotated("json.embed", "true"))?,
            errors: add(text("errors", "24"))?,
        })
    }

    fn fill(
        &self,
        element: &mut Element,
        key: &Key,
        stats: &CallStats,
        comm: &[u8],
    ) -> Result<(), Error> {
        let times = &stats.times;
        self.container.set_bytes(element, &key.container)?;
        for (field, number) in [(&self.pid, key.pid), (&self.tid, key.tid)] {
            if let Some(field) = field {
                field.set_value(element, number.into())?;
            }
        }
        if let Some(field) = &self.comm {
            field.set_bytes(element, comm)?;
        }
        self.abi.set_bytes(element, &key.abi)?;
        self.syscall.set_bytes(element, &key.syscall)?;
        self.calls.set_value(element, stats.calls)?;
        self.failed.set_value(element, stats.failed())?;
        let numbers = [
            times.total_ns(),
            times.mean_ns(),
            times.percentile_ns(50),
            times.percentile_ns(90),
            times.percentile_ns(99),
            times.max_ns(),
        ];
        for (field, ns) in self.times.iter().zip(numbers) {
            field.set_value(element, ns)?;
        }
        self.histogram.set_bytes(element, times.draw().as_bytes())?;
        self.buckets
            .set_bytes(element, times.buckets_json().as_bytes())?;
        self.errors
            .set_bytes(element, stats.errors_text().as_bytes())?;
        Ok(())
    }
}

impl Tally {
    /// Counts the calls of these data sources from now on.
    ///
    /// # Errors
    /// None of them has calls.
    pub(crate) fn new(sources: &[Arc<DataSource>], by: SummaryBy) -> Result<Self, Error> {
        let table = DataSource::described(NAME, Shape::Array, Vec::new(), BTreeMap::new());
        let tally = Self {
            columns: Columns::add_to(&table, by)?,
            table: Arc::new(table),
            rows: Arc::default(),
        };
        let mut is_used = false;
        for source in sources {
            let Some(fields) = Fields::find(source) else {
                continue;
            };
            is_used = true;
            operators::consume(source, &tally.rows, move |rows, element| {
                rows.count(&fields, by, element);
            })?;
        }
        match is_used {
            true => Ok(tally),
            false => Err(Error::NoCalls),
        }
    }

    /// The statistics' own data source.
    pub(crate) fn table(&self) -> &Arc<DataSource> {
        &self.table
    }

    /// Emits what was counted, what took longest first.
    ///
    /// # Errors
    /// A subscriber fails.
    pub(crate) fn emit(&self) -> Result<(), Error> {
        let counted = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.uncounted > 0 {
            warn!(
                calls = counted.uncounted,
                "there are too many processes or threads; not all calls are counted"
            );
        }
        let mut rows: Vec<_> = counted.rows.iter().collect();
        rows.sort_by_key(|(key, (stats, _))| {
            let time = u64::MAX - stats.times.total_ns();
            (key.container.as_slice(), time, u64::MAX - stats.calls)
        });
        let mut elements = Vec::with_capacity(rows.len());
        for (key, (stats, comm)) in rows {
            let mut element = self.table.new_element();
            self.columns.fill(&mut element, key, stats, comm)?;
            elements.push(element);
        }
        drop(counted);
        self.table.emit(Packet::Array(elements))?;
        Ok(())
    }
}

impl Rows {
    fn count(&mut self, fields: &Fields, by: SummaryBy, element: &Element) {
        let outcome = fields.outcome(element);
        if outcome == Outcome::Unfinished {
            return;
        }
        let text = |field: &Field| field.text(element).unwrap_or_default().to_vec();
        let number = |field: &Field| field.value(element).unwrap_or_default() as u32;
        let key = Key {
            container: fields.container.as_deref().map(text).unwrap_or_default(),
            pid: if by == SummaryBy::Container {
                0
            } else {
                number(&fields.pid)
            },
            tid: if by == SummaryBy::Thread {
                number(&fields.tid)
            } else {
                0
            },
            abi: text(&fields.abi),
            syscall: text(&fields.syscall),
        };
        if self.rows.len() >= MOST_ROWS && !self.rows.contains_key(&key) {
            self.uncounted += 1;
            return;
        }
        let duration = fields.duration(element).map(Duration::ns);
        let (stats, comm) = self.rows.entry(key).or_default();
        stats.add(outcome.result(), duration);
        *comm = text(&fields.comm);
    }
}
