//! What the kernel does when it is asked for: the probes of `gizmo-ebpf`, and what their answers mean for a run.

use gizmo_ebpf::probe::{Answer, Probe, Refusal};

use super::host::{CgroupMode, Rights};
use super::{Check, Status};

/// Tracepoints that traceloop stands at.
const TRACELOOP: [&str; 4] = [
    "sys_enter",
    "sys_exit",
    "sched_process_exec",
    "sched_process_exit",
];

/// Tracepoints that tell of a container before its first program runs.
const CONTAINER_STARTS: [&str; 2] = ["cgroup_mkdir", "sched_process_exec"];

/// The kernel's types, which programs are adapted to when they are loaded.
pub(super) fn types(probe: &Probe) -> Check {
    match probe.btf() {
        Ok(()) => Check::ok("kernel types (BTF)", "/sys/kernel/btf/vmlinux"),
        Err(_) => {
            let found = if gizmo_ebpf::kernel_has_btf() {
                "/sys/kernel/btf/vmlinux cannot be read"
            } else {
                "no /sys/kernel/btf/vmlinux"
            };
            let advice = "use a kernel built with CONFIG_DEBUG_INFO_BTF";
            Check::new("kernel types (BTF)", Status::Missing, found, advice)
        }
    }
}

/// A question for the kernel.
struct Feature {
    name: &'static str,
    /// Whether traceloop cannot do without.
    is_needed: bool,
    ask: fn(&Probe) -> Answer,
    advice: &'static str,
}

const FEATURES: [Feature; 7] = [
    Feature {
        name: "tracing programs",
        is_needed: true,
        ask: Probe::tracing_program,
        advice: "use Linux 5.10 or later, with CONFIG_BPF_SYSCALL and CONFIG_DEBUG_INFO_BTF",
    },
    Feature {
        name: "task storage",
        is_needed: false,
        ask: Probe::task_storage,
        advice: "before Linux 5.13 traceloop leaves out, and counts, what a call points to when its thread and another contend for a place; all else is \
                 recorded",
    },
    Feature {
        name: "maps of maps",
        is_needed: true,
        ask: Probe::map_of_maps,
        advice: "use a kernel built with CONFIG_BPF_SYSCALL",
    },
    Feature {
        name: "raw tracepoints",
        is_needed: false,
        ask: Probe::raw_tracepoint_program,
        advice: "gadgets with such programs do not run here; traceloop has none",
    },
    Feature {
        name: "ring buffers",
        is_needed: false,
        ask: Probe::ring_buffer,
        advice: "gadgets that send events through one do not run here; traceloop has none",
    },
    Feature {
        name: "kprobes",
        is_needed: false,
        ask: Probe::kprobe,
        advice: "gadgets with such programs need a kernel built with CONFIG_KPROBE_EVENTS; traceloop has none",
    },
    Feature {
        name: "fentry (trampolines)",
        is_needed: false,
        ask: Probe::trampoline,
        advice: "gadgets with such programs do not run here; traceloop stands at tracepoints instead",
    },
];

/// Programs and maps, each tried.
pub(super) fn features(probe: &Probe, rights: &Rights) -> Vec<Check> {
    let may_load = rights.may_load();
    let check = |feature: &Feature| feature.check((feature.ask)(probe), may_load);
    FEATURES.iter().map(check).collect()
}

impl Feature {
    fn check(&self, answer: Answer, may_load: bool) -> Check {
        let Err(refusal) = answer else {
            return Check::ok(self.name, "works");
        };
        if !may_load && refusal.is_permission() {
            let found = format!("cannot be found out without CAP_SYS_ADMIN: {refusal}");
            return Check::new(self.name, Status::Warn, &found, "run gizmo doctor as root");
        }
        let status = if self.is_needed {
            Status::Missing
        } else {
            Status::Warn
        };
        let mut advice = self.advice.to_owned();
        if refusal.is_permission() {
            // Capabilities are there, so it is not for want of them.
            advice = format!(
                "a policy forbids it (a user namespace, a security module, the host of a container or virtual machine); {advice}"
            );
        }
        Check::new(self.name, status, &refusal.to_string(), advice)
    }
}

