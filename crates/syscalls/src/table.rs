//! System call names and numbers of every ABI.
//!
//! This file owns the look-ups; `table/numbers.rs` is the data. Names are found by binary search in the rows, numbers
//! through an index that the compiler computes, so nothing is set up at run time (the crate also runs inside guests).
//!
//! The `syscalls` crate (0.8.1) was looked at instead and does not fit: it does not compile for wasm32, calls arm64's
//! 79 `fstatat` and gives arm64 the twenty 32-bit `*_time64` calls.

mod numbers;

use std::borrow::Cow;

use crate::Abi;
use numbers::{NO, ROWS};

/// A call's name and its number in every ABI, in the order of [`Abi::ALL`].
type Row = (&'static str, [u16; Abi::ALL.len()]);

/// One more than the highest number of any ABI: x32's own calls end at 547.
const NUMBERS: usize = 548;

/// For every ABI and number, the row it is in; [`NO`] for holes.
static ROW_OF_NUMBER: [[u16; NUMBERS]; Abi::ALL.len()] = row_of_number();

/// The calls that only 32-bit Arm has, far above its table (`__ARM_NR_BASE` in the kernel's headers).
static ARM_PRIVATE: [(u32, &str); 6] = [
    (0xf0001, "breakpoint"),
    (0xf0002, "cacheflush"),
    (0xf0003, "usr26"),
    (0xf0004, "usr32"),
    (0xf0005, "set_tls"),
    (0xf0006, "get_tls"),
];

const fn row_of_number() -> [[u16; NUMBERS]; Abi::ALL.len()] {
    let mut index = [[NO; NUMBERS]; Abi::ALL.len()];
    let mut row = 0;
    while row < ROWS.len() {
        let mut abi = 0;
        while abi < Abi::ALL.len() {
            let number = ROWS[row].1[abi];
            if number != NO {
                index[abi][number as usize] = row as u16;
            }
            abi += 1;
        }
        row += 1;
    }
    index
}

/// The name of call `number` in `abi`, if that ABI has it. An x32 number is without its bit 30.
pub fn name(abi: Abi, number: u32) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?;
    match ROW_OF_NUMBER[abi as usize].get(index) {
        Some(&NO) => None,
        Some(&row) => Some(ROWS[usize::from(row)].0),
        None => private(abi)
            .iter()
            .find(|entry| entry.0 == number)
            .map(|entry| entry.1),
    }
}

/// The number of the call `name` in `abi`, if that ABI has it. Names are the kernel's, in its case.
pub fn number(abi: Abi, name: &str) -> Option<u32> {
    match ROWS.binary_search_by(|row| row.0.cmp(name)) {
        Ok(row) => Some(ROWS[row].1[abi as usize])
            .filter(|&number| number != NO)
            .map(u32::from),
        Err(_) => private(abi)
            .iter()
            .find(|entry| entry.1 == name)
            .map(|entry| entry.0),
    }
}

/// All calls of `abi` in the order of their numbers.
pub fn entries(abi: Abi) -> impl Iterator<Item = (u32, &'static str)> {
    let common = ROW_OF_NUMBER[abi as usize]
        .iter()
        .zip(0u32..)
        .filter(|(row, _)| **row != NO)
        .map(|(row, number)| (number, ROWS[usize::from(*row)].0));
    common.chain(private(abi).iter().copied())
}

/// What to show for call `number`: its name, or `syscall_` and the number in hexadecimal.
pub fn display_name(abi: Abi, number: u32) -> Cow<'static, str> {
    match name(abi, number) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("syscall_{number:x}")),
    }
}

