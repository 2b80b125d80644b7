//! What the descriptors of processes refer to, as far as their calls tell it.
//!
//! Owns the rules: which calls open, duplicate, rename and close descriptors, and what becomes of all of a process when it
//! forks, executes and ends. It asks nobody: whoever knows what was open at some time says so with [`Descriptors::seed`].
//! What is not known is `None` and never a guess, and after lost calls nothing is known.
//!
//! Calls are told in the order in which they returned, and a descriptor is asked for as of the time at which a call began. So
//! everything has the time since when it holds: what another thread has changed meanwhile is not known.
//!
//! Targets read like the links in `/proc/PID/fd`, but as the calls named them: paths are not resolved nor follow what is renamed, and
//! a relative one is joined to its folder only if that is known. Of what has no path they say the kind: `pipe`, `socket` with its
//! address, `anon_inode:[eventpoll]`. They hold what a traced program wrote: whoever shows them escapes them.

mod effect;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::Abi;
use crate::decode::{Call, Capture, Outcome, address};

pub use effect::{Effect, Flags};

/// Processes that are followed at most, and descriptors of each: a kernel's usual limit. What is beyond is not known.
const MOST: usize = 1024;

/// Children that have not made a call, and those whose parents have not returned.
const MOST_CHILDREN: usize = 256;

/// Longer ones than the kernel takes (`PATH_MAX`) were joined again and again.
const LONGEST_TARGET: usize = 4096;

/// `O_CLOEXEC`, and every other flag of its kind (`SOCK_CLOEXEC`, `EPOLL_CLOEXEC`, …) but `FD_CLOEXEC`, on all our ABIs.
const CLOEXEC: u64 = 0o2_000_000;
/// The path is the folder of a file without a name. include/uapi/asm-generic/fcntl.h has it for all our ABIs.
const O_TMPFILE: u64 = 0o20_000_000;
/// include/uapi/linux/sched.h.
const CLONE_FILES: u64 = 0x400;
const CLONE_THREAD: u64 = 0x1_0000;

/// Stands for the current folder, in calls and in [`Descriptors`].
pub const AT_FDCWD: i32 = -100;

/// The unit of times in `/proc/PID/stat` (`USER_HZ`), which is good enough to tell two processes of one number apart.
const TICK_NS: u64 = 10_000_000;

/// A process, as it is when it makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The number of its parent.
    pub parent: u32,
    /// When it was made.
    pub born_boot_ns: u64,
    /// Its parent, which has made it, waits until it executes or ends.
    pub is_vforked: bool,
}

/// When something happened, ns of the boot clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When it began.
    pub begin: u64,
    /// When it was over.
    pub end: u64,
}

/// What somebody has read of a descriptor of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed<'a> {
    /// The process.
    pub pid: u32,
    /// When it was made, in ticks of 10 ms after the boot.
    pub born_ticks: u64,
    /// The descriptor, or [`AT_FDCWD`].
    pub fd: i32,
    /// Whether it is closed when the process executes another program.
    pub ends_with_exec: bool,
    /// What it refers to.
    pub target: &'a str,
}

/// The descriptors of processes.
#[derive(Debug)]
pub struct Descriptors {
    /// Bytes that may be used.
    room: usize,
    /// Bytes that were used for more since that was looked at.
    grown: usize,
    tables: BTreeMap<u32, Table>,
    /// What children have that were not met yet.
    forks: VecDeque<Fork>,
    /// Those that were met before the call was told that made them.
    orphans: VecDeque<Process>,
}

/// A call that has made a process.
#[derive(Debug)]
struct Fork {
    parent: u32,
    times: Times,
    table: Table,
}

impl Fork {
    fn has_made(&self, child: &Process) -> bool {
        self.parent == child.parent
            && (self.times.begin..=self.times.end).contains(&child.born_boot_ns)
    }
}

/// The descriptors of one process.
#[derive(Debug, Clone, Default)]
struct Table {
    born_ticks: u64,
    /// What is closed has no target.
    known: BTreeMap<i32, Known>,
    /// About what it takes.
    bytes: usize,
    /// Since when nothing else is known.
    since: u64,
    /// It has executed another program.
    has_executed: bool,
    /// Others change it, too, unseen.
    is_shared: bool,
}

