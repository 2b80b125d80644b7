//! Test guest: the output of an iterator program, and a phase before the programs are detached.
//!
//! Host provides: iterator program `numbers`, which prints at least 100,000 bytes: u32 1, u32 2 and so on. Program `idle`
//! that is no iterator, or no such program.
//!
//! Expect: the run succeeds, and the guest says "stopping" before the programs are detached.

use gizmo_guest::{Error, ProgramOutput, boot_time_ns, ensure, export, info, program_misses};

export! { start = start, pre_stop = || info!("stopping"), stop = stop }

const NUMBERS_BYTES: usize = 100_000;

fn start() -> Result<(), Error> {
    let before = boot_time_ns()?;
    check()?;
    ensure!(before > 0 && boot_time_ns()? >= before, "time stands still");
    for program in ["idle", "no-such-program", ""] {
        ensure!(
            ProgramOutput::of(program).is_err(),
            "`{program}` is an iterator"
        );
    }
    ensure!(
        program_misses("numbers")? == 0,
        "a program interrupted itself"
    );
    ensure!(
        program_misses("no-such-program").is_err(),
        "a program that is not there is counted"
    );
    let mut many = Vec::new();
    for _ in 0..16 {
        many.push(ProgramOutput::of("numbers")?);
    }
    ensure!(
        ProgramOutput::of("numbers").is_err(),
        "ran more iterators than a guest may"
    );
    Ok(())
}

/// The programs are detached, but iterators are attached to nothing.
fn stop() -> Result<(), Error> {
    check()
}

fn check() -> Result<(), Error> {
    let mut all = Vec::new();
    let mut output = ProgramOutput::of("numbers")?;
    ensure!(output.read(&mut []).is_err(), "read into nothing");
    ensure!(
        output.read_to_end(&mut all, usize::MAX)?,
        "the output has no end"
    );
    ensure!(
        all.len() >= NUMBERS_BYTES && all.len() % 4 == 0,
        "unexpected length {}",
        all.len()
    );
    for (number, bytes) in (1u32..).zip(all.chunks(4)) {
        ensure!(bytes == number.to_ne_bytes(), "{number} is missing");
    }
    ensure!(
        output.read(&mut [0; 4])? == 0,
        "there is something behind the end"
    );

    let mut some = b"kept".to_vec();
    let mut output = ProgramOutput::of("numbers")?;
    let is_all = output.read_to_end(&mut some, 10)?;
    ensure!(
        !is_all && some.strip_prefix(b"kept") == all.get(..10),
        "unexpected beginning"
    );
    Ok(())
}
