//! The entry points of `gizmo-syscalls` against the kernel that runs.

use std::collections::BTreeSet;
use std::fs;

use gizmo_syscalls::entry::entry_points;
use gizmo_syscalls::{Abi, table};

use super::*;

/// Functions `__x64_sys_*` in which no 64-bit call begins. They are defined for every ABI because i386 calls them
/// (`chown16`), or 32-bit kernels alone (`ppoll_time32`), or other architectures (`s390_ipc`, which is a weak function of
/// `kernel/sys_ni.c` here).
const NOT_64_BIT: &str = "adjtimex_time32 bdflush chown16 clock_adjtime32 clock_getres_time32 clock_gettime32 clock_nanosleep_time32 \
    clock_settime32 fadvise64_64 fchown16 fstat fstatfs64 futex_time32 futimesat_time32 get_thread_area getegid16 \
    geteuid16 getgid16 getgroups16 gethostname getresgid16 getresuid16 getuid16 ia32_fadvise64 ia32_fadvise64_64 \
    ia32_fallocate ia32_ftruncate64 ia32_pread64 ia32_pwrite64 ia32_readahead ia32_sync_file_range ia32_truncate64 \
    io_getevents_time32 io_pgetevents_time32 ipc lchown16 llseek lstat mmap_pgoff mq_timedreceive_time32 \
    mq_timedsend_time32 nanosleep_time32 ni_syscall nice old_getrlimit old_msgctl old_readdir old_semctl \
    old_shmctl oldumount olduname pciconfig_iobase pciconfig_read pciconfig_write ppoll_time32 pselect6_time32 \
    recv recvmmsg_time32 rt_sigtimedwait_time32 rtas s390_ipc s390_pci_mmio_read s390_pci_mmio_write \
    sched_rr_get_interval_time32 semtimedop_time32 send sendfile set_thread_area setfsgid16 setfsuid16 setgid16 \
    setgroups16 setregid16 setresgid16 setresuid16 setreuid16 setuid16 sgetmask signal sigpending sigprocmask \
    sigsuspend socketcall spu_create spu_run ssetmask stat statfs64 stime stime32 subpage_prot sync_file_range2 \
    time32 timer_gettime32 timer_settime32 timerfd_gettime32 timerfd_settime32 uname uselib utime32 \
    utimensat_time32 utimes_time32 vm86 vm86old waitpid";

/// Functions `__ia32_sys_*` in which no call of a 32-bit program begins: a compat function does it (`openat`), the call is
/// a 64-bit one (`accept`), or one of 32-bit kernels or other architectures.
const NOT_32_BIT: &str = "accept adjtimex clone epoll_pwait2 execve execveat fadvise64 fadvise64_64 fallocate fanotify_mark fcntl \
    fstatfs fstatfs64 ftruncate futimesat get_robust_list getdents gethostname getitimer getrlimit getrusage \
    gettimeofday io_getevents io_pgetevents io_pgetevents_time32 io_setup io_submit ioctl ipc kexec_file_load \
    kexec_load keyctl lookup_dcookie lseek mmap mq_getsetattr mq_notify mq_open msgctl msgrcv msgsnd nanosleep \
    newfstat newfstatat newlstat newstat ni_syscall old_getrlimit old_msgctl old_readdir old_semctl old_shmctl \
    open open_by_handle_at openat pciconfig_iobase pciconfig_read pciconfig_write ppoll ppoll_time32 pread64 \
    preadv preadv2 pselect6 pselect6_time32 ptrace pwrite64 pwritev pwritev2 readahead recv recvfrom recvmmsg \
    recvmmsg_time32 recvmsg rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend \
    rt_sigtimedwait rt_sigtimedwait_time32 rt_tgsigqueueinfo rtas s390_ipc s390_pci_mmio_read s390_pci_mmio_write \
    sched_getaffinity sched_setaffinity select semctl semop semtimedop_time32 send sendfile sendmmsg sendmsg \
    set_robust_list setitimer setrlimit settimeofday shmat shmctl sigaltstack signalfd signalfd4 sigpending \
    sigprocmask socketcall spu_create spu_run statfs statfs64 stime subpage_prot sync_file_range sync_file_range2 \
    sysinfo time timer_create times truncate uprobe uretprobe ustat utime utimes vm86 vm86old wait4 waitid";

