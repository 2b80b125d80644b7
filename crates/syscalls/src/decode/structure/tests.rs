//! Tests of layouts: each is read, and is what a C compiler makes of the kernel's headers.

use std::fmt::Write;
use std::process::Command;

use super::*;

#[test]
fn every_line_is_a_layout() {
    for (name, lines) in texts() {
        for line in lines {
            let abis: Vec<Abi> = match line.abis {
                "" => Abi::ALL.to_vec(),
                abis => abis
                    .split(',')
                    .map(|abi| abi.parse().expect("an ABI"))
                    .collect(),
            };
            for abi in abis {
                let structure = Structure::read(abi, line);
                let structure = structure.unwrap_or_else(|| panic!("{abi}: {name} {line:?}"));
                let mut out = String::new();
                assert!(
                    structure.put(abi, &[0xff; 1024], &mut out).is_some(),
                    "{name}"
                );
                for len in 0..structure.bytes {
                    let mut out = String::new();
                    let is_there = structure.put(abi, &[0; 1024][..len], &mut out).is_some();
                    assert_eq!(is_there, !out.is_empty(), "{name}");
                }
            }
        }
    }
}

/// Where C headers define a structure, if not under its own name.
const DEFINED: &[(&str, &str, &str)] = &[
    ("stat", "asm/stat.h", "struct stat"),
    ("stat64", "asm/stat.h", "struct stat64"),
    ("statx", "linux/stat.h", "struct statx"),
    ("statx_timestamp", "linux/stat.h", "struct statx_timestamp"),
    ("statfs", "asm/statfs.h", "struct statfs"),
    ("flock", "asm/fcntl.h", "struct flock"),
    ("flock64", "asm/fcntl.h", "struct flock64"),
    ("open_how", "linux/openat2.h", "struct open_how"),
    ("timespec", "linux/time_types.h", "struct __kernel_timespec"),
    (
        "itimerspec",
        "linux/time_types.h",
        "struct __kernel_itimerspec",
    ),
    (
        "old_timeval",
        "linux/time_types.h",
        "struct __kernel_old_timeval",
    ),
    (
        "old_itimerval",
        "linux/time_types.h",
        "struct __kernel_old_itimerval",
    ),
    ("timezone", "linux/time.h", "struct timezone"),
    ("tms", "linux/times.h", "struct tms"),
    ("rlimit", "linux/resource.h", "struct rlimit"),
    ("rlimit64", "linux/resource.h", "struct rlimit64"),
    ("rusage", "linux/resource.h", "struct rusage"),
    ("clone_args", "linux/sched.h", "struct clone_args"),
    ("new_utsname", "linux/utsname.h", "struct new_utsname"),
    ("sysinfo", "linux/sysinfo.h", "struct sysinfo"),
    ("stack_t", "asm/signal.h", "stack_t"),
    ("siginfo", "asm/siginfo.h", "siginfo_t"),
    ("siginfo_t", "asm/siginfo.h", "siginfo_t"),
    ("pollfd", "asm/poll.h", "struct pollfd"),
    ("epoll_event", "linux/eventpoll.h", "struct epoll_event"),
    ("sembuf", "linux/sem.h", "struct sembuf"),
    (
        "io_uring_params",
        "linux/io_uring.h",
        "struct io_uring_params",
    ),
    ("mq_attr", "linux/mqueue.h", "struct mq_attr"),
];

/// The kernel keeps some to itself, or gives their fields names that programs do not use: `old_timespec32`,
/// `sched_param`; `sigaction`, whose header for programs is not what the call takes; `sigevent`, a union.
const NOT_DEFINED: &[&str] = &[
    "old_timespec32",
    "old_itimerspec32",
    "sched_param",
    "sigaction",
    "sigevent",
    "sigset_t",
];

const TARGETS: &[(Abi, &str, &[&str])] = &[
    (
        Abi::X86_64,
        "x86_64-linux-gnu",
        &["/usr/include/x86_64-linux-gnu", "/usr/include"],
    ),
    (
        Abi::I386,
        "i686-linux-gnu",
        &["/usr/include/x86_64-linux-gnu", "/usr/include"],
    ),
    (
        Abi::Aarch64,
        "aarch64-linux-gnu",
        &["/usr/aarch64-linux-gnu/include"],
    ),
    (
        Abi::Arm,
        "arm-linux-gnueabihf",
        &["/usr/arm-linux-gnueabihf/include"],
    ),
    (
        Abi::Riscv64,
        "riscv64-linux-gnu",
        &["/usr/riscv64-linux-gnu/include"],
    ),
    (
        Abi::Ppc64le,
        "powerpc64le-linux-gnu",
        &["/usr/powerpc64le-linux-gnu/include"],
    ),
    (
        Abi::S390x,
        "s390x-linux-gnu",
        &["/usr/s390x-linux-gnu/include"],
    ),
];

#[test]
#[ignore = "packages: needs kernel headers of other architectures"]
fn layouts_are_those_of_the_headers() {
    let mut compared = 0;
    for (abi, target, folders) in TARGETS {
        for (name, header, ctype) in DEFINED {
            let Some(structure) = Structure::find(*abi, name) else {
                continue;
            };
            let mut program = format!(
                "#include <linux/types.h>\n#include <linux/posix_types.h>\n#include <{header}>\n"
            );
            for field in &structure.fields {
                let label = field.label.trim_end_matches('=');
                writeln!(
                    program,
                    "_Static_assert(__builtin_offsetof({ctype}, {label}) == {}, \"{abi} {name}.{label}\");",
                    field.offset
                )
                .expect("writing to a `String` never fails");
                compared += 1;
            }
            // Of the larger ones only the beginning is shown.
            writeln!(
                program,
                "_Static_assert(sizeof({ctype}) >= {}, \"{abi} {name}\");",
                structure.bytes
            )
            .expect("writing to a `String` never fails");
            assert_compiles(target, folders, &program);
        }
    }
    assert!(compared > 700, "only {compared} fields were compared");
}

#[test]
fn every_layout_is_compared_or_listed() {
    for name in texts().keys() {
        let is_defined = DEFINED.iter().any(|(defined, ..)| defined == name);
        assert!(is_defined != NOT_DEFINED.contains(name), "{name}");
    }
}

#[track_caller]
fn assert_compiles(target: &str, folders: &[&str], program: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("layout.c");
    std::fs::write(&path, program).expect("a file");
    let compiler = std::env::var("CLANG")
        .ok()
        .filter(|named| !named.is_empty());
    let output = Command::new(compiler.unwrap_or_else(|| "clang-19".to_owned()))
        .arg(format!("--target={target}"))
        .args(["-fsyntax-only", "-w", "-nostdinc"])
        .args(folders.iter().flat_map(|folder| ["-isystem", folder]))
        .arg(&path)
        .output()
        .expect("the compiler is installed by `cargo xtask setup`");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
