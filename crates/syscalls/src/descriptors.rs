//! What the descriptors of processes refer to, as far as their calls tell it.
//!
//! Owns the rules: which calls open, duplicate, rename and close descriptors, and what becomes of all of a process when it
//! forks, executes and ends. It asks nobody: whoever knows what was open before the first call says so with
//! [`Descriptors::seed`]. What is not known is `None` and never a guess, and after lost calls nothing is known.
//!
//! Targets read like the links in `/proc/PID/fd`, but as the calls named them: paths are not resolved, and a relative one is
//! joined to its folder only if that is known. They hold what a traced program wrote: whoever shows them escapes them.
//! Nothing uses this yet.

mod effect;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Abi;
use crate::decode::{Call, Capture, Outcome, address};

pub use effect::{Effect, Flags};

/// Processes that are followed at most, and descriptors of each: a kernel's usual limit. What is beyond is not known.
const MOST: usize = 1024;

/// `O_CLOEXEC`, and every other flag of its kind (`SOCK_CLOEXEC`, `EPOLL_CLOEXEC`, …) but `FD_CLOEXEC`, on all our ABIs.
const CLOEXEC: u64 = 0o2_000_000;
/// include/uapi/linux/sched.h.
const CLONE_FILES: u64 = 0x400;
const CLONE_THREAD: u64 = 0x1_0000;
const AT_FDCWD: i32 = -100;

/// The descriptors of processes.
#[derive(Debug, Default)]
pub struct Descriptors {
    tables: BTreeMap<u32, Table>,
}

/// Those of one process.
#[derive(Debug, Clone, Default)]
struct Table {
    open: BTreeMap<i32, Open>,
    /// The current folder.
    folder: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
struct Open {
    target: Arc<str>,
    /// It is closed when the process executes another program.
    ends_with_exec: bool,
}

impl Descriptors {
    /// What a descriptor referred to before the first call that is told.
    pub fn seed(&mut self, pid: u32, fd: i32, target: &str, ends_with_exec: bool) {
        let target = target.into();
        let open = Open {
            target,
            ends_with_exec,
        };
        if let Some(table) = self.table(pid) {
            table.put(fd, Some(open));
        }
    }

    /// What a descriptor of a process refers to, if that is known.
    pub fn target(&self, pid: u32, fd: i32) -> Option<&str> {
        Some(&self.tables.get(&pid)?.open.get(&fd)?.target)
    }

    /// A process has ended, as [`Descriptors::follow`] learns only where it ended in a call.
    pub fn end(&mut self, pid: u32) {
        self.tables.remove(&pid);
    }

    /// Calls were lost: nothing is known any more.
    pub fn forget(&mut self) {
        self.tables.clear();
    }

    /// A call of a process has returned. `child` is the process that it made, numbered like `pid`, if it made one and that
    /// is known: what the call returned is a number of the caller's own namespace.
    pub fn follow(
        &mut self,
        abi: Abi,
        pid: u32,
        child: Option<u32>,
        effect: Effect,
        call: &Call<'_>,
    ) {
        match (effect, call.outcome) {
            (Effect::Ends, _) | (_, Outcome::Killed) => drop(self.tables.remove(&pid)),
            (Effect::Forks { flags }, Outcome::Returned(1..)) => {
                // If they are not known, what one of them opens the other may close.
                let flags = word(abi, call, flags).unwrap_or(CLONE_FILES);
                self.fork(pid, child, flags);
            }
            (effect, Outcome::Returned(returned @ 0..)) => {
                if let Some(table) = self.table(pid) {
                    table.follow(abi, effect, call, returned);
                }
            }
            // A connection that is not there yet has its address all the same.
            (Effect::Names { address }, Outcome::Returned(EINPROGRESS)) => {
                if let Some(table) = self.table(pid) {
                    table.name(abi, call, address);
                }
            }
            _ => {}
        }
    }

    fn fork(&mut self, pid: u32, child: Option<u32>, flags: u64) {
        if flags & CLONE_THREAD != 0 {
            return;
        }
        let table = self.tables.get(&pid).cloned();
        // Two processes with one table: what one opens the other closes.
        if flags & CLONE_FILES != 0 {
            self.tables.remove(&pid);
        } else if let (Some(child), Some(table)) = (child, table)
            && let Some(place) = self.table(child)
        {
            *place = table;
        }
    }

    /// The table of a process, unless there are too many.
    fn table(&mut self, pid: u32) -> Option<&mut Table> {
        let has_room = self.tables.len() < MOST || self.tables.contains_key(&pid);
        has_room.then(|| self.tables.entry(pid).or_default())
    }
}

/// As a result: `-EINPROGRESS`, the same number on all our ABIs.
const EINPROGRESS: i64 = -115;

impl Table {
    fn put(&mut self, fd: i32, open: Option<Open>) {
        let has_room = self.open.len() < MOST || self.open.contains_key(&fd);
        match open {
            Some(open) if fd >= 0 && has_room => drop(self.open.insert(fd, open)),
            _ => drop(self.open.remove(&fd)),
        }
    }