/// The first of several tracepoints that is not there.
fn lacking(probe: &Probe, names: &[&str]) -> Option<Refusal> {
    names.iter().find_map(|name| probe.tracepoint(name).err())
}

/// How traceloop would attach.
pub(super) fn traceloop(probe: &Probe) -> Check {
    match lacking(probe, &TRACELOOP) {
        None => {
            // Storage of tasks came with what such programs need besides.
            let with_few = if probe.trampoline().is_ok() && probe.task_storage().is_ok() {
                "at functions of the kernel instead of the first two"
            } else {
                "the same, since programs cannot stand at functions here"
            };
            let found = format!(
                "would attach to tracepoints: {}; with a short --syscall-filters {with_few}",
                TRACELOOP.join(", ")
            );
            Check::ok("traceloop", &found)
        }
        Some(refusal) => {
            let advice = "use a kernel built with CONFIG_FTRACE_SYSCALLS and CONFIG_DEBUG_INFO_BTF";
            Check::new("traceloop", Status::Missing, &refusal.to_string(), advice)
        }
    }
}

/// How the start of a container would be caught: what a container runtime tells comes too late for its first calls.
pub(super) fn container_starts(probe: &Probe, cgroups: &CgroupMode) -> Check {
    starts(lacking(probe, &CONTAINER_STARTS), cgroups)
}

fn starts(lacking: Option<Refusal>, cgroups: &CgroupMode) -> Check {
    let name = "container starts";
    let late = "containers that run already can be recorded; the first calls of new ones are lost";
    if let Some(refusal) = lacking {
        return Check::new(name, Status::Warn, &refusal.to_string(), late);
    }
    if !cgroups.has_ids() {
        let found = "cannot be caught by cgroup id: no cgroup version 2";
        return Check::new(name, Status::Warn, found, late);
    }
    let found = "caught by the kernel: tracepoints cgroup_mkdir and sched_process_exec";
    Check::ok(name, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: &Feature = &FEATURES[0];
    const OPTIONAL: &Feature = &FEATURES[6];

    fn refused(errno: i32) -> Answer {
        Err(Refusal::Failed {
            step: "loading a program",
            errno,
        })
    }

    #[test]
    fn what_may_not_be_asked_is_not_missing() {
        let check = NEEDED.check(refused(1), false);
        assert_eq!(check.status, Status::Warn);
        assert!(check.found.contains("cannot be found out"), "{check:?}");
        assert!(check.found.contains("EPERM"), "{check:?}");
        // Something other than rights is known even without them.
        assert_eq!(NEEDED.check(refused(22), false).status, Status::Missing);
    }

    #[test]
    fn a_refusal_in_spite_of_all_rights_is_a_policy() {
        let check = NEEDED.check(refused(1), true);
        assert_eq!(check.status, Status::Missing);
        assert!(check.advice.contains("policy"), "{check:?}");
        let check = OPTIONAL.check(refused(1), true);
        assert_eq!(check.status, Status::Warn);
        assert_eq!(check.found, "loading a program: EPERM (not permitted)");
        let check = OPTIONAL.check(refused(524), true);
        assert!(check.found.contains("ENOTSUPP") && !check.advice.contains("policy"));
        assert_eq!(OPTIONAL.check(Ok(()), true).status, Status::Ok);
    }

    #[test]
    fn starts_are_caught_where_cgroups_have_ids() {
        let unified = CgroupMode::Unified("/sys/fs/cgroup".into());
        assert_eq!(starts(None, &unified).status, Status::Ok);
        for mode in [CgroupMode::Legacy, CgroupMode::None] {
            let check = starts(None, &mode);
            assert_eq!(check.status, Status::Warn);
            assert!(check.found.contains("version 2"), "{check:?}");
        }
        let absent = Refusal::Absent("tracepoint `cgroup_mkdir`".to_owned());
        assert_eq!(starts(Some(absent), &unified).status, Status::Warn);
    }
}
