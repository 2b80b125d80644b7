//! Tests of the rules, call by call.

use super::*;

const PID: u32 = 7;

/// A call that was seen whole.
fn call<'a>(args: &[u64], returned: i64, captures: &'a [Capture<'a>]) -> Call<'a> {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    Call {
        args: all,
        arg_count: 6,
        outcome: Outcome::Returned(returned),
        captures,
        args_known: true,
    }
}

fn copied(arg: u8, bytes: &[u8]) -> Capture<'_> {
    Capture {
        arg,
        part: 0,
        bytes,
        true_len: Some(bytes.len() as u64),
        fault: false,
    }
}

#[track_caller]
fn follow(
    descriptors: &mut Descriptors,
    name: &str,
    args: &[u64],
    returned: i64,
    captures: &[Capture<'_>],
) {
    let effect = Effect::of(Abi::X86_64, name).expect("it does something");
    descriptors.follow(
        Abi::X86_64,
        PID,
        Some(8),
        effect,
        &call(args, returned, captures),
    );
}

const CWD: u64 = 0xffff_ff9c;

#[track_caller]
fn open(descriptors: &mut Descriptors, path: &str, flags: u64, fd: i64) {
    follow(
        descriptors,
        "openat",
        &[CWD, 1, flags],
        fd,
        &[copied(1, path.as_bytes())],
    );
}

#[test]
fn what_is_opened_is_known_until_it_is_closed() {
    let mut known = Descriptors::default();
    assert_eq!(known.target(PID, 3), None);
    open(&mut known, "/etc/passwd", 0, 3);
    open(&mut known, "/none", 0, -2);
    assert_eq!(known.target(PID, 3), Some("/etc/passwd"));
    assert_eq!(known.target(8, 3), None, "of another process");
    follow(&mut known, "close", &[4], 0, &[]);
    follow(&mut known, "close", &[3], -9, &[]);
    assert_eq!(known.target(PID, 3), Some("/etc/passwd"));
    follow(&mut known, "close", &[3], 0, &[]);
    assert_eq!(known.target(PID, 3), None);
}

#[test]
fn paths_begin_where_the_call_says() {
    let mut known = Descriptors::default();
    open(&mut known, "notes", 0, 3);
    assert_eq!(known.target(PID, 3), Some("notes"), "as the call says");
    open(&mut known, "/srv/", 0, 4);
    let inside = |known: &mut Descriptors, folder, fd| {
        follow(known, "openat", &[folder, 1, 0], fd, &[copied(1, b"a/b")]);
    };
    inside(&mut known, 4, 5);
    assert_eq!(known.target(PID, 5), Some("/srv/a/b"));
    inside(&mut known, 99, 5);
    assert_eq!(known.target(PID, 5), None, "of a folder that nobody knows");
    follow(&mut known, "fchdir", &[4], 0, &[]);
    inside(&mut known, CWD, 6);
    assert_eq!(known.target(PID, 6), Some("/srv/a/b"));
    follow(&mut known, "chdir", &[1], 0, &[copied(0, b"x")]);
    inside(&mut known, CWD, 7);
    assert_eq!(known.target(PID, 7), Some("/srv/x/a/b"));
}

#[test]
fn a_path_that_was_not_copied_whole_is_not_known() {
    let mut known = Descriptors::default();
    open(&mut known, "/old", 0, 3);
    let cut = Capture {
        true_len: Some(500),
        ..copied(1, b"/very/long")
    };
    follow(&mut known, "openat", &[CWD, 1, 0], 3, &[cut]);
    assert_eq!(
        known.target(PID, 3),
        None,
        "neither the new one nor the old one"
    );
    open(&mut known, "/old", 0, 3);
    follow(&mut known, "openat", &[CWD, 1, 0], 3, &[]);
    assert_eq!(known.target(PID, 3), None);
}

#[test]
fn duplicates_refer_to_the_same() {
    let mut known = Descriptors::default();
    open(&mut known, "/a", CLOEXEC, 3);
    follow(&mut known, "dup2", &[3, 1], 1, &[]);
    follow(&mut known, "dup", &[3], 4, &[]);
    follow(&mut known, "fcntl", &[3, 1030, 10], 10, &[]);
    follow(&mut known, "dup3", &[3, 5, CLOEXEC], 5, &[]);
    follow(&mut known, "dup2", &[77, 6], 6, &[]);
    let all = |known: &Descriptors| [1, 3, 4, 5, 6, 10].map(|fd| known.target(PID, fd).is_some());
    assert_eq!(all(&known), [true, true, true, true, false, true]);
    follow(&mut known, "fcntl", &[4, 2, 1], 0, &[]);
    follow(&mut known, "execve", &[1, 2, 3], -2, &[]);
    assert_eq!(all(&known), [true, true, true, true, false, true]);
    follow(&mut known, "execve", &[1, 2, 3], 0, &[]);
    assert_eq!(all(&known), [true, false, false, false, false, false]);
}

#[test]
fn pairs_and_things_without_a_path_have_their_kind() {
    let mut known = Descriptors::default();
    let pair = [3, 0, 0, 0, 4, 0, 0, 0];
    follow(&mut known, "pipe2", &[1, 0], 0, &[copied(0, &pair)]);
    assert_eq!([3, 4].map(|fd| known.target(PID, fd)), [Some("pipe"); 2]);
    follow(&mut known, "epoll_create1", &[0], 5, &[]);
    assert_eq!(known.target(PID, 5), Some("anon_inode:[eventpoll]"));
    follow(&mut known, "socketpair", &[1, 1, 0, 1], 0, &[]);
    assert_eq!(
        known.target(PID, 5),
        None,
        "it may have been closed and be one of the two"
    );
}

#[test]
fn a_socket_is_called_by_its_address() {
    let mut known = Descriptors::default();
    follow(&mut known, "socket", &[2, 1, 0], 3, &[]);
    assert_eq!(known.target(PID, 3), Some("socket"));
    let address = [2, 0, 1, 0xbb, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    follow(
        &mut known,
        "connect",
        &[3, 1, 16],
        -111,
        &[copied(1, &address)],
    );
    assert_eq!(known.target(PID, 3), Some("socket"));
    follow(
        &mut known,
        "connect",
        &[3, 1, 16],
        -115,
        &[copied(1, &address)],
    );
    assert_eq!(known.target(PID, 3), Some("socket:[1.1.1.1:443]"));
}

#[test]
fn a_range_is_closed_or_will_be() {
    let mut known = Descriptors::default();
    for fd in 3..8 {
        open(&mut known, "/a", 0, fd);
    }
    follow(&mut known, "close_range", &[6, 0xffff_ffff, 0], 0, &[]);
    follow(&mut known, "close_range", &[4, 5, 4], 0, &[]);
    let all = |known: &Descriptors| [3, 4, 5, 6, 7].map(|fd| known.target(PID, fd).is_some());
    assert_eq!(all(&known), [true, true, true, false, false]);
    follow(&mut known, "execve", &[1, 2, 3], 0, &[]);
    assert_eq!(all(&known), [true, false, false, false, false]);
}

#[test]
fn a_child_has_what_its_parent_had() {
    let mut known = Descriptors::default();
    known.seed(PID, 0, "/dev/null", false);
    follow(&mut known, "clone", &[17], 8, &[]);
    follow(&mut known, "close", &[0], 0, &[]);
    assert_eq!(
        [PID, 8].map(|pid| known.target(pid, 0)),
        [None, Some("/dev/null")]
    );
    known.seed(PID, 0, "/dev/zero", false);
    follow(&mut known, "clone", &[CLONE_THREAD | CLONE_FILES], 9, &[]);
    assert_eq!(
        known.target(PID, 0),
        Some("/dev/zero"),
        "a thread has the table of its process"
    );
    follow(&mut known, "clone", &[CLONE_FILES | 17], 9, &[]);
    assert_eq!(known.target(PID, 0), None, "the child may close it unseen");
    known.seed(PID, 0, "/dev/zero", false);
    follow(&mut known, "clone3", &[1, 88], 9, &[]);
    assert_eq!(known.target(PID, 0), None, "its flags were not copied");
    follow(&mut known, "exit_group", &[0], 0, &[]);
    assert_eq!(known.target(8, 0), Some("/dev/null"));
}

#[test]
fn after_a_loss_nothing_is_known() {
    let mut known = Descriptors::default();
    open(&mut known, "/a", 0, 3);
    known.forget();
    assert_eq!(known.target(PID, 3), None);
    open(&mut known, "/b", 0, 3);
    assert_eq!(known.target(PID, 3), Some("/b"));
    known.end(PID);
    assert_eq!(known.target(PID, 3), None);
}

#[test]
fn what_a_program_may_have_is_bounded() {
    let mut known = Descriptors::default();
    for fd in 0..5000 {
        open(&mut known, "/a", 0, fd);
    }
    assert_eq!(known.target(PID, 4999), None);
    assert_eq!(known.target(PID, 1000), Some("/a"));
    for pid in 0..5000 {
        known.seed(pid, 0, "/a", false);
    }
    assert!(known.tables.len() <= MOST);
    known.seed(PID, -1, "/a", false);
    assert_eq!(known.target(PID, -1), None);
}
