//! Facts about this host, for guests and formatters.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use gizmo_syscalls::{Abi, Parameter, fallback, tracefs};
use rustix::time::{ClockId, clock_gettime};

use crate::Error;
use crate::functions::SyscallFunctions;
use crate::kallsyms::Kallsyms;

/// Where the kernel describes its system calls; mounting tracefs at the first is enough.
const SYSCALL_EVENTS: [&str; 2] = [
    "/sys/kernel/tracing/events/syscalls",
    "/sys/kernel/debug/tracing/events/syscalls",
];

/// Readings of both clocks; the closest pair is used.
const CLOCK_SAMPLES: usize = 5;

/// This host's kernel.
pub struct HostKernel {
    abi: Abi,
    release: String,
    possible_cpus: u32,
    page_bytes: u32,
    wall_clock_offset_ns: i64,
    follows_command: bool,
    symbols: Kallsyms,
    functions: SyscallFunctions,
    declarations: Declarations,
}

impl HostKernel {
    /// Asks the kernel, for the recording of a command or of containers.
    ///
    /// # Errors
    /// The architecture is not supported.
    pub fn probe(follows_command: bool) -> Result<Self, Error> {
        let uname = rustix::system::uname();
        let machine = uname.machine().to_string_lossy();
        Ok(Self {
            abi: Abi::native(&machine).ok_or_else(|| Error::Architecture(machine.into_owned()))?,
            release: uname.release().to_string_lossy().into_owned(),
            possible_cpus: u32::try_from(gizmo_ebpf::possible_cpus()).unwrap_or(u32::MAX),
            page_bytes: u32::try_from(rustix::param::page_size()).unwrap_or(4096),
            wall_clock_offset_ns: wall_clock_offset_ns(),
            follows_command,
            symbols: Kallsyms::default(),
            functions: SyscallFunctions::default(),
            declarations: Declarations::default(),
        })
    }

    /// What to add to a boot-time reading to get ns since 1970.
    pub fn wall_clock_offset_ns(&self) -> i64 {
        self.wall_clock_offset_ns
    }
}

impl gizmo_wasm::Kernel for HostKernel {
    fn native_abi(&self) -> Abi {
        self.abi
    }

    fn release(&self) -> &str {
        &self.release
    }

    fn possible_cpus(&self) -> u32 {
        self.possible_cpus
    }

    fn page_bytes(&self) -> u32 {
        self.page_bytes
    }

    fn wall_clock_offset_ns(&self) -> i64 {
        self.wall_clock_offset_ns
    }

    fn follows_command(&self) -> bool {
        self.follows_command
    }

    fn symbol_exists(&self, name: &str) -> bool {
        // A call that has a tracepoint has its function; reading all symbols takes the kernel 50 ms and more.
        SYSCALL_EVENTS
            .iter()
            .any(|folder| is_traced_call(Path::new(folder), name))
            || self.symbols.has_one(name)
    }

    fn has_syscall_function(&self, name: &str) -> bool {
        self.functions.has(name)
    }

    fn declaration(&self, name: &str) -> Option<Vec<Parameter>> {
        self.declarations.get(name, || {
            let own = SYSCALL_EVENTS
                .iter()
                .find_map(|folder| read_format(Path::new(folder), name, self.abi));
            own.or_else(|| Some(fallback::declaration(self.abi, name)?.parameters.clone()))
        })
    }
}

/// Declarations that somebody has asked for: the kernel's answer to a name does not change.
#[derive(Default)]
struct Declarations(Mutex<HashMap<String, Vec<Parameter>>>);

impl Declarations {
    /// What is known, else what `find` finds. Names without a declaration are not kept: guests may make them up without
    /// end.
    fn get(
        &self,
        name: &str,
        find: impl FnOnce() -> Option<Vec<Parameter>>,
    ) -> Option<Vec<Parameter>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parameters) = known.get(name) {
            return Some(parameters.clone());
        }
        let parameters = find()?;
        known.insert(name.to_owned(), parameters.clone());
        Some(parameters)
    }
}

