//! One write per line, and what happens when the reader has gone.

use std::io::{Error, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gizmo_model::Shape;
use gizmo_output::{Output, SharedWriter};

use crate::support::{attach, emit, events, samples, settings};

#[test]
fn each_json_line_is_one_write() {
    let ds = events(Shape::Single);
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    emit(&ds, samples(&ds));
    let calls = memory.calls();
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(
            call.iter().position(|&byte| byte == b'\n'),
            Some(call.len() - 1)
        );
    }
}

#[test]
fn each_row_is_one_write_and_so_is_the_header() {
    let ds = events(Shape::Single);
    let (_output, memory) =
        attach(std::slice::from_ref(&ds), &settings("columns", "", None)).unwrap();
    assert_eq!(memory.calls().len(), 1);
    emit(&ds, samples(&ds));
    assert_eq!(memory.calls().len(), 4);
}

#[test]
fn lists_are_one_write() {
    for mode in ["json", "jsonpretty", "columns", "yaml"] {
        let ds = events(Shape::Array);
        let (_output, memory) =
            attach(std::slice::from_ref(&ds), &settings(mode, "", None)).unwrap();
        emit(&ds, samples(&ds));
        assert_eq!(memory.calls().len(), 1, "{mode}");
    }
}

#[test]
fn lines_of_several_threads_do_not_mix() {
    let sources: Vec<_> = (0..4).map(|_| events(Shape::Single)).collect();
    let memory = crate::support::Memory::default();
    let writer = SharedWriter::new(memory.clone());
    let outputs: Vec<Output> = sources
        .iter()
        .map(|ds| {
            Output::attach(
                std::slice::from_ref(ds),
                &settings("json", "", None),
                writer.clone(),
            )
            .unwrap()
        })
        .collect();
    std::thread::scope(|scope| {
        for ds in &sources {
            scope.spawn(|| (0..50).for_each(|_| emit(ds, samples(ds))));
        }
    });
    drop(outputs);
    let text = memory.text();
    assert_eq!(text.lines().count(), 4 * 50 * 3);
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

/// A writer that fails from the second call on.
struct Failing {
    calls: Arc<AtomicUsize>,
    kind: ErrorKind,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.calls.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(bytes.len()),
            _ => Err(Error::from(self.kind)),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Emits three events, and says how often was written and called back.
fn fail_with(kind: ErrorKind) -> (SharedWriter, usize, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let stops = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&stops);
    let writer = SharedWriter::new(Failing {
        calls: Arc::clone(&calls),
        kind,
    })
    .on_closed(move || {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    let ds = events(Shape::Single);
    let _output = Output::attach(
        std::slice::from_ref(&ds),
        &settings("json", "", None),
        writer.clone(),
    )
    .unwrap();
    assert!(!writer.is_closed());
    emit(&ds, samples(&ds));
    (
        writer,
        calls.load(Ordering::Relaxed),
        stops.load(Ordering::Relaxed),
    )
}

#[test]
fn a_closed_pipe_ends_writing_quietly_and_calls_back_once() {
    let (writer, calls, stops) = fail_with(ErrorKind::BrokenPipe);
    assert!(writer.is_closed());
    assert!(writer.take_error().is_none());
    assert_eq!((calls, stops, writer.dropped()), (2, 1, 2));
}

#[test]
fn another_failure_is_remembered_as_an_error() {
    let (writer, calls, stops) = fail_with(ErrorKind::StorageFull);
    assert!(writer.is_closed());
    assert!(matches!(
        writer.take_error(),
        Some(gizmo_output::Error::Write(error)) if error.kind() == ErrorKind::StorageFull
    ));
    assert!(writer.take_error().is_none());
    assert_eq!((calls, stops, writer.dropped()), (2, 1, 2));
}
