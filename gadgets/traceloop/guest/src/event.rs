//! The data sources `traceloop`, in which a record becomes an event, and `traceloop_lost`, which says what is missing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Batch, DataSource, DataSourceKind, Error, Field, Text};
use gizmo_syscalls::decode::{Call, Capture, Decoder, Outcome, Texts};
use gizmo_syscalls::descriptors::Effect;
use gizmo_syscalls::expression::{Checks, Duration, Facts, Predicate};
use gizmo_syscalls::stats::CallStats;
use gizmo_syscalls::{Abi, capture, socketcall, table};

use crate::descriptors::{self, Files, Walk};
use crate::filter::Filter;
use crate::inflight::InFlight;
use crate::ring::{Loss, Reason};
use crate::segment::{Content, Record, Thread};
use crate::statistics::{Table, Tally};
use crate::{options, rules, statistics};

/// Which call: of a multiplexing one also what it was asked to do, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// As it was recorded.
    pub abi: u8,
    pub number: u32,
    pub subcall: u16,
}

/// What is known of a call, looked up once.
struct Known {
    abi: Abi,
    name: Cow<'static, str>,
    decoder: Decoder,
    /// What it does to descriptors.
    effect: Option<Effect>,
    /// What each filter of the run leaves to be tested, and what of calls that have not returned.
    checks: Vec<[Checks; 2]>,
}

/// A filter as long as it was the run's, and the next.
struct Era {
    since_boot_ns: u64,
    /// What the programs have not tested when they wrote a record, and what of calls that have not returned.
    rest: [Vec<Predicate>; 2],
    /// Whether all calls are recorded that do something to descriptors.
    has_effects: bool,
}

/// Filters that are remembered. Records that are older than the first of them are tested by that one.
const ERAS: usize = 64;

const RETURNED: usize = 0;
const IN_FLIGHT: usize = 1;

/// Texts of calls that were decoded lately. What fills a ring is mostly threads in loops, which make the same few calls with
/// the same arguments again and again; these are not decoded again.
struct Decoded {
    places: Vec<Place>,
}

#[derive(Default)]
struct Place {
    shape: [u8; 6],
    values: Vec<u8>,
    files: [Option<Arc<str>>; 6],
    texts: Texts,
}

impl Decoded {
    /// Calls that are remembered.
    const PLACES: usize = 256;

    /// Records that are longer share one place, so that all places have a few hundred KiB at most.
    const LONG_BYTES: usize = 256;

    fn new() -> Self {
        let places = (0..=Self::PLACES).map(|_| Place::default());
        Self {
            places: places.collect(),
        }
    }

    /// The texts of a record, written by `decode` unless they are remembered.
    fn texts(
        &mut self,
        record: &Record<'_>,
        files: &Files<'_>,
        decode: impl FnOnce(&mut Texts),
    ) -> &Texts {
        let Content { shape, values } = record.content();
        let place = match values.len() {
            // A thread's calls of one kind share a place.
            ..=Self::LONG_BYTES => {
                record.tid.wrapping_add(record.number.wrapping_mul(37)) as usize % Self::PLACES
            }
            _ => Self::PLACES,
        };
        let place = &mut self.places[place];
        let is_same = |(known, file): (&Option<Arc<str>>, &Option<_>)| known.as_ref() == *file;
        let has_same_files = place.files.iter().zip(files).all(is_same);
        if place.shape != shape || place.values != values || !has_same_files {
            place.files = files.map(|file| file.cloned());
            place.shape = shape;
            place.values.clear();
            place.values.extend_from_slice(values);
            decode(&mut place.texts);
        }
        &place.texts
    }
}

/// Whose events they are.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    pub name: &'a str,
    pub cgroup_id: u64,
    pub mntns_id: u64,
}

/// The data sources.
pub struct Events {
    eras: Vec<Era>,
    known: BTreeMap<Kind, Known>,
    /// If calls are shown.
    calls: Option<Calls>,
    losses: Losses,
    /// If statistics are.
    table: Option<Table>,
    tally: Tally,
}

/// The data source of calls.
struct Calls {
    fields: Fields,
    decoded: Decoded,
    batch: Batch,
}