/// Whether a symbol is the function of a system call that has a tracepoint.
fn is_traced_call(folder: &Path, symbol: &str) -> bool {
    let call = symbol
        .strip_prefix("__x64_sys_")
        .or_else(|| symbol.strip_prefix("__arm64_sys_"));
    call.is_some_and(|call| is_plain(call) && folder.join(format!("sys_enter_{call}")).exists())
}

/// Whether a name can be part of a path without leading elsewhere.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The running kernel's own declaration of one call: a single small file, read when it is asked for.
fn read_format(folder: &Path, name: &str, abi: Abi) -> Option<Vec<Parameter>> {
    if !is_plain(name) {
        return None;
    }
    let event = format!("sys_enter_{}", tracefs::tracepoint_name(name, abi));
    let text = fs::read_to_string(folder.join(event).join("format")).ok()?;
    tracefs::parse_format(&text)
}

/// The time of the clock that goes on during suspend, which eBPF programs read with `bpf_ktime_get_boot_ns`.
pub(crate) fn boot_time_ns() -> i64 {
    now(ClockId::Boottime)
}

fn now(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

fn wall_clock_offset_ns() -> i64 {
    let samples = (0..CLOCK_SAMPLES).map(|_| {
        let before = now(ClockId::Boottime);
        let wall = now(ClockId::Realtime);
        let after = now(ClockId::Boottime);
        (after - before, wall - before.midpoint(after))
    });
    samples.min().map_or(0, |(_, offset)| offset)
}

#[cfg(test)]
mod tests {
    use gizmo_wasm::Kernel;

    use super::*;

    #[test]
    fn the_offset_leads_to_the_present() {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos() as i64;
        let boot = clock_gettime(ClockId::Boottime);
        let computed = boot.tv_sec * 1_000_000_000 + boot.tv_nsec + wall_clock_offset_ns();
        assert!((computed - now).abs() < 1_000_000_000);
    }

    #[test]
    fn declarations_come_from_the_kernel_or_the_table() {
        let host = HostKernel::probe(true).unwrap();
        let execve = host.declaration("execve").unwrap();
        assert_eq!(execve.len(), 3);
        assert_eq!(execve[0].name, "filename");
        assert!(execve[0].is_pointer());
        assert!(host.declaration("foobar").is_none());
        assert!(host.declaration("../../etc").is_none());
    }

    #[test]
    fn a_declaration_is_read_once() {
        let declarations = Declarations::default();
        let reads = std::cell::Cell::new(0);
        let get = |name: &str| {
            declarations.get(name, || {
                reads.set(reads.get() + 1);
                (name != "foobar").then(Vec::new)
            })
        };
        for _ in 0..3 {
            assert_eq!(get("execve"), Some(Vec::new()));
        }
        assert_eq!(reads.get(), 1);
        assert_eq!((get("foobar"), get("foobar")), (None, None));
        assert_eq!(reads.get(), 3);
    }

    #[test]
    fn the_format_file_is_looked_up_by_the_tracepoints_name() {
        let folder = std::env::temp_dir().join(format!("gizmo-format-{}", std::process::id()));
        let event = folder.join("sys_enter_newstat");
        fs::create_dir_all(&event).unwrap();
        let text = "name: sys_enter_newstat\nID: 1\nformat:\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
                    \tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n\
                    \tfield:const char * filename;\toffset:16;\tsize:8;\tsigned:0;\n\nprint fmt: \"\"\n";
        fs::write(event.join("format"), text).unwrap();
        let parameters = read_format(&folder, "stat", Abi::X86_64).unwrap();
        let found = [
            "__x64_sys_newstat",
            "__x64_sys_stat",
            "newstat",
            "__x64_sys_../sys_enter_newstat",
        ]
        .map(|symbol| is_traced_call(&folder, symbol));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(parameters.len(), 1);
        assert_eq!(parameters[0].name, "filename");
        assert_eq!(found, [true, false, false, false]);
    }
}
