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
        files: [None; 6],
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

/// Descriptors, and a clock that goes on by ten with each call.
struct Told {
    descriptors: Descriptors,
    now: u64,
}

/// Of process 7, which has made no call yet.
fn told() -> Told {
    let mut told = Told {
        descriptors: Descriptors::new(1 << 20),
        now: 1000,
    };
    told.descriptors.meet(&process(PID, 1, 0));
    told
}

impl Told {
    fn target(&self, pid: u32, fd: i32) -> Option<&str> {
        Some(self.descriptors.target(pid, fd, self.now)?)
    }

    /// Somebody looks now.
    fn seed(&mut self, pid: u32, fd: i32, target: &str) {
        let read = self.times();
        self.descriptors.seed(&seed(pid, fd, target), read);
    }

    fn times(&mut self) -> Times {
        let begin = self.now;
        self.now += 10;
        Times {
            begin,
            end: begin + 5,
        }
    }
}

/// One that was made at a time, and is not waited for.
fn process(pid: u32, parent: u32, born_boot_ns: u64) -> Process {
    Process {
        pid,
        parent,
        born_boot_ns,
        is_vforked: false,
    }
}

fn seed(pid: u32, fd: i32, target: &str) -> Seed<'_> {
    Seed {
        pid,
        born_ticks: 0,
        fd,
        ends_with_exec: false,
        target,
    }
}

