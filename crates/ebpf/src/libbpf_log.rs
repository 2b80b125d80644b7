//! What libbpf prints: kept while an object is opened or loaded, sent to the log otherwise.

use std::sync::{Mutex, MutexGuard, PoisonError};

use libbpf_rs::{PrintLevel, set_print};
use tracing::debug;

/// Lines kept of one operation; a verifier log is one message of up to 16 MiB, of which the end is kept.
const MAX_MESSAGES: usize = 64;
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

static CAPTURED: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// libbpf has one printer per process, so operations that want its output take turns.
static TURN: Mutex<()> = Mutex::new(());

fn captured() -> MutexGuard<'static, Vec<String>> {
    CAPTURED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(level: PrintLevel, message: String) {
    let message = message.trim_end();
    debug!(target: "libbpf", "{message}");
    if matches!(level, PrintLevel::Debug) {
        return;
    }
    let mut lines = captured();
    if lines.len() < MAX_MESSAGES {
        let mut start = message.len().saturating_sub(MAX_MESSAGE_BYTES);
        while !message.is_char_boundary(start) {
            start += 1;
        }
        lines.push(message[start..].to_owned());
    }
}

/// Runs an operation of libbpf and returns with its result what was printed meanwhile at warning level.
pub(crate) fn capture<T>(operation: impl FnOnce() -> T) -> (T, Vec<String>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    captured().clear();
    let before = set_print(Some((PrintLevel::Info, keep)));
    let result = operation();
    set_print(before);
    (result, std::mem::take(&mut *captured()))
}

/// The program that the verifier refused and the end of its log, if that is what the messages tell.
pub(crate) fn verifier_refusal(messages: &[String], lines: usize) -> Option<(String, String)> {
    let log = messages
        .iter()
        .find(|message| message.contains("-- BEGIN PROG LOAD LOG --"));
    let failed = messages
        .iter()
        .find(|message| message.contains("failed to load:") && message.contains("prog '"))?;
    let program = failed.split('\'').nth(1)?.to_owned();
    let text = log.map(|log| {
        log.lines()
            .filter(|line| !line.contains("PROG LOAD LOG --"))
            .collect::<Vec<_>>()
    });
    let text = text.unwrap_or_default();
    let end = text[text.len().saturating_sub(lines)..].join("\n");
    Some((program, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_program_and_shows_the_end_of_the_log() {
        let messages = [
            "libbpf: prog 'bad': BPF program load failed: Permission denied".to_owned(),
            "libbpf: prog 'bad': -- BEGIN PROG LOAD LOG --\n0: r1\n1: exit\nR0 !read_ok\n-- END PROG LOAD LOG --".to_owned(),
            "libbpf: prog 'bad': failed to load: -13".to_owned(),
        ];
        let (program, log) = verifier_refusal(&messages, 2).unwrap();
        assert_eq!(program, "bad");
        assert_eq!(log, "1: exit\nR0 !read_ok");
        assert!(verifier_refusal(&["libbpf: map 'x': failed".to_owned()], 2).is_none());
    }
}
