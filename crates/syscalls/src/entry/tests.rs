use super::*;

/// The tables and their ABIs.
const TABLES: [(Abi, &[Row]); 5] = [
    (Abi::X86_64, &X86_64),
    (Abi::I386, &I386),
    (Abi::X32, &X32),
    (Abi::Aarch64, &ARM64),
    (Abi::Arm, &ARM),
];

#[track_caller]
fn assert_functions(abi: Abi, call: &str, functions: &[&str]) {
    let number = table::number(abi, call).unwrap();
    assert_eq!(entry_points(abi, number), functions, "{abi} {call}");
}

#[test]
fn x86_64_calls_have_functions() {
    for (call, function) in [
        ("read", "__x64_sys_read"),
        ("openat", "__x64_sys_openat"),
        ("lstat", "__x64_sys_newlstat"),
        ("newfstatat", "__x64_sys_newfstatat"),
        ("sendfile", "__x64_sys_sendfile64"),
        ("uname", "__x64_sys_newuname"),
        ("umount2", "__x64_sys_umount"),
        ("fadvise64", "__x64_sys_fadvise64"),
    ] {
        assert_functions(Abi::X86_64, call, &[function]);
    }
    let names = ["__x64_sys_rt_sigreturn", "__do_sys_rt_sigreturn"];
    assert_functions(Abi::X86_64, "rt_sigreturn", &names);
}

#[test]
fn x32_shares_the_functions_whose_structures_are_the_same() {
    assert_functions(Abi::X32, "read", &["__x64_sys_read"]);
    assert_functions(Abi::X32, "readv", &["__x64_sys_readv"]);
    let names = ["__x64_compat_sys_execve", "__x32_compat_sys_execve"];
    assert_functions(Abi::X32, "execve", &names);
    let names = ["__x64_compat_sys_preadv64v2", "__x32_compat_sys_preadv64v2"];
    assert_functions(Abi::X32, "preadv2", &names);
    let names = [
        "__x64_compat_sys_move_pages",
        "__x32_compat_sys_move_pages",
        "__x64_sys_move_pages",
    ];
    assert_functions(Abi::X32, "move_pages", &names);
    let names = [
        "__x64_compat_sys_x32_rt_sigreturn",
        "__x32_compat_sys_x32_rt_sigreturn",
        "__do_compat_sys_x32_rt_sigreturn",
    ];
    assert_functions(Abi::X32, "rt_sigreturn", &names);
}

#[test]
fn i386_calls_have_functions_of_their_own() {
    for (call, function) in [
        ("read", "__ia32_sys_read"),
        ("openat", "__ia32_compat_sys_openat"),
        ("mmap", "__ia32_compat_sys_ia32_mmap"),
        ("mmap2", "__ia32_sys_mmap_pgoff"),
        ("umount", "__ia32_sys_oldumount"),
        ("umount2", "__ia32_sys_umount"),
        ("chown", "__ia32_sys_chown16"),
        ("chown32", "__ia32_sys_chown"),
        ("futex", "__ia32_sys_futex_time32"),
        ("futex_time64", "__ia32_sys_futex"),
        ("fcntl", "__ia32_compat_sys_fcntl64"),
        ("select", "__ia32_compat_sys_old_select"),
        ("_newselect", "__ia32_compat_sys_select"),
        ("readahead", "__ia32_sys_ia32_readahead"),
        ("socketcall", "__ia32_compat_sys_socketcall"),
    ] {
        assert_functions(Abi::I386, call, &[function]);
    }
    let names = ["__ia32_sys_getuid16", "__do_sys_getuid16"];
    assert_functions(Abi::I386, "getuid", &names);
    let names = ["__ia32_compat_sys_sigreturn", "__do_compat_sys_sigreturn"];
    assert_functions(Abi::I386, "sigreturn", &names);
    let names = ["__ia32_compat_sys_arch_prctl", "__ia32_sys_arch_prctl"];
    assert_functions(Abi::I386, "arch_prctl", &names);
}

#[test]
fn arm_calls_have_functions() {
    for (call, function) in [
        ("fcntl", "__arm64_sys_fcntl"),
        ("statfs", "__arm64_sys_statfs"),
        ("fstat", "__arm64_sys_newfstat"),
        ("newfstatat", "__arm64_sys_newfstatat"),
        ("fadvise64", "__arm64_sys_fadvise64_64"),
        ("sendfile", "__arm64_sys_sendfile64"),
        ("uname", "__arm64_sys_newuname"),
        ("personality", "__arm64_sys_arm64_personality"),
        ("mmap", "__arm64_sys_mmap"),
        ("rt_sigreturn", "__arm64_sys_rt_sigreturn"),
        ("getpid", "__arm64_sys_getpid"),
    ] {
        assert_functions(Abi::Aarch64, call, &[function]);
    }
    for (call, function) in [
        ("read", "__arm64_sys_read"),
        ("openat", "__arm64_compat_sys_openat"),
        ("fcntl", "__arm64_compat_sys_fcntl"),
        ("mmap2", "__arm64_compat_sys_aarch32_mmap2"),
        ("personality", "__arm64_sys_personality"),
        ("sigreturn", "__arm64_compat_sys_sigreturn"),
    ] {
        assert_functions(Abi::Arm, call, &[function]);
    }
}

#[test]
fn what_is_not_implemented_has_no_function() {
    for (abi, call) in [
        (Abi::X86_64, "set_thread_area"),
        (Abi::X86_64, "uselib"),
        (Abi::I386, "vm86"),
        (Abi::Aarch64, "nfsservctl"),
        (Abi::Arm, "cacheflush"),
        (Abi::Riscv64, "read"),
    ] {
        assert_functions(abi, call, &[]);
    }
    assert!(entry_points(Abi::X86_64, 400).is_empty());
    assert!(entry_points(Abi::X86_64, u32::MAX).is_empty());
}

/// Guests rely on it.
#[test]
fn names_have_64_bytes_at_most() {
    for abi in Abi::ALL {
        let names = table::entries(abi).flat_map(|call| entry_points(abi, call.0));
        assert!(names.map(|name| name.len()).max() <= Some(64), "{abi}");
    }
}

#[test]
fn rows_are_sorted_and_needed() {
    for (abi, rows) in TABLES {
        assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "{abi}");
        for (call, symbols) in rows {
            assert!(table::number(abi, call).is_some(), "{abi} {call}");
            assert_ne!(symbols, &[format!("sys_{call}")], "{abi} {call}");
        }
    }
}
