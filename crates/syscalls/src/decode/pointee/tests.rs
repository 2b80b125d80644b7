//! Tests of what arguments point to, by calls and declared types.

use super::*;
use crate::decode::meanings;

fn shown_of(
    abi: Abi,
    name: &str,
    parameter: &str,
    ctype: &'static str,
    bytes: &[u8],
) -> Option<String> {
    let declared = Pointee::declared(
        abi,
        &Parameter {
            name: parameter.to_owned().into(),
            ctype: ctype.into(),
        },
    );
    let position = crate::fallback::declaration(abi, name)?
        .parameters
        .iter()
        .position(|known| known.name == parameter)?;
    let known = meanings::of_call(abi, name);
    let known = known.iter().find(|known| known.arg == position);
    let pointee = known.map_or(declared, |known| known.pointee(abi, declared));
    let mut out = String::new();
    let text = pointee.put(abi, bytes, false, None, &mut out);
    assert!(text.is_some() || out.is_empty());
    text.map(|()| out)
}

/// That of a type alone.
fn shown(abi: Abi, ctype: &'static str, bytes: &[u8]) -> Option<String> {
    shown_of(abi, "nanosleep", "rqtp", ctype, bytes)
}

#[test]
fn times_are_as_wide_as_they_are_declared() {
    let mut bytes = [0u8; 16];
    (bytes[0], bytes[4], bytes[8]) = (1, 2, 3);
    let wide = format!("{{tv_sec={}, tv_nsec=3}}", (2u64 << 32) + 1);
    let timespec = |abi| shown(abi, "const struct __kernel_timespec *", &bytes);
    assert_eq!(timespec(Abi::X86_64), Some(wide.clone()));
    assert_eq!(timespec(Abi::I386), Some(wide));
    assert_eq!(
        shown(Abi::I386, "struct old_timespec32 *", &bytes).as_deref(),
        Some("{tv_sec=1, tv_nsec=2}")
    );
    let timers = shown(Abi::X86_64, "struct __kernel_itimerspec *", &[0; 32]);
    assert_eq!(
        timers.as_deref(),
        Some("{it_interval={tv_sec=0, tv_nsec=0}, it_value={tv_sec=0, tv_nsec=0}}")
    );
    let timeval = shown(Abi::Arm, "struct __kernel_old_timeval *", &bytes);
    assert_eq!(timeval.as_deref(), Some("{tv_sec=1, tv_usec=2}"));
}

#[test]
fn a_structure_that_ends_early_is_shown_as_far_as_it_goes() {
    let ctype = "struct __kernel_timespec *";
    assert_eq!(
        shown(Abi::X86_64, ctype, &[1, 0, 0, 0, 0, 0, 0, 0, 9]).as_deref(),
        Some("{tv_sec=1, ...}")
    );
    assert_eq!(shown(Abi::X86_64, ctype, &[1, 0, 0]), None);
    assert_eq!(shown(Abi::X86_64, "struct what *", &[0; 64]), None);
    assert_eq!(shown(Abi::X86_64, "struct iovec * *", &[0; 64]), None);
}

#[test]
fn the_highest_byte_comes_first_where_the_abi_has_it_so() {
    let mut bytes = [0u8; 16];
    (bytes[7], bytes[15]) = (1, 2);
    assert_eq!(
        shown(Abi::S390x, "const struct __kernel_timespec *", &bytes).as_deref(),
        Some("{tv_sec=1, tv_nsec=2}")
    );
    assert_eq!(
        shown_of(Abi::S390x, "wait4", "stat_addr", "int *", &[0, 0, 3, 0]).as_deref(),
        Some("[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]")
    );
    assert_eq!(
        shown_of(
            Abi::S390x,
            "pipe2",
            "fildes",
            "int *",
            &[0, 0, 0, 3, 0, 0, 0, 4]
        )
        .as_deref(),
        Some("[3, 4]")
    );
    let mut set = String::new();
    let words = [0, 0, 0, 0, 0, 0, 0, 0b1001, 0x80, 0, 0, 0, 0, 0, 0, 0];
    bits(Abi::S390x, &words, false, 128, &mut set);
    assert_eq!(set, "[0 3 127]");
}

