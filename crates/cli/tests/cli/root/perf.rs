//! Guests that read perf buffers which programs write to.

use serde::Deserialize;

use super::{Turn, turn};

/// An event of the gadget `testing/gadgets/perfloop`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    time_ns: u64,
    mntns_id: u64,
    pid: u32,
    number: u32,
}

impl Turn {
    /// Builds a gadget of `testing/gadgets`.
    #[track_caller]
    fn build_gadget(&self, name: &str) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/gadgets/");
        self.ok(["image", "build", &format!("{folder}{name}"), "--tag", name]);
    }

    /// What perfloop recorded of a shell.
    #[track_caller]
    fn perfloop(&self, script: &str) -> Vec<Call> {
        let file = self.name("calls.json");
        let flags = ["run", "perfloop", "-o", "json", "--output-file", &file];
        self.ok(flags.iter().chain(&["--", "/bin/sh", "-c", script]));
        let text = std::fs::read_to_string(&file).expect("UTF-8");
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}"));
        text.lines().map(parse).collect()
    }
}

/// Numbers that say which is which.
#[cfg(target_arch = "x86_64")]
const EXECVE_UMASK_EXIT: [u32; 3] = [59, 95, 231];
#[cfg(target_arch = "aarch64")]
const EXECVE_UMASK_EXIT: [u32; 3] = [221, 166, 94];

#[test]
#[ignore = "root: loads eBPF programs"]
fn buffers_per_container_hold_a_commands_calls() {
    let turn = turn();
    turn.build_gadget("perfloop");
    let [execve, umask, exit] = EXECVE_UMASK_EXIT;
    // Twice from the shell, and nobody else in it calls umask.
    let calls = turn.perfloop("umask 7; umask 77");
    let shell = calls.last().expect("calls").pid;
    let of_shell: Vec<u32> = calls
        .iter()
        .filter(|call| call.pid == shell)
        .map(|call| call.number)
        .collect();
    let count = |number| of_shell.iter().filter(|found| **found == number).count();
    assert_eq!(count(execve), 1, "{calls:?}");
    assert!(count(umask) >= 2, "{calls:?}");
    assert_eq!(of_shell.last(), Some(&exit), "{calls:?}");
    let begin = of_shell.iter().position(|number| *number == execve);
    let first_umask = of_shell.iter().position(|number| *number == umask);
    assert!(begin < first_umask, "{calls:?}");
    assert!(calls.is_sorted_by_key(|call| call.time_ns), "{calls:?}");
    let namespace = calls[0].mntns_id;
    assert!(namespace != 0 && calls.iter().all(|call| call.mntns_id == namespace));
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn buffers_that_are_full_hold_the_end() {
    let turn = turn();
    turn.build_gadget("perfloop");
    // More calls than 64 pages of every CPU have room for, with 32 bytes each.
    let calls = turn.perfloop("i=0; while [ $i -lt 30000 ]; do umask 7; i=$((i+1)); done");
    let [_, umask, exit] = EXECVE_UMASK_EXIT;
    let cpus = std::thread::available_parallelism()
        .expect("a number")
        .get();
    let room = 64 * 4096 / 32;
    assert!(calls.len() <= cpus * room, "{}", calls.len());
    assert_eq!(calls.last().map(|call| call.number), Some(exit));
    let shell = calls.last().map(|call| call.pid);
    let umasks = calls
        .iter()
        .filter(|call| (Some(call.pid), call.number) == (shell, umask));
    // The first calls are gone only where the shell stayed: a buffer of a CPU that it left early is not full.
    let kept = umasks.count();
    assert!(kept > room / 2 && kept <= cpus * room, "{kept}");
}