/// The fields of a call.
struct Fields {
    timestamp: Field<u64>,
    mntns_id: Field<u64>,
    cgroup_id: Field<u64>,
    cpu: Field<u16>,
    pid: Field<u32>,
    tid: Field<u32>,
    uid: Field<u32>,
    comm: Field<Text>,
    abi: Field<Text>,
    syscall: Field<Text>,
    parameters: Field<Text>,
    ret: Field<Text>,
    error: Field<Text>,
    duration: Option<Field<u64>>,
    args: Field<Text>,
    unfinished: Field<bool>,
    at_least: Field<bool>,
}

/// What stands in them.
struct Row<'a> {
    container: Container<'a>,
    start_boot_ns: u64,
    duration_ns: u64,
    cpu: u32,
    pid: u32,
    tid: u32,
    uid: u32,
    comm: &'a [u8],
    abi: Abi,
    name: &'a str,
    texts: &'a Texts,
    unfinished: Option<Unfinished>,
}

/// Of a call that has not returned.
struct Unfinished {
    /// Its beginning was not seen.
    at_least: bool,
}

impl Fields {
    fn register(source: DataSource) -> Result<Self, Error> {
        Ok(Self {
            timestamp: tagged(source, "timestamp_raw", "type:gadget_timestamp")?,
            mntns_id: tagged(source, "mntns_id", "type:gadget_mntns_id")?,
            cgroup_id: tagged(source, "cgroup_id", "type:gizmo_cgroup_id")?,
            cpu: source.add_field("cpu")?,
            pid: source.add_field("pid")?,
            tid: source.add_field("tid")?,
            uid: source.add_field("uid")?,
            comm: source.add_field("comm")?,
            abi: source.add_field("abi")?,
            syscall: source.add_field("syscall")?,
            parameters: source.add_field("parameters")?,
            ret: source.add_field("ret")?,
            error: source.add_field("error")?,
            duration: options::has_durations()?
                .then(|| tagged(source, "duration_raw", "type:gadget_duration"))
                .transpose()?,
            args: source.add_field("args")?,
            unfinished: source.add_field("unfinished")?,
            at_least: source.add_field("at_least")?,
        })
    }

    fn put(&self, call: &Row<'_>, batch: &mut Batch) -> Result<(), Error> {
        let mut row = batch.row();
        self.timestamp.put(&mut row, call.start_boot_ns);
        self.mntns_id.put(&mut row, call.container.mntns_id);
        self.cgroup_id.put(&mut row, call.container.cgroup_id);
        self.cpu
            .put(&mut row, u16::try_from(call.cpu).unwrap_or(u16::MAX));
        self.pid.put(&mut row, call.pid);
        self.tid.put(&mut row, call.tid);
        self.uid.put(&mut row, call.uid);
        self.comm.put(&mut row, &String::from_utf8_lossy(call.comm));
        self.abi.put(&mut row, call.abi.name());
        self.syscall.put(&mut row, call.name);
        self.parameters.put(&mut row, &call.texts.parameters);
        self.ret.put(&mut row, &call.texts.ret);
        self.error.put(&mut row, call.texts.error);
        if let Some(duration) = self.duration {
            duration.put(&mut row, call.duration_ns);
        }
        self.args.put(&mut row, &call.texts.args);
        if let Some(unfinished) = &call.unfinished {
            self.unfinished.put(&mut row, true);
            self.at_least.put(&mut row, unfinished.at_least);
        }
        row.add()
    }
}

impl Calls {
    fn register() -> Result<Self, Error> {
        let source = DataSource::new("traceloop", DataSourceKind::Single)?;
        Ok(Self {
            fields: Fields::register(source)?,
            decoded: Decoded::new(),
            batch: source.new_batch(),
        })
    }

    /// Puts a record into the batch.
    fn put(
        &mut self,
        known: &Known,
        container: Container<'_>,
        cpu: u32,
        record: &Record<'_>,
        thread: &Thread,
        files: &Files<'_>,
    ) -> Result<(), Error> {
        let texts = self.decoded.texts(record, files, |texts| {
            let captures: Vec<Capture<'_>> = record.captures().collect();
            let call = Call {
                files: descriptors::texts(files),
                ..call(record, &captures)
            };
            known.decoder.decode(&call, texts);
        });
        let row = Row {
            container,
            start_boot_ns: record.start_boot_ns,
            duration_ns: record.duration_ns,
            cpu,
            pid: thread.pid,
            tid: record.tid,
            uid: thread.uid,
            comm: thread.comm(),
            abi: known.abi,
            name: &known.name,
            texts,
            unfinished: None,
        };
        self.fields.put(&row, &mut self.batch)
    }
}