    /// A call that did not fail.
    fn follow(&mut self, abi: Abi, effect: Effect, call: &Call<'_>, returned: i64) {
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
                let target = folder.and_then(|folder| self.path(folder, text(call, path)?));
                self.open(new, target, word(flags));
            }
            Effect::Makes { what, flags } => self.open(new, Some(what.into()), word(flags)),
            Effect::MakesTwo { what, at, flags } => {
                let both = bytes(call, at).and_then(|bytes| bytes.first_chunk::<8>());
                let Some([a, b, c, d, e, f, g, h]) = both.copied() else {
                    // Which two is not known, so no others are either.
                    self.open.clear();
                    return;
                };
                for fd in [[a, b, c, d], [e, f, g, h]] {
                    let fd = match abi.is_big_endian() {
                        true => i32::from_be_bytes(fd),
                        false => i32::from_le_bytes(fd),
                    };
                    self.open(fd, Some(what.into()), word(flags));
                }
            }
            Effect::Duplicates { flags } => self.duplicate(number(0), new, word(flags)),
            Effect::Controls => match number(1) {
                Some(F_DUPFD) => self.duplicate(number(0), new, 0),
                Some(F_DUPFD_CLOEXEC) => self.duplicate(number(0), new, CLOEXEC),
                Some(F_SETFD) => {
                    let open = number(0).and_then(|fd| self.open.get_mut(&fd));
                    if let Some(open) = open {
                        open.ends_with_exec = word(Flags::In(2)) & FD_CLOEXEC != 0;
                    }
                }
                Some(_) => {}
                None => self.open.clear(),
            },
            Effect::Names { address } => self.name(abi, call, address),
            Effect::Closes => match number(0) {
                Some(fd) => self.put(fd, None),
                None => self.open.clear(),
            },
            Effect::ClosesRange => self.close_range(call),
            Effect::Moves { path: Some(path) } => {
                self.folder = text(call, path).and_then(|path| self.path(AT_FDCWD, path));
            }
            Effect::Moves { path: None } => {
                let open = number(0).and_then(|fd| self.open.get(&fd));
                self.folder = open.map(|open| open.target.clone());
            }
            Effect::Executes => self.open.retain(|_, open| !open.ends_with_exec),
            Effect::Forks { .. } | Effect::Ends => {}
        }
    }

    fn open(&mut self, fd: i32, target: Option<Arc<str>>, flags: u64) {
        let ends_with_exec = flags & CLOEXEC != 0;
        self.put(
            fd,
            target.map(|target| Open {
                target,
                ends_with_exec,
            }),
        );
    }

    /// `flags` are those of the new one.
    fn duplicate(&mut self, from: Option<i32>, to: i32, flags: u64) {
        // `dup2` of a descriptor to itself changes nothing.
        if from != Some(to) {
            let target = from
                .and_then(|from| self.open.get(&from))
                .map(|open| open.target.clone());
            self.open(to, target, flags);
        }
    }

    /// A socket is called by what it is bound or connected to last.
    fn name(&mut self, abi: Abi, call: &Call<'_>, place: usize) {
        let fd = call.known_arg(0).map(|raw| raw as u32 as i32);
        let open = fd.and_then(|fd| self.open.get_mut(&fd));
        if let (Some(open), Some(bytes)) = (open, bytes(call, place)) {
            open.target = format!("socket:[{}]", address(abi, bytes)).into();
        }
    }

    fn close_range(&mut self, call: &Call<'_>) {
        let known = [0, 1, 2].map(|arg| call.known_arg(arg));
        let [Some(first), Some(last), Some(flags)] = known else {
            self.open.clear();
            return;
        };
        let is_meant = |fd: &i32| {
            (u64::from(first as u32)..=u64::from(last as u32))
                .contains(&u64::from(fd.cast_unsigned()))
        };
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            let meant = self.open.iter_mut().filter(|(fd, _)| is_meant(fd));
            meant.for_each(|(_, open)| open.ends_with_exec = true);
        } else {
            self.open.retain(|fd, _| !is_meant(fd));
        }
    }

    /// A path as far as it is known where it begins.
    fn path(&self, folder: i32, path: &str) -> Option<Arc<str>> {
        if path.starts_with('/') {
            return Some(path.into());
        }
        let begin = match folder {
            AT_FDCWD => self.folder.as_ref(),
            fd => self.open.get(&fd).map(|open| &open.target),
        };
        match begin {
            Some(begin) if path.is_empty() => Some(begin.clone()),
            Some(begin) => Some(format!("{}/{path}", begin.trim_end_matches('/')).into()),
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