#[test]
fn limits_know_infinity() {
    let mut bytes = [0xff; 16];
    bytes[..8].copy_from_slice(&1024u64.to_le_bytes());
    let expected = "{rlim_cur=1024, rlim_max=RLIM_INFINITY}";
    assert_eq!(
        shown(Abi::X86_64, "struct rlimit64 *", &bytes).as_deref(),
        Some(expected)
    );
    let bytes = [0, 4, 0, 0, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(
        shown(Abi::I386, "struct rlimit *", &bytes).as_deref(),
        Some(expected)
    );
}

#[test]
fn descriptors_and_options_are_numbers() {
    let option = |bytes: &[u8]| shown_of(Abi::X86_64, "setsockopt", "optval", "char *", bytes);
    assert_eq!(option(&[1, 0, 0, 0]).as_deref(), Some("[1]"));
    assert_eq!(option(b"eth0\0"), None);
    let mut set = String::new();
    bits(Abi::X86_64, &[0b1001, 0x80], true, 1024, &mut set);
    assert_eq!(set, "[0 3 15 ...]");
    let mut set = String::new();
    bits(Abi::X86_64, &[0xff; 128], false, 3, &mut set);
    assert_eq!(
        set, "[0 1 2]",
        "beyond the count is nothing that is asked for"
    );
}

#[test]
fn wait_states_read_like_the_macros() {
    let text = |status: i32| {
        let mut out = String::new();
        wait_status(status, &mut out);
        out
    };
    assert_eq!(text(0x0300), "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]");
    assert_eq!(text(9), "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}]");
    assert_eq!(
        text(0x8b),
        "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}]"
    );
    assert_eq!(text(0x137f), "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}]");
    assert_eq!(text(0xffff), "[{WIFCONTINUED(s)}]");
    assert_eq!(text(64), "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGRT_32}]");
    assert_eq!(text(66), "[{WIFSIGNALED(s) && WTERMSIG(s) == 66}]");
}

#[test]
fn extensible_arguments_name_the_fields_that_are_there() {
    let mut how = [0u8; 24];
    (how[2], how[8], how[16]) = (8, 0o44, 4);
    assert_eq!(
        shown(Abi::X86_64, "struct open_how *", &how).as_deref(),
        Some("{flags=O_RDONLY|O_CLOEXEC, mode=044, resolve=RESOLVE_NO_SYMLINKS}")
    );
    let mut args = [0u8; 64];
    (args[1], args[32]) = (0x40, 17);
    let text = shown(Abi::X86_64, "struct clone_args *", &args).unwrap_or_default();
    let start =
        "{flags=CLONE_VFORK, pidfd=NULL, child_tid=NULL, parent_tid=NULL, exit_signal=SIGCHLD, ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with(", tls=NULL, ...}"), "{text}");
}

#[test]
fn entries_of_a_folder_end_where_they_say() {
    let entry = |inode: u8, len: u8, kind: u8, name: &[u8]| {
        let mut bytes = vec![
            inode, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, len, 0, kind,
        ];
        bytes.extend_from_slice(name);
        bytes.resize(usize::from(len).max(19), 0);
        bytes
    };
    let show = |bytes: &[u8], cut| {
        let mut out = String::new();
        let types = Group::find(Abi::X86_64, "entry_type").expect("a group");
        entries(Abi::X86_64, bytes, cut, types, &mut out).map(|()| out)
    };
    let two = [entry(5, 24, 4, b".."), entry(7, 24, 8, b"a\"\xff")].concat();
    assert_eq!(
        show(&two, false).as_deref(),
        Some(
            r#"[{d_ino=5, d_off=1, d_reclen=24, d_type=DT_DIR, d_name=".."}, {d_ino=7, d_off=1, d_reclen=24, d_type=DT_REG, d_name="a\"\xff"}]"#
        )
    );
    let first = show(&two[..24], false).expect("one");
    assert_eq!(show(&two[..30], true), Some(first.replace("}]", "}, ...]")));
    assert_eq!(show(&[], false).as_deref(), Some("[]"));
    // Lies about its length.
    let lie = [entry(5, 0, 99, b""), vec![0; 3]].concat();
    assert!(show(&lie, false).is_some_and(|text| text.contains("d_reclen=0, d_type=99")));
}

#[test]
fn events_are_packed_where_the_abi_packs_them() {
    let text = |abi, bytes: &[u8]| shown(abi, "struct epoll_event *", bytes).unwrap_or_default();
    let packed = [1, 0, 0, 0x80, 7, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        text(Abi::X86_64, &packed),
        "{events=EPOLLIN|EPOLLET, data=0x7}"
    );
    assert_eq!(
        text(Abi::I386, &packed),
        "{events=EPOLLIN|EPOLLET, data=0x7}"
    );
    let padded = [1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(text(Abi::Aarch64, &padded), "{events=EPOLLIN, data=0x7}");
}

#[test]
fn several_structures_are_a_list() {
    let pollfd = Structure::find(Abi::X86_64, "pollfd").expect("a layout");
    let bytes = [3, 0, 0, 0, 1, 0, 1, 0, 4, 0, 0, 0, 5, 0, 0, 0];
    let show = |bytes: &[u8], cut| {
        let mut out = String::new();
        let pointee = Pointee::Structure(pollfd).several();
        pointee
            .put(Abi::X86_64, bytes, cut, None, &mut out)
            .map(|()| out)
    };
    let two = "[{fd=3, events=POLLIN, revents=POLLIN}, {fd=4, events=POLLIN|POLLOUT, revents=0}]";
    assert_eq!(show(&bytes, false).as_deref(), Some(two));
    let one = "[{fd=3, events=POLLIN, revents=POLLIN}, ...]";
    assert_eq!(show(&bytes[..8], true).as_deref(), Some(one));
    assert_eq!(show(&[], true), None);
}
