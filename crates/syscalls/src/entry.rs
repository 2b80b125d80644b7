//! The kernel functions that system calls begin in, for programs that are attached to functions (`fentry`, `fexit`).
//!
//! This file owns how such a name is made; `entry/names.rs` is the data. Which of the names a kernel has, its BTF says:
//! versions and options differ, so several may be given. Only the ABIs of x86-64 and arm64 kernels are known here.

mod names;

use crate::{Abi, fallback, table};
use names::{ARM, ARM64, I386, X32, X86_64};

/// A call's name and its entry points.
type Row = (&'static str, &'static [&'static str]);

/// The functions that call `number` of `abi` may begin in, the likeliest first: the first that the kernel has is the one.
/// None for a number without a call, and for a call that is not implemented. An x32 number is without its bit 30.
///
/// All take one `struct pt_regs *`, the registers of the caller. A function may serve several ABIs: x32 shares most with
/// x86-64, 32-bit Arm with 64-bit Arm, and what has no parameters (`getpid`) is one function for all of x86, under several
/// names. There the task has to say which ABI it calls through. The functions of `exit` and `exit_group` do not return.
///
/// ```
/// use gizmo_syscalls::{Abi, entry::entry_points};
///
/// assert_eq!(entry_points(Abi::X86_64, 4), ["__x64_sys_newstat"]);
/// assert_eq!(entry_points(Abi::X86_64, 39), ["__x64_sys_getpid", "__do_sys_getpid"]);
/// ```
pub fn entry_points(abi: Abi, number: u32) -> Vec<String> {
    let Some(call) = table::name(abi, number) else {
        return Vec::new();
    };
    // arch/{x86,arm64}/include/asm/syscall_wrapper.h.
    let (rows, prefix): (&[Row], _) = match abi {
        Abi::X86_64 => (&X86_64, "__x64_"),
        Abi::I386 => (&I386, "__ia32_"),
        Abi::X32 => (&X32, "__x64_"),
        Abi::Aarch64 => (&ARM64, "__arm64_"),
        Abi::Arm => (&ARM, "__arm64_"),
        Abi::Riscv64 | Abi::S390x | Abi::Ppc64le | Abi::LoongArch64 => return Vec::new(),
    };
    let regular = format!("sys_{call}");
    let symbols = match rows.binary_search_by(|row| row.0.cmp(call)) {
        Ok(row) => rows[row].1,
        Err(_) => &[regular.as_str()],
    };
    let functions = symbols.iter().flat_map(|symbol| {
        let usual = format!("{prefix}{symbol}");
        // In Linux 5.10; 6.1 has the usual name.
        let is_compat = symbol.starts_with("compat_");
        let former = (abi == Abi::X32 && is_compat).then(|| format!("__x32_{symbol}"));
        let only = is_alias(abi, call).then(|| format!("__do_{symbol}"));
        [Some(usual), former, only]
    });
    functions.flatten().collect()
}

/// Whether the usual name is an alias. `SYSCALL_DEFINE0` of x86 makes it one of a static function, and BTF has only that
/// function's name, unless `kernel/sys_ni.c` has a weak function with the alias' name.
fn is_alias(abi: Abi, call: &str) -> bool {
    let is_x86 = matches!(abi, Abi::X86_64 | Abi::I386 | Abi::X32);
    is_x86 && fallback::declaration(abi, call).is_some_and(|call| call.parameters.is_empty())
}

#[cfg(test)]
mod tests;
