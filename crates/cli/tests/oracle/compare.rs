//! Two recordings, thread by thread and call by call.

use std::collections::{BTreeMap, BTreeSet};

use crate::contents::contents_agree;
use crate::differences::{Difference, NEW_CALLS};
use crate::normal::Outcome;
use crate::recording::Record;
use crate::strace::{Call, Threads};

/// Whether the two recordings are of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    Same,
    /// Numbers of processes differ, and so do random bytes.
    Apart,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Findings {
    pub mismatches: Vec<String>,
    pub differences: BTreeSet<Difference>,
    /// Contents that were compared.
    pub contents: usize,
}

pub fn by_thread(records: &[Record]) -> BTreeMap<u32, Vec<&Record>> {
    let mut threads: BTreeMap<u32, Vec<&Record>> = BTreeMap::new();
    for record in records {
        threads.entry(record.tid).or_default().push(record);
    }
    threads
}

/// Compares all threads; those of different runs in the order of their numbers.
pub fn compare(strace: &Threads, records: &[Record], runs: Runs) -> Findings {
    let gizmo = by_thread(records);
    let mut findings = Findings::default();
    // Threads that strace saw no call of, and gizmo neither: killed before their first.
    let strace: Vec<_> = strace
        .iter()
        .filter(|(_, calls)| !calls.is_empty())
        .collect();
    if strace.len() != gizmo.len() {
        findings.mismatches.push(format!(
            "strace saw {} threads and gizmo {}",
            strace.len(),
            gizmo.len()
        ));
    }
    let numbers = Numbers {
        runs,
        strace: strace.iter().map(|(tid, _)| **tid).collect(),
        gizmo: gizmo.keys().copied().collect(),
    };
    for ((strace_tid, calls), (gizmo_tid, records)) in strace.into_iter().zip(&gizmo) {
        if runs == Runs::Same && strace_tid != gizmo_tid {
            findings.mismatches.push(format!(
                "strace saw thread {strace_tid} and gizmo {gizmo_tid}"
            ));
        }
        compare_thread(calls, records, &numbers, &mut findings);
    }
    findings
}

/// Numbers of threads, which are results of calls.
struct Numbers {
    runs: Runs,
    strace: Vec<u32>,
    gizmo: Vec<u32>,
}

impl Numbers {
    /// Whether two results mean the same thread.
    fn agree(&self, name: &str, strace: i64, gizmo: i64) -> bool {
        let place = |tids: &[u32], value| tids.iter().position(|tid| i64::from(*tid) == value);
        let of_strace = place(&self.strace, strace);
        self.runs == Runs::Apart
            && (name == "getppid" || of_strace.is_some() && of_strace == place(&self.gizmo, gizmo))
    }
}

fn compare_thread(calls: &[Call], records: &[&Record], numbers: &Numbers, findings: &mut Findings) {
    for (position, (call, record)) in calls.iter().zip(records).enumerate() {
        let shown = format!(
            "call {position} of thread {}: strace has {}({}) = {}, gizmo {}:{} {:?} = {}",
            record.tid,
            call.name,
            call.args.join(", "),
            call.outcome,
            record.abi,
            record.syscall,
            record.args,
            record.ret
        );
        if !names_agree(call, record, findings) {
            // What follows would be noise.
            findings.mismatches.push(format!("other calls: {shown}"));
            return;
        }
        if !outcomes_agree(call, record, numbers, findings) {
            findings.mismatches.push(format!("other results: {shown}"));
        }
        if let Err(why) = contents_agree(call, record, numbers.runs, findings) {
            findings.mismatches.push(format!("{why}: {shown}"));
        }
    }
    if calls.len() != records.len() {
        let next = calls.get(records.len()).map(|call| &call.name);
        let next = next.or_else(|| records.get(calls.len()).map(|record| &record.syscall));
        findings.mismatches.push(format!(
            "strace has {} calls and gizmo {}; one has {next:?} more",
            calls.len(),
            records.len()
        ));
    }
}

fn names_agree(call: &Call, record: &Record, findings: &mut Findings) -> bool {
    let (strace, gizmo) = (call.name.as_str(), record.syscall.as_str());
    if strace == gizmo {
        return true;
    }
    let difference = if let Some(digits) = strace.strip_prefix("syscall_0x") {
        let Ok(number) = u64::from_str_radix(digits, 16) else {
            return false;
        };
        // strace shows the register, of which the kernel takes 32 bits.
        let number = number as u32;
        if gizmo == format!("syscall_{number:x}") {
            return true;
        }
        NEW_CALLS
            .contains(&(number, gizmo))
            .then_some(Difference::NewCall)
    } else {
        None
    };
    findings.differences.extend(difference);
    difference.is_some()
}

fn outcomes_agree(
    call: &Call,
    record: &Record,
    numbers: &Numbers,
    findings: &mut Findings,
) -> bool {
    let gizmo = record.outcome();
    let difference = match (&call.outcome, &gizmo) {
        (strace, gizmo) if strace == gizmo => return true,
        (Outcome::Value(strace), Outcome::Value(gizmo)) => {
            // Results of 32-bit calls are as wide.
            return record.abi == "i386" && *strace as u32 == *gizmo as u32
                || numbers.agree(&call.name, *strace, *gizmo);
        }
        (Outcome::Value(strace), Outcome::Killed)
            if call.number.map(i64::from) == Some(*strace) =>
        {
            Difference::Condemned
        }
        (_, Outcome::NeverReturns) if record.syscall.ends_with("sigreturn") => Difference::Restored,
        (Outcome::Unseen, Outcome::Value(0)) if record.syscall == "execve" => {
            Difference::ExecOfThread
        }
        (Outcome::Unseen, Outcome::Value(_) | Outcome::Error(_)) => Difference::DeathInCall,
        _ => return false,
    };
    findings.differences.insert(difference);
    true
}