#[track_caller]
fn follow(told: &mut Told, name: &str, args: &[u64], returned: i64, captures: &[Capture<'_>]) {
    let times = told.times();
    follow_at(told, name, args, returned, captures, times);
}

#[track_caller]
fn follow_at(
    told: &mut Told,
    name: &str,
    args: &[u64],
    returned: i64,
    captures: &[Capture<'_>],
    times: Times,
) {
    let effect = Effect::of(Abi::X86_64, name).expect("it does something");
    let call = call(args, returned, captures);
    told.descriptors
        .follow(Abi::X86_64, PID, effect, &call, times);
}

const CWD: u64 = 0xffff_ff9c;

#[track_caller]
fn open(told: &mut Told, path: &str, flags: u64, fd: i64) {
    follow(
        told,
        "openat",
        &[CWD, 1, flags],
        fd,
        &[copied(1, path.as_bytes())],
    );
}

#[test]
fn what_is_opened_is_known_until_it_is_closed() {
    let mut known = told();
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
    let mut known = told();
    open(&mut known, "notes", 0, 3);
    assert_eq!(known.target(PID, 3), Some("notes"), "as the call says");
    open(&mut known, "/srv/", 0, 4);
    let inside = |known: &mut Told, folder, fd| {
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
fn a_file_without_a_name_is_in_its_folder() {
    let mut known = told();
    open(&mut known, "/tmp", 0o20_200_000, 3);
    assert_eq!(known.target(PID, 3), Some("/tmp/(unnamed)"));
}

#[test]
fn a_path_that_was_not_copied_whole_is_not_known() {
    let mut known = told();
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
    let mut known = told();
    open(&mut known, "/a", CLOEXEC, 3);
    follow(&mut known, "dup2", &[3, 1], 1, &[]);
    follow(&mut known, "dup", &[3], 4, &[]);
    follow(&mut known, "fcntl", &[3, 1030, 10], 10, &[]);
    follow(&mut known, "dup3", &[3, 5, CLOEXEC], 5, &[]);
    follow(&mut known, "dup2", &[77, 6], 6, &[]);
    let all = |known: &Told| [1, 3, 4, 5, 6, 10].map(|fd| known.target(PID, fd).is_some());
    assert_eq!(all(&known), [true, true, true, true, false, true]);
    follow(&mut known, "fcntl", &[4, 2, 1], 0, &[]);
    follow(&mut known, "execve", &[1, 2, 3], -2, &[]);
    assert_eq!(all(&known), [true, true, true, true, false, true]);
    follow(&mut known, "execve", &[1, 2, 3], 0, &[]);
    assert_eq!(all(&known), [true, false, false, false, false, false]);
}

#[test]
fn pairs_and_things_without_a_path_have_their_kind() {
    let mut known = told();
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
    let mut known = told();
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
    let mut known = told();
    for fd in 3..8 {
        open(&mut known, "/a", 0, fd);
    }
    follow(&mut known, "close_range", &[6, 0xffff_ffff, 0], 0, &[]);
    follow(&mut known, "close_range", &[4, 5, 4], 0, &[]);
    let all = |known: &Told| [3, 4, 5, 6, 7].map(|fd| known.target(PID, fd).is_some());
    assert_eq!(all(&known), [true, true, true, false, false]);
    follow(&mut known, "execve", &[1, 2, 3], 0, &[]);
    assert_eq!(all(&known), [true, false, false, false, false]);
}

#[test]
fn a_child_has_what_its_parent_had() {
    let mut known = told();
    known.seed(PID, 0, "/dev/null");
    let born = known.now + 2;
    follow(&mut known, "clone", &[17], 8, &[]);
    follow(&mut known, "close", &[0], 0, &[]);
    open(&mut known, "/a", 0, 0);
    // Whatever it is called here, it is told by its parent and its birth.
    known.descriptors.meet(&process(8, PID, born));
    known.descriptors.meet(&process(9, PID, born + 10));
    known.descriptors.meet(&process(10, 6, born));
    assert_eq!(
        [PID, 8, 9, 10].map(|pid| known.target(pid, 0)),
        [Some("/a"), Some("/dev/null"), None, None]
    );
    follow(&mut known, "exit_group", &[0], 0, &[]);
    assert_eq!(known.target(8, 0), Some("/dev/null"));
}

#[test]
fn a_child_may_make_calls_before_its_parent_returns() {
    let mut known = told();
    open(&mut known, "/a", 0, 3);
    let born = known.now + 2;
    known.descriptors.meet(&process(8, PID, born));
    known.descriptors.meet(&Process {
        is_vforked: true,
        ..process(9, PID, born)
    });
    assert_eq!(
        [8, 9].map(|pid| known.target(pid, 3)),
        [None, Some("/a")],
        "a parent that does not wait may be another one"
    );
    follow(&mut known, "clone", &[17], 8, &[]);
    assert_eq!(known.target(8, 3), Some("/a"));

    // What it has changed before stays as it is.
    let mut known = told();
    for (fd, flags) in [(3, 0), (4, CLOEXEC), (5, 0)] {
        open(&mut known, "/a", flags, fd);
    }
    let born = known.now + 2;
    known.descriptors.meet(&process(8, PID, born));
    for (name, args) in [("close", [3, 0, 0]), ("execve", [1, 2, 3])] {
        let effect = Effect::of(Abi::X86_64, name).unwrap();
        let times = Times {
            begin: born,
            end: born + 1,
        };
        let call = call(&args, 0, &[]);
        known
            .descriptors
            .follow(Abi::X86_64, 8, effect, &call, times);
    }
    follow(&mut known, "clone", &[17], 8, &[]);
    assert_eq!(
        [3, 4, 5].map(|fd| known.target(8, fd)),
        [None, None, Some("/a")]
    );

    // What was opened after it was made is not the child's.
    let mut known = told();
    let born = known.now;
    open(&mut known, "/a", 0, 3);
    known.descriptors.meet(&Process {
        is_vforked: true,
        ..process(9, PID, born)
    });
    assert_eq!(known.target(9, 3), None);
}

#[test]
fn what_two_processes_share_is_not_known_before_an_exec() {
    let mut known = told();
    known.seed(PID, 0, "/dev/zero");
    follow(&mut known, "clone", &[CLONE_THREAD | CLONE_FILES], 9, &[]);
    assert_eq!(known.target(PID, 0), Some("/dev/zero"), "only threads do");
    for (name, args) in [
        ("clone", [CLONE_FILES | 17, 0]),
        // Its flags were not copied.
        ("clone3", [1, 88]),
        ("io_uring_setup", [8, 1]),
    ] {
        let mut known = told();
        known.seed(PID, 0, "/dev/zero");
        let born = known.now + 2;
        follow(&mut known, name, &args, 9, &[]);
        open(&mut known, "/a", 0, 3);
        known.descriptors.meet(&process(8, PID, born));
        let all = [(PID, 0), (PID, 3), (8, 0)];
        assert_eq!(
            all.map(|(pid, fd)| known.target(pid, fd)),
            [None; 3],
            "{name}"
        );
        follow(&mut known, "execve", &[1, 2, 3], 0, &[]);
        open(&mut known, "/a", 0, 4);
        assert_eq!([3, 4].map(|fd| known.target(PID, fd)), [None, Some("/a")]);
    }
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    let mut known = told();
    open(&mut known, "/a", 0, 3);
    known.descriptors.meet(&process(PID, 1, TICK_NS - 1));
    assert_eq!(known.target(PID, 3), Some("/a"));
    known.descriptors.meet(&process(PID, 1, TICK_NS));
    assert_eq!(known.target(PID, 3), None);
    known.seed(PID, 3, "/b");
    assert_eq!(known.target(PID, 3), None, "read of the one before");
}

#[test]
fn what_threads_do_at_once_is_not_known() {
    let at = |begin, end| Times { begin, end };
    let path = [copied(1, b"/b")];
    let mut known = told();
    open(&mut known, "/a", 0, 3);
    // Closed and opened again while somebody else was in a call with it.
    follow_at(&mut known, "close", &[3], 0, &[], at(1100, 1110));
    follow_at(&mut known, "openat", &[CWD, 1, 0], 3, &path, at(1120, 1130));
    let target = |at_ns| known.descriptors.target(PID, 3, at_ns).map(|it| &**it);
    assert_eq!([1050, 1129, 1130].map(target), [None, None, Some("/b")]);
    // Which came first, the end of one or the beginning of the other?
    follow_at(&mut known, "close", &[3], 0, &[], at(1125, 1140));
    assert_eq!(known.descriptors.target(PID, 3, 2000), None);
    follow_at(&mut known, "openat", &[CWD, 1, 0], 3, &path, at(1135, 1150));
    assert_eq!(known.descriptors.target(PID, 3, 2000), None);
}

#[test]
fn what_somebody_has_read_does_not_replace_what_calls_have_changed() {
    let mut known = told();
    let read = known.times();
    open(&mut known, "/a", 0, 3);
    follow(&mut known, "close", &[4], 0, &[]);
    for fd in 3..6 {
        known.descriptors.seed(&seed(PID, fd, "/old"), read);
    }
    assert_eq!(
        [3, 4, 5].map(|fd| known.target(PID, fd)),
        [Some("/a"), None, Some("/old")]
    );
    // A descriptor that came in a message, say.
    known.seed(PID, 4, "/new");
    known.seed(PID, AT_FDCWD, "/srv");
    open(&mut known, "x", 0, 6);
    assert_eq!(
        [4, 6].map(|fd| known.target(PID, fd)),
        [Some("/new"), Some("/srv/x")]
    );
}

#[test]
fn after_a_loss_nothing_is_known() {
    let mut known = told();
    open(&mut known, "/a", 0, 3);
    known.descriptors.forget();
    known.descriptors.meet(&process(PID, 1, 0));
    assert_eq!(known.target(PID, 3), None);
    open(&mut known, "/b", 0, 3);
    assert_eq!(known.target(PID, 3), Some("/b"));
}

#[test]
fn what_a_program_may_have_is_bounded() {
    let mut known = told();
    for fd in 0..5000 {
        open(&mut known, "/a", 0, fd);
    }
    assert_eq!(known.target(PID, 4999), None);
    assert_eq!(known.target(PID, 1000), Some("/a"));
    for pid in 0..5000 {
        known.descriptors.meet(&process(pid, 1, 50));
    }
    let Descriptors {
        tables,
        forks,
        orphans,
        ..
    } = &known.descriptors;
    assert!(tables.len() <= MOST);
    assert!(forks.len().max(orphans.len()) <= MOST_CHILDREN);
    known.seed(PID, -1, "/a");
    assert_eq!(known.target(PID, -1), None);
    for _ in 0..5000 {
        follow(&mut known, "chdir", &[1], 0, &[copied(0, b"x")]);
    }
    assert!(
        known
            .target(PID, AT_FDCWD)
            .is_none_or(|path| path.len() <= LONGEST_TARGET)
    );
}

#[test]
fn more_than_there_is_room_for_is_forgotten() {
    let path = format!("/{}", "x".repeat(250));
    let mut known = told();
    let bytes = |known: &Told| {
        let Descriptors { tables, forks, .. } = &known.descriptors;
        let forks = forks.iter().map(|fork| &fork.table);
        let used = tables.values().chain(forks).map(|table| {
            let exact: usize = table.known.values().map(Known::bytes).sum();
            assert_eq!(table.bytes, exact);
            exact
        });
        used.sum::<usize>()
    };
    let mut most = 0;
    let mut is_forgotten = false;
    for round in 0..200 {
        let pid = 100 + round;
        known.descriptors.meet(&process(PID, 1, 0));
        for fd in 0..40 {
            open(&mut known, &path, u64::from(round) % 2 * CLOEXEC, fd);
        }
        let born = known.now + 2;
        follow(&mut known, "clone", &[17], 8, &[]);
        follow(&mut known, "execve", &[1, 2, 3], 0, &[]);
        known.descriptors.meet(&process(pid, PID, born));
        is_forgotten |= known.target(pid, 3).is_none();
        most = most.max(bytes(&known));
    }
    assert!(is_forgotten);
    assert!((500_000..(1 << 20) + (1 << 18)).contains(&most), "{most}");
}