impl Events {
    /// Creates the data sources.
    pub fn register() -> Result<Self, Error> {
        Ok(Self {
            eras: Vec::new(),
            known: BTreeMap::new(),
            calls: statistics::has_events()?
                .then(Calls::register)
                .transpose()?,
            losses: Losses::register()?,
            table: Table::register()?,
            tally: Tally::default(),
        })
    }

    /// Whether calls can be shown as they come. Statistics are shown as a whole.
    pub fn can_be_followed(&self) -> bool {
        let counts_shown = |table: &Table| table.whose(0, 0).is_some();
        self.calls.is_some() && !self.table.as_ref().is_some_and(counts_shown)
    }

    /// Shows the statistics of a container, if there are any: what the programs have counted, else what was emitted.
    pub fn emit_statistics(
        &mut self,
        native: Abi,
        container: Container<'_>,
        counted: Vec<(Kind, CallStats)>,
    ) -> Result<(), Error> {
        let mut tally = std::mem::take(&mut self.tally);
        let Some(table) = &self.table else {
            return Ok(());
        };
        for (kind, stats) in counted {
            tally.put(kind, stats);
        }
        table.emit(container, &tally, |kind| {
            let call_abi = Abi::from_number(kind.abi).unwrap_or(native);
            (call_abi, name_of(call_abi, kind).into_owned())
        })
    }

    /// From now on this filter says what is recorded. What was recorded before is shown as the filters of its time say.
    pub fn filter_by(&mut self, filter: &Filter, since_boot_ns: u64) {
        self.known.clear();
        if self.eras.len() == ERAS {
            self.eras.remove(0);
        }
        self.eras.push(Era {
            since_boot_ns,
            rest: [filter.rest(), filter.rest_in_flight()],
            has_effects: filter.has_effects(),
        });
    }

    /// Emits a record of a container, unless the filter is against it.
    pub fn emit(
        &mut self,
        native: Abi,
        container: Container<'_>,
        walk: &mut Walk,
        cpu: u32,
        record: &Record<'_>,
        thread: &Thread,
    ) -> Result<(), Error> {
        let kind = Kind {
            abi: record.abi,
            number: record.number,
            subcall: record.subcall,
        };
        let known = self
            .known
            .entry(kind)
            .or_insert_with(|| look_up(native, kind, &self.eras));
        let era = era_of(&self.eras, record);
        let filter = self.eras.get(era);
        walk.reach(filter.map_or(0, |filter| filter.since_boot_ns), record);
        let is_followed = self.calls.is_some()
            && filter.is_some_and(|filter| filter.has_effects)
            && (known.effect.is_some() || known.decoder.descriptors().next().is_some());
        if is_followed {
            walk.meet(thread);
        }
        if is_shown(known, era, record, thread) {
            if let Some(table) = &self.table
                && let Some(whose) = table.whose(thread.pid, record.tid)
            {
                let duration = is_timed(record).then_some(record.duration_ns);
                self.tally
                    .add(whose, thread.comm(), kind, outcome(record), duration);
            }
            if let Some(calls) = &mut self.calls {
                let files = match is_followed {
                    true => walk.files(record, thread.pid, known.decoder.descriptors()),
                    false => [None; 6],
                };
                calls.put(known, container, cpu, record, thread, &files)?;
            }
        }
        if is_followed && let Some(effect) = known.effect {
            let captures: Vec<Capture<'_>> = record.captures().collect();
            let call = call(record, &captures);
            walk.follow(known.abi, thread.pid, effect, record, &call);
        }
        Ok(())
    }

    /// Emits what waits in the batch.
    pub fn flush(&mut self) -> Result<(), Error> {
        match &mut self.calls {
            Some(calls) => calls.batch.emit(),
            None => Ok(()),
        }
    }
}

/// What is missing among the events.
struct Losses {
    source: DataSource,
    timestamp: Field<u64>,
    mntns_id: Field<u64>,
    cgroup_id: Field<u64>,
    cpu: Field<u16>,
    lost: Field<u64>,
    reason: Field<Text>,
    message: Field<Text>,
}

impl Losses {
    fn register() -> Result<Self, Error> {
        let source = DataSource::new("traceloop_lost", DataSourceKind::Single)?;
        Ok(Self {
            source,
            timestamp: tagged(source, "timestamp_raw", "type:gadget_timestamp")?,
            mntns_id: tagged(source, "mntns_id", "type:gadget_mntns_id")?,
            cgroup_id: tagged(source, "cgroup_id", "type:gizmo_cgroup_id")?,
            cpu: source.add_field("cpu")?,
            lost: source.add_field("lost")?,
            reason: source.add_field("reason")?,
            message: source.add_field("message")?,
        })
    }
}

