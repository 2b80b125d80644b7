//! The program that is measured, in a process of its own: three system calls in a loop, on one CPU.

use std::ffi::OsString;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// The hidden subcommand that runs [`run`].
pub(crate) const WORKLOAD_COMMAND: &str = "__workload";

/// What [`run`] says when it runs, so that whoever records it knows that the recording has begun.
pub(super) const READY: &str = "ready";

/// A call that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Call {
    /// Does nothing in the kernel and has no arguments.
    Getppid,
    /// One byte of `/dev/zero`: has content when it returns.
    Read,
    /// A file that is not there: has a path when it begins.
    Openat,
}

impl Call {
    pub(super) const ALL: [Call; 3] = [Call::Getppid, Call::Read, Call::Openat];

    pub(super) fn name(self) -> &'static str {
        match self {
            Call::Getppid => "getppid",
            Call::Read => "read",
            Call::Openat => "openat",
        }
    }
}

/// The ns that each call of [`Call::ALL`] took.
pub(super) type Times = [f64; Call::ALL.len()];

/// Does what the arguments say:
/// - `measure BATCHES MILLISECONDS` prints [`Times`] as JSON: of so many batches of so many ms, the fastest.
/// - `hold` says `ready` and waits until stdin ends.
/// - `busy` says `ready`, makes calls until stdin ends, and prints how many.
///
/// # Errors
/// Other arguments, or calls that fail.
pub(crate) fn run(args: &[OsString]) -> anyhow::Result<()> {
    let words: Vec<String> = args
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["measure", batches, batch_ms] => {
            let batch = Duration::from_millis(batch_ms.parse().context("length of a batch")?);
            let times = measure(batches.parse().context("number of batches")?, batch)?;
            say(&serde_json::to_string(&times)?)
        }
        ["hold"] => {
            say(READY)?;
            io::stdin().read_to_end(&mut Vec::new())?;
            Ok(())
        }
        ["busy"] => {
            say(READY)?;
            say(&busy()?.to_string())
        }
        _ => bail!("the hidden command {WORKLOAD_COMMAND} is for benches"),
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// The calls take turns, so that a machine that is slower for a while is so for all of them.
fn measure(batches: u32, batch: Duration) -> anyhow::Result<Times> {
    stay_on_one_cpu()?;
    let caller = Caller::new()?;
    let mut counts = [0; Call::ALL.len()];
    for (call, count) in Call::ALL.into_iter().zip(&mut counts) {
        *count = caller.calls_within(call, batch)?;
    }
    let mut fastest = [f64::INFINITY; Call::ALL.len()];
    for _ in 0..batches {
        for (position, call) in Call::ALL.into_iter().enumerate() {
            let count = counts[position];
            let ns = caller.time(call, count)?.as_nanos() as f64 / f64::from(count);
            fastest[position] = fastest[position].min(ns);
        }
    }
    Ok(fastest)
}

fn busy() -> anyhow::Result<u64> {
    let caller = Caller::new()?;
    let mut calls = 0;
    while !stdin_ended()? {
        for call in Call::ALL {
            caller.time(call, 1000)?;
            calls += 1000;
        }
    }
    Ok(calls)
}

/// Whether nobody holds the other end of stdin any more. Who does writes nothing.
fn stdin_ended() -> io::Result<bool> {
    let stdin = io::stdin();
    let mut descriptors = [PollFd::new(&stdin, PollFlags::IN)];
    Ok(poll(&mut descriptors, Some(&Timespec::default()))? > 0)
}

/// A move to another CPU in the middle would be measured, too.
fn stay_on_one_cpu() -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    let first = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu));
    one.set(first.unwrap_or_default());
    Ok(sched_setaffinity(None, &one)?)
}

/// Who makes the calls.
struct Caller {
    zero: File,
}

impl Caller {
    fn new() -> io::Result<Self> {
        let zero = File::open("/dev/zero")?;
        Ok(Self { zero })
    }

    /// How many calls it takes to fill a batch.
    fn calls_within(&self, call: Call, batch: Duration) -> io::Result<u32> {
        let mut count = 1u32;
        while self.time(call, count)? < batch && count < u32::MAX / 2 {
            count *= 2;
        }
        Ok(count)
    }

    /// How long so many calls take.
    fn time(&self, call: Call, count: u32) -> io::Result<Duration> {
        let mut byte = [0u8];
        let start = Instant::now();
        match call {
            Call::Getppid => (0..count).for_each(|_| {
                black_box(rustix::process::getppid());
            }),
            Call::Read => {
                for _ in 0..count {
                    rustix::io::read(&self.zero, &mut byte)?;
                }
            }
            Call::Openat => (0..count).for_each(|_| {
                // Fails, as it shall.
                let _ = black_box(rustix::fs::openat(
                    CWD,
                    c"/no/such/file",
                    OFlags::RDONLY,
                    Mode::empty(),
                ));
            }),
        }
        Ok(start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_timed() {
        let times = measure(2, Duration::from_micros(50)).unwrap();
        assert!(
            times.iter().all(|ns| ns.is_finite() && *ns > 0.0),
            "{times:?}"
        );
    }

    #[test]
    fn batches_are_filled() {
        let caller = Caller::new().unwrap();
        let short = caller.calls_within(Call::Openat, Duration::ZERO).unwrap();
        assert_eq!(short, 1);
        assert!(
            caller
                .calls_within(Call::Openat, Duration::from_millis(2))
                .unwrap()
                > 1
        );
    }

    #[test]
    fn unknown_words_are_refused() {
        assert!(run(&["measure".into(), "many".into(), "1".into()]).is_err());
        assert!(run(&[]).is_err());
    }
}
