//! Calls as a trace for Perfetto: processes and threads are tracks, calls are slices on them.
//!
//! Perfetto chooses colours itself, by name; failed calls get the colour of their error instead, which they share
//! (`correlation_id_str`), and are of the category `error`. Times are those of the wall clock.

mod proto;

use std::collections::HashMap;

use gizmo_model::Element;
use gizmo_syscalls::decode::Outcome;
use prost::Message;

use super::{Fields, Remark, arguments};
use crate::value;
use proto::{
    Clock, ClockSnapshot, Data, DebugAnnotation, ProcessDescriptor, ThreadDescriptor, Trace,
    TracePacket, TrackDescriptor, TrackEvent, Value,
};

/// Writers of a trace, whose packets need not be in the order of the others'.
const CALLS: u32 = 1;
const REMARKS: u32 = 2;

/// A trace on its way.
#[derive(Default)]
pub(crate) struct Perfetto {
    has_clocks: bool,
    /// By number, with the name that was said last.
    processes: HashMap<u32, Track>,
    threads: HashMap<(u32, u32), Track>,
}

struct Track {
    uuid: u64,
    name: String,
}

impl Perfetto {
    /// Appends a call, and before it what has to be said of its process and thread.
    pub(crate) fn write(&mut self, fields: &Fields, element: &Element, out: &mut Vec<u8>) {
        let start = value::bits(&fields.timestamp, element);
        if !std::mem::replace(&mut self.has_clocks, true) {
            write_clocks(start, out);
        }
        let track_uuid = Some(self.track(fields, element, out));
        let duration = fields.duration(element).map(|duration| duration.ns());
        let outcome = fields.outcome(element);
        let is_slice = duration.is_some() || outcome == Outcome::Unfinished;
        let event = TrackEvent {
            r#type: Some(match is_slice {
                true => proto::SLICE_BEGIN,
                false => proto::INSTANT,
            }),
            track_uuid,
            ..described(fields, element)
        };
        write(CALLS, Some(start), Data::TrackEvent(event), out);
        // A slice without an end is one that goes on.
        if let Some(duration) = duration
            && outcome != Outcome::Unfinished
        {
            let end = TrackEvent {
                r#type: Some(proto::SLICE_END),
                track_uuid,
                ..TrackEvent::default()
            };
            let time = start.saturating_add(duration);
            write(CALLS, Some(time), Data::TrackEvent(end), out);
        }
    }

    /// The track of a call's thread; it is described first if it is new or has another name.
    fn track(&mut self, fields: &Fields, element: &Element, out: &mut Vec<u8>) -> u64 {
        let pid = value::bits(&fields.pid, element) as u32;
        let tid = value::bits(&fields.tid, element) as u32;
        let comm = text(value::text(&fields.comm, element));
        let next = 1 + (self.processes.len() + self.threads.len()) as u64;
        // A process is called what its first thread is called.
        let is_known = self.processes.contains_key(&pid);
        let process = self.processes.entry(pid).or_insert(Track {
            uuid: next,
            name: String::new(),
        });
        let process_uuid = process.uuid;
        if !is_known || pid == tid && process.name != comm {
            process.name.clone_from(&comm);
            let container = fields.container.as_ref();
            let container = container.map_or(&[][..], |field| value::text(field, element));
            let name = match container {
                [] => comm.clone(),
                container => format!("{}: {comm}", text(container)),
            };
            let descriptor = TrackDescriptor {
                uuid: Some(process_uuid),
                process: Some(ProcessDescriptor {
                    pid: Some(pid as i32),
                    process_name: Some(name),
                }),
                ..TrackDescriptor::default()
            };
            write(CALLS, None, Data::TrackDescriptor(descriptor), out);
        }
        let next = 1 + (self.processes.len() + self.threads.len()) as u64;
        let is_known = self.threads.contains_key(&(pid, tid));
        let thread = self.threads.entry((pid, tid)).or_insert(Track {
            uuid: next,
            name: String::new(),
        });
        if !is_known || thread.name != comm {
            thread.name.clone_from(&comm);
            let descriptor = TrackDescriptor {
                uuid: Some(thread.uuid),
                parent_uuid: Some(process_uuid),
                thread: Some(ThreadDescriptor {
                    pid: Some(pid as i32),
                    tid: Some(tid as i32),
                    thread_name: Some(comm),
                }),
                ..TrackDescriptor::default()
            };
            write(CALLS, None, Data::TrackDescriptor(descriptor), out);
        }
        thread.uuid
    }
}

