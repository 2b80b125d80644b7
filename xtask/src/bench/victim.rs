//! The program that is measured: one system call in a loop, on one CPU.

use std::fs::File;
use std::hint::black_box;
use std::time::Instant;

use anyhow::bail;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Batches whose median is the result: what interrupts the program for a moment spoils one or two of them.
const BATCHES: u32 = 21;

/// Runs a workload `count` times in all and prints the ns that one call took.
pub(crate) fn run(workload: &str, count: &str) -> anyhow::Result<()> {
    let count: u32 = count.parse()?;
    let mut cpus = CpuSet::new();
    cpus.set(0);
    sched_setaffinity(None, &cpus)?;
    let zero = File::open("/dev/zero")?;
    let mut byte = [0u8];
    let mut nanoseconds = Vec::new();
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..count / BATCHES {
            match workload {
                "getppid" => {
                    black_box(rustix::process::getppid());
                }
                "read" => {
                    rustix::io::read(&zero, &mut byte)?;
                }
                "openat" => {
                    // Fails, as it shall.
                    let _ = black_box(rustix::fs::openat(
                        CWD,
                        c"/no/such/file",
                        OFlags::RDONLY,
                        Mode::empty(),
                    ));
                }
                other => bail!("unknown workload `{other}`"),
            }
        }
        nanoseconds.push(start.elapsed().as_nanos() as f64 / f64::from(count / BATCHES));
    }
    println!("{}", super::spread(&mut nanoseconds)[1]);
    Ok(())
}
