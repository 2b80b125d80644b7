//! The standard streams: input at its end, output and error as log lines.

use wasmtime::{Caller, Linker};

use crate::host::{log, memory};
use crate::limits::{MAX_LOG_LINE_BYTES, MAX_STDERR_LINES, MAX_WASI_ENTRIES};
use crate::state::State;
use crate::wasi::{MODULE, errno, store};

const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// `filetype` of the streams.
const CHARACTER_DEVICE: u8 = 2;

/// Rights of the streams: `fd_read` and `fd_write`, and to be polled.
const STREAM_RIGHTS: u64 = (1 << 1) | (1 << 6) | (1 << 27);

/// What was written without a line break so far, and the rest of WASI's state.
#[derive(Default)]
pub(crate) struct Wasi {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Logs unfinished lines at the end of a call.
pub(crate) fn flush(state: &mut State) {
    for fd in [STDOUT, STDERR] {
        if !pending(state, fd).is_empty() {
            finish_line(state, fd);
        }
    }
}

fn pending(state: &mut State, fd: u32) -> &mut Vec<u8> {
    if fd == STDERR {
        &mut state.wasi.stderr
    } else {
        &mut state.wasi.stdout
    }
}

fn print(gadget: &str, stream: &str, line: &str) {
    tracing::debug!(target: log::TARGET, gadget, stream, "{line}");
}

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "fd_write", write)?;
    linker.func_wrap(
        MODULE,
        "fd_read",
        |mut caller: Caller<'_, State>, fd: u32, _: u32, _: u32, at: u32| {
            if fd != 0 {
                return errno::BADF;
            }
            store(&mut caller, at, &[0; 4])
        },
    )?;
    linker.func_wrap(MODULE, "fd_close", |fd: u32| known(fd, errno::SUCCESS))?;
    linker.func_wrap(MODULE, "fd_seek", |fd: u32, _: i64, _: u32, _: u32| {
        known(fd, errno::SPIPE)
    })?;
    linker.func_wrap(MODULE, "fd_tell", |fd: u32, _: u32| known(fd, errno::SPIPE))?;
    linker.func_wrap(
        MODULE,
        "fd_fdstat_get",
        |mut caller: Caller<'_, State>, fd: u32, at: u32| {
            if fd > STDERR {
                return errno::BADF;
            }
            let mut stat = [0; 24];
            stat[0] = CHARACTER_DEVICE;
            stat[8..16].copy_from_slice(&STREAM_RIGHTS.to_le_bytes());
            store(&mut caller, at, &stat)
        },
    )?;
    Ok(())
}

fn known(fd: u32, answer: i32) -> i32 {
    if fd > STDERR { errno::BADF } else { answer }
}

fn write(mut caller: Caller<'_, State>, fd: u32, vectors: u32, count: u32, written_at: u32) -> i32 {
    if fd != STDOUT && fd != STDERR {
        return errno::BADF;
    }
    if count > MAX_WASI_ENTRIES {
        return errno::INVAL;
    }
    let (memory, state) = memory::view(&mut caller);
    let start = vectors as usize;
    let Some(list) = memory.get(start..start + count as usize * 8) else {
        return errno::FAULT;
    };
    let mut total: u32 = 0;
    for vector in list.as_chunks::<8>().0 {
        let [a, b, c, d, length @ ..] = *vector;
        let start = u32::from_le_bytes([a, b, c, d]) as usize;
        let length = u32::from_le_bytes(length);
        let Some(bytes) = memory.get(start..start + length as usize) else {
            return errno::FAULT;
        };
        append(state, fd, bytes);
        total = total.saturating_add(length);
    }
    store(&mut caller, written_at, &total.to_le_bytes())
}

/// Collects bytes and logs the lines that are complete; a line longer than a log line is cut there.
fn append(state: &mut State, fd: u32, bytes: &[u8]) {
    for part in bytes.split_inclusive(|&byte| byte == b'\n') {
        let pending = pending(state, fd);
        // One byte beyond the cap makes the line end with the note that it was cut.
        let room = (MAX_LOG_LINE_BYTES + 1).saturating_sub(pending.len());
        pending.extend_from_slice(&part[..part.len().min(room)]);
        if part.ends_with(b"\n") {
            finish_line(state, fd);
        }
    }
}

fn finish_line(state: &mut State, fd: u32) {
    let pending = pending(state, fd);
    let line = log::clean(pending);
    pending.clear();
    let stream = if fd == STDERR { "stderr" } else { "stdout" };
    if state.log_rate.admit().is_some() {
        print(&state.host.gadget, stream, &line);
    }
    if fd == STDERR {
        if state.report.stderr.len() == MAX_STDERR_LINES {
            state.report.stderr.pop_front();
        }
        state.report.stderr.push_back(line);
    }
}
