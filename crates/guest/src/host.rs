//! What a guest can ask about the machine.

use crate::abi::Input;
use crate::raw;

/// Whether the kernel has exactly one symbol of this name.
///
/// Names of data exist only on kernels with `CONFIG_KALLSYMS_ALL`.
pub fn symbol_exists(name: &str) -> bool {
    raw::kallsyms_symbol_exists(Input::text(name)) == 1
}

/// Whether events of the mount namespace with this inode number are unwanted. Only from `start` on.
pub fn should_discard_mntns_id(mntns_id: u64) -> bool {
    raw::should_discard_mntns_id(mntns_id) == 1
}

#[cfg(feature = "host-gizmo")]
pub use facts::{
    architecture, boot_time_ns, follows_command, host_fact, page_size_bytes, possible_cpus,
    release, wall_clock_offset_ns,
};

#[cfg(feature = "host-gizmo")]
mod facts {
    use std::str::FromStr;

    use super::*;
    use crate::abi::Output;
    use crate::{Error, Result};

    /// The longest fact is the kernel's release, which `uname` limits to 64 bytes.
    const FACT_BYTES: usize = 256;

    /// A fact about the host, as text.
    pub fn host_fact(name: &str) -> Result<String> {
        let mut buffer = [0; FACT_BYTES];
        let written = raw::get_host_fact(Input::text(name), Output::bytes(&mut buffer));
        usize::try_from(written)
            .ok()
            .and_then(|bytes| buffer.get(..bytes))
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .ok_or_else(|| Error::refused("getHostFact", name))
    }

    /// The architecture of the host: `x86_64` or `arm64`.
    pub fn architecture() -> Result<String> {
        host_fact("architecture")
    }

    /// The release of the kernel, as `uname -r` prints it.
    pub fn release() -> Result<String> {
        host_fact("release")
    }

    /// How many CPUs the host could have. Values of per-CPU maps have as many parts.
    pub fn possible_cpus() -> Result<u32> {
        number("possible-cpus")
    }

    /// The size of a page of the host's memory.
    pub fn page_size_bytes() -> Result<u32> {
        number("page-size")
    }

    /// Whether a command is what is recorded; otherwise containers are.
    pub fn follows_command() -> Result<bool> {
        Ok(host_fact("target")? == "command")
    }

    /// The time by the clock that goes on during suspend, which eBPF programs read with `bpf_ktime_get_boot_ns`.
    pub fn boot_time_ns() -> Result<u64> {
        number("boot-time")
    }

    /// What to add to a boot-time reading to get Unix time.
    pub fn wall_clock_offset_ns() -> Result<i64> {
        number("wall-clock-offset")
    }

    fn number<T: FromStr>(name: &str) -> Result<T> {
        let text = host_fact(name)?;
        text.parse()
            .map_err(|_| Error::new(format!("host fact `{name}` is no number: `{text}`")))
    }
}
