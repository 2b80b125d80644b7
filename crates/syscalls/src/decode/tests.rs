//! Tests of whole calls by the line they are expected to become. Random calls are in `random.rs`.

mod random;

use serde_json::Value;

use super::*;
use crate::capture::rules;
use crate::{Parameter, fallback};

fn declaration(name: &str, parameters: &[(&str, &str)]) -> Declaration {
    let parameter = |&(ctype, name): &(&str, &str)| Parameter {
        name: name.to_owned().into(),
        ctype: ctype.to_owned().into(),
    };
    Declaration {
        name: name.to_owned().into(),
        parameters: parameters.iter().map(parameter).collect(),
    }
}

fn capture(arg: u8, bytes: &[u8], true_len: u64) -> Capture<'_> {
    Capture {
        arg,
        part: 0,
        bytes,
        true_len: Some(true_len),
        fault: false,
    }
}

fn unreadable(arg: u8) -> Capture<'static> {
    Capture {
        arg,
        part: 0,
        bytes: &[],
        true_len: None,
        fault: true,
    }
}

/// What a call became.
struct Found {
    parameters: String,
    ret: String,
    error: &'static str,
    args: Value,
}

fn found(decoder: &Decoder, call: &Call<'_>) -> Found {
    let mut texts = Texts {
        parameters: "of another call".to_owned(),
        args: "of another call".to_owned(),
        ret: "of another call".to_owned(),
        error: "of another call",
    };
    decoder.decode(call, &mut texts);
    Found {
        parameters: texts.parameters,
        ret: texts.ret,
        error: texts.error,
        args: serde_json::from_str(&texts.args).expect("the arguments are JSON"),
    }
}