/// Appends a notice: an instant on a track of its own, which belongs to no process.
pub(crate) fn write_remark(remark: &Remark, element: &Element, out: &mut Vec<u8>) {
    // No process has this number of a track: they count from 1.
    const LOST: u64 = u64::MAX;
    let track = TrackDescriptor {
        uuid: Some(LOST),
        name: Some("Lost calls".to_owned()),
        ..TrackDescriptor::default()
    };
    write(REMARKS, None, Data::TrackDescriptor(track), out);
    let event = TrackEvent {
        r#type: Some(proto::INSTANT),
        track_uuid: Some(LOST),
        name: Some(remark.text(element)),
        categories: vec!["lost".to_owned()],
        debug_annotations: vec![number("lost", remark.lost(element))],
        ..TrackEvent::default()
    };
    let time = remark.timestamp(element);
    write(
        REMARKS,
        Some(time.unwrap_or(0)),
        Data::TrackEvent(event),
        out,
    );
}

/// What is said of a call beside when and where.
fn described(fields: &Fields, element: &Element) -> TrackEvent {
    let error = text(value::text(&fields.error, element));
    let args = arguments(value::text(&fields.args, element));
    let args = args
        .iter()
        .map(|arg| annotation(&arg.name, Value::Text(arg.shown().to_owned())));
    let field = |name, field| annotation(name, Value::Text(text(value::text(field, element))));
    let mut annotations = vec![
        DebugAnnotation {
            name: "args".to_owned(),
            dict_entries: args.collect(),
            value: None,
        },
        field("ret", &fields.ret),
        field("abi", &fields.abi),
    ];
    if let Some(cpu) = &fields.cpu {
        annotations.push(number("cpu", value::bits(cpu, element)));
    }
    if let Some(uid) = &fields.uid {
        annotations.push(number("uid", value::bits(uid, element)));
    }
    let mut categories = vec!["syscall".to_owned()];
    let has_failed = !error.is_empty();
    if has_failed {
        annotations.push(field("error", &fields.error));
        categories.push("error".to_owned());
    }
    TrackEvent {
        name: Some(text(value::text(&fields.syscall, element))),
        categories,
        debug_annotations: annotations,
        correlation_id_str: has_failed.then(|| format!("error {error}")),
        ..TrackEvent::default()
    }
}

fn annotation(name: &str, value: Value) -> DebugAnnotation {
    DebugAnnotation {
        name: name.to_owned(),
        value: Some(value),
        dict_entries: Vec::new(),
    }
}

fn number(name: &str, value: u64) -> DebugAnnotation {
    annotation(name, Value::Uint(value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Says that times are those of the wall clock, so that viewers can show dates.
fn write_clocks(now: u64, out: &mut Vec<u8>) {
    let clock = |clock_id| Clock {
        clock_id: Some(clock_id),
        timestamp: Some(now),
    };
    let clocks = vec![clock(proto::BOOTTIME), clock(proto::REALTIME)];
    let snapshot = Data::ClockSnapshot(ClockSnapshot { clocks });
    write(CALLS, Some(now), snapshot, out);
}

/// Appends a packet. A trace is a list of packets, so traces of one packet, one after the other, are a trace.
fn write(sequence: u32, timestamp: Option<u64>, data: Data, out: &mut Vec<u8>) {
    let packet = TracePacket {
        timestamp,
        trusted_packet_sequence_id: sequence,
        data: Some(data),
    };
    let trace = Trace {
        packet: vec![packet],
    };
    // Only a buffer of a fixed size can be too small.
    let _ = trace.encode(out);
}
