//! Log lines of guests: levels, cleaning, and a limit per second.

use tracing::Level;
use wasmtime::{Caller, Linker};

use crate::host::{IG, Refusal, host_function, memory};
use crate::limits::MAX_LOG_LINE_BYTES;
use crate::state::State;

/// Target of guests' own log lines, for filters.
pub const TARGET: &str = "guest";

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(slow linker, IG, "gadgetLog", (level: u32, message: u64) -> (), (), log);
    host_function!(quick linker, IG, "gadgetShouldLog", (level: u32) -> u32, 0, |_: &mut _, level| {
        Ok(u32::from(level_of(level).is_some_and(enabled)))
    });
    Ok(())
}

fn level_of(number: u32) -> Option<Level> {
    Some(match number {
        0 => Level::ERROR,
        1 => Level::WARN,
        2 => Level::INFO,
        3 => Level::DEBUG,
        4 => Level::TRACE,
        _ => return None,
    })
}

fn enabled(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(target: TARGET, Level::ERROR),
        Level::WARN => tracing::enabled!(target: TARGET, Level::WARN),
        Level::INFO => tracing::enabled!(target: TARGET, Level::INFO),
        Level::DEBUG => tracing::enabled!(target: TARGET, Level::DEBUG),
        Level::TRACE => tracing::enabled!(target: TARGET, Level::TRACE),
    }
}

fn log(caller: &mut Caller<'_, State>, level: u32, message: u64) -> Result<(), Refusal> {
    let (memory, state) = memory::view(caller);
    let bytes = if message == 0 {
        &[][..]
    } else {
        memory::bytes(memory, message, "the message", usize::MAX)?
    };
    let Some(known) = level_of(level) else {
        let text = clean(bytes);
        return Err(Refusal::Text(format!(
            "unknown log level {level} of message: {text}"
        )));
    };
    if known != Level::ERROR && !enabled(known) {
        return Ok(());
    }
    let text = clean(bytes);
    if let Some(swallowed) = state.log_rate.admit() {
        let gadget = state.host.gadget.as_str();
        if swallowed > 0 {
            tracing::warn!(gadget, swallowed, "log lines of the guest were dropped");
        }
        print(known, gadget, &text);
    }
    if known == Level::ERROR {
        state.report.last_error = Some(text);
    }
    Ok(())
}

fn print(level: Level, gadget: &str, text: &str) {
    match level {
        Level::ERROR => tracing::error!(target: TARGET, gadget, "{text}"),
        Level::WARN => tracing::warn!(target: TARGET, gadget, "{text}"),
        Level::INFO => tracing::info!(target: TARGET, gadget, "{text}"),
        Level::DEBUG => tracing::debug!(target: TARGET, gadget, "{text}"),
        Level::TRACE => tracing::trace!(target: TARGET, gadget, "{text}"),
    }
}

/// A line fit for a terminal: cut to its cap, control characters escaped.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let kept = &bytes[..bytes.len().min(MAX_LOG_LINE_BYTES)];
    let text = String::from_utf8_lossy(kept);
    let text = text.trim_end_matches(['\n', '\r']);
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if kept.len() < bytes.len() {
        line.push_str(&format!(" … ({} more bytes)", bytes.len() - kept.len()));
    }
    line
}

/// The lines of a text, cleaned. All but the first are set in, so that none looks like one of ours.
pub(crate) fn clean_lines(bytes: &[u8], most: usize) -> String {
    let text = bytes.trim_ascii_end();
    let lines = text.split(|byte| *byte == b'\n').take(most).map(clean);
    lines.collect::<Vec<String>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_lines_are_set_in() {
        assert_eq!(clean_lines(b"a\r\nb\x1b\n\n", 9), "a\n  b\\u{1b}");
        assert_eq!(clean_lines(b"a\nb\nc", 2), "a\n  b");
        assert_eq!(clean_lines(b"\n", 2), "");
    }

    #[test]
    fn lines_are_cut_and_cannot_steer_a_terminal() {
        assert_eq!(clean(b"a\x1b[2J\tb\xff\n"), "a\\u{1b}[2J\tb\u{fffd}");
        let long = clean(&vec![b'x'; MAX_LOG_LINE_BYTES + 5]);
        assert!(long.ends_with("x … (5 more bytes)"));
    }
}
