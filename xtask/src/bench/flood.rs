//! The program whose calls fill a ring: three kinds of calls in turn, on every CPU.

use std::fs::File;
use std::hint::black_box;

use anyhow::Context;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::ClockId;

/// Makes `count` calls in all, then prints when it was done and what CPU time it took, both in ns.
pub(crate) fn run(count: &str) -> anyhow::Result<()> {
    let count: u64 = count.parse().context("number of calls")?;
    let allowed = sched_getaffinity(None)?;
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|&cpu| allowed.is_set(cpu))
        .collect();
    let share = count / cpus.len() as u64;
    let threads: Vec<_> = cpus
        .into_iter()
        .map(|cpu| std::thread::spawn(move || make_calls(cpu, share)))
        .collect();
    for thread in threads {
        thread.join().ok().context("a thread has panicked")??;
    }
    let cpu_ns = super::clock_ns(ClockId::ProcessCPUTime);
    println!("{} {cpu_ns}", super::clock_ns(ClockId::Monotonic));
    Ok(())
}

/// getppid, read of one random byte, openat of a missing file of another name, and again: what repeats is decoded faster than
/// what does not, so not all does.
fn make_calls(cpu: usize, count: u64) -> anyhow::Result<()> {
    let mut own = CpuSet::new();
    own.set(cpu);
    sched_setaffinity(None, &own)?;
    let random = File::open("/dev/urandom")?;
    let mut byte = [0u8];
    for turn in 0..count {
        match turn % 3 {
            0 => {
                black_box(rustix::process::getppid());
            }
            1 => {
                rustix::io::read(&random, &mut byte)?;
            }
            _ => {
                // Fails, as it shall.
                let _ = black_box(rustix::fs::openat(
                    CWD,
                    format!("/no/such/file/{cpu}/{turn}"),
                    OFlags::RDONLY,
                    Mode::empty(),
                ));
            }
        }
    }
    Ok(())
}
