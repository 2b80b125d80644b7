//! The functions that the kernel describes in its BTF: `fentry` and `fexit` programs can be attached to no others.

use std::collections::HashSet;
use std::io;

use libbpf_rs::btf::{Btf, types};

use crate::libbpf_log;

/// The names of the kernel's own functions, modules left out, that `is_wanted` picks: there are tens of thousands. Takes
/// some ten milliseconds, because all types are read.
///
/// # Errors
/// The kernel has no BTF, or it cannot be read.
pub fn kernel_functions(is_wanted: impl Fn(&str) -> bool) -> io::Result<HashSet<String>> {
    let (btf, _) = libbpf_log::capture(Btf::from_vmlinux);
    let btf = btf.map_err(io::Error::other)?;
    let names = btf.type_by_kind::<types::Func<'_>>();
    let names = names.filter_map(|function| function.name()?.to_str());
    Ok(names
        .filter(|name| is_wanted(name))
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "root: asks the kernel"]
    fn functions_are_found_and_types_are_not() {
        let names = ["vfs_read", "task_struct", "no_such_function"];
        let found = kernel_functions(|name| names.contains(&name)).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["vfs_read"]);
    }
}