/// Decodes a native call with the compiled-in declaration and its rules.
fn decoded(name: &str, args: [u64; 6], ret: i64, captures: &[Capture<'_>]) -> Found {
    decoded_with(name, args, ret, captures, [None; 6])
}

/// The same with what its descriptors refer to.
fn decoded_with(
    name: &str,
    args: [u64; 6],
    ret: i64,
    captures: &[Capture<'_>],
    files: [Option<&str>; 6],
) -> Found {
    let declaration = fallback::declaration(Abi::X86_64, name).expect("the call is declared");
    let rules = rules(name, &declaration.parameters);
    let call = Call {
        args,
        arg_count: 6,
        outcome: Outcome::Returned(ret),
        captures,
        args_known: true,
        files,
    };
    let decoder = Decoder::new(Abi::X86_64, name, Some(declaration), &rules);
    found(&decoder, &call)
}

fn line(name: &str, args: [u64; 6], ret: i64, captures: &[Capture<'_>]) -> String {
    decoded(name, args, ret, captures).parameters
}

/// How long the memory behind an argument is, and whether not all of it is shown.
fn len(arg: &Value) -> (Option<u64>, bool) {
    (arg["len"].as_u64(), arg["truncated"] == true)
}

const AT_FDCWD: u64 = 0xffff_ff9c;

#[test]
fn an_open_reads_like_its_source() {
    let path = capture(1, b"/etc/ld.so.cache\0", 17);
    let decoded = decoded(
        "openat",
        [AT_FDCWD, 0x7ffe_1000, 0x80000, 0, 0, 0],
        -2,
        &[path],
    );
    assert_eq!(
        decoded.parameters,
        r#"dfd=AT_FDCWD, filename="/etc/ld.so.cache", flags=O_RDONLY|O_CLOEXEC, mode=0"#
    );
    assert_eq!(decoded.ret, "-1 ENOENT (No such file or directory)");
    assert_eq!(decoded.error, "ENOENT");
    assert_eq!(
        decoded.args[1]["value"], "0x7ffe1000",
        "pointer and content can both be seen"
    );
    assert_eq!(len(&decoded.args[1]), (Some(16), false));
}

#[test]
fn unreadable_memory_is_marked_outside_quotes() {
    let args = [AT_FDCWD, 0x7ffe_1000, 0, 0, 0, 0];
    let found = decoded("openat", args, -14, &[unreadable(1)]);
    assert_eq!(
        found.parameters,
        "dfd=AT_FDCWD, filename=0x7ffe1000 (unreadable), flags=O_RDONLY, mode=0"
    );
    assert_eq!(found.args[1]["text"], Value::Null);

    let partly = Capture {
        bytes: b"ab",
        true_len: Some(9),
        ..unreadable(1)
    };
    let found = decoded("write", [1, 0x1000, 9, 0, 0, 0], 2, &[partly]);
    assert_eq!(
        found.parameters,
        r#"fd=1, buf="ab"... (unreadable), count=9"#
    );

    let forged = capture(1, b"(unreadable)\0", 13);
    assert!(line("openat", args, 3, &[forged]).contains(r#"filename="(unreadable)""#));
}

#[test]
fn null_pointers_are_null_even_if_the_recorder_reports_a_fault() {
    assert_eq!(
        line("read", [3, 0, 10, 0, 0, 0], -14, &[unreadable(1)]),
        "fd=3, buf=NULL, count=10"
    );
}

#[test]
fn cut_data_is_marked_with_its_real_length() {
    let found = decoded(
        "write",
        [1, 0x1000, 300, 0, 0, 0],
        300,
        &[capture(1, b"\x7fELF\0", 300)],
    );
    assert_eq!(found.parameters, r#"fd=1, buf="\x7fELF\x00"..., count=300"#);
    assert_eq!(len(&found.args[1]), (Some(300), true));

    let cut = Capture {
        true_len: None,
        ..capture(0, b"/very/long", 0)
    };
    let found = decoded("chdir", [0x1000, 0, 0, 0, 0, 0], 0, &[cut]);
    assert_eq!(found.parameters, r#"filename="/very/long"..."#);
    assert_eq!(len(&found.args[0]), (None, true));
}

#[test]
fn a_recorder_that_reports_no_length_leaves_it_to_the_rule() {
    let block = Capture {
        true_len: None,
        ..capture(1, b"hello, rest of the block", 0)
    };
    assert_eq!(
        line("read", [0, 0x1000, 64, 0, 0, 0], 5, &[block]),
        r#"fd=0, buf="hello", count=64"#
    );
    let short = Capture {
        true_len: None,
        ..capture(1, b"hel", 0)
    };
    assert_eq!(
        line("read", [0, 0x1000, 64, 0, 0, 0], 5, &[short]),
        r#"fd=0, buf="hel"..., count=64"#
    );
}

#[test]
fn more_data_of_unknown_length_is_cut_without_a_length() {
    let args = capture(1, b"ls\0-l\0", Capture::MORE);
    let found = decoded("execve", [1, 2, 0, 0, 0, 0], 0, &[args]);
    assert_eq!(found.args[1]["text"], r#"["ls", "-l", ...]"#);
    assert_eq!(len(&found.args[1]), (None, true));
    let vec = capture(1, b"abc", Capture::MORE);
    let found = decoded("writev", [1, 2, 500, 0, 0, 0], 0, &[vec]);
    assert_eq!(found.parameters, r#"fd=1, vec="abc"..., vlen=500"#);
    assert_eq!(len(&found.args[1]), (None, true));
}

#[test]
fn an_empty_read_is_empty_and_a_failed_one_has_only_its_pointer() {
    assert_eq!(
        line("read", [0, 0x1000, 64, 0, 0, 0], 0, &[]),
        r#"fd=0, buf="", count=64"#
    );
    assert_eq!(
        line("read", [0, 0x1000, 64, 0, 0, 0], -11, &[]),
        "fd=0, buf=0x1000, count=64"
    );
    assert_eq!(
        line("write", [1, 0x1000, 0, 0, 0, 0], 0, &[]),
        r#"fd=1, buf="", count=0"#
    );
}

#[test]
fn socket_addresses_are_decoded_wherever_they_are() {
    let inet = [2, 0, 1, 0xbb, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let connect = line(
        "connect",
        [3, 0x1000, 16, 0, 0, 0],
        0,
        &[capture(1, &inet, 16)],
    );
    assert_eq!(connect, "fd=3, uservaddr=1.1.1.1:443, addrlen=16");
    let failed = line("connect", [3, 0x1000, 16, 0, 0, 0], -14, &[unreadable(1)]);
    assert_eq!(failed, "fd=3, uservaddr=0x1000 (unreadable), addrlen=16");
    let accept = line(
        "accept4",
        [3, 0x1000, 0x2000, 0, 0, 0],
        4,
        &[capture(1, b"\x01\0", 2)],
    );
    assert_eq!(
        accept,
        "fd=3, upeer_sockaddr=unix:, upeer_addrlen=0x2000, flags=0"
    );
    let sendto = [capture(1, b"hi", 2), capture(4, &inet, 16)];
    assert_eq!(
        line("sendto", [3, 0x1000, 2, 0, 0x2000, 16], 2, &sendto),
        r#"fd=3, buff="hi", len=2, flags=0, addr=1.1.1.1:443, addr_len=16"#
    );
}

#[test]
fn messages_show_name_and_data() {
    let args = [3, 0x1000, 0, 0, 0, 0];
    let name = Capture {
        part: 1,
        ..capture(1, b"\x01\0/run/log\0", 11)
    };
    let data = capture(1, b"<13>hi", 600);
    let found = decoded("sendmsg", args, 600, &[data, name]);
    assert_eq!(
        found.parameters,
        r#"fd=3, msg={name=unix:/run/log, data="<13>hi"...}, flags=0"#
    );
    assert_eq!(len(&found.args[1]), (Some(600), true));
    assert_eq!(
        line("recvmsg", args, 6, &[data]),
        r#"fd=3, msg={data="<13>hi"...}, flags=0"#
    );
    assert_eq!(
        line("sendmsg", args, -14, &[unreadable(1)]),
        "fd=3, msg=0x1000 (unreadable), flags=0"
    );
    let lost_name = Capture {
        part: 1,
        ..unreadable(1)
    };
    let partly = line("sendmsg", args, -14, &[capture(1, b"x", 1), lost_name]);
    assert_eq!(
        partly,
        r#"fd=3, msg={name=(unreadable), data="x"}, flags=0"#
    );
}

#[test]
fn several_messages_are_a_list() {
    let part = |part: u8, bytes: &'static [u8]| Capture {
        part,
        ..capture(1, bytes, bytes.len() as u64)
    };
    let args = [3, 0x1000, 3, 0, 0, 0];
    let two = [
        part(0, b"one"),
        part(3, b"\x01\0/run/log\0"),
        part(2, b"two"),
    ];
    let found = decoded("sendmmsg", args, 1, &two);
    assert_eq!(
        found.args[1]["text"],
        r#"[{data="one"}, {name=unix:/run/log, data="two"}, ...]"#
    );
    assert_eq!(len(&found.args[1]), (None, true));
    let received = decoded("recvmmsg", args, 2, &two);
    assert_eq!(
        received.args[1]["text"],
        r#"[{data="one"}, {name=unix:/run/log, data="two"}]"#
    );
    assert_eq!(len(&received.args[1]), (None, false));
    let none = line("sendmmsg", [3, 0x1000, 0, 0, 0, 0], 0, &[]);
    assert_eq!(none, "fd=3, mmsg=[], vlen=0, flags=0");
    let lost = line("sendmmsg", args, -14, &[unreadable(1)]);
    assert_eq!(lost, "fd=3, mmsg=0x1000 (unreadable), vlen=3, flags=0");
    let failed = line("recvmmsg", args, -11, &[]);
    assert_eq!(failed, "fd=3, mmsg=0x1000, vlen=3, flags=0, timeout=NULL");
}

#[test]
fn a_message_of_system_v_is_its_type_and_its_text() {
    let args = [1, 0x1000, 300, 0, 0, 0];
    let found = decoded(
        "msgsnd",
        args,
        0,
        &[capture(1, b"\x07\0\0\0\0\0\0\0hi", 308)],
    );
    assert_eq!(found.args[1]["text"], r#"{mtype=7, mtext="hi"...}"#);
    assert_eq!(len(&found.args[1]), (Some(300), true));
    let found = decoded("msgsnd", args, -14, &[capture(1, b"abc", 308)]);
    assert_eq!(
        found.parameters,
        "msqid=1, msgp=0x1000 (unreadable), msgsz=300, msgflg=0"
    );
}

#[test]
fn vectors_are_joined_and_argument_lists_are_lists() {
    let vec = capture(1, b"one two", 7);
    assert_eq!(
        line("writev", [1, 0x1000, 2, 0, 0, 0], 7, &[vec]),
        r#"fd=1, vec="one two", vlen=2"#
    );
    let path = capture(0, b"/bin/ls\0", 8);
    let cases: [(&[u8], u64, &str); 4] = [
        (b"ls\0-l\0\0", 7, r#"["ls", "-l", ""]"#),
        (b"", 0, "[]"),
        (b"ls\0-", 900, r#"["ls", "-"...]"#),
        (b"ls\0", 900, r#"["ls", ...]"#),
    ];
    for (bytes, length, expected) in cases {
        assert_eq!(
            line(
                "execve",
                [1, 2, 3, 0, 0, 0],
                0,
                &[path, capture(1, bytes, length)]
            ),
            format!(r#"filename="/bin/ls", argv={expected}, envp=0x3"#)
        );
    }
}

#[test]
fn structures_replace_their_pointers() {
    let fds = [3, 0, 0, 0, 4, 0, 0, 0];
    assert_eq!(
        line("pipe2", [0x1000, 0, 0, 0, 0, 0], 0, &[capture(0, &fds, 8)]),
        "fildes=[3, 4], flags=0"
    );
    let exited = line(
        "wait4",
        [u64::MAX, 0x1000, 0, 0, 0, 0],
        7,
        &[capture(1, &[0, 1, 0, 0], 4)],
    );
    assert_eq!(
        exited,
        "upid=-1, stat_addr=[{WIFEXITED(s) && WEXITSTATUS(s) == 1}], options=0, ru=NULL"
    );
    let nobody = line(
        "wait4",
        [u64::MAX, 0x1000, 1, 0, 0, 0],
        0,
        &[capture(1, &[0, 1, 0, 0], 4)],
    );
    assert_eq!(
        nobody,
        "upid=-1, stat_addr=0x1000, options=WNOHANG, ru=NULL"
    );
}

#[test]
fn a_mapping_is_addresses_and_signed_descriptors() {
    let found = decoded(
        "mmap",
        [0, 8192, 3, 0x22, u64::MAX, 0],
        0x7f00_0000_0000,
        &[],
    );
    assert_eq!(
        found.parameters,
        "addr=0x0, len=8192, prot=PROT_READ|PROT_WRITE, flags=MAP_PRIVATE|MAP_ANONYMOUS, fd=-1, off=0"
    );
    assert_eq!(found.ret, "0x7f0000000000");
}

#[test]
fn undeclared_calls_show_their_registers_and_never_fail() {
    let call = Call {
        args: [1, u64::MAX, 0, 4, 5, 6],
        arg_count: 6,
        outcome: Outcome::Returned(-38),
        captures: &[],
        args_known: true,
        files: [None; 6],
    };
    let decoder = Decoder::new(Abi::X86_64, "syscall_270f", None, &[]);
    let known = found(&decoder, &call);
    assert_eq!(
        known.parameters,
        "arg0=0x1, arg1=0xffffffffffffffff, arg2=0x0, arg3=0x4, arg4=0x5, arg5=0x6"
    );
    assert_eq!(known.error, "ENOSYS");
    let unknown = Call {
        args_known: false,
        files: [None; 6],
        ..call
    };
    assert_eq!(found(&decoder, &unknown).parameters, "");
}

#[test]
fn an_unfinished_call_keeps_its_parameters_and_an_unseen_enter_has_question_marks() {
    let read = declaration(
        "read",
        &[
            ("unsigned int", "fd"),
            ("char *", "buf"),
            ("size_t", "count"),
        ],
    );
    let rules = rules("read", &read.parameters);
    let decoder = Decoder::new(Abi::X86_64, "read", Some(&read), &rules);
    let call = Call {
        args: [5, 0x1000, 64, 0, 0, 0],
        arg_count: 6,
        outcome: Outcome::Unfinished,
        captures: &[],
        args_known: true,
        files: [None; 6],
    };
    let unfinished = found(&decoder, &call);
    assert_eq!(
        (unfinished.parameters.as_str(), unfinished.ret.as_str()),
        ("fd=5, buf=0x1000, count=64", "unfinished")
    );
    let unseen = Call {
        args_known: false,
        outcome: Outcome::Returned(3),
        ..call
    };
    assert_eq!(found(&decoder, &unseen).parameters, "fd=?, buf=?, count=?");
    let short = Call {
        arg_count: 1,
        ..call
    };
    assert_eq!(found(&decoder, &short).parameters, "fd=5, buf=?, count=?");
}

#[test]
fn descriptors_have_what_they_refer_to() {
    let of = |name, args, captures: &[Capture<'_>], file| {
        let found = decoded_with(name, args, 0, captures, [Some(file); 6]);
        let first = &found.args[0];
        assert_eq!(first["value"], (args[0] as i32).to_string());
        let text = first["text"].as_str().map(str::to_owned);
        (found.parameters, text)
    };
    let (line, text) = of("read", [3, 1, 3, 0, 0, 0], &[], "/etc/passwd");
    assert_eq!(line, "fd=3</etc/passwd>, buf=\"\", count=3");
    assert_eq!(text.as_deref(), Some("3</etc/passwd>"));
    // Nothing that ends it or turns the text.
    let (line, _) = of("close", [3, 0, 0, 0, 0, 0], &[], "/a>, b=1\n\u{202e}");
    assert_eq!(line, r"fd=3</a\x3e, b=1\n\u202e>");
    // The current folder matters to relative paths.
    let relative = [capture(1, b"x\0", 2)];
    let (line, _) = of("openat", [AT_FDCWD, 1, 0, 0, 0, 0], &relative, "/srv");
    assert!(
        line.starts_with(r#"dfd=AT_FDCWD</srv>, filename="x""#),
        "{line}"
    );
    let absolute = [capture(1, b"/x\0", 3)];
    let (line, _) = of("openat", [AT_FDCWD, 1, 0, 0, 0, 0], &absolute, "/srv");
    assert!(line.starts_with(r#"dfd=AT_FDCWD, filename="/x""#), "{line}");
}

#[test]
fn a_parameter_cannot_be_forged_by_a_path() {
    let path = capture(1, b"/x\", flags=1\0", 13);
    assert!(
        line("openat", [3, 1, 0, 0, 0, 0], 3, &[path])
            .contains(r#"filename="/x\", flags=1", flags=O_RDONLY"#)
    );
    let path = capture(1, b"\x01\0/x, addrlen=9", 15);
    assert!(
        line("bind", [3, 1, 15, 0, 0, 0], 0, &[path])
            .contains(r"=unix:/x\x2c\x20addrlen=9, addrlen=15")
    );
}

/// The texts of arguments that are numbers, in a call that has nothing else.
fn texts(abi: Abi, name: &str, args: [u64; 6]) -> String {
    let declaration = fallback::declaration(abi, name).expect("the call is declared");
    let call = Call {
        args,
        arg_count: 6,
        outcome: Outcome::Returned(0),
        captures: &[],
        args_known: true,
        files: [None; 6],
    };
    let decoder = Decoder::new(abi, name, Some(declaration), &[]);
    found(&decoder, &call).parameters
}

#[test]
fn numbers_are_named_by_what_they_are_for() {
    let cases: [(&str, [u64; 6], &str); 19] = [
        (
            "socket",
            [2, 0x80001, 6, 0, 0, 0],
            "family=AF_INET, type=SOCK_STREAM|SOCK_CLOEXEC, protocol=IPPROTO_TCP",
        ),
        (
            "socket",
            [16, 3, 0, 0, 0, 0],
            "family=AF_NETLINK, type=SOCK_RAW, protocol=NETLINK_ROUTE",
        ),
        (
            "socket",
            [1, 1, 7, 0, 0, 0],
            "family=AF_UNIX, type=SOCK_STREAM, protocol=7",
        ),
        (
            "fcntl",
            [3, 2, 1, 0, 0, 0],
            "fd=3, cmd=F_SETFD, arg=FD_CLOEXEC",
        ),
        (
            "fcntl",
            [3, 4, 0x802, 0, 0, 0],
            "fd=3, cmd=F_SETFL, arg=O_RDWR|O_NONBLOCK",
        ),
        (
            "fcntl",
            [3, 1030, 10, 0, 0, 0],
            "fd=3, cmd=F_DUPFD_CLOEXEC, arg=10",
        ),
        (
            "fcntl",
            [3, 6, 0x7ffe_1000, 0, 0, 0],
            "fd=3, cmd=F_SETLK, arg=0x7ffe1000",
        ),
        (
            "ioctl",
            [1, 0x5413, 0x10, 0, 0, 0],
            "fd=1, cmd=TIOCGWINSZ, arg=0x10",
        ),
        (
            "ioctl",
            [1, 0x8004_5401, 0, 0, 0, 0],
            "fd=1, cmd=_IOC(_IOC_READ, 0x54, 0x1, 0x4), arg=0x0",
        ),
        ("kill", [u64::MAX, 33, 0, 0, 0, 0], "pid=-1, sig=SIGRT_1"),
        ("tgkill", [7, 8, 0, 0, 0, 0], "tgid=7, pid=8, sig=0"),
        (
            "mknod",
            [0, 0o20666, 0x103, 0, 0, 0],
            "filename=NULL, mode=S_IFCHR|0666, dev=makedev(0x1, 0x3)",
        ),
        (
            "shmget",
            [0, 4096, 0o1600, 0, 0, 0],
            "key=IPC_PRIVATE, size=4096, shmflg=IPC_CREAT|0600",
        ),
        (
            "prctl",
            [22, 2, 0, 0, 0, 0],
            "option=PR_SET_SECCOMP, arg2=SECCOMP_MODE_FILTER, arg3=0x0, arg4=0x0, arg5=0x0",
        ),
        (
            "setresuid",
            [u64::MAX, 1000, 0xffff_ffff, 0, 0, 0],
            "ruid=-1, euid=1000, suid=-1",
        ),
        (
            "keyctl",
            [11, u64::MAX - 2, 0, 0, 0, 0],
            "option=KEYCTL_READ, arg2=KEY_SPEC_SESSION_KEYRING, arg3=0x0, arg4=0x0, arg5=0x0",
        ),
        ("access", [0, 0, 0, 0, 0, 0], "filename=NULL, mode=F_OK"),
        (
            "futex",
            [1, 393, 2, 0, 0, 0xffff_ffff],
            "uaddr=0x1, op=FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, val=2, utime=NULL, uaddr2=NULL, \
             val3=FUTEX_BITSET_MATCH_ANY",
        ),
        (
            "keyctl",
            [11, u64::MAX - 2, 0, 0, 0, 0],
            "option=KEYCTL_READ, arg2=KEY_SPEC_SESSION_KEYRING, arg3=0x0, arg4=0x0, arg5=0x0",
        ),
    ];
    for (name, args, expected) in cases {
        assert_eq!(texts(Abi::X86_64, name, args), expected);
    }
    let clone = texts(Abi::X86_64, "clone", [0x0120_0011, 0, 0, 0, 0, 0]);
    assert!(
        clone.starts_with("clone_flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, "),
        "{clone}"
    );
}

#[test]
fn a_name_is_that_of_the_abi() {
    let open = |abi| texts(abi, "openat", [AT_FDCWD, 0, 0x10000, 0, 0, 0]);
    assert!(open(Abi::X86_64).contains("flags=O_RDONLY|O_DIRECTORY"));
    assert!(open(Abi::Aarch64).contains("flags=O_RDONLY|O_DIRECT,"));
    // IBM Z has the stack in front of the flags.
    let clone = texts(Abi::S390x, "clone", [0x100, 0x111, 0, 0, 0, 0]);
    assert!(
        clone.starts_with("newsp=0x100, clone_flags=CLONE_VM|SIGCHLD, "),
        "{clone}"
    );
}

#[test]
fn what_was_copied_last_of_an_argument_counts() {
    let before = [3, 0, 0, 0, 1, 0, 0, 0];
    let after = [3, 0, 0, 0, 1, 0, 16, 0];
    let args = [0x1000, 1, 0, 0, 0, 0];
    let polled = [capture(0, &before, 8), capture(0, &after, 8)];
    assert_eq!(
        line("poll", args, 1, &polled),
        "ufds=[{fd=3, events=POLLIN, revents=POLLHUP}], nfds=1, timeout_msecs=0"
    );
    assert_eq!(
        line("poll", args, -4, &polled[..1]),
        "ufds=[{fd=3, events=POLLIN, revents=0}], nfds=1, timeout_msecs=0"
    );
    let room = [
        capture(2, &[128, 0, 0, 0], 4),
        capture(2, &[16, 0, 0, 0], 4),
    ];
    assert!(
        line("getsockname", [3, 1, 2, 0, 0, 0], 0, &room).ends_with("usockaddr_len=[128 => 16]")
    );
    let room = [room[1], room[1]];
    assert!(line("getsockname", [3, 1, 2, 0, 0, 0], 0, &room).ends_with("usockaddr_len=[16]"));
}

#[test]
fn a_list_of_nothing_is_empty_and_a_long_one_is_cut() {
    let args = [3, 0x1000, 10, 100, 0, 0];
    assert_eq!(
        line("epoll_wait", args, 0, &[]),
        "epfd=3, events=[], maxevents=10, timeout=100"
    );
    let event = [1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
    let found = decoded("epoll_wait", args, 2, &[capture(1, &event, 24)]);
    assert_eq!(found.args[1]["text"], "[{events=EPOLLIN, data=0x7}, ...]");
    assert_eq!(len(&found.args[1]), (Some(24), true));
    let found = decoded("epoll_wait", args, 1, &[capture(1, &event, 12)]);
    assert_eq!(found.args[1]["text"], "[{events=EPOLLIN, data=0x7}]");
}
