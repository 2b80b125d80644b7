//! Questions about this host's kernel, answered by trying: a program is loaded, a map is made, and at once let go again.
//!
//! "No" is an ordinary value here. It says at which step the kernel said so and with which error, because `EPERM` for want of
//! a right and `EPERM` as a policy look alike from afar.

mod raw;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use libbpf_rs::btf::{Btf, types};
use libbpf_sys as sys;
use rustix::io::Errno;

/// What perf_event_open(2) needs for kprobes: registered by kernels with CONFIG_KPROBE_EVENTS (since 4.17).
const KPROBE_EVENTS: &str = "/sys/bus/event_source/devices/kprobe/type";

/// A function that exists for tests of trampolines and that nobody calls otherwise (net/bpf/test_run.c, since 5.6).
const TRAMPOLINE_TARGET: &str = "bpf_fentry_test1";

/// The tracepoint for which programs are loaded but not attached; every kernel with tracing of system calls has it.
const TRACEPOINT: &str = "sys_enter";

/// Yes, or why not.
pub type Answer = Result<(), Refusal>;

/// Why the kernel does not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A system call failed.
    Failed {
        /// What was tried.
        step: &'static str,
        /// The kernel's answer.
        errno: i32,
    },
    /// Something that it needs is not there.
    Absent(String),
}

impl Refusal {
    /// Whether the process may not ask, so that nothing is known.
    pub fn is_permission(&self) -> bool {
        let denied = [Errno::PERM, Errno::ACCESS].map(Errno::raw_os_error);
        matches!(self, Refusal::Failed { errno, .. } if denied.contains(errno))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Absent(what) => write!(f, "{what} is not there"),
            Refusal::Failed { step, errno } => match errno_name(*errno) {
                Some((name, text)) => write!(f, "{step}: {name} ({text})"),
                None => write!(f, "{step}: {}", io::Error::from_raw_os_error(*errno)),
            },
        }
    }
}

impl std::error::Error for Refusal {}

/// The errors of bpf(2) that say something about a kernel.
fn errno_name(errno: i32) -> Option<(&'static str, &'static str)> {
    /// Not in any header for user space (include/linux/errno.h), so neither the C library nor rustix knows it.
    const ENOTSUPP: i32 = 524;
    let names = [
        (Errno::PERM, "EPERM", "not permitted"),
        (Errno::ACCESS, "EACCES", "refused"),
        (
            Errno::INVAL,
            "EINVAL",
            "invalid, or not known to this kernel",
        ),
        (Errno::NOENT, "ENOENT", "not there"),
        (Errno::NOSYS, "ENOSYS", "no such system call"),
        (Errno::NOMEM, "ENOMEM", "no memory"),
        (Errno::OPNOTSUPP, "EOPNOTSUPP", "not supported"),
        (Errno::TOOBIG, "E2BIG", "too big"),
    ];
    if errno == ENOTSUPP {
        return Some(("ENOTSUPP", "not supported"));
    }
    let found = names
        .into_iter()
        .find(|(known, ..)| known.raw_os_error() == errno)?;
    Some((found.1, found.2))
}

/// The kernel's own types, with which questions about tracepoints and functions are answered.
pub struct Probe {
    btf: Option<Btf<'static>>,
}

impl Probe {
    /// Reads the kernel's BTF, some 10 MiB.
    pub fn new() -> Self {
        let (btf, _) = crate::libbpf_log::capture(Btf::from_vmlinux);
        Self { btf: btf.ok() }
    }

    /// Whether the kernel describes its types.
    pub fn btf(&self) -> Answer {
        self.types().map(drop)
    }

    /// Whether the kernel has a tracepoint, with types.
    pub fn tracepoint(&self, name: &str) -> Answer {
        self.tracepoint_id(name).map(drop)
    }

    fn tracepoint_id(&self, name: &str) -> Result<u32, Refusal> {
        let btf = self.types()?;
        // What TP_PROTO of include/trace/bpf_probe.h leaves in BTF.
        let found = btf.type_by_name::<types::Typedef<'_>>(&format!("btf_trace_{name}"));
        found
            .map(|ty| u32::from(ty.type_id()))
            .ok_or_else(|| Refusal::Absent(format!("tracepoint `{name}`")))
    }

    /// The names of the kernel's functions, modules left out, that `is_wanted` picks: there are tens of thousands. Programs can be
    /// attached to the entry and exit of no others. Takes some ten milliseconds, because all types are read.
    ///
    /// # Errors
    /// The kernel has no usable BTF.
    pub fn functions(&self, is_wanted: impl Fn(&str) -> bool) -> Result<HashSet<String>, Refusal> {
        let functions = self.types()?.type_by_kind::<types::Func<'_>>();
        let names = functions.filter_map(|function| function.name()?.to_str());
        Ok(names
            .filter(|name| is_wanted(name))
            .map(str::to_owned)
            .collect())
    }