/// What is known of a descriptor.
#[derive(Debug, Clone)]
struct Known {
    target: Option<Arc<str>>,
    since: u64,
    /// It is closed when the process executes another program.
    ends_with_exec: bool,
}

impl Known {
    /// About what it takes, as if nobody shared the target.
    fn bytes(&self) -> usize {
        64 + self.target.as_ref().map_or(0, |target| target.len())
    }
}

impl Descriptors {
    /// Nothing is known yet. Whoever makes it necessary to know more than fits into `room` bytes makes it forget everything.
    pub fn new(room: usize) -> Self {
        Self {
            room,
            grown: 0,
            tables: BTreeMap::new(),
            forks: VecDeque::new(),
            orphans: VecDeque::new(),
        }
    }

    /// What a descriptor refers to, according to somebody who has looked at this time. Call it when everything was told that
    /// returned before the end of that time, and nothing that did later.
    pub fn seed(&mut self, seed: &Seed<'_>, read: Times) {
        let fresh = Table {
            born_ticks: seed.born_ticks,
            ..Table::default()
        };
        let Some(table) = self.table(seed.pid, fresh) else {
            return;
        };
        // What a call has changed since then is no news any more.
        let is_news = match table.known.get(&seed.fd) {
            Some(known) => known.target.is_none() && known.since < read.begin,
            None => table.since < read.begin,
        };
        if table.born_ticks == seed.born_ticks && is_news {
            let target = Some(seed.target.into());
            let before = table.bytes;
            table.set(seed.fd, target, seed.ends_with_exec, read.end);
            let grown = table.bytes.saturating_sub(before);
            self.grow(grown);
        }
    }

    /// A process makes a call. Say so before anything else of the process is asked or told.
    pub fn meet(&mut self, process: &Process) {
        let born_ticks = process.born_boot_ns / TICK_NS;
        let known = self.tables.get(&process.pid);
        if known.is_some_and(|table| table.born_ticks == born_ticks) {
            return;
        }
        let fork = self.forks.iter().position(|fork| fork.has_made(process));
        let mut table = match fork.and_then(|at| self.forks.remove(at)) {
            Some(fork) => fork.table,
            // What the parent has opened since then is not the child's.
            None if process.is_vforked => {
                let mut table = self
                    .tables
                    .get(&process.parent)
                    .cloned()
                    .unwrap_or_default();
                table.keep(|_, known| known.since <= process.born_boot_ns);
                table
            }
            None => {
                push(&mut self.orphans, *process);
                Table::default()
            }
        };
        table.born_ticks = born_ticks;
        table.has_executed = false;
        self.tables.remove(&process.pid);
        let grown = table.bytes;
        self.table(process.pid, table);
        self.grow(grown);
    }

    /// What a descriptor of a process, or the current folder, referred to at a time, if that is known.
    pub fn target(&self, pid: u32, fd: i32, at_ns: u64) -> Option<&Arc<str>> {
        let table = self.tables.get(&pid).filter(|table| !table.is_shared)?;
        let known = table.known.get(&fd)?;
        known.target.as_ref().filter(|_| known.since <= at_ns)
    }

    /// Calls were lost: nothing is known any more.
    pub fn forget(&mut self) {
        *self = Self::new(self.room);
    }

    /// More is known. To look at all of it each time would take long.
    fn grow(&mut self, bytes: usize) {
        self.grown += bytes;
        if self.grown <= self.room / 8 {
            return;
        }
        self.grown = 0;
        let forks = self.forks.iter().map(|fork| &fork.table);
        let used = self.tables.values().chain(forks).map(|table| table.bytes);
        if used.sum::<usize>() > self.room {
            self.forget();
        }
    }