/// Functions `__ia32_compat_sys_*` in which no call of a 32-bit program begins: x32 calls them (`preadv64`), or other
/// architectures, or nobody any more (`mbind`, until 5.15).
const NOT_COMPAT: &str = "epoll_pwait fadvise64_64 fcntl getsockopt mbind migrate_pages newfstatat old_msgctl old_semctl old_shmctl \
    preadv64 preadv64v2 process_vm_readv process_vm_writev pwritev64 pwritev64v2 recv s390_ipc sendfile64 \
    set_mempolicy setsockopt";

/// Calls that have no function on kernels of today: gone in 5.15 and 6.8.
const GONE: [&str; 2] = ["bdflush", "lookup_dcookie"];

/// The first number that Linux 5.10 has no call for, and the two newer calls below it.
const FIRST_AFTER_5_10: u32 = 441;
const NEWER: [&str; 2] = ["uretprobe", "uprobe"];

/// The functions of calls, as the kernel's symbols.
fn symbols() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/kallsyms").unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2));
    // Behind a point is what the compiler has cut off (`.cold`).
    let names = names.filter(|name| name.contains("_sys_") && !name.contains('.'));
    names.map(str::to_owned).collect()
}

#[test]
#[ignore = "root: asks the kernel"]
fn calls_begin_in_functions_that_programs_can_be_attached_to() {
    let (symbols, functions) = (symbols(), described(&Probe::new()).unwrap());
    let has_x32 =
        symbols.contains("__x64_compat_sys_ioctl") || symbols.contains("__x32_compat_sys_ioctl");
    let mut resolved = 0;
    for abi in [Abi::X86_64, Abi::I386, Abi::X32] {
        for (number, call) in table::entries(abi) {
            let names = entry_points(abi, number);
            let first = names.iter().find(|name| functions.contains(*name));
            if let Some(first) = first {
                assert!(
                    symbols.contains(first),
                    "{abi} {call}: {first} is no symbol"
                );
                resolved += 1;
                continue;
            }
            let found: Vec<_> = names
                .iter()
                .filter(|name| symbols.contains(*name))
                .collect();
            assert!(found.is_empty(), "{abi} {call}: {found:?} is not in BTF");
            let is_known = names.is_empty()
                || GONE.contains(&call)
                || NEWER.contains(&call)
                || (FIRST_AFTER_5_10..512).contains(&number)
                || (abi == Abi::X32 && number >= 512 && !has_x32);
            assert!(is_known, "{abi} {call} begins in none of {names:?}");
        }
    }
    assert!(resolved > 1000, "{resolved}");
}

#[test]
#[ignore = "root: asks the kernel"]
fn functions_of_calls_are_some_calls_entry_points() {
    let entry_points =
        |abi: Abi| table::entries(abi).flat_map(move |call| entry_points(abi, call.0));
    let known: BTreeSet<String> = [Abi::X86_64, Abi::I386, Abi::X32]
        .into_iter()
        .flat_map(entry_points)
        .collect();
    for (prefix, others) in [
        ("__x64_sys_", NOT_64_BIT),
        ("__ia32_sys_", NOT_32_BIT),
        ("__ia32_compat_sys_", NOT_COMPAT),
    ] {
        let others: Vec<&str> = others.split_whitespace().collect();
        let unknown: Vec<String> = symbols()
            .difference(&known)
            .filter(|name| {
                name.strip_prefix(prefix)
                    .is_some_and(|rest| !others.contains(&rest))
            })
            .cloned()
            .collect();
        assert_eq!(unknown, [""; 0]);
        let wrong: Vec<&&str> = others
            .iter()
            .filter(|rest| known.contains(&format!("{prefix}{rest}")))
            .collect();
        assert_eq!(wrong, [&""; 0]);
    }
}
