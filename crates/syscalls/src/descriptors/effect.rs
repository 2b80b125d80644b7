//! What calls do to descriptors, by name.

use crate::Abi;

use Flags::{BehindPointer, In};

/// Where the flags of a call are, `O_CLOEXEC`, `CLONE_FILES` and the like among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flags {
    /// It has none.
    None,
    /// In this argument.
    In(usize),
    /// First in the structure that this argument points to.
    BehindPointer(usize),
    /// It does not matter which; the descriptor ends with an exec.
    CloseOnExec,
}

/// What a call does to the descriptors of its process. Numbers are places of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It returns a descriptor of a file.
    Opens {
        /// The descriptor of the folder where a relative path begins; none for the current one.
        folder: Option<usize>,
        /// The path.
        path: usize,
        /// `O_CLOEXEC`.
        flags: Flags,
    },
    /// It returns a descriptor of something that has no path.
    Makes {
        /// What it is.
        what: &'static str,
        /// `O_CLOEXEC`.
        flags: Flags,
    },
    /// It writes two descriptors.
    MakesTwo {
        /// What they are.
        what: &'static str,
        /// Where they are written.
        at: usize,
        /// `O_CLOEXEC`.
        flags: Flags,
    },
    /// It returns another descriptor of what its first argument refers to.
    Duplicates {
        /// `O_CLOEXEC`.
        flags: Flags,
    },
    /// `fcntl`.
    Controls,
    /// It gives a socket an address.
    Names {
        /// The address.
        address: usize,
    },
    /// It closes its first argument.
    Closes,
    /// `close_range`.
    ClosesRange,
    /// It changes the current folder, to its first argument if there is no path.
    Moves {
        /// The path.
        path: Option<usize>,
    },
    /// It returns a new process.
    Forks {
        /// `CLONE_FILES`.
        flags: Flags,
    },
    /// The process becomes another program.
    Executes,
    /// Others open and close descriptors for the process from now on, which no call tells: io_uring.
    Delegates,
    /// The process ends.
    Ends,
}

impl Effect {
    /// What the call with this name in the system call table does; `None` if descriptors stay as they are.
    pub fn of(abi: Abi, name: &str) -> Option<Effect> {
        let (_, effect) = EFFECTS.iter().find(|(known, _)| *known == name)?;
        Some(match (abi, name) {
            (Abi::S390x, "clone") => Effect::Forks { flags: In(1) },
            _ => *effect,
        })
    }

    /// The names of all calls that do something to descriptors; no architecture has all of them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        EFFECTS.iter().map(|(name, _)| *name)
    }
}

const fn makes(what: &'static str, flags: Flags) -> Effect {
    Effect::Makes { what, flags }
}

const fn makes_two(what: &'static str, at: usize, flags: Flags) -> Effect {
    Effect::MakesTwo { what, at, flags }
}

const fn opens(folder: Option<usize>, path: usize, flags: Flags) -> Effect {
    Effect::Opens {
        folder,
        path,
        flags,
    }
}

const DUPLICATES: Effect = Effect::Duplicates { flags: Flags::None };
const NAMES: Effect = Effect::Names { address: 1 };

/// What calls return that are not here, such as a descriptor that came in a message, is not known.
const EFFECTS: &[(&str, Effect)] = &[
    ("open", opens(None, 0, In(1))),
    ("creat", opens(None, 0, Flags::None)),
    ("openat", opens(Some(0), 1, In(2))),
    ("openat2", opens(Some(0), 1, BehindPointer(2))),
    ("socket", makes("socket", In(1))),
    ("accept", makes("socket", Flags::None)),
    ("accept4", makes("socket", In(3))),
    ("epoll_create", makes("anon_inode:[eventpoll]", Flags::None)),
    ("epoll_create1", makes("anon_inode:[eventpoll]", In(0))),
    ("eventfd", makes("anon_inode:[eventfd]", Flags::None)),
    ("eventfd2", makes("anon_inode:[eventfd]", In(1))),
    ("timerfd_create", makes("anon_inode:[timerfd]", In(1))),
    ("signalfd4", makes("anon_inode:[signalfd]", In(3))),
    ("inotify_init", makes("anon_inode:inotify", Flags::None)),
    ("inotify_init1", makes("anon_inode:inotify", In(0))),
    (
        "pidfd_open",
        makes("anon_inode:[pidfd]", Flags::CloseOnExec),
    ),
    ("pipe", makes_two("pipe", 0, Flags::None)),
    ("pipe2", makes_two("pipe", 0, In(1))),
    ("socketpair", makes_two("socket", 3, In(1))),
    ("dup", DUPLICATES),
    ("dup2", DUPLICATES),
    ("dup3", Effect::Duplicates { flags: In(2) }),
    ("fcntl", Effect::Controls),
    ("fcntl64", Effect::Controls),
    ("bind", NAMES),
    ("connect", NAMES),
    ("close", Effect::Closes),
    ("close_range", Effect::ClosesRange),
    ("chdir", Effect::Moves { path: Some(0) }),
    ("fchdir", Effect::Moves { path: None }),
    ("fork", Effect::Forks { flags: Flags::None }),
    ("vfork", Effect::Forks { flags: Flags::None }),
    ("clone", Effect::Forks { flags: In(0) }),
    (
        "clone3",
        Effect::Forks {
            flags: BehindPointer(0),
        },
    ),
    ("execve", Effect::Executes),
    ("execveat", Effect::Executes),
    ("io_uring_setup", Effect::Delegates),
    ("exit_group", Effect::Ends),
];