    /// A call of a process that was met has returned.
    pub fn follow(&mut self, abi: Abi, pid: u32, effect: Effect, call: &Call<'_>, times: Times) {
        let Some(table) = self.tables.get_mut(&pid) else {
            return;
        };
        match (effect, call.outcome) {
            (Effect::Ends, _) | (_, Outcome::Killed) => drop(self.tables.remove(&pid)),
            (Effect::Forks { flags }, Outcome::Returned(1..)) => {
                // If they are not known, what one of them opens the other may close.
                let flags = word(abi, call, flags).unwrap_or(CLONE_FILES);
                self.fork(pid, flags, times);
            }
            (effect, Outcome::Returned(returned @ 0..)) => {
                let before = table.bytes;
                table.follow(abi, effect, call, returned, times);
                let grown = table.bytes.saturating_sub(before);
                self.grow(grown);
            }
            // A connection that is not there yet has its address all the same.
            (Effect::Names { address }, Outcome::Returned(EINPROGRESS)) => {
                table.name(abi, call, address, times);
            }
            _ => {}
        }
    }

    fn fork(&mut self, pid: u32, flags: u64, times: Times) {
        let Some(table) = self.tables.get_mut(&pid) else {
            return;
        };
        if flags & CLONE_THREAD != 0 {
            return;
        }
        // Two processes with one table: what one opens the other closes.
        table.is_shared |= flags & CLONE_FILES != 0;
        let mut fork = Fork {
            parent: pid,
            times,
            table: table.clone(),
        };
        // What other threads have changed meanwhile the child may have or not.
        fork.table.keep(|_, known| known.since <= times.begin);
        let grown = fork.table.bytes;
        let orphan = self.orphans.iter().position(|child| fork.has_made(child));
        let Some(child) = orphan.and_then(|at| self.orphans.remove(at)) else {
            push(&mut self.forks, fork);
            self.grow(grown);
            return;
        };
        if let Some(table) = self.tables.get_mut(&child.pid)
            && table.born_ticks == child.born_boot_ns / TICK_NS
        {
            table.inherit(fork.table);
            self.grow(grown);
        }
    }

    /// The table of a process, the given one if there is none yet and there are not too many.
    fn table(&mut self, pid: u32, fresh: Table) -> Option<&mut Table> {
        let has_room = self.tables.len() < MOST || self.tables.contains_key(&pid);
        has_room.then(|| self.tables.entry(pid).or_insert(fresh))
    }
}

/// Appends something; the oldest goes if there are too many.
fn push<T>(queue: &mut VecDeque<T>, one: T) {
    if queue.len() == MOST_CHILDREN {
        queue.pop_front();
    }
    queue.push_back(one);
}

/// As a result: `-EINPROGRESS`, the same number on all our ABIs.
const EINPROGRESS: i64 = -115;

impl Table {
    /// What its parent had, as far as it has not changed it since: the parent's call was told late.
    fn inherit(&mut self, parent: Table) {
        if self.since > 0 {
            return;
        }
        self.is_shared |= parent.is_shared && !self.has_executed;
        for (fd, known) in parent.known {
            let is_left = !(self.has_executed && known.ends_with_exec);
            if is_left && !self.known.contains_key(&fd) {
                self.set(fd, known.target, known.ends_with_exec, known.since);
            }
        }
    }

    fn keep(&mut self, mut is_kept: impl FnMut(i32, &Known) -> bool) {
        self.known.retain(|fd, known| is_kept(*fd, known));
        self.bytes = self.known.values().map(Known::bytes).sum();
    }

    fn set(&mut self, fd: i32, target: Option<Arc<str>>, ends_with_exec: bool, since: u64) {
        let has_room = self.known.len() < MOST || self.known.contains_key(&fd);
        if has_room && (fd >= 0 || fd == AT_FDCWD) {
            let known = Known {
                target,
                since,
                ends_with_exec,
            };
            self.bytes += known.bytes();
            let before = self.known.insert(fd, known);
            self.bytes -= before.map_or(0, |before| before.bytes());
        }
    }

    /// A call has changed a descriptor. If another has done so since it began, nobody knows which was the last.
    fn put(&mut self, fd: i32, target: Option<Arc<str>>, ends_with_exec: bool, times: Times) {
        let known = self.known.get(&fd);
        let is_sure = known.is_none_or(|known| known.since <= times.begin);
        self.set(fd, target.filter(|_| is_sure), ends_with_exec, times.end);
    }

