//! More calls than rings have room for, on all CPUs at once: what is shown and what is counted as lost are together what
//! was made, exactly; and nobody pays for the noise of others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Child;

use gizmo_test_runtimes::Cgroups;

use crate::fixture::{Fixture, Link};
use crate::recording::{Turn, turn};
use crate::shown::{Call, History, Reason, Shown};
use crate::start::{contain, finish, is_full};

/// Of `testing/fixtures/flood.c`, whose calls these functions know.
pub struct Flood {
    pub cpus: u64,
    pub rounds: u64,
}

/// Texts of the fixture are shorter than this.
pub const LONGEST: u64 = 300;

impl Flood {
    fn of_rounds(&self) -> u64 {
        self.rounds + self.rounds.div_ceil(4)
    }

    /// All calls, from the first execve to the last exit.
    pub fn calls(&self) -> u64 {
        let first = 2 + 2 * self.cpus + 1;
        first + self.cpus * (2 + self.of_rounds() + 1)
    }

    /// The rounds of the process on a CPU, which end with the last and have no gap; how many calls of them there are.
    #[track_caller]
    fn assert_rounds(&self, cpu: u64, calls: &[&Call]) -> u64 {
        let mut calls = calls.iter().rev();
        let mut count = 0;
        for round in (0..self.rounds).rev() {
            if round % 4 == 0 {
                let Some(call) = calls.next() else { break };
                let length = round % LONGEST;
                assert_eq!((&*call.syscall, call.args[0].len), ("access", Some(length)));
                count += 1;
            }
            let Some(call) = calls.next() else { break };
            assert_eq!(
                call.parameters,
                format!("fd=-1, offset={round}, whence={}", whence(cpu))
            );
            assert_eq!((&*call.syscall, &*call.error), ("lseek", "EBADF"));
            count += 1;
        }
        assert_eq!(calls.next().map(|call| &call.parameters), None, "CPU {cpu}");
        count
    }

    /// What was recorded of the rounds, CPU by CPU, and which were lost there.
    #[track_caller]
    fn assert_cpus(&self, history: &History, is_filtered: bool) {
        for cpu in history
            .calls()
            .map(|call| call.cpu)
            .collect::<BTreeSet<_>>()
        {
            let is_round = |call: &&Call| {
                call.cpu == cpu && ["lseek", "access"].contains(&call.syscall.as_str())
            };
            let rounds: Vec<&Call> = history.calls().filter(is_round).collect();
            let pids: BTreeSet<u32> = rounds.iter().map(|call| call.pid).collect();
            assert_eq!(pids.len(), 1, "one process on each CPU: {pids:?}");
            assert!(rounds.iter().all(|call| call.pid == call.tid));
            assert!(
                rounds.iter().all(|call| call.comm == "flood"),
                "the name was told before the oldest call that is left"
            );
            let shown = self.assert_rounds(cpu.into(), &rounds);
            let (missing, lost) = (self.of_rounds() - shown, history.lost_on(cpu));
            if is_filtered {
                assert_eq!(lost, missing, "CPU {cpu}");
            } else {
                // And a few others that were made there.
                let others = 2 + self.cpus * 2 + 3;
                assert!(
                    (missing..=missing + others).contains(&lost),
                    "CPU {cpu}: {lost}"
                );
            }
        }
    }

    /// Every call of a recording of all is shown or counted.
    #[track_caller]
    pub fn assert_exact(&self, history: &History) {
        assert_eq!(
            history.calls().count() as u64 + history.lost(),
            self.calls()
        );
        history.assert_in_order();
        assert!(
            history
                .losses()
                .all(|loss| loss.reason == Reason::Overwritten)
        );
        assert!(
            history
                .losses()
                .all(|loss| loss.lost > 0 && loss.mntns_id != 0)
        );
        assert_eq!(history.named("exit_group").count() as u64, 1 + self.cpus);
        self.assert_cpus(history, false);
    }
}

/// The program passes its CPU where others say from where they seek.
fn whence(cpu: u64) -> String {
    const NAMES: [&str; 5] = ["SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE"];
    let name = usize::try_from(cpu).ok().and_then(|cpu| NAMES.get(cpu));
    name.map_or_else(|| cpu.to_string(), ToString::to_string)
}

/// What was shown of a flood, and on how many CPUs it was: its exit code.
#[track_caller]
fn finish_flood(events: &Path, run: Child) -> (Shown, u64) {
    let shown = finish(events, run);
    let cpus = cpus_of(shown.code);
    (shown, cpus)
}

#[track_caller]
fn cpus_of(code: Option<i32>) -> u64 {
    let cpus = code.expect("it is not killed").try_into();
    let cpus = cpus.expect("a number");
    assert!(cpus > 0);
    cpus
}

