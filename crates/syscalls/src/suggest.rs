//! What a user may have meant by a name that is no system call.
//!
//! Two sources: names that are built from the typed one in the ways the kernel and libc do (`open` and `openat`, the
//! tracepoint `newstat` and `stat`), and names that are a typing error away.

use crate::{Abi, table, tracefs};

/// More suggestions than this are noise.
const MAX_SUGGESTIONS: usize = 3;

/// The longest system call name has 23 characters; comparing much longer texts is wasted time.
const MAX_COMPARED_BYTES: usize = 64;

/// What tracepoints and kernel symbols put before a call's name.
const PREFIXES: [&str; 9] = [
    "sys_enter_",
    "sys_exit_",
    "__x64_sys_",
    "__ia32_sys_",
    "__arm64_sys_",
    "__riscv_sys_",
    "__s390x_sys_",
    "__se_sys_",
    "sys_",
];

/// What successors and raw forms of a call put around its name.
const AFFIXES: [(&str, &str); 6] = [
    ("", ""),
    ("", "at"),
    ("f", "at"),
    ("newf", "at"),
    ("rt_", ""),
    ("", "64"),
];

/// Calls of `abi` that `typed` may have meant, best first, at most three and never `typed` itself.
pub fn calls(abi: Abi, typed: &str) -> Vec<&'static str> {
    if typed.len() > MAX_COMPARED_BYTES {
        return Vec::new();
    }
    let mut found = related(abi, typed);
    for name in nearest(typed, table::entries(abi).map(|entry| entry.1)) {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found.truncate(MAX_SUGGESTIONS);
    found
}

/// Calls whose name is made from `typed`.
fn related(abi: Abi, typed: &str) -> Vec<&'static str> {
    let lower = typed.trim().to_ascii_lowercase();
    let stem = PREFIXES
        .iter()
        .find_map(|prefix| lower.strip_prefix(prefix))
        .unwrap_or(&lower);
    let stem = tracefs::table_name(stem, abi);
    AFFIXES
        .iter()
        .map(|(before, after)| format!("{before}{stem}{after}"))
        .filter(|name| name != typed)
        .filter_map(|name| table::name(abi, table::number(abi, &name)?))
        .collect()
}

/// The one of these names that `typed` may have meant.
pub(crate) fn nearest_of(typed: &str, names: impl Iterator<Item = &'static str>) -> Option<String> {
    if typed.len() > MAX_COMPARED_BYTES {
        return None;
    }
    let names: Vec<&str> = names.collect();
    // It may have been changed before it was looked for.
    let same = names.iter().copied().find(|name| *name == typed);
    same.or_else(|| nearest(typed, names.into_iter()).next())
        .map(str::to_owned)
}

/// The candidates closest to `typed`, closest first: one typing error per three characters is tolerated, three at
/// most, so that short names do not match everything.
fn nearest(
    typed: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> impl Iterator<Item = &'static str> {
    let allowed = (typed.chars().count() / 3).clamp(1, 3);
    let mut close: Vec<(usize, &str)> = candidates
        .map(|candidate| (strsim::osa_distance(typed, candidate), candidate))
        .filter(|(distance, _)| (1..=allowed).contains(distance))
        .collect();
    close.sort_unstable();
    close.into_iter().map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn typing_errors_are_recognised() {
        assert_eq!(calls(Abi::X86_64, "opnat"), ["openat"]);
        assert_eq!(calls(Abi::X86_64, "wriet")[0], "write");
        assert_eq!(calls(Abi::Aarch64, "exceve")[0], "execve");
    }

    #[test]
    fn successors_are_suggested() {
        assert_eq!(calls(Abi::Aarch64, "open")[0], "openat");
        assert_eq!(calls(Abi::Aarch64, "chmod")[..2], ["fchmodat", "fchmod"]);
        assert!(calls(Abi::Aarch64, "stat").contains(&"newfstatat"));
        assert_eq!(calls(Abi::X86_64, "sigaction")[0], "rt_sigaction");
        assert_eq!(calls(Abi::LoongArch64, "renameat")[0], "renameat2");
    }

    #[test]
    fn names_of_tracepoints_and_symbols_are_recognised() {
        assert_eq!(calls(Abi::X86_64, "newstat")[0], "stat");
        assert_eq!(calls(Abi::X86_64, "sys_enter_newuname")[0], "uname");
        assert_eq!(calls(Abi::X86_64, "__x64_sys_openat")[0], "openat");
        assert_eq!(calls(Abi::S390x, "__s390x_sys_newstat")[0], "stat");
        assert_eq!(calls(Abi::Riscv64, "__riscv_sys_openat")[0], "openat");
        assert_eq!(calls(Abi::X86_64, "OpenAt")[0], "openat");
    }

    #[test]
    fn a_name_that_resembles_nothing_gets_no_suggestion() {
        assert!(calls(Abi::X86_64, "frobnicate_the_thing").is_empty());
        assert!(calls(Abi::X86_64, "").is_empty());
        assert!(calls(Abi::X86_64, &"openat".repeat(100_000)).is_empty());
    }

    proptest! {
        #[test]
        fn at_most_three_known_names_are_suggested(typed in "\\PC{0,30}|[a-z_0-9]{1,12}") {
            let found = calls(Abi::X86_64, &typed);
            prop_assert!(found.len() <= 3);
            for name in found {
                prop_assert!(name != typed && table::number(Abi::X86_64, name).is_some());
            }
        }
    }
}