    /// Nothing is known any more but the folder.
    fn forget(&mut self, times: Times) {
        self.keep(|fd, _| fd == AT_FDCWD);
        self.since = times.end;
    }

    /// A call that did not fail.
    fn follow(&mut self, abi: Abi, effect: Effect, call: &Call<'_>, returned: i64, times: Times) {
        let new = i32::try_from(returned).unwrap_or(-1);
        let number = |arg: usize| call.known_arg(arg).map(|raw| raw as u32 as i32);
        // What may be closed by an exec is not known after it.
        let word = |flags| word(abi, call, flags).unwrap_or(CLOEXEC);
        match effect {
            Effect::Opens {
                folder,
                path,
                flags,
            } => {
                let folder = folder.map_or(Some(AT_FDCWD), number);
                let target = folder.and_then(|folder| self.path(folder, text(call, path)?, times));
                let flags = word(flags);
                let target = match target {
                    Some(folder) if flags & O_TMPFILE != 0 => {
                        Some(format!("{folder}/(unnamed)").into())
                    }
                    target => target,
                };
                self.open(new, target, flags, times);
            }
            Effect::Makes { what, flags } => {
                self.open(new, Some(what.into()), word(flags), times);
            }
            Effect::MakesTwo { what, at, flags } => {
                let both = bytes(call, at).and_then(|bytes| bytes.first_chunk::<8>());
                let Some([a, b, c, d, e, f, g, h]) = both.copied() else {
                    // Which two is not known, so no others are either.
                    self.forget(times);
                    return;
                };
                for fd in [[a, b, c, d], [e, f, g, h]] {
                    let fd = match abi.is_big_endian() {
                        true => i32::from_be_bytes(fd),
                        false => i32::from_le_bytes(fd),
                    };
                    self.open(fd, Some(what.into()), word(flags), times);
                }
            }
            Effect::Duplicates { flags } => self.duplicate(number(0), new, word(flags), times),
            Effect::Controls => match number(1) {
                Some(F_DUPFD) => self.duplicate(number(0), new, 0, times),
                Some(F_DUPFD_CLOEXEC) => self.duplicate(number(0), new, CLOEXEC, times),
                Some(F_SETFD) => {
                    let known = number(0).and_then(|fd| self.known.get_mut(&fd));
                    if let Some(known) = known {
                        known.ends_with_exec = word(Flags::In(2)) & FD_CLOEXEC != 0;
                    }
                }
                Some(_) => {}
                None => self.forget(times),
            },
            Effect::Names { address } => self.name(abi, call, address, times),
            Effect::Closes => match number(0) {
                Some(fd) => self.put(fd, None, false, times),
                None => self.forget(times),
            },
            Effect::ClosesRange => self.close_range(call, times),
            Effect::Moves { path } => {
                let target = match path {
                    Some(path) => {
                        text(call, path).and_then(|path| self.path(AT_FDCWD, path, times))
                    }
                    None => number(0).and_then(|fd| self.at(fd, times).cloned()),
                };
                self.put(AT_FDCWD, target, false, times);
            }
            Effect::Executes if self.is_shared => {
                self.has_executed = true;
                self.forget(times);
                self.is_shared = false;
            }
            Effect::Executes => {
                self.has_executed = true;
                let ended = self.known.values_mut().filter(|known| known.ends_with_exec);
                ended.for_each(|known| (known.target, known.since) = (None, times.end));
                self.keep(|_, _| true);
            }
            Effect::Delegates => self.is_shared = true,
            Effect::Forks { .. } | Effect::Ends => {}
        }
    }

    /// What a descriptor referred to when a call began.
    fn at(&self, fd: i32, times: Times) -> Option<&Arc<str>> {
        let known = self.known.get(&fd)?;
        known.target.as_ref().filter(|_| known.since <= times.begin)
    }

