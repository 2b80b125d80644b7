//! What a recording takes of the CPU itself while nobody looks at it: nothing, if all is well.

use std::fs;
use std::io;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Pid;
use serde::Serialize;

use super::process::{Gizmo, Recorder};

/// Until the recorder has done what it does when a recording has begun.
const SETTLE: Duration = Duration::from_millis(300);

/// The recorder's own doing, while what it records makes calls as fast as it can.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Quiet {
    /// How long it was watched.
    seconds: u64,
    /// Calls that were made under the recording.
    calls: u64,
    /// CPU time that the recorder's process took in user space and in the kernel, in ms; the kernel counts in ticks.
    cpu_ms: u64,
    /// How long a tick is.
    tick_ms: u64,
    /// How often a thread of the recorder went to sleep, that is, how often one was woken.
    wakeups: u64,
}

impl Quiet {
    /// For the table.
    pub(super) fn line(&self) -> String {
        format!(
            "the recorder itself, while nobody looks: {} ms of CPU time and {} wake-ups in {} s of load ({} calls)",
            self.cpu_ms, self.wakeups, self.seconds, self.calls
        )
    }
}

/// Puts a recording under load and watches the recorder.
pub(super) fn watch(gizmo: &Gizmo, time: Duration) -> anyhow::Result<Quiet> {
    let recorder = Recorder::start(gizmo, &[], "busy")?;
    let pid = recorder.pid().context("the recorder has ended")?;
    sleep(SETTLE);
    let before = Usage::of(pid)?;
    sleep(time);
    let after = Usage::of(pid)?;
    let printed = recorder.finish()?;
    let calls = printed.trim().parse();
    let tick_ms = 1000 / rustix::param::clock_ticks_per_second().max(1);
    Ok(Quiet {
        seconds: time.as_secs(),
        calls: calls.with_context(|| format!("the load printed `{printed}`"))?,
        cpu_ms: after.ticks.saturating_sub(before.ticks) * tick_ms,
        tick_ms,
        wakeups: after.sleeps.saturating_sub(before.sleeps),
    })
}

/// What a process has used so far.
struct Usage {
    /// CPU time in user space and in the kernel.
    ticks: u64,
    /// How often its threads have gone to sleep.
    sleeps: u64,
}

impl Usage {
    fn of(pid: Pid) -> anyhow::Result<Self> {
        let folder = format!("/proc/{}", pid.as_raw_nonzero());
        let stat = fs::read_to_string(format!("{folder}/stat"))?;
        let ticks = ticks(&stat).with_context(|| format!("{folder}/stat: `{stat}`"))?;
        let mut sleeps = 0;
        for task in fs::read_dir(format!("{folder}/task"))? {
            // A thread may end in the meantime.
            match fs::read_to_string(task?.path().join("status")) {
                Ok(status) => sleeps += voluntary_switches(&status),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { ticks, sleeps })
    }
}

/// utime and stime of /proc/PID/stat (proc(5)), counted from behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn voluntary_switches(status: &str) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "42 (a) b) R 1 2 3 4 5 6 7 8 9 10 100 23 0 0 20 0 1 0 5 0 0";
        assert_eq!(ticks(stat), Some(123));
        assert_eq!(ticks("42 (a"), None);
    }

    #[test]
    fn sleeps_are_counted() {
        let status = "Name:\ta\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t9\n";
        assert_eq!(voluntary_switches(status), 7);
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::of(rustix::process::getpid()).unwrap();
        assert!(usage.sleeps > 0);
    }
}