impl Events {
    /// Says that something of a container is missing.
    pub fn emit_loss(
        &mut self,
        container: Container<'_>,
        cpu: Option<u32>,
        loss: &Loss,
    ) -> Result<(), Error> {
        // Between the calls where it belongs.
        self.flush()?;
        let losses = &self.losses;
        let packet = losses.source.new_packet()?;
        let data = packet.data();
        losses.timestamp.set(data, loss.boot_ns)?;
        losses.mntns_id.set(data, container.mntns_id)?;
        losses.cgroup_id.set(data, container.cgroup_id)?;
        let number = cpu.and_then(|cpu| u16::try_from(cpu).ok());
        losses.cpu.set(data, number.unwrap_or(u16::MAX))?;
        losses.lost.set(data, loss.count)?;
        losses.reason.set(data, loss.reason.name())?;
        let mut message = loss_text(loss.reason, loss.count, container.name);
        if let Some(cpu) = cpu {
            message += &format!(" (CPU {cpu})");
        }
        losses.message.set(data, &message)?;
        packet.emit()
    }
}

/// What is missing, in words.
pub fn loss_text(reason: Reason, count: u64, container: &str) -> String {
    match reason {
        Reason::Overwritten => {
            format!("{count} older calls of `{container}` were overwritten by newer ones")
        }
        Reason::Refused => format!("{count} calls of `{container}` could not be recorded"),
        Reason::Damaged => {
            format!("{count} calls of `{container}` are in damaged parts of its ring and not shown")
        }
        Reason::Truncated => format!(
            "of {count} calls of `{container}` not all contents are recorded, for lack of room"
        ),
        Reason::Missed => format!(
            "up to {count} calls of all tasks of the host were not seen, because another task was preempted in the middle of recording one"
        ),
        Reason::Failed => {
            format!("{count} contents of arguments of `{container}` could not be read")
        }
    }
}

fn tagged(source: DataSource, name: &str, tag: &str) -> Result<Field<u64>, Error> {
    let field = source.add_field(name)?;
    field.add_tag(tag)?;
    Ok(field)
}

impl Events {
    /// Emits a call of a container that has not returned; the container is recorded since `recorded_boot_ns`, and what has
    /// returned was told to `walk`.
    pub fn emit_unfinished(
        &mut self,
        native: Abi,
        container: Container<'_>,
        walk: &Walk,
        recorded_boot_ns: u64,
        call: &InFlight<'_>,
    ) -> Result<(), Error> {
        let Some(calls) = &mut self.calls else {
            return Ok(());
        };
        let kind = Kind {
            abi: call.abi,
            number: call.number,
            subcall: call.subcall,
        };
        let known = self
            .known
            .entry(kind)
            .or_insert_with(|| look_up(native, kind, &self.eras));
        let captures: Vec<Capture<'_>> = call.captures().collect();
        let start_boot_ns = call.latest_start_boot_ns(recorded_boot_ns);
        let files = match self.eras.last().is_some_and(|era| era.has_effects) {
            true => {
                let descriptors = known.decoder.descriptors();
                walk.files_at(start_boot_ns, call.pid, &call.args, descriptors)
            }
            false => [None; 6],
        };
        let unfinished = Call {
            args: call.args,
            arg_count: call.arg_count,
            outcome: Outcome::Unfinished,
            captures: &captures,
            args_known: call.args_known,
            files: descriptors::texts(&files),
        };
        let duration_ns = call.now_boot_ns.saturating_sub(start_boot_ns);
        let facts = Facts {
            call: &unfinished,
            duration: Some(Duration::AtLeast(duration_ns)),
            pid: call.pid,
            tid: call.tid,
            uid: Some(call.uid),
            comm: call.comm,
        };
        if !known
            .checks
            .last()
            .is_none_or(|checks| checks[IN_FLIGHT].pass(&facts))
        {
            return Ok(());
        }
        let mut texts = Texts::default();
        known.decoder.decode(&unfinished, &mut texts);

        let row = Row {
            container,
            start_boot_ns,
            duration_ns,
            cpu: call.cpu,
            pid: call.pid,
            tid: call.tid,
            uid: call.uid,
            comm: call.comm,
            abi: known.abi,
            name: &known.name,
            texts: &texts,
            unfinished: Some(Unfinished {
                at_least: call.is_begun_before,
            }),
        };
        calls.fields.put(&row, &mut calls.batch)
    }
}

