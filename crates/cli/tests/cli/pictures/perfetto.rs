//! `-o perfetto`, read with Perfetto's published schema.

use std::process::Command;

use serde_json::Value;

use super::{few, reader, recording, shown};
use crate::support::{Gizmo, Ran};

/// What stands in a trace, by the schema; any field that is not in the schema ends the script.
const SCRIPT: &str = r#"
import json, sys
from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

trace = Trace()
trace.ParseFromString(open(sys.argv[1], "rb").read())

def check(message, path):
    for field in UnknownFieldSet(message):
        sys.exit(f"{path}: field {field.field_number} is not in the schema")
    for field, value in message.ListFields():
        if field.message_type:
            for each in value if field.is_repeated else [value]:
                check(each, f"{path}.{field.name}")

check(trace, "trace")
out = {"processes": {}, "threads": {}, "named": {}, "events": []}
for packet in trace.packet:
    assert packet.trusted_packet_sequence_id, packet
    kind = packet.WhichOneof("data")
    if kind == "track_descriptor":
        track = packet.track_descriptor
        if track.HasField("process"):
            out["processes"][track.uuid] = [track.process.pid, track.process.process_name]
        elif track.HasField("thread"):
            assert track.parent_uuid in out["processes"], track
            out["threads"][track.uuid] = [track.thread.pid, track.thread.tid, track.thread.thread_name]
        else:
            out["named"][track.uuid] = track.name
    elif kind == "track_event":
        event = packet.track_event
        assert event.track_uuid in out["threads"] or event.track_uuid in out["named"], event
        args = {a.name: [[e.name, e.string_value] for e in a.dict_entries] or a.string_value or a.uint_value
                for a in event.debug_annotations}
        out["events"].append({"type": TrackEvent.Type.Name(event.type), "time": packet.timestamp, "name": event.name,
            "thread": out["threads"].get(event.track_uuid), "categories": list(event.categories),
            "colour": event.correlation_id_str, "args": args})
    else:
        assert kind == "clock_snapshot", kind
        clocks = {clock.clock_id: clock.timestamp for clock in packet.clock_snapshot.clocks}
        assert clocks[1] == clocks[6], clocks
print(json.dumps(out))
"#;

/// What stands in the trace of a file.
#[track_caller]
fn read(gizmo: &Gizmo, trace: &[u8]) -> Value {
    let path = gizmo.write("trace.perfetto", trace);
    let mut python = Command::new(reader("python3"));
    let ran = Ran::of(python.args(["-W", "ignore", "-c", SCRIPT]).arg(path));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    serde_json::from_str(&ran.stdout()).expect("JSON")
}

#[test]
#[ignore = "packages: reads with Perfetto's Python package"]
fn traces_hold_to_the_published_schema() {
    let gizmo = Gizmo::new();
    let file = recording(&gizmo, few());
    let trace = read(&gizmo, &shown(&gizmo, &file, "perfetto"));
    let values = |what: &str| {
        let values = trace[what].as_object().unwrap().values();
        values.map(Value::to_string).collect::<Vec<_>>()
    };
    let hostile = serde_json::to_string(super::HOSTILE).unwrap();
    assert_eq!(values("processes")[0], r#"[7,"web: cat"]"#);
    assert_eq!(
        values("threads")[..2],
        [r#"[7,7,"cat"]"#, r#"[7,8,"worker"]"#]
    );
    assert_eq!(values("threads")[2], format!("[20,20,{hostile}]"));
    assert_eq!(values("named"), [r#""Lost calls""#]);
    let events = trace["events"].as_array().unwrap();
    let of = |name: &str, kind: &str| {
        let matches = |event: &&Value| event["name"] == name && event["type"] == kind;
        events.iter().filter(matches).collect::<Vec<_>>()
    };
    let opened = of("openat", "TYPE_SLICE_BEGIN");
    assert_eq!(
        opened[0]["args"]["args"][1],
        serde_json::json!(["filename", "\"/etc/passwd\""])
    );
    assert_eq!(
        (
            opened[0]["args"]["ret"].as_str(),
            opened[0]["colour"].as_str()
        ),
        (Some("3"), Some(""))
    );
    assert_eq!(
        opened[1]["categories"],
        serde_json::json!(["syscall", "error"])
    );
    assert_eq!(opened[1]["colour"], "error ENOENT");
    assert_eq!(opened[1]["args"]["error"], "ENOENT");
    assert_eq!(of("exit_group", "TYPE_INSTANT").len(), 1);
    assert_eq!(
        of("", "TYPE_SLICE_END").len(),
        6,
        "all but what never returns or has not yet"
    );
    let lost = events
        .iter()
        .find(|event| event["categories"] == serde_json::json!(["lost"]));
    assert_eq!(lost.unwrap()["args"]["lost"], 70);

    // On each thread slices end where the next begin, or before.
    for thread in trace["threads"].as_object().unwrap().values() {
        let mut until = 0;
        for event in events.iter().filter(|event| event["thread"] == *thread) {
            let time = event["time"].as_u64().unwrap();
            let is_in_flight = event["name"] == "read";
            assert!(is_in_flight || time >= until, "{event}");
            until = time;
        }
    }
}
