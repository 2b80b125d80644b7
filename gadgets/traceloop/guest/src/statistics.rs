//! The data source `traceloop_stats`: how many calls of each kind there were, how they failed, how long they took.

use std::collections::BTreeMap;

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{DataSource, DataSourceKind, Error, Field, Text, params, set_constant, warn};
use gizmo_syscalls::Abi;
use gizmo_syscalls::decode::Outcome;
use gizmo_syscalls::stats::CallStats;

use crate::event::{Container, Kind};
use crate::options;

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// Everything that a container has done since the recording began; the programs count.
    Container,
    /// What the records that are held say of each process.
    Process,
    /// The same of each thread.
    Thread,
}

/// Reads the parameter `summary`. `None` if nobody has asked for statistics.
pub fn summary() -> Result<Option<Summary>, Error> {
    let text = params::get("summary")?;
    Ok(Some(match text.trim() {
        "" => return Ok(None),
        "container" => Summary::Container,
        "process" => Summary::Process,
        "thread" => Summary::Thread,
        _ => {
            return Err(Error::new(format!(
                "--summary {text}: container, process or thread is needed"
            )));
        }
    }))
}

/// Whether calls are shown, and not only statistics.
pub fn has_events() -> Result<bool, Error> {
    Ok(summary()?.is_none() || params::get("with-events")? == "true")
}

/// Whether each call must be recorded.
pub fn has_records() -> Result<bool, Error> {
    Ok(has_events()? || summary()? != Some(Summary::Container))
}

/// Says to the programs, before they are loaded, what to count.
pub fn apply() -> Result<(), Error> {
    set_constant("records", u8::from(has_records()?))?;
    let is_counted = summary()? == Some(Summary::Container);
    set_constant("statistics", u8::from(is_counted))?;
    if is_counted {
        for map in ["stats_index", "stats", "free_stats"] {
            gizmo_guest::set_max_entries(map, abi::STATS_ENTRIES)?;
        }
    }
    Ok(())
}

/// Whose calls they are: process, thread and name, as far as they are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Whose {
    pub pid: u32,
    pub tid: u32,
}

/// Kinds of calls, of all processes or threads, that are counted at most: 5 MiB, a third of a guest's memory.
const MOST_ROWS: usize = 2000;

/// The statistics of one container.
#[derive(Debug, Default)]
pub struct Tally {
    rows: BTreeMap<(Whose, Kind), CallStats>,
    /// Names of the threads that were seen last.
    names: BTreeMap<Whose, String>,
    /// Calls for which there was no room.
    uncounted: u64,
}

impl Tally {
    /// Counts a call.
    pub fn add(
        &mut self,
        whose: Whose,
        comm: &[u8],
        kind: Kind,
        outcome: Outcome,
        duration_ns: Option<u64>,
    ) {
        if self.rows.len() >= MOST_ROWS && !self.rows.contains_key(&(whose, kind)) {
            self.uncounted += 1;
            return;
        }
        self.rows
            .entry((whose, kind))
            .or_default()
            .add(outcome.result(), duration_ns);
        let name = self.names.entry(whose).or_default();
        if name.as_bytes() != comm {
            *name = String::from_utf8_lossy(comm).into_owned();
        }
    }

    /// Puts what somebody else has counted of a whole container.
    pub fn put(&mut self, kind: Kind, stats: CallStats) {
        self.rows.insert((Whose::default(), kind), stats);
    }
}

/// The data source.
pub struct Table {
    source: DataSource,
    by: Summary,
    mntns_id: Field<u64>,
    cgroup_id: Field<u64>,
    who: Option<Who>,
    abi: Field<Text>,
    syscall: Field<Text>,
    calls: Field<u64>,
    failed: Field<u64>,
    times: Option<Times>,
    errors: Field<Text>,
}

/// Columns of processes or threads.
struct Who {
    pid: Field<u32>,
    tid: Option<Field<u32>>,
    comm: Field<Text>,
}

/// Columns of durations, in ns.
struct Times {
    total: Field<u64>,
    mean: Field<u64>,
    p50: Field<u64>,
    p90: Field<u64>,
    p99: Field<u64>,
    max: Field<u64>,
    histogram: Field<Text>,
    buckets: Field<Text>,
}

