//! Test guest: an overwritable perf buffer.
//!
//! Host provides: perf event array `events`, into which a program on `syscalls/sys_enter_write` puts an event of 256
//! bytes (u32 42, u32 42, u8 43, zeros) for every write of the host; a log that writes lines at INFO.
//!
//! Expect: the run succeeds.

use gizmo_guest::{Error, Map, PerfReader, ensure, export, info};

export! { start = start }

fn start() -> Result<(), Error> {
    let events = Map::get("events")?;
    ensure!(
        PerfReader::new(&events, 0, true).is_err(),
        "made a reader without a buffer"
    );
    let mut reader = PerfReader::new(&events, 4096, true)?;
    let mut record = [0; 4096];
    ensure!(
        reader.read(&mut record).is_err(),
        "read an overwritable buffer while it was recording"
    );
    for number in 0..10 {
        info!("writing {number}");
    }
    reader.pause()?;
    ensure!(reader.read(&mut record)?, "there is no record");
    ensure!(
        record.starts_with(&[42, 0, 0, 0, 42, 0, 0, 0, 43, 0]),
        "unexpected record: {:?}",
        &record[..10]
    );
    let mut record = Vec::new();
    ensure!(
        reader.read_vec(&mut record, 512)?,
        "there is no second record"
    );
    ensure!(
        record.len() == 512 && record.starts_with(&[42, 0, 0, 0, 42, 0, 0, 0, 43, 0]),
        "unexpected second record"
    );
    while reader.read_vec(&mut record, 512)? {}
    ensure!(record == [0; 512], "bytes of an earlier record are left");
    reader.resume()?;
    reader.close()
}
