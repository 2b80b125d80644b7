//! Packets that come in batches, which are printed beside those who emit them when there are many.

use std::io::{Error, ErrorKind, Write};
use std::sync::Arc;

use gizmo_model::{DataSource, Kind, Packet, Shape};
use gizmo_output::{Output, SharedWriter};

use crate::support::{Memory, add, attach, element, settings, source};

/// More than are printed at once, and not a multiple of that.
const MANY: u64 = 12_345;

fn numbers(name: &str) -> Arc<DataSource> {
    let ds = source(name, Shape::Single, "");
    add(&ds, "number", Kind::Uint64);
    ds
}

fn emit(ds: &DataSource, number: u64) {
    let element = element(ds, &[("number", number.into())]);
    ds.emit(Packet::Single(element)).unwrap();
}

fn printed(memory: &Memory) -> Vec<u64> {
    let text = memory.text();
    let number = |line: &str| {
        line.strip_prefix("{\"number\":")?
            .strip_suffix('}')?
            .parse()
            .ok()
    };
    text.lines().map(|line| number(line).unwrap()).collect()
}

#[test]
fn order_is_kept_over_batches_and_data_sources() {
    let sources = ["even", "odd"].map(numbers);
    let (output, memory) = attach(&sources, &settings("json", "", None)).unwrap();
    let mut next = 0..;
    let mut emit = |count: usize| {
        for number in next.by_ref().take(count) {
            emit(&sources[number as usize % 2], number);
        }
    };
    emit(3);
    for count in [MANY as usize, 1, 99, 100, 101, 250] {
        let batches = [sources[0].batch(), sources[1].batch()];
        emit(count);
        drop(batches);
        if count == 99 {
            emit(2);
        }
    }
    // What comes alone waits for what was before.
    emit(1);
    let all = printed(&memory);
    output.finish();
    assert_eq!(printed(&memory), all);
    assert_eq!(all, (0..all.len() as u64).collect::<Vec<_>>());
    assert_eq!(all.len(), 3 + MANY as usize + 551 + 2 + 1);
}

#[test]
fn a_batch_of_a_few_is_written_when_it_ends() {
    let ds = numbers("numbers");
    let (_output, memory) = attach(std::slice::from_ref(&ds), &settings("json", "", None)).unwrap();
    let batch = ds.batch();
    (0..9).for_each(|number| emit(&ds, number));
    assert_eq!(memory.calls().len(), 0);
    drop(batch);
    assert_eq!(memory.calls().len(), 1);
    assert_eq!(printed(&memory).len(), 9);
}

#[test]
fn emission_by_several_threads_is_whole() {
    let sources = ["one", "two", "three"].map(numbers);
    let (output, memory) = attach(&sources, &settings("json", "", None)).unwrap();
    std::thread::scope(|scope| {
        for (at, ds) in sources.iter().enumerate() {
            scope.spawn(move || {
                for start in (0..MANY).step_by(300) {
                    let _batch = (at > 0).then(|| ds.batch());
                    (start..MANY.min(start + 300))
                        .for_each(|number| emit(ds, 3 * number + at as u64));
                }
            });
        }
    });
    output.finish();
    let all = printed(&memory);
    for at in 0..3 {
        let own = all.iter().filter(|&number| number % 3 == at).copied();
        assert!(own.eq((0..MANY).map(|number| 3 * number + at)), "{at}");
    }
}

/// Fails, or worse, at the first write.
struct Broken {
    panics: bool,
}

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        assert!(!self.panics, "the writer is broken");
        Err(Error::from(ErrorKind::StorageFull))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn emit_to(writer: &SharedWriter) {
    let ds = numbers("numbers");
    let sources = std::slice::from_ref(&ds);
    let output = Output::attach(sources, &settings("json", "", None), writer.clone()).unwrap();
    let batch = ds.batch();
    (0..MANY).for_each(|number| emit(&ds, number));
    drop(batch);
    output.finish();
}

#[test]
fn what_cannot_be_written_is_counted() {
    let writer = SharedWriter::new(Broken { panics: false });
    emit_to(&writer);
    assert!(writer.is_closed() && writer.take_error().is_some());
    assert_eq!(writer.dropped(), MANY);
}

#[test]
#[should_panic(expected = "the writer is broken")]
fn a_panic_goes_on_where_packets_come_from() {
    emit_to(&SharedWriter::new(Broken { panics: true }));
}
