//! Programs of other ABIs, and numbers that no table has. What they do is also seen by strace in the tests of `oracle`; here it
//! is compared with what the programs are written to do.

use crate::fixture::{Fixture, Link};
use crate::recording::turn;
use crate::shown::Call;

/// Numbers that `testing/fixtures/everyabi.c` tries in all ABIs: the last with a bit in the recorder's selection, the first
/// without, and higher ones.
const NUMBERS: [u32; 5] = [575, 576, 1000, 100_000, 0x3fff_ffff];

/// ABI, name and result.
fn shape(call: &Call) -> (&str, &str, &str) {
    let result = if call.error.is_empty() {
        &call.ret
    } else {
        &call.error
    };
    (&call.abi, &call.syscall, result)
}

/// Whether the kernel has x32 decides what its call comes to.
#[track_caller]
fn assert_openat(call: &Call, abi: &str) {
    let text = format!("\"/through {abi}\"");
    assert_eq!(call.args[1].text.as_ref(), Some(&text));
    let (own_abi, name, result) = shape(call);
    assert_eq!((own_abi, name), (abi, "openat"));
    assert!(
        result == "ENOENT" || abi == "x32" && result == "ENOSYS",
        "{call:?}"
    );
    assert_eq!(
        (&*call.args[0].value, &*call.args[2].value),
        ("-100", "0"),
        "{call:?}"
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_name_selects_a_call_in_every_abi_and_a_prefix_in_one() {
    let turn = turn();
    let fixture = Fixture::compile("everyabi", Link::Bare);
    let all = ["x86_64", "i386", "x32"];
    let one = all.map(|abi| (format!("{abi}:openat"), vec![abi]));
    let cases = [("openat".to_owned(), all.to_vec())].into_iter().chain(one);
    for (filter, abis) in cases {
        let flags = ["--syscall-filters", &filter];
        let shown = turn.record_fixture(&flags, &fixture, 3);
        let history = shown.only();
        let calls: Vec<&Call> = history.calls().collect();
        assert_eq!(calls.len(), abis.len(), "`{filter}`: {calls:?}");
        for (call, abi) in calls.into_iter().zip(abis) {
            assert_openat(call, abi);
        }
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_program_of_all_abis_is_recorded_call_by_call() {
    let turn = turn();
    let fixture = Fixture::compile("everyabi", Link::Bare);
    let shown = turn.record_fixture(&[], &fixture, 3);
    let history = shown.only();
    let calls: Vec<&Call> = history.calls().collect();
    assert_eq!(calls.len(), 1 + 3 + 3 * NUMBERS.len() + 4);
    assert_eq!(shape(calls[0]), ("x86_64", "execve", "0"));
    for (call, abi) in calls[1..4].iter().zip(["x86_64", "i386", "x32"]) {
        assert_openat(call, abi);
    }
    let unknown = &calls[4..4 + 3 * NUMBERS.len()];
    for (round, (calls, number)) in unknown.chunks(3).zip(NUMBERS).enumerate() {
        for (call, abi) in calls.iter().zip(["x86_64", "i386", "x32"]) {
            assert_eq!(
                shape(call),
                (abi, &*format!("syscall_{number:x}"), "ENOSYS")
            );
            let values: Vec<&str> = call.args.iter().map(|arg| &*arg.value).collect();
            assert_eq!(values[..4], [&*format!("{round:#x}"), "0x2", "0x3", "0x4"]);
        }
    }
    let last: Vec<_> = calls[calls.len() - 4..]
        .iter()
        .map(|call| shape(call))
        .collect();
    let expected = [
        ("x86_64", "syscall_ffffffff", "ENOSYS"),
        ("i386", "syscall_ffffffff", "ENOSYS"),
        ("i386", "mmap2", "0x90000000"),
        ("i386", "exit", "X"),
    ];
    assert_eq!(last, expected);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn numbers_that_no_table_has_are_selected_one_by_one() {
    let turn = turn();
    let fixture = Fixture::compile("everyabi", Link::Bare);
    for number in NUMBERS.into_iter().chain([u32::MAX]) {
        for abi in ["", "x86_64:", "i386:", "x32:"] {
            // There is no such number of x32, whose bit is part of it.
            if number == u32::MAX && abi == "x32:" {
                continue;
            }
            let filter = format!("{abi}{number}");
            let flags = ["--syscall-filters", &filter];
            let shown = turn.record_fixture(&flags, &fixture, 3);
            let history = shown.only();
            let shapes: Vec<_> = history.calls().map(shape).collect();
            let abi = if abi.is_empty() {
                "x86_64"
            } else {
                &abi[..abi.len() - 1]
            };
            let name = format!("syscall_{number:x}");
            assert_eq!(shapes, [(abi, &*name, "ENOSYS")], "`{filter}`");
        }
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn a_program_of_32_bits() {
    let turn = turn();
    let fixture = Fixture::compile("narrow", Link::BareNarrow);
    let shown = turn.record_fixture(&[], &fixture, 7);
    let history = shown.only();
    let calls: Vec<&Call> = history.calls().collect();
    let shapes: Vec<_> = calls.iter().map(|call| shape(call)).collect();
    let socket = calls[3].ret.as_str();
    let expected = [
        ("x86_64", "execve", "0"),
        ("i386", "write", "EBADF"),
        ("i386", "openat", "ENOENT"),
        ("i386", "socket", socket),
        ("i386", "connect", "ENOENT"),
        ("i386", "connect", "ENOENT"),
        ("i386", "lseek", "EBADF"),
        ("i386", "exit", "X"),
    ];
    assert_eq!(shapes, expected);
    let parameters: Vec<&str> = calls[1..].iter().map(|call| &*call.parameters).collect();
    let connect = format!("fd={socket}<socket>, uservaddr=unix:/none, addrlen=22");
    assert_eq!(parameters[0], "fd=-1, buf=\"narrow\", count=6");
    assert!(parameters[1].starts_with("dfd=AT_FDCWD, filename=\"/openat\", flags=O_RDONLY"));
    assert_eq!(
        parameters[2],
        "family=AF_UNIX, type=SOCK_STREAM, protocol=0"
    );
    assert_eq!(parameters[3..5], [&*connect; 2]);
    assert_eq!(
        parameters[5..],
        ["fd=-1, offset=-2, whence=SEEK_SET", "error_code=7"]
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn calls_of_a_32_bit_program_are_selected_by_name() {
    let turn = turn();
    let fixture = Fixture::compile("narrow", Link::BareNarrow);
    for (filter, names) in [
        ("connect", &["connect"; 2][..]),
        ("i386:connect", &["connect"; 2]),
        ("i386:socketcall", &["socket", "connect"]),
        ("socket", &["socket"]),
        ("openat", &["openat"]),
        ("i386:write,lseek", &["write", "lseek"]),
        ("x86_64:write,x86_64:connect,i386:exit", &["exit"]),
        // In the other ABI these are write and exit.
        ("4,1,i386:exit", &["exit"]),
    ] {
        let flags = ["--syscall-filters", filter];
        let shown = turn.record_fixture(&flags, &fixture, 7);
        let history = shown.only();
        let recorded: Vec<&str> = history.calls().map(|call| &*call.syscall).collect();
        assert_eq!(recorded, names, "`{filter}`");
    }
}

/// Its arguments are known only when it is over, and so is whether it is selected.
#[test]
#[ignore = "root: loads eBPF programs"]
fn a_socketcall_whose_arguments_nobody_has_touched_is_what_it_does() {
    let turn = turn();
    let fixture = Fixture::compile("untouched32", Link::BareNarrow);
    for filter in ["socket", "i386:socket", "i386:socketcall", ""] {
        let flags = ["--syscall-filters", filter];
        let shown = turn.record_fixture(&flags, &fixture, 0);
        let history = shown.only();
        let sockets: Vec<&str> = history
            .named("socket")
            .map(|call| &*call.parameters)
            .collect();
        let expected = "family=AF_UNIX, type=SOCK_DGRAM, protocol=0";
        assert_eq!(sockets, [expected], "`{filter}`");
    }
}
