//! The program that is measured: one system call in a loop, on one CPU.

use std::fs::File;
use std::hint::black_box;
use std::time::Instant;

use anyhow::bail;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Runs a workload `count` times and prints the ns that one call took.
pub(crate) fn run(workload: &str, count: &str) -> anyhow::Result<()> {
    let count: u32 = count.parse()?;
    let mut cpus = CpuSet::new();
    cpus.set(0);
    sched_setaffinity(None, &cpus)?;
    let zero = File::open("/dev/zero")?;
    let mut byte = [0u8];
    let start = Instant::now();
    match workload {
        "getppid" => (0..count).for_each(|_| {
            black_box(rustix::process::getppid());
        }),
        "read" => {
            for _ in 0..count {
                rustix::io::read(&zero, &mut byte)?;
            }
        }
        "openat" => (0..count).for_each(|_| {
            // Fails, as it shall.
            let _ = black_box(rustix::fs::openat(
                CWD,
                c"/no/such/file",
                OFlags::RDONLY,
                Mode::empty(),
            ));
        }),
        other => bail!("unknown workload `{other}`"),
    }
    println!("{}", start.elapsed().as_nanos() as f64 / f64::from(count));
    Ok(())
}