fn call<'a>(record: &Record<'_>, captures: &'a [Capture<'a>]) -> Call<'a> {
    Call {
        args: record.args,
        arg_count: record.arg_count,
        outcome: outcome(record),
        captures,
        args_known: true,
        files: [None; 6],
    }
}

/// Which filter a record was made under.
fn era_of(eras: &[Era], record: &Record<'_>) -> usize {
    let is_past = |era: &&Era| era.since_boot_ns <= record.end_boot_ns();
    match eras {
        [_] => 0,
        eras => eras.iter().take_while(is_past).count().saturating_sub(1),
    }
}

/// Whether a record passes what the programs have not tested when they wrote it.
fn is_shown(known: &Known, era: usize, record: &Record<'_>, thread: &Thread) -> bool {
    let Some(checks) = known.checks.get(era).map(|checks| &checks[RETURNED]) else {
        return true;
    };
    if checks.is_empty() {
        return true;
    }
    let captures: Vec<Capture<'_>> = record.captures().collect();
    checks.pass(&Facts {
        call: &call(record, &captures),
        duration: is_timed(record).then_some(Duration::Exactly(record.duration_ns)),
        pid: thread.pid,
        tid: record.tid,
        uid: Some(thread.uid),
        comm: thread.comm(),
    })
}

/// Whether the programs that do so have seen how long a call took.
fn is_timed(record: &Record<'_>) -> bool {
    !record.is(abi::RECORD_NO_ENTER | abi::RECORD_NEVER_RETURNS)
}

fn outcome(record: &Record<'_>) -> Outcome {
    if record.is(abi::RECORD_NEVER_RETURNS) {
        Outcome::NeverReturns
    } else if record.is(abi::RECORD_KILLED) {
        Outcome::Killed
    } else {
        Outcome::Returned(record.ret)
    }
}

fn name_of(call_abi: Abi, kind: Kind) -> Cow<'static, str> {
    match socketcall::name(kind.subcall.into()) {
        Some(operation) => operation.into(),
        None => table::display_name(call_abi, kind.number),
    }
}

fn look_up(native: Abi, kind: Kind, eras: &[Era]) -> Known {
    let call_abi = Abi::from_number(kind.abi).unwrap_or(native);
    let name = name_of(call_abi, kind);
    let declaration = match socketcall::name(kind.subcall.into()) {
        Some(operation) => socketcall::declaration(operation).cloned(),
        None => rules::declaration(native, call_abi, &name),
    };
    let rules = declaration
        .as_ref()
        .map(|declaration| capture::rules(&declaration.name, &declaration.parameters));
    let rules = rules.unwrap_or_default();
    let decoder = Decoder::new(call_abi, &name, declaration.as_ref(), &rules);
    let checks = |predicates: &Vec<Predicate>| {
        Checks::new(predicates, call_abi, &name, declaration.as_ref())
    };
    let checks = eras.iter().map(|era| era.rest.each_ref().map(checks));
    Known {
        checks: checks.collect(),
        abi: call_abi,
        decoder,
        effect: Effect::of(call_abi, &name),
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Entry;
    use crate::segment::tests::record;

    #[test]
    fn only_calls_with_the_same_bytes_share_their_texts() {
        let mut decoded = Decoded::new();
        let mut is_decoded = |bytes: &[u8]| {
            let Some((Entry::Record(record), _)) = Entry::parse(bytes) else {
                panic!()
            };
            let mut is_decoded = false;
            decoded.texts(&record, &[None; 6], |_| is_decoded = true);
            is_decoded
        };
        assert!(is_decoded(&record(1, 2, 39)));
        assert!(!is_decoded(&record(5, 6, 39)), "who and when is no text");
        // The flags, the ABI, the number, which values are wide, and the result.
        for place in [2, 3, 4, 7, 24] {
            let mut other = record(1, 2, 39);
            other[place] ^= 4;
            assert!(is_decoded(&other), "byte {place}");
            assert!(!is_decoded(&other), "byte {place}");
        }
        let mut long = record(1, 2, 39);
        long.resize(1024, 0);
        long[..2].copy_from_slice(&1024u16.to_ne_bytes());
        assert!(is_decoded(&long));
        assert!(is_decoded(&record(1, 2, 39)));
    }
}