fn private(abi: Abi) -> &'static [(u32, &'static str)] {
    match abi {
        Abi::Arm => &ARM_PRIVATE,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMD64_ONLY: &str = "_sysctl access afs_syscall alarm arch_prctl chmod chown creat create_module dup2 \
        epoll_create epoll_ctl_old epoll_wait epoll_wait_old eventfd fork futimesat get_kernel_syms get_thread_area \
        getdents getpgrp getpmsg inotify_init ioperm iopl lchown link lstat mkdir mknod modify_ldt open pause pipe \
        poll putpmsg query_module readlink rename rmdir security select set_thread_area signalfd stat symlink sysfs \
        time tuxcall unlink uretprobe uselib ustat utime utimes vfork vserver";

    #[track_caller]
    fn assert_fixed_points(abi: Abi, points: &[(&str, u32)]) {
        for &(call, expected) in points {
            assert_eq!(number(abi, call), Some(expected), "{abi} {call}");
            assert_eq!(name(abi, expected), Some(call), "{abi} {expected}");
        }
    }

    #[test]
    fn x86_64_has_its_fixed_points() {
        assert_fixed_points(
            Abi::X86_64,
            &[
                ("read", 0),
                ("rt_sigreturn", 15),
                ("sendfile", 40),
                ("exit", 60),
                ("uname", 63),
                ("umount2", 166),
                ("fadvise64", 221),
                ("exit_group", 231),
                ("newfstatat", 262),
                ("uretprobe", 335),
                ("uprobe", 336),
                ("open_tree", 428),
                ("close_range", 436),
                ("open_tree_attr", 467),
                ("file_getattr", 468),
                ("file_setattr", 469),
            ],
        );
        assert_eq!(entries(Abi::X86_64).count(), 383);
    }

    #[test]
    fn arm64_has_its_fixed_points() {
        assert_fixed_points(
            Abi::Aarch64,
            &[
                ("newfstatat", 79),
                ("fstat", 80),
                ("personality", 92),
                ("exit", 93),
                ("exit_group", 94),
                ("futex", 98),
                ("rt_sigreturn", 139),
                ("bind", 200),
                ("accept", 202),
                ("fadvise64", 223),
                ("open_tree", 428),
                ("close_range", 436),
                ("open_tree_attr", 467),
                ("file_setattr", 469),
            ],
        );
        assert_eq!(entries(Abi::Aarch64).count(), 325);
    }

    #[test]
    fn the_32_bit_abis_have_their_fixed_points() {
        assert_fixed_points(
            Abi::I386,
            &[
                ("open", 5),
                ("break", 17),
                ("umount", 22),
                ("umount2", 52),
                ("openat", 295),
            ],
        );
        assert_fixed_points(Abi::X32, &[("read", 0), ("ioctl", 514), ("pwritev2", 547)]);
        assert_fixed_points(
            Abi::Arm,
            &[
                ("openat", 322),
                ("arm_sync_file_range", 341),
                ("set_tls", 0xf0005),
            ],
        );
    }

    #[test]
    fn the_generic_table_serves_riscv64_and_loongarch64() {
        for abi in [Abi::Riscv64, Abi::LoongArch64] {
            let points = [("newfstatat", 79), ("rt_sigreturn", 139), ("clone", 220)];
            assert_fixed_points(abi, &points);
            assert_eq!(number(abi, "renameat"), None, "{abi}");
        }
        let own = [("riscv_hwprobe", 258), ("riscv_flush_icache", 259)];
        assert_fixed_points(Abi::Riscv64, &own);
        assert_eq!(number(Abi::Riscv64, "getrlimit"), Some(163));
        assert_eq!(number(Abi::LoongArch64, "getrlimit"), None);
        assert_eq!(entries(Abi::Riscv64).count(), 326);
        assert_eq!(entries(Abi::LoongArch64).count(), 321);
    }

    #[test]
    fn s390x_and_ppc64le_have_their_fixed_points() {
        assert_fixed_points(
            Abi::S390x,
            &[
                ("exit", 1),
                ("umount", 22),
                ("mmap", 90),
                ("getrlimit", 191),
                ("openat", 288),
                ("s390_sthyi", 380),
            ],
        );
        assert_fixed_points(
            Abi::Ppc64le,
            &[
                ("restart_syscall", 0),
                ("_newselect", 142),
                ("ugetrlimit", 190),
                ("openat", 286),
                ("sync_file_range2", 308),
                ("switch_endian", 363),
            ],
        );
        assert_eq!(entries(Abi::S390x).count(), 388);
        assert_eq!(entries(Abi::Ppc64le).count(), 422);
    }

    /// Since Linux 5.1 a new call has the same number everywhere. What few lack, their architecture did not implement.
    #[test]
    fn calls_from_424_on_are_common_to_all_abis() {
        let mut lacking = Vec::new();
        for common in 424..=469 {
            let call = name(Abi::X86_64, common).unwrap();
            for abi in Abi::ALL {
                match name(abi, common) {
                    Some(found) => assert_eq!(found, call, "{abi} {common}"),
                    None => lacking.push((call, abi)),
                }
            }
        }
        let without_secrets = [Abi::Arm, Abi::Ppc64le, Abi::LoongArch64];
        assert_eq!(lacking, without_secrets.map(|abi| ("memfd_secret", abi)));
        for abi in Abi::ALL.into_iter().filter(|abi| *abi != Abi::X32) {
            let highest = entries(abi).map(|entry| entry.0).filter(|n| *n < 0xf0000);
            assert_eq!(highest.max(), Some(469), "{abi}");
        }
    }

    #[test]
    fn calls_only_amd64_has_are_not_on_arm64() {
        let calls: Vec<&str> = AMD64_ONLY.split_whitespace().collect();
        assert_eq!(calls.len(), 57);
        for call in calls {
            assert!(number(Abi::X86_64, call).is_some(), "{call}");
            assert_eq!(number(Abi::Aarch64, call), None, "{call}");
        }
    }

    #[test]
    fn arm64_is_a_subset_of_amd64() {
        for (_, call) in entries(Abi::Aarch64) {
            assert!(number(Abi::X86_64, call).is_some(), "{call}");
        }
    }

    #[test]
    fn rows_are_sorted_and_every_entry_is_found_both_ways() {
        assert!(ROWS.is_sorted_by(|a, b| a.0 < b.0));
        for abi in Abi::ALL {
            let rows = ROWS.iter().filter(|row| row.1[abi as usize] != NO).count();
            assert_eq!(entries(abi).count(), rows + private(abi).len(), "{abi}");
            assert!(entries(abi).is_sorted_by(|a, b| a.0 < b.0), "{abi}");
            for (entry, call) in entries(abi) {
                assert_eq!(number(abi, call), Some(entry), "{abi} {call}");
                assert_eq!(name(abi, entry), Some(call), "{abi} {entry}");
            }
        }
    }

    #[test]
    fn unknown_numbers_are_shown_in_hexadecimal() {
        assert_eq!(display_name(Abi::X86_64, 1337), "syscall_539");
        assert_eq!(display_name(Abi::X86_64, u32::MAX), "syscall_ffffffff");
        assert_eq!(display_name(Abi::Aarch64, 0xf0005), "syscall_f0005");
        assert_eq!(display_name(Abi::X86_64, 257), "openat");
    }

    #[test]
    fn names_are_case_sensitive() {
        assert_eq!(number(Abi::X86_64, "OPENAT"), None);
        assert_eq!(number(Abi::X86_64, ""), None);
    }
}
