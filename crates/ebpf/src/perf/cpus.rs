//! Numbers of CPUs: rings are indexed by them, not by their place among those that are online.

use std::fs;
use std::io;

use crate::bpf_map::MOST_CPUS;

/// Opens something for every CPU that is online, and says for which CPU it is.
pub(super) fn per_cpu<T>(
    cpus: &[u32],
    mut open: impl FnMut(u32) -> io::Result<Option<T>>,
) -> io::Result<Vec<(u32, T)>> {
    let mut opened = Vec::new();
    for &cpu in cpus {
        opened.extend(open(cpu)?.map(|ring| (cpu, ring)));
    }
    Ok(opened)
}

/// The numbers of all CPUs that the kernel may ever bring up. They need not be consecutive.
pub(super) fn possible_cpus() -> io::Result<Vec<u32>> {
    let list = fs::read_to_string("/sys/devices/system/cpu/possible")?;
    parse_cpu_list(&list).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Numbers of a list like `0-3,8`, of CPUs that a kernel can be built for.
pub(super) fn parse_cpu_list(list: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last < first || last as usize >= MOST_CPUS {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_have_gaps() {
        assert_eq!(
            parse_cpu_list("0-3,8,10-11\n").unwrap(),
            [0, 1, 2, 3, 8, 10, 11]
        );
        assert_eq!(parse_cpu_list("0").unwrap(), [0]);
        for list in ["", "1-", "3-1", "a", "0-4294967295", "0,,1"] {
            assert_eq!(parse_cpu_list(list), None, "{list}");
        }
    }

    #[test]
    fn rings_keep_the_numbers_of_their_cpus() {
        let opened = per_cpu(&[0, 1, 2, 5], |cpu| Ok((cpu != 1).then_some(cpu * 10)));
        assert_eq!(opened.unwrap(), [(0, 0), (2, 20), (5, 50)]);
        let failed = per_cpu::<()>(&[0, 1], |_| Err(io::ErrorKind::PermissionDenied.into()));
        assert!(failed.is_err());
    }
}
