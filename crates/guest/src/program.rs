//! What the kernel tells about the programs of the gadget's own eBPF object.

use crate::abi::Input;
use crate::raw;
use crate::{Error, Result};

/// How often the kernel has skipped the program of this name, since it was loaded, because it was running on that CPU
/// already: what happened then the program has not seen. From `start` to `post_stop`, attached or not.
///
/// Linux counts that for programs at functions (`fentry`, `fexit`) since 5.12, for others later or not at all; what it does
/// not count is 0.
pub fn program_misses(program: &str) -> Result<u64> {
    u64::try_from(raw::program_misses(Input::text(program)))
        .map_err(|_| Error::refused("programMisses", program))
}