    fn open(&mut self, fd: i32, target: Option<Arc<str>>, flags: u64, times: Times) {
        self.put(fd, target, flags & CLOEXEC != 0, times);
    }

    /// `flags` are those of the new one.
    fn duplicate(&mut self, from: Option<i32>, to: i32, flags: u64, times: Times) {
        // `dup2` of a descriptor to itself changes nothing.
        if from != Some(to) {
            let target = from.and_then(|from| self.at(from, times).cloned());
            self.open(to, target, flags, times);
        }
    }

    /// A socket is called by what it is bound or connected to last.
    fn name(&mut self, abi: Abi, call: &Call<'_>, place: usize, times: Times) {
        let fd = call.known_arg(0).map(|raw| raw as u32 as i32);
        let known = fd.and_then(|fd| Some((fd, self.known.get(&fd)?.ends_with_exec)));
        if let Some((fd, ends_with_exec)) = known {
            let target = bytes(call, place);
            let target = target.map(|bytes| format!("socket:[{}]", address(abi, bytes)).into());
            self.put(fd, target, ends_with_exec, times);
        }
    }

    fn close_range(&mut self, call: &Call<'_>, times: Times) {
        let known = [0, 1, 2].map(|arg| call.known_arg(arg));
        let [Some(first), Some(last), Some(flags)] = known else {
            self.forget(times);
            return;
        };
        let is_meant =
            |fd: i32| u32::try_from(fd).is_ok_and(|fd| (first as u32..=last as u32).contains(&fd));
        let meant: Vec<i32> = self
            .known
            .keys()
            .copied()
            .filter(|fd| is_meant(*fd))
            .collect();
        for fd in meant {
            if flags & CLOSE_RANGE_CLOEXEC == 0 {
                self.put(fd, None, false, times);
            } else if let Some(known) = self.known.get_mut(&fd) {
                known.ends_with_exec = true;
            }
        }
    }

    /// A path as far as it is known where it begins.
    fn path(&self, folder: i32, path: &str, times: Times) -> Option<Arc<str>> {
        if path.starts_with('/') {
            return Some(path.into());
        }
        match self.at(folder, times) {
            Some(begin) if path.is_empty() => Some(begin.clone()),
            Some(begin) => {
                let joined = format!("{}/{path}", begin.trim_end_matches('/'));
                (joined.len() <= LONGEST_TARGET).then(|| joined.into())
            }
            // In the current folder, whatever it is: as the call says.
            None => (folder == AT_FDCWD && !path.is_empty()).then(|| path.into()),
        }
    }
}

const F_DUPFD: i32 = 0;
const F_SETFD: i32 = 2;
const F_DUPFD_CLOEXEC: i32 = 1030;
const FD_CLOEXEC: u64 = 1;
const CLOSE_RANGE_CLOEXEC: u64 = 4;

/// The flags of a call, if they are known.
fn word(abi: Abi, call: &Call<'_>, flags: Flags) -> Option<u64> {
    match flags {
        Flags::None => Some(0),
        Flags::CloseOnExec => Some(CLOEXEC),
        Flags::In(arg) => call.known_arg(arg),
        Flags::BehindPointer(arg) => {
            let first = *bytes(call, arg)?.first_chunk::<8>()?;
            Some(match abi.is_big_endian() {
                true => u64::from_be_bytes(first),
                false => u64::from_le_bytes(first),
            })
        }
    }
}

/// What was copied of an argument, if all of it was.
fn bytes<'a>(call: &Call<'a>, arg: usize) -> Option<&'a [u8]> {
    let is_it = |capture: &&Capture<'_>| usize::from(capture.arg) == arg && capture.part == 0;
    let capture = call.captures.iter().rfind(is_it)?;
    let is_whole = capture
        .true_len
        .is_some_and(|len| len <= capture.bytes.len() as u64);
    (is_whole && !capture.fault).then_some(capture.bytes)
}

fn text<'a>(call: &Call<'a>, arg: usize) -> Option<&'a str> {
    std::str::from_utf8(bytes(call, arg)?)
        .ok()
        .map(|text| text.trim_end_matches('\0'))
}
