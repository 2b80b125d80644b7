//! Log lines on stderr (runtime-and-cli.md 3.5): `time="…" level=warning msg="…" key=value`, and on a terminal
//! `WARN[0003] message key=value`. What guests and traced programs say is escaped here, at the last moment.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use gizmo_runtime::live::{LogForm, LogSink};
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Starts logging; `verbose` shows level debug.
pub(crate) fn init(verbose: bool) {
    // Nobody is left to be told when stderr is gone.
    let sink = Box::new(|line: &str| {
        let _ = io::stderr().write_all(line.as_bytes());
    });
    let is_terminal = io::stderr().is_terminal();
    let layer = Lines::new(verbose, is_terminal, sink);
    // A second call would be a mistake in this crate, and the first logger goes on then.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
}

/// A logger for somebody who looks at a run from outside.
pub(crate) fn for_asker(form: LogForm, sink: LogSink) -> Dispatch {
    let layer = Lines::new(form.is_verbose, form.is_terminal, sink);
    Dispatch::new(tracing_subscriber::registry().with(layer))
}

struct Lines {
    max: Level,
    is_terminal: bool,
    start: Instant,
    sink: LogSink,
}

impl Lines {
    fn new(verbose: bool, is_terminal: bool, sink: LogSink) -> Self {
        Self {
            max: if verbose { Level::DEBUG } else { Level::INFO },
            is_terminal,
            start: Instant::now(),
            sink,
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Libraries below log their own doings at debug; only ours are meant for people.
        let target = metadata.target();
        let is_ours = ["gizmo", "guest", "libbpf"]
            .iter()
            .any(|prefix| target.starts_with(prefix));
        *metadata.level() <= if is_ours { self.max } else { Level::WARN }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let line = if self.is_terminal {
            terminal_line(level, self.start.elapsed().as_secs(), &fields)
        } else {
            plain_line(level, &jiff::Timestamp::now(), &fields)
        };
        (self.sink)(&line);
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.keep(field, format!("{value:?}"));
    }
}

impl Fields {
    fn keep(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.others.push((field.name(), value));
        }
    }
}

fn terminal_line(level: Level, seconds: u64, fields: &Fields) -> String {
    let (name, colour) = match level {
        Level::ERROR => ("ERRO", 31),
        Level::WARN => ("WARN", 33),
        Level::INFO => ("INFO", 36),
        _ => ("DEBU", 37),
    };
    let mut line = format!(
        "\x1b[{colour}m{name}\x1b[0m[{seconds:04}] {}",
        escape(&fields.message)
    );
    for (key, value) in &fields.others {
        let _ = write!(line, " \x1b[{colour}m{key}\x1b[0m={}", quote(value));
    }
    line.push('\n');
    line
}

fn plain_line(level: Level, now: &jiff::Timestamp, fields: &Fields) -> String {
    let level = match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    let mut line = format!(
        "time=\"{now:.0}\" level={level} msg={}",
        quote(&fields.message)
    );
    for (key, value) in &fields.others {
        let _ = write!(line, " {key}={}", quote(value));
    }
    line.push('\n');
    line
}

/// A value as it is where its characters are harmless, quoted otherwise.
fn quote(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/@^+".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) {
        return value.to_owned();
    }
    format!(
        "\"{}\"",
        escape(value).replace('\\', "\\\\").replace('"', "\\\"")
    )
}

/// Nothing that moves a cursor, hides or reorders text reaches the terminal. Line ends stay: they are ours.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => safe.push(character),
            character if is_active(character) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
            }
            character => safe.push(character),
        }
    }
    safe
}

/// The same for JSON, which leaves many characters as they are that terminals act on. They only occur in texts, where an
/// escape means the same.
pub(crate) fn escape_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_active(character) {
            // All of them have four digits at most.
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Whether a terminal acts on a character instead of showing it.
pub(crate) fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &str) -> Fields {
        Fields {
            message: message.to_owned(),
            others: vec![("gadget", "trace loop".to_owned())],
        }
    }

    #[test]
    fn plain_lines_are_keys_and_values() {
        let now: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let line = plain_line(Level::DEBUG, &now, &fields("running..."));
        assert_eq!(
            line,
            "time=\"2026-01-02T03:04:05Z\" level=debug msg=running... gadget=\"trace loop\"\n"
        );
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        let line = terminal_line(Level::WARN, 3, &fields("a\x1b[2Jb\u{202e}c\u{9b}"));
        assert_eq!(line.matches('\x1b').count(), 4);
        assert!(line.contains("a\\u{1b}[2Jb\\u{202e}c\\u{9b}"));
    }
}
