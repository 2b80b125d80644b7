//! `gizmo show --info`: what is in a recording, as a text for people and as JSON for programs.

use std::io::{self, Read, Write};
use std::time::Duration;

use gizmo_runtime::{Summary, summarize};
use jiff::Timestamp;

use crate::logging::escape_json;
use crate::table::cell;

pub(super) fn print(input: impl Read, as_json: bool) -> anyhow::Result<()> {
    let summary = summarize(input)?;
    let text = if as_json {
        escape_json(&serde_json::to_string_pretty(&summary)?) + "\n"
    } else {
        lines(&summary)
    };
    io::stdout().write_all(text.as_bytes())?;
    match summary.damaged_parts {
        0 => Ok(()),
        parts => Err(gizmo_runtime::Error::Damaged(parts).into()),
    }
}

fn lines(summary: &Summary) -> String {
    let header = &summary.header;
    let host = &header.host;
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| {
        if !text.is_empty() {
            lines.push(format!("{name:<11}{}\n", cell(&text)));
        }
    };
    line("gadget", header.gadget.clone());
    line("image", joined([&header.image, &header.digest]));
    line("written by", joined(["gizmo", &header.gizmo]));
    line("host", host.name.clone());
    line("kernel", joined([&host.kernel, &host.architecture]));
    line("boot", host.boot_id.clone());
    line("began", time(header.started_unix_ns));
    line("ended", ended(summary));
    line("command", header.command.join(" "));
    for (name, value) in &header.params {
        if !value.is_empty() {
            line("parameter", format!("{name}={value}"));
        }
    }
    for name in &summary.containers {
        line("container", name.clone());
    }
    for source in &summary.sources {
        let mut text = format!("{}, {} events", source.name, source.events);
        for (reason, lost) in &source.lost {
            text.push_str(&format!(", {lost} {reason}"));
        }
        line("data", text);
    }
    if summary.left_out > 0 {
        line(
            "left out",
            format!("{} events that were too large", summary.left_out),
        );
    }
    lines.concat()
}

fn joined<const N: usize>(words: [&str; N]) -> String {
    words.join(" ").trim().to_owned()
}

fn ended(summary: &Summary) -> String {
    let time = time(summary.ended_unix_ns);
    let began = summary.header.started_unix_ns;
    let nanos = summary.ended_unix_ns.saturating_sub(began);
    let took = Duration::from_nanos(nanos).as_secs_f64();
    match (summary.is_complete, time.is_empty()) {
        (true, _) => format!("{time} ({took:.3} s)"),
        (false, true) => "not properly".to_owned(),
        (false, false) => format!("not properly; the last event is of {time} ({took:.3} s)"),
    }
}

/// RFC 3339, empty for zero, which is no time.
fn time(unix_ns: u64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(unix_ns));
    time.ok()
        .filter(|_| unix_ns > 0)
        .map(|time| format!("{time:.3}"))
        .unwrap_or_default()
}
