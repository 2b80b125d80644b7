//! The data source `traceloop`: a record becomes an event.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{DataSource, DataSourceKind, Error, Field, Text};
use gizmo_syscalls::capture::{self, CaptureRule};
use gizmo_syscalls::decode::{Call, Capture, Outcome, args_json, decode};
use gizmo_syscalls::{Abi, Declaration, socketcall, table};

use crate::inflight::InFlight;
use crate::rules;
use crate::segment::Record;

/// What is known of a call, looked up once.
struct Known {
    name: Cow<'static, str>,
    declaration: Option<Declaration>,
    rules: Vec<CaptureRule>,
}

/// The data source and its fields.
pub struct Events {
    source: DataSource,
    timestamp: Field<u64>,
    mntns_id: Field<u64>,
    cgroup_id: Field<u64>,
    cpu: Field<u16>,
    pid: Field<u32>,
    tid: Field<u32>,
    comm: Field<Text>,
    abi: Field<Text>,
    syscall: Field<Text>,
    parameters: Field<Text>,
    ret: Field<Text>,
    error: Field<Text>,
    duration: Field<u64>,
    args: Field<Text>,
    unfinished: Field<bool>,
    at_least: Field<bool>,
    known: BTreeMap<(Abi, u32, u16), Known>,
    json: String,
}

impl Events {
    /// Creates the data source.
    pub fn register() -> Result<Self, Error> {
        let source = DataSource::new("traceloop", DataSourceKind::Single)?;
        let timestamp = source.add_field("timestamp_raw")?;
        timestamp.add_tag("type:gadget_timestamp")?;
        let mntns_id = source.add_field("mntns_id")?;
        mntns_id.add_tag("type:gadget_mntns_id")?;
        let cgroup_id = source.add_field("cgroup_id")?;
        cgroup_id.add_tag("type:gizmo_cgroup_id")?;
        let events = Self {
            source,
            timestamp,
            mntns_id,
            cgroup_id,
            cpu: source.add_field("cpu")?,
            pid: source.add_field("pid")?,
            tid: source.add_field("tid")?,
            comm: source.add_field("comm")?,
            abi: source.add_field("abi")?,
            syscall: source.add_field("syscall")?,
            parameters: source.add_field("parameters")?,
            ret: source.add_field("ret")?,
            error: source.add_field("error")?,
            duration: source.add_field("duration_raw")?,
            args: source.add_field("args")?,
            unfinished: source.add_field("unfinished")?,
            at_least: source.add_field("at_least")?,
            known: BTreeMap::new(),
            json: String::new(),
        };
        events.duration.add_tag("type:gadget_duration")?;
        Ok(events)
    }

    /// Emits a record of a container.
    pub fn emit(
        &mut self,
        native: Abi,
        cgroup_id: u64,
        mntns_id: u64,
        cpu: u32,
        record: &Record<'_>,
    ) -> Result<(), Error> {
        let call_abi = Abi::from_number(record.abi).unwrap_or(native);
        let known = self
            .known
            .entry((call_abi, record.number, record.subcall))
            .or_insert_with(|| look_up(native, call_abi, record.number, record.subcall));
        let captures: Vec<Capture<'_>> = record.captures().collect();
        let decoded = decode(
            &Call {
                abi: call_abi,
                name: &known.name,
                args: record.args,
                arg_count: record.arg_count,
                outcome: outcome(record),
                captures: &captures,
                args_known: true,
            },
            known.declaration.as_ref(),
            &known.rules,
        );
        self.json.clear();
        args_json(&decoded.args, &mut self.json);

        let packet = self.source.new_packet()?;
        let data = packet.data();
        self.timestamp.set(data, record.start_boot_ns)?;
        self.mntns_id.set(data, mntns_id)?;
        self.cgroup_id.set(data, cgroup_id)?;
        self.cpu.set(data, u16::try_from(cpu).unwrap_or(u16::MAX))?;
        self.pid.set(data, record.pid)?;
        self.tid.set(data, record.tid)?;
        self.comm.set(data, &String::from_utf8_lossy(record.comm))?;
        self.abi.set(data, call_abi.name())?;
        self.syscall.set(data, &known.name)?;
        self.parameters.set(data, &decoded.parameters)?;
        self.ret.set(data, &decoded.ret)?;
        self.error.set(data, decoded.error)?;
        self.duration.set(data, record.duration_ns)?;
        self.args.set(data, &self.json)?;
        packet.emit()
    }
}

impl Events {
    /// Emits a call of a container that has not returned; the container is recorded since `recorded_boot_ns`.
    pub fn emit_unfinished(
        &mut self,
        native: Abi,
        cgroup_id: u64,
        mntns_id: u64,
        recorded_boot_ns: u64,
        call: &InFlight<'_>,
    ) -> Result<(), Error> {
        let call_abi = Abi::from_number(call.abi).unwrap_or(native);
        let known = self
            .known
            .entry((call_abi, call.number, call.subcall))
            .or_insert_with(|| look_up(native, call_abi, call.number, call.subcall));
        let captures: Vec<Capture<'_>> = call.captures().collect();
        let decoded = decode(
            &Call {
                abi: call_abi,
                name: &known.name,
                args: call.args,
                arg_count: call.arg_count,
                outcome: Outcome::Unfinished,
                captures: &captures,
                args_known: call.args_known,
            },
            known.declaration.as_ref(),
            &known.rules,
        );
        self.json.clear();
        args_json(&decoded.args, &mut self.json);
        let start_boot_ns = call.latest_start_boot_ns(recorded_boot_ns);

        let packet = self.source.new_packet()?;
        let data = packet.data();
        self.timestamp.set(data, start_boot_ns)?;
        self.mntns_id.set(data, mntns_id)?;
        self.cgroup_id.set(data, cgroup_id)?;
        self.cpu
            .set(data, u16::try_from(call.cpu).unwrap_or(u16::MAX))?;
        self.pid.set(data, call.pid)?;
        self.tid.set(data, call.tid)?;
        self.comm.set(data, &String::from_utf8_lossy(call.comm))?;
        self.abi.set(data, call_abi.name())?;
        self.syscall.set(data, &known.name)?;
        self.parameters.set(data, &decoded.parameters)?;
        self.ret.set(data, &decoded.ret)?;
        let age_ns = call.now_boot_ns.saturating_sub(start_boot_ns);
        self.duration.set(data, age_ns)?;
        self.args.set(data, &self.json)?;
        self.unfinished.set(data, true)?;
        self.at_least.set(data, call.is_begun_before)?;
        packet.emit()
    }
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

fn look_up(native: Abi, call_abi: Abi, number: u32, subcall: u16) -> Known {
    let (name, declaration) = match socketcall::name(subcall.into()) {
        Some(operation) => (
            operation.into(),
            socketcall::declaration(operation).cloned(),
        ),
        None => {
            let name = table::display_name(call_abi, number);
            let declaration = rules::declaration(native, call_abi, &name);
            (name, declaration)
        }
    };
    let rules = declaration
        .as_ref()
        .map(|declaration| capture::rules(&declaration.name, &declaration.parameters));
    Known {
        name,
        declaration,
        rules: rules.unwrap_or_default(),
    }
}
