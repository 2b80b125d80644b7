//! `gizmo recordings`: the runs that go on, and what each of them records.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use gizmo_runtime::live::{Answer, Ask, RecordingInfo, runs};
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::warn;

use super::{advise, ask, folder, request};
use crate::table::{self, cell};

const HEADER: [&str; 8] = [
    "RUN",
    "IMAGE",
    "PID",
    "SINCE",
    "CONTAINER",
    "RECORDED",
    "HELD",
    "LOST",
];

/// Arguments of `recordings`.
#[derive(Args)]
pub(crate) struct RecordingsArgs {
    /// Form of the list: a line for each container, or an object for each run
    #[arg(short, long, value_enum, value_name = "MODE", default_value_t = Mode::Columns)]
    output: Mode,
}

/// How the list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Columns,
    Json,
}

/// `gizmo recordings`. A run that does not answer is left out with a warning.
///
/// # Errors
/// The runs cannot be found, or the list cannot be written.
pub(crate) fn recordings(args: &RecordingsArgs, verbose: bool) -> anyhow::Result<()> {
    let mut answers = Vec::new();
    for run in runs(&folder()?).map_err(advise)? {
        let name = run.name().to_owned();
        match ask(run, &request(Ask::Recordings, "", verbose)) {
            Ok(answer) => answers.push(answer),
            Err(error) => warn!(
                run = name,
                error = format!("{error:#}"),
                "a run is left out"
            ),
        }
    }
    let text = match args.output {
        Mode::Columns => {
            let rows: Vec<_> = answers.iter().flat_map(rows).collect();
            table::render(&HEADER, &rows)
        }
        Mode::Json => {
            let list: Vec<Value> = answers.iter().map(object).collect();
            serde_json::to_string_pretty(&list)? + "\n"
        }
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn since(answer: &Answer) -> String {
    Timestamp::from_second(answer.since_unix_s)
        .map(|since| format!("{since:.0}"))
        .unwrap_or_default()
}

fn rows(answer: &Answer) -> Vec<[String; 8]> {
    let row = |cells: [String; 4]| {
        let [name, recorded, held, lost] = cells;
        [
            cell(&answer.run),
            cell(&answer.image),
            answer.pid.to_string(),
            since(answer),
            name,
            recorded,
            held,
            lost,
        ]
    };
    let of = |recording: &RecordingInfo| {
        row([
            cell(name(recording)),
            recording.recorded.to_string(),
            recording.held.to_string(),
            recording.lost.to_string(),
        ])
    };
    match answer.recordings.as_deref() {
        // Such a run is there all the same.
        None | Some([]) => vec![row(["-", "-", "-", "-"].map(str::to_owned))],
        Some(recordings) => recordings.iter().map(of).collect(),
    }
}

/// What a person can call a container. Only the host has neither a name nor an id.
fn name(recording: &RecordingInfo) -> &str {
    [&recording.name, &recording.id]
        .into_iter()
        .find(|name| !name.is_empty())
        .map_or("(host)", String::as_str)
}

fn object(answer: &Answer) -> Value {
    json!({
        "run": answer.run,
        "gadget": answer.gadget,
        "image": answer.image,
        "pid": answer.pid,
        "since": since(answer),
        "params": answer.params,
        "recordings": answer.recordings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(recordings: Option<Vec<RecordingInfo>>) -> Answer {
        Answer {
            run: "traceloop-7".into(),
            image: "traceloop".into(),
            pid: 7,
            since_unix_s: 1_767_323_045,
            recordings,
            ..Answer::default()
        }
    }

    #[test]
    fn every_container_has_a_line() {
        let web = RecordingInfo {
            name: "web\x1b".into(),
            recorded: 20,
            held: 15,
            lost: 1,
            ..RecordingInfo::default()
        };
        let unnamed = RecordingInfo {
            id: "0123".into(),
            ..RecordingInfo::default()
        };
        let rows = rows(&answer(Some(vec![web, unnamed])));
        let start = ["traceloop-7", "traceloop", "7", "2026-01-02T03:04:05Z"];
        assert_eq!(rows[0][..4], start);
        assert_eq!(rows[0][4..], ["web\\u{1b}", "20", "15", "1"]);
        assert_eq!(rows[1][4..], ["0123", "0", "0", "0"]);
    }

    #[test]
    fn a_run_that_tells_nothing_is_listed() {
        for recordings in [None, Some(Vec::new())] {
            let rows = rows(&answer(recordings));
            assert_eq!((rows.len(), rows[0][4].as_str()), (1, "-"));
        }
    }
}
