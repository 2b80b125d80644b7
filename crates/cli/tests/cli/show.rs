//! `gizmo show` on files that this test has made with the library: no root, no kernel.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use gizmo_model::field::FieldSpec;
use gizmo_model::{DataSource, Kind, Packet, Shape};
use gizmo_recording::{Header, Host};
use serde_json::{Value, json};

use crate::recording_file::RecordingFile;
use crate::support::{Gizmo, Ran};

/// Text that clears the screen, and turns the direction of what follows.
const HOSTILE: &str = "\x1b[2J\u{202e}\u{9b}";

/// 2023-11-14T22:13:20Z.
const TIME_NS: u64 = 1_700_000_000_000_000_000;

/// What happens: calls of two containers, and a loss between them.
const CALLS: [(u64, &str, &str); 4] = [
    (1, "web", "openat"),
    (2, "db", "write"),
    (3, "web", "close"),
    (4, "", HOSTILE),
];

fn header() -> Header {
    Header {
        gizmo: "9.9".into(),
        gadget: "trace".into(),
        image: "trace:latest".into(),
        started_unix_ns: TIME_NS,
        host: Host {
            name: format!("host{HOSTILE}\nended  never"),
            architecture: "x86_64".into(),
            ..Host::default()
        },
        command: vec!["make".into(), "all".into()],
        params: [("operator.filter.filter".into(), "pid==1".into())].into(),
        ..Header::default()
    }
}

/// Writes the recording, a block per call, and returns its path.
fn recording(gizmo: &Gizmo) -> PathBuf {
    let calls = DataSource::described("calls", Shape::Single, vec![], [].into());
    let add = |spec| calls.add_field(spec).unwrap();
    let time = add(FieldSpec::new("timestamp_raw", Kind::Uint64)
        .tagged("type:gadget_timestamp")
        .annotated("columns.hidden", "true"));
    let runtime = add(FieldSpec::group("runtime"));
    let container = add(FieldSpec::new("containerName", Kind::String).below(&runtime));
    let pid = add(FieldSpec::new("pid", Kind::Uint32));
    let call = add(FieldSpec::new("call", Kind::String));
    let notice = [("cli.notice".into(), "message".into())].into();
    let losses = DataSource::described("losses", Shape::Single, vec![], notice);
    let lost = losses
        .add_field(FieldSpec::new("lost", Kind::Uint64))
        .unwrap();
    let reason = losses
        .add_field(FieldSpec::new("reason", Kind::String))
        .unwrap();
    let message = losses
        .add_field(FieldSpec::new("message", Kind::String))
        .unwrap();

    let mut file = RecordingFile::begin(gizmo.path("calls.gzr"), &header(), &[&calls, &losses]);
    for (number, name, what) in CALLS {
        let mut element = calls.new_element();
        time.set_value(&mut element, TIME_NS + number).unwrap();
        pid.set_value(&mut element, number).unwrap();
        container.set_bytes(&mut element, name.as_bytes()).unwrap();
        call.set_bytes(&mut element, what.as_bytes()).unwrap();
        file.push(&calls, &Packet::Single(element));
        if number == 2 {
            let mut element = losses.new_element();
            lost.set_value(&mut element, 70).unwrap();
            reason.set_bytes(&mut element, b"overwritten").unwrap();
            message.set_bytes(&mut element, b"70 are missing").unwrap();
            file.push(&losses, &Packet::Single(element));
        }
        file.end_block();
    }
    file.end(TIME_NS + 2_500_000_000)
}

#[track_caller]
fn show(gizmo: &Gizmo, path: &Path, flags: &[&str]) -> Ran {
    let mut args = vec!["show", path.to_str().unwrap()];
    args.extend(flags);
    gizmo.run(args)
}

#[track_caller]
fn shown(gizmo: &Gizmo, path: &Path, flags: &[&str]) -> String {
    let ran = show(gizmo, path, flags);
    assert_eq!((ran.code, ran.stderr()), (Some(0), String::new()));
    ran.stdout()
}

