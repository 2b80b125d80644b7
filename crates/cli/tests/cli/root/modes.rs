//! `-o` and `--fields`.

use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use super::{Event, parse_events, turn};
use crate::support::golden;

const COMMAND: [&str; 2] = ["printf", "hello\\n"];
const FILTER: [&str; 2] = ["--syscall-filters", "write,exit_group"];

/// What is printed on stderr in a mode.
#[track_caller]
fn printed(mode: &[&str]) -> String {
    let turn = turn();
    let mut flags = FILTER.to_vec();
    flags.extend(mode);
    let ran = turn.trace(&flags, &COMMAND);
    assert_eq!(
        (ran.code, ran.stdout().as_str()),
        (Some(0), "hello\n"),
        "{}",
        ran.stderr()
    );
    ran.stderr()
}

/// The two events of [`COMMAND`], whatever they were read from.
#[track_caller]
fn judge(events: &[Event]) {
    let [write, exit] = events else {
        panic!("not two events: {events:#?}");
    };
    let abi = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x86_64"
    };
    for event in events {
        assert_eq!((event.abi.as_str(), event.comm.as_str()), (abi, "printf"));
        assert_eq!(event.pid, event.tid);
        assert!(event.pid > 1 && event.mntns_id > 0xf000_0000);
        let timestamp: Timestamp = event.timestamp.parse().unwrap();
        assert_eq!(timestamp.as_nanosecond(), i128::from(event.timestamp_raw));
        assert!(timestamp.duration_until(Timestamp::now()).as_secs().abs() < 60);
        assert_eq!(event.error, "");
    }
    assert!(write.duration.ends_with('s'), "{}", write.duration);
    // Nobody has seen it return.
    assert_eq!((exit.duration.as_str(), exit.duration_raw), ("", 0));
    assert!(usize::from(write.cpu) < 1024 && write.duration_raw > 0);
    assert_eq!((write.syscall.as_str(), write.ret.as_str()), ("write", "6"));
    assert_eq!(write.parameters, "fd=1, buf=\"hello\\n\", count=6");
    let [fd, buf, count] = &write.args[..] else {
        panic!("{:?}", write.args);
    };
    assert_eq!(
        (fd.name.as_str(), fd.value.as_str(), &fd.text),
        ("fd", "1", &None)
    );
    assert_eq!((fd.len, fd.truncated), (None, false));
    assert!(buf.name == "buf" && buf.value.starts_with("0x"), "{buf:?}");
    assert_eq!(buf.text.as_deref(), Some("\"hello\\n\""));
    assert_eq!((buf.len, buf.truncated), (Some(6), false));
    assert_eq!((count.name.as_str(), count.value.as_str()), ("count", "6"));
    assert_eq!(
        (exit.syscall.as_str(), exit.ret.as_str()),
        ("exit_group", "X")
    );
    assert_eq!(exit.parameters, "error_code=0");
    assert!(exit.timestamp_raw > write.timestamp_raw);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn json_has_one_event_per_line() {
    let text = printed(&["-o", "json"]);
    judge(&parse_events(&text));
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let keys: Vec<&String> = event.as_object().unwrap().keys().collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(!line.contains(": ") || !line.starts_with("{ "), "{line}");
    }
    // The form of the flag and the columns chosen make no difference.
    judge(&parse_events(&printed(&["-ojson"])));
    judge(&parse_events(&printed(&[
        "--output=json",
        "--fields",
        "pid",
    ])));
    judge(&parse_events(&printed(&["-o", "traceloop:json"])));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn jsonpretty_is_the_same_with_spaces() {
    let text = printed(&["-o", "jsonpretty"]);
    assert!(text.starts_with("{\n  \"abi\": \""), "{text}");
    let events = serde_json::Deserializer::from_str(&text).into_iter::<Event>();
    judge(&events.map(Result::unwrap).collect::<Vec<_>>());
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn yaml_has_one_document_per_event() {
    let text = printed(&["-o", "yaml"]);
    let documents = text.split("---\n").skip(1);
    let events = documents.map(|document| serde_saphyr::from_str::<Event>(document).unwrap());
    judge(&events.collect::<Vec<_>>());
    assert!(text.starts_with("---\nabi: "), "{text}");
}

/// Process ids, durations and pointers, each in as many characters as before.
fn normalise(text: &str) -> String {
    static CHANGING: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^ *\d+ |0x[0-9a-f]{6,}| +[0-9.]+(ns|µs|ms|s)$").unwrap());
    let replaced = CHANGING.replace_all(text, |found: &regex::Captures<'_>| {
        let (all, width) = (&found[0], found[0].chars().count());
        let word = match all.trim_start() {
            pointer if pointer.starts_with("0x") => "0xPTR",
            pid if pid.ends_with(' ') => "PID ",
            _ => "TIME",
        };
        format!("{word:>width$}")
    });
    replaced.into_owned()
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn columns_are_golden() {
    golden("columns", &normalise(&printed(&[])));
    golden("columns", &normalise(&printed(&["-o", "columns"])));
    let fields = ["--fields", "syscall,ret,error,args,abi"];
    golden("columns-fields", &normalise(&printed(&fields)));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn fields_choose_the_columns() {
    let header = |fields: &str| -> Vec<String> {
        let text = printed(&["--fields", fields]);
        let line = text.lines().next().unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(header("syscall,ret"), ["SYSCALL", "RET"]);
    assert_eq!(header("traceloop:ret,pid"), ["RET", "PID"]);
    assert_eq!(
        header("+tid,-duration,-parameters"),
        ["PID", "COMM", "SYSCALL", "RET", "TID"]
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn none_prints_nothing() {
    assert_eq!(printed(&["-o", "none"]), "");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn an_unknown_mode_or_field_is_named_before_the_command_runs() {
    let turn = turn();
    let file = turn.name("created");
    let command = ["touch", file.as_str()];
    for (flags, words) in [
        (["-o", "xml"], vec!["`xml`", "columns", "jsonpretty"]),
        (["-o", "nosuch:json"], vec!["`nosuch`"]),
        (["-o", "json,traceloop:yaml"], vec![]),
        (["--fields", "nosuch"], vec!["`nosuch`"]),
        (["--filter", "nosuch==3"], vec!["`nosuch`"]),
        (["--filter", "syscall~("], vec!["("]),
        (["--filter", "syscall"], vec!["`syscall`"]),
    ] {
        turn.trace(&flags, &command).is_error(1, &words);
        assert!(
            !turn.path("created").exists(),
            "{flags:?}: the command was run"
        );
    }
}