#[track_caller]
pub fn record_flood(turn: &Turn, flags: &[&str], fixture: &Fixture, rounds: u64) -> (Shown, u64) {
    let events = fixture.output("events");
    let mut run = turn.run(&events, flags, &program(fixture, rounds));
    finish_flood(&events, run.spawn().expect("gizmo starts"))
}

fn rounds() -> u64 {
    if is_full() { 1_000_000 } else { 60_000 }
}

fn program(fixture: &Fixture, rounds: u64) -> [String; 2] {
    let path = fixture.program().to_str().expect("UTF-8");
    [path.to_owned(), rounds.to_string()]
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn commands_that_flood_all_cpus_at_once() {
    let turn = turn();
    let fixture = Fixture::compile("flood", Link::Bare);
    let rounds = rounds();
    let files = ["first", "second", "third"].map(|name| fixture.output(name));
    let start = |events: &PathBuf| {
        let mut run = turn.run(events, &[], &program(&fixture, rounds));
        run.spawn().expect("gizmo starts")
    };
    let runs: Vec<Child> = files.iter().map(start).collect();
    for (events, run) in files.iter().zip(runs) {
        let (shown, cpus) = finish_flood(events, run);
        let history = shown.only();
        assert!(history.lost() > 0, "this was no flood");
        Flood { cpus, rounds }.assert_exact(&history);
        shown.assert_said("flood", history.lost());
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn selected_calls_are_counted_on_their_cpu() {
    let turn = turn();
    let fixture = Fixture::compile("flood", Link::Bare);
    let rounds = rounds();
    let filter = ["--syscall-filters", "lseek,access"];
    let (shown, cpus) = record_flood(&turn, &filter, &fixture, rounds);
    let flood = Flood { cpus, rounds };
    let history = shown.only();
    assert!(history.lost() > 0, "this was no flood");
    assert_eq!(
        history.calls().count() as u64 + history.lost(),
        flood.cpus * flood.of_rounds()
    );
    history.assert_in_order();
    flood.assert_cpus(&history, true);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_flood_of_nothing_that_is_selected_loses_nothing() {
    let turn = turn();
    let fixture = Fixture::compile("flood", Link::Bare);
    let filter = ["--syscall-filters", "prctl,exit_group"];
    let (shown, cpus) = record_flood(&turn, &filter, &fixture, rounds());
    let history = shown.only();
    history.assert_nothing_lost();
    assert_eq!(history.named("prctl").count() as u64, cpus);
    assert_eq!(history.calls().count() as u64, 2 * cpus + 1);
}

/// On how many CPUs floods were, when all have ended, and in which cgroups.
#[track_caller]
fn wait(floods: Vec<(Child, u64)>) -> Vec<(u64, u64)> {
    let wait = |(mut child, cgroup): (Child, u64)| {
        let status = child.wait().expect("a child ends");
        (cpus_of(status.code()), cgroup)
    };
    floods.into_iter().map(wait).collect()
}

/// Noisy and quiet containers at once, the quiet ones before, during and after the noise.
#[test]
#[ignore = "root: loads eBPF programs"]
fn containers_that_flood_all_cpus_evict_nobody_else() {
    const NOISY: usize = 3;
    const QUIET: usize = 2;
    const QUIET_ROUNDS: u64 = 200;
    let turn = turn();
    let fixture = Fixture::compile("flood", Link::Bare);
    let cgroups = Cgroups::new();
    let recording = turn.record(&[]);

    let start = |numbers: std::ops::Range<usize>, rounds| -> Vec<(Child, u64)> {
        let program = program(&fixture, rounds);
        numbers
            .map(|number| contain(&cgroups, number, &program))
            .collect()
    };
    let quiet = |third| start(third * QUIET..(third + 1) * QUIET, QUIET_ROUNDS);
    // Nobody has looked at the rings of these when the noise begins.
    let mut quiets = wait(quiet(0));
    let noisies = start(3 * QUIET..3 * QUIET + NOISY, rounds());
    let between = quiet(1);
    let noisies = wait(noisies);
    quiets.extend(wait(between));
    quiets.extend(wait(quiet(2)));

    let shown = recording.stop();
    let all = noisies.iter().chain(&quiets).map(|(_, cgroup)| *cgroup);
    assert_eq!(shown.cgroups(), all.collect(), "{}", shown.stderr);
    for (number, (cpus, cgroup)) in noisies.into_iter().enumerate() {
        let history = shown.of(cgroup);
        assert!(history.lost() > 0, "this was no flood");
        let rounds = rounds();
        Flood { cpus, rounds }.assert_exact(&history);
        shown.assert_said(&Cgroups::id(3 * QUIET + number)[..12], history.lost());
    }
    for (cpus, cgroup) in quiets {
        let history = shown.of(cgroup);
        history.assert_nothing_lost();
        let rounds = QUIET_ROUNDS;
        Flood { cpus, rounds }.assert_exact(&history);
    }
}