/// The process ids of the events in JSON.
#[track_caller]
fn pids(text: &str) -> Vec<u64> {
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter_map(|event| event["pid"].as_u64()).collect()
}

#[test]
fn events_are_shown_in_their_order_as_any_run_would_show_them() {
    let gizmo = Gizmo::new();
    let path = recording(&gizmo);
    let text = shown(&gizmo, &path, &["-o", "json"]);
    assert_eq!(pids(&text), [1, 2, 3, 4]);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines[2],
        json!({"lost": 70, "message": "70 are missing", "reason": "overwritten"})
    );
    let expected = json!({"call": "openat", "pid": 1, "runtime": {"containerName": "web"},
        "timestamp": lines[0]["timestamp"], "timestamp_raw": TIME_NS + 1});
    assert_eq!(lines[0], expected);
    let time: jiff::Timestamp = lines[0]["timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(time.as_nanosecond(), i128::from(TIME_NS + 1));

    let columns = shown(&gizmo, &path, &["--fields", "pid,call"]);
    let words: Vec<&str> = columns.split_whitespace().take(8).collect();
    assert_eq!(
        words,
        ["PID", "CALL", "1", "openat", "2", "write", "---", "70"]
    );
    let yaml = shown(&gizmo, &path, &["-o", "yaml", "-F", "pid==3"]);
    assert!(yaml.contains("call: close"), "{yaml}");
    assert_eq!(shown(&gizmo, &path, &["-o", "none"]), "");
}

#[test]
fn events_are_selected_as_in_a_run() {
    let gizmo = Gizmo::new();
    let path = recording(&gizmo);
    for (flags, expected) in [
        (vec!["-F", "call~e$"], vec![2, 3]),
        (vec!["--filter=pid>1,runtime.containerName==web"], vec![3]),
        (vec!["-c", "web"], vec![1, 3]),
        (vec!["--containername", "!web"], vec![2, 4]),
        (vec!["-c", "db,web"], vec![1, 2, 3]),
    ] {
        let mut all = vec!["-o", "json"];
        all.extend(&flags);
        assert_eq!(pids(&shown(&gizmo, &path, &all)), expected, "{flags:?}");
    }
    gizmo.fails(
        ["show", path.to_str().unwrap(), "-F", "pidd==1"],
        &["`pidd`", "`pid`"],
    );
    gizmo.fails(["show", path.to_str().unwrap(), "-o", "xml"], &["`xml`"]);
    gizmo.fails(
        ["show", path.to_str().unwrap(), "--fields", "nosuch"],
        &["`nosuch`"],
    );
}

#[test]
fn a_recording_may_come_through_a_pipe() {
    let gizmo = Gizmo::new();
    let path = recording(&gizmo);
    let mut command = gizmo.command(["show", "-", "-o", "json"]);
    let ran = Ran::of(command.stdin(File::open(&path).unwrap()));
    assert_eq!(pids(&ran.stdout()), [1, 2, 3, 4], "{}", ran.stderr());
}

#[test]
fn information_is_a_text_or_json() {
    let gizmo = Gizmo::new();
    let path = recording(&gizmo);
    let text = shown(&gizmo, &path, &["--info"]);
    for line in [
        "gadget     trace",
        "command    make all",
        "began      2023-11-14T22:13:20.000Z",
        "ended      2023-11-14T22:13:22.500Z (2.500 s)",
        "parameter  operator.filter.filter=pid==1",
        "container  db",
        "data       calls, 4 events",
        "data       losses, 1 events, 70 overwritten",
    ] {
        assert!(
            text.lines().any(|own| own == line),
            "`{line}` is not in: {text}"
        );
    }
    assert!(!text.contains("\nended  never"), "{text}");
    let info: Value =
        serde_json::from_str(&shown(&gizmo, &path, &["--info", "-o", "json"])).unwrap();
    assert_eq!(info["is_complete"], true);
    assert_eq!(info["containers"], json!(["db", "web"]));
    assert_eq!(info["sources"][1]["lost"], json!({"overwritten": 70}));
    assert_eq!(info["header"]["host"]["name"], *header().host.name);
    gizmo.fails(
        ["show", path.to_str().unwrap(), "--info", "-o", "yaml"],
        &["`--info`", "`yaml`"],
    );
}