    fn types(&self) -> Result<&Btf<'static>, Refusal> {
        let absent = || Refusal::Absent("usable BTF of the kernel".to_owned());
        self.btf.as_ref().ok_or_else(absent)
    }

    /// Whether a program for a typed tracepoint loads that asks who the current task is (5.5).
    pub fn tracing_program(&self) -> Answer {
        let code = [
            raw::call(sys::BPF_FUNC_get_current_task),
            raw::set(0, 0),
            raw::exit(),
        ];
        self.load_tracing(&code)
    }

    /// Whether storage of tasks can be made (5.11) and used by programs for tracepoints (5.13).
    pub fn task_storage(&self) -> Answer {
        let btf = raw::load_btf()?;
        let map = raw::create_map(sys::BPF_MAP_TYPE_TASK_STORAGE, Some(btf.as_fd()), None)?;
        let [low, high] = raw::load_map(1, map.as_fd());
        let code = [
            raw::call(sys::BPF_FUNC_get_current_task_btf),
            raw::copy(2, 0),
            low,
            high,
            raw::set(3, 0),
            raw::set(4, 0),
            raw::call(sys::BPF_FUNC_task_storage_get),
            raw::set(0, 0),
            raw::exit(),
        ];
        self.load_tracing(&code)
    }

    fn load_tracing(&self, code: &[sys::bpf_insn]) -> Answer {
        let target = self.tracepoint_id(TRACEPOINT)?;
        raw::load_program(
            sys::BPF_PROG_TYPE_TRACING,
            code,
            sys::BPF_TRACE_RAW_TP,
            target,
        )
        .map(drop)
    }

    /// Whether a program can stand at a function's entry, by way of a trampoline: loaded and attached (fentry, 5.5; arm64 6.0).
    pub fn trampoline(&self) -> Answer {
        let btf = self.types()?;
        let found = btf.type_by_name::<types::Func<'_>>(TRAMPOLINE_TARGET);
        let target = found
            .map(|ty| u32::from(ty.type_id()))
            .ok_or_else(|| Refusal::Absent(format!("function `{TRAMPOLINE_TARGET}`")))?;
        let program = raw::load_program(
            sys::BPF_PROG_TYPE_TRACING,
            &[raw::set(0, 0), raw::exit()],
            sys::BPF_TRACE_FENTRY,
            target,
        )?;
        raw::attach_typed(program.as_fd()).map(drop)
    }

    /// Whether a program for an untyped tracepoint loads.
    pub fn raw_tracepoint_program(&self) -> Answer {
        let code = [raw::set(0, 0), raw::exit()];
        raw::load_program(sys::BPF_PROG_TYPE_RAW_TRACEPOINT, &code, 0, 0).map(drop)
    }

    /// Whether a program for a kprobe loads, and whether the kernel has kprobes at all: the program's type comes with uprobes,
    /// too.
    pub fn kprobe(&self) -> Answer {
        let code = [raw::set(0, 0), raw::exit()];
        raw::load_program(sys::BPF_PROG_TYPE_KPROBE, &code, 0, 0)?;
        if Path::new(KPROBE_EVENTS).exists() {
            return Ok(());
        }
        Err(Refusal::Absent(KPROBE_EVENTS.to_owned()))
    }

    /// Whether a ring buffer can be made (5.8).
    pub fn ring_buffer(&self) -> Answer {
        raw::create_map(sys::BPF_MAP_TYPE_RINGBUF, None, None).map(drop)
    }

    /// Whether maps can hold maps.
    pub fn map_of_maps(&self) -> Answer {
        let inner = raw::create_map(sys::BPF_MAP_TYPE_ARRAY, None, None)?;
        raw::create_map(sys::BPF_MAP_TYPE_ARRAY_OF_MAPS, None, Some(inner.as_fd())).map(drop)
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the kernel does not know atomic operations that answer, like exchange (5.12). No, when it may not be asked.
pub(crate) fn refuses_exchange() -> bool {
    let code = [
        raw::set(0, 0),
        raw::store(10, 0, -8),
        raw::exchange(10, 0, -8),
        raw::set(0, 0),
        raw::exit(),
    ];
    let answer = raw::load_program(sys::BPF_PROG_TYPE_SOCKET_FILTER, &code, 0, 0);
    answer.is_err_and(|refusal| !refusal.is_permission())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_step_and_error() {
        let refusal = |errno| Refusal::Failed {
            step: "loading a program",
            errno,
        };
        assert_eq!(
            refusal(1).to_string(),
            "loading a program: EPERM (not permitted)"
        );
        assert!(refusal(1).is_permission());
        assert_eq!(
            refusal(524).to_string(),
            "loading a program: ENOTSUPP (not supported)"
        );
        assert!(!refusal(524).is_permission());
        assert!(refusal(9999).to_string().contains("9999"));
        let absent = Refusal::Absent("tracepoint `x`".into());
        assert_eq!(absent.to_string(), "tracepoint `x` is not there");
        assert!(!absent.is_permission());
    }

    #[test]
    #[ignore = "root: asks the kernel"]
    fn functions_are_found_and_types_are_not() {
        let names = ["vfs_read", "task_struct", "no_such_function"];
        let found = Probe::new()
            .functions(|name| names.contains(&name))
            .unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["vfs_read"]);
    }

    #[test]
    #[ignore = "root: loads eBPF programs"]
    fn what_traceloop_needs_is_found_and_what_is_not_there_is_not() {
        let probe = Probe::new();
        assert_eq!(probe.btf(), Ok(()));
        assert_eq!(probe.tracing_program(), Ok(()));
        assert_eq!(probe.task_storage(), Ok(()));
        assert_eq!(probe.map_of_maps(), Ok(()));
        assert_eq!(probe.ring_buffer(), Ok(()));
        assert_eq!(probe.raw_tracepoint_program(), Ok(()));
        assert_eq!(probe.tracepoint("sys_exit"), Ok(()));
        assert!(matches!(
            probe.tracepoint("no_such"),
            Err(Refusal::Absent(_))
        ));
        assert_eq!(probe.kprobe().is_ok(), Path::new(KPROBE_EVENTS).exists());
    }

    #[test]
    #[ignore = "root: loads eBPF programs"]
    fn a_program_that_is_wrong_is_refused() {
        // Without an exit.
        let refused = raw::load_program(sys::BPF_PROG_TYPE_RAW_TRACEPOINT, &[raw::set(0, 0)], 0, 0);
        assert!(matches!(refused, Err(Refusal::Failed { .. })));
    }
}