impl Table {
    /// Creates the data source, if statistics are asked for.
    pub fn register() -> Result<Option<Self>, Error> {
        let Some(by) = summary()? else {
            return Ok(None);
        };
        let source = DataSource::new("traceloop_stats", DataSourceKind::Array)?;
        let tagged = |name: &str, tag: &str| -> Result<Field<u64>, Error> {
            let field = source.add_field(name)?;
            field.add_tag(tag)?;
            Ok(field)
        };
        let time = |name: &str| tagged(&format!("{name}_raw"), "type:gadget_duration");
        let mntns_id = tagged("mntns_id", "type:gadget_mntns_id")?;
        let cgroup_id = tagged("cgroup_id", "type:gizmo_cgroup_id")?;
        let who = (by != Summary::Container).then(|| {
            Ok::<_, Error>(Who {
                pid: source.add_field("pid")?,
                tid: (by == Summary::Thread)
                    .then(|| source.add_field("tid"))
                    .transpose()?,
                comm: source.add_field("comm")?,
            })
        });
        let times = || {
            Ok::<_, Error>(Times {
                total: time("total")?,
                mean: time("mean")?,
                p50: time("p50")?,
                p90: time("p90")?,
                p99: time("p99")?,
                max: time("max")?,
                histogram: source.add_field("histogram")?,
                buckets: source.add_field("buckets")?,
            })
        };
        Ok(Some(Self {
            source,
            by,
            mntns_id,
            cgroup_id,
            who: who.transpose()?,
            abi: source.add_field("abi")?,
            syscall: source.add_field("syscall")?,
            calls: source.add_field("calls")?,
            failed: source.add_field("failed")?,
            times: options::has_durations()?.then(times).transpose()?,
            errors: source.add_field("errors")?,
        }))
    }

    /// Whose a call counts as; `None` when the programs count.
    pub fn whose(&self, pid: u32, tid: u32) -> Option<Whose> {
        match self.by {
            Summary::Container => None,
            Summary::Process => Some(Whose { pid, tid: 0 }),
            Summary::Thread => Some(Whose { pid, tid }),
        }
    }

    /// Emits the statistics of a container, what took longest first.
    pub fn emit(
        &self,
        container: Container<'_>,
        tally: &Tally,
        name: impl Fn(Kind) -> (Abi, String),
    ) -> Result<(), Error> {
        if tally.uncounted > 0 {
            warn!(
                "{} calls of `{}` are not in the statistics: there are too many processes or threads",
                tally.uncounted, container.name
            );
        }
        let mut rows: Vec<_> = tally.rows.iter().collect();
        rows.sort_by_key(|(of, stats)| {
            let first = (u64::MAX - stats.times.total_ns(), u64::MAX - stats.calls);
            (first, **of)
        });
        let packet = self.source.new_array_packet()?;
        for ((whose, kind), stats) in rows {
            let element = packet.array().new_element()?;
            let data = element.data();
            self.mntns_id.set(data, container.mntns_id)?;
            self.cgroup_id.set(data, container.cgroup_id)?;
            if let Some(who) = &self.who {
                who.pid.set(data, whose.pid)?;
                if let Some(tid) = who.tid {
                    tid.set(data, whose.tid)?;
                }
                who.comm
                    .set(data, tally.names.get(whose).map_or("", String::as_str))?;
            }
            let (abi, syscall) = name(*kind);
            self.abi.set(data, abi.name())?;
            self.syscall.set(data, &syscall)?;
            self.calls.set(data, stats.calls)?;
            self.failed.set(data, stats.failed())?;
            self.errors.set(data, &stats.errors_text())?;
            if let Some(times) = &self.times {
                times.total.set(data, stats.times.total_ns())?;
                times.mean.set(data, stats.times.mean_ns())?;
                times.p50.set(data, stats.times.percentile_ns(50))?;
                times.p90.set(data, stats.times.percentile_ns(90))?;
                times.p99.set(data, stats.times.percentile_ns(99))?;
                times.max.set(data, stats.times.max_ns())?;
                times.histogram.set(data, &stats.times.draw())?;
                times.buckets.set(data, &stats.times.buckets_json())?;
            }
            element.append()?;
        }
        packet.emit()
    }
}