/// Only what is ours moves the cursor.
#[test]
fn nothing_from_a_file_reaches_the_terminal_unescaped() {
    let gizmo = Gizmo::new();
    let path = recording(&gizmo);
    for flags in [
        &[][..],
        &["-v"],
        &["-o", "json"],
        &["-o", "jsonpretty"],
        &["-o", "yaml"],
        &["--info"],
        &["--info", "-o", "json"],
    ] {
        let ran = show(&gizmo, &path, flags);
        assert_eq!(ran.code, Some(0), "{flags:?}");
        assert!(!ran.stdout().is_empty());
        for text in [ran.stdout(), ran.stderr()] {
            let is_active = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(
                !text.contains(is_active),
                "{flags:?}: {}",
                text.escape_debug()
            );
        }
    }
}

#[test]
fn every_cut_file_is_shown_up_to_the_cut() {
    let gizmo = Gizmo::new();
    let path = recording(&gizmo);
    let bytes = fs::read(&path).unwrap();
    let half = gizmo.write("half.gzr", &bytes[..bytes.len() - 100]);
    let ran = show(&gizmo, &half, &["-o", "json"]);
    assert_eq!(ran.code, Some(0));
    let found = pids(&ran.stdout());
    assert!(
        found.len() > 1 && [1, 2, 3, 4].starts_with(&found),
        "{found:?}"
    );
    let words = format!("bytes={}", bytes.len() - 100);
    assert!(
        ran.stderr().contains("level=warning") && ran.stderr().contains(&words),
        "{}",
        ran.stderr()
    );
    let info = show(&gizmo, &half, &["--info"]);
    assert!(
        info.stdout().contains("ended      not properly"),
        "{}",
        info.stdout()
    );
    // Before the first packets there is nothing to show.
    let short = gizmo.write("short.gzr", &bytes[..50]);
    let name = short.to_str().unwrap();
    gizmo.fails(["show", name], &[name, "ends at byte 50"]);
}

#[test]
fn a_damaged_file_is_shown_as_far_as_it_can_be_read() {
    let gizmo = Gizmo::new();
    let path = recording(&gizmo);
    let whole = fs::read(&path).unwrap();
    // A byte of each place, until one is hit that takes a block of packets away and nothing else.
    let hit = (0..whole.len()).rev().find_map(|position| {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x55;
        fs::write(&path, bytes).unwrap();
        let ran = show(&gizmo, &path, &["-o", "json"]);
        (pids(&ran.stdout()) == [1, 2, 3]).then_some(ran)
    });
    let ran = hit.expect("the last call is a block of its own");
    assert_eq!(ran.code, Some(1));
    for words in [
        "level=warning",
        "damaged at byte",
        "checksum",
        "Error: recording",
        "damaged parts of the recording: 1",
    ] {
        assert!(ran.stderr().contains(words), "{}", ran.stderr());
    }
}

#[test]
fn what_is_no_recording_is_said_to_be_none() {
    let gizmo = Gizmo::new();
    let other = gizmo.write("other", "#!/bin/sh\n");
    gizmo.fails(
        ["show", other.to_str().unwrap()],
        &["other", "not a recording"],
    );
    let mut newer = fs::read(recording(&gizmo)).unwrap();
    newer[8] = 200;
    let newer = gizmo.write("newer", newer);
    gizmo.fails(
        ["show", newer.to_str().unwrap()],
        &["version 200", "newer gizmo"],
    );
    gizmo.fails(
        ["show", &gizmo.name("nowhere")],
        &["nowhere", "No such file"],
    );
    gizmo.fails(["show", "/"], &["recording `/`", "directory"]);
}
