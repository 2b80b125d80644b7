//! What the descriptors of a container's processes refer to, while its records are read.
//!
//! The rules are those of `gizmo_syscalls::descriptors`. Here is what they are told: records in their order, what the runtime has
//! read of `/proc`, and where something is missing, after which nothing is known any more.

use std::rc::Rc;
use std::sync::Arc;

use gizmo_syscalls::Abi;
use gizmo_syscalls::decode::Call;
use gizmo_syscalls::descriptors::{Descriptors, Effect, Process, Seed, Times};

use crate::segment::{Record, Thread};

/// What the arguments of a call refer to that are descriptors.
pub type Files<'a> = [Option<&'a Arc<str>>; 6];

/// Programs on several CPUs write what returns at once, and note the time a moment before: what is younger than this when the
/// rings are looked at may not be in its order yet.
const UNSETTLED_NS: u64 = 100_000;

/// What the runtime has read of the processes of a container.
#[derive(Debug)]
pub struct OpenFiles {
    read: Times,
    text: String,
}

impl OpenFiles {
    /// Reads the field `open_files` of a `containers` event; `None` if nothing is told.
    pub fn parse(text: String) -> Option<Rc<Self>> {
        let mut words = text.lines().next()?.split(' ');
        let mut number = || words.next()?.parse().ok();
        let read = Times {
            begin: number()?,
            end: number()?,
        };
        Some(Rc::new(Self { read, text }))
    }

    fn seeds(&self) -> impl Iterator<Item = Seed<'_>> {
        self.text.lines().skip(1).filter_map(|line| {
            let mut words = line.splitn(5, ' ');
            Some(Seed {
                pid: words.next()?.parse().ok()?,
                born_ticks: words.next()?.parse().ok()?,
                fd: words.next()?.parse().ok()?,
                ends_with_exec: words.next()? == "1",
                target: words.next()?,
            })
        })
    }
}

/// Bytes that may be used for what is known along a ring: thousands of descriptors. It is little of the guest's memory, since a traced
/// program can have any number.
pub const ROOM: usize = 1 << 20;

/// The same of one that is kept for a follower.
pub const FOLLOWER_ROOM: usize = ROOM / 4;

/// A way along the records of a ring.
#[derive(Debug)]
pub struct Walk {
    descriptors: Descriptors,
    /// What was read later than all records so far.
    open_files: Option<Rc<OpenFiles>>,
    /// Since when there was the filter under which the last record was made.
    filter_boot_ns: u64,
    settled_boot_ns: u64,
}

impl Walk {
    /// From the beginning of a ring.
    pub fn new(open_files: Option<Rc<OpenFiles>>, room: usize) -> Self {
        Self {
            descriptors: Descriptors::new(room),
            open_files,
            filter_boot_ns: 0,
            settled_boot_ns: 0,
        }
    }

    /// What was recorded until now will be told.
    pub fn go_on(&mut self, now_boot_ns: u64) {
        self.settled_boot_ns = now_boot_ns.saturating_sub(UNSETTLED_NS);
    }

    /// The next record is told, of a time in which there was this filter.
    pub fn reach(&mut self, filter_boot_ns: u64, record: &Record<'_>) {
        if self.filter_boot_ns != filter_boot_ns {
            self.filter_boot_ns = filter_boot_ns;
            self.forget(record);
        }
        let is_read = |files: &mut Rc<OpenFiles>| files.read.end <= record.end_boot_ns();
        if let Some(files) = self.open_files.take_if(is_read) {
            for seed in files.seeds() {
                self.descriptors.seed(&seed, files.read);
            }
        }
    }

    /// Calls are missing in front of a record.
    pub fn forget(&mut self, record: &Record<'_>) {
        self.descriptors.forget();
        // What was read in the midst of what is missing may not hold behind it.
        self.open_files
            .take_if(|files| files.read.begin < record.end_boot_ns());
    }

    /// A thread has made a call.
    pub fn meet(&mut self, thread: &Thread) {
        self.descriptors.meet(&Process {
            pid: thread.pid,
            parent: thread.parent,
            born_boot_ns: thread.born_boot_ns,
            is_vforked: thread.is_vforked,
        });
    }

    /// What a record's arguments refer to, of which these are descriptors.
    pub fn files(
        &self,
        record: &Record<'_>,
        pid: u32,
        descriptors: impl Iterator<Item = usize>,
    ) -> Files<'_> {
        match record.end_boot_ns() <= self.settled_boot_ns {
            true => self.files_at(record.start_boot_ns, pid, &record.args, descriptors),
            false => [None; 6],
        }
    }

    /// The same of a call that began at some time and has not returned.
    pub fn files_at(
        &self,
        begin_boot_ns: u64,
        pid: u32,
        args: &[u64; 6],
        descriptors: impl Iterator<Item = usize>,
    ) -> Files<'_> {
        let mut files = [None; 6];
        let is_settled = begin_boot_ns <= self.settled_boot_ns;
        for arg in descriptors.filter(|_| is_settled) {
            let fd = args[arg] as u32 as i32;
            files[arg] = self.descriptors.target(pid, fd, begin_boot_ns);
        }
        files
    }

    /// A call that does something to descriptors has returned.
    pub fn follow(
        &mut self,
        abi: Abi,
        pid: u32,
        effect: Effect,
        record: &Record<'_>,
        call: &Call<'_>,
    ) {
        let times = Times {
            begin: record.start_boot_ns,
            end: record.end_boot_ns(),
        };
        self.descriptors.follow(abi, pid, effect, call, times);
    }
}

/// What is known, for a decoder.
pub fn texts<'a>(files: &Files<'a>) -> [Option<&'a str>; 6] {
    files.map(|file| file.map(|file| &**file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Entry;
    use crate::segment::tests::{record, thread};

    const TEXT: &str = "100 200\n40 0 0 0 /dev/null\n40 0 5 1 /a b\nnonsense\n40 0 x 0 /c\n";

    fn of(bytes: &[u8]) -> Record<'_> {
        match Entry::parse(bytes) {
            Some((Entry::Record(record), _)) => record,
            other => panic!("{other:?}"),
        }
    }

    /// What two descriptors of process 40 refer to.
    fn known(walk: &Walk, at_ns: u64) -> [Option<&str>; 2] {
        let args = [0, 5, 0, 0, 0, 0];
        let files = walk.files_at(at_ns, 40, &args, [0, 1].into_iter());
        let [first, second, ..] = texts(&files);
        [first, second]
    }

    fn walk() -> Walk {
        let mut walk = Walk::new(OpenFiles::parse(TEXT.to_owned()), ROOM);
        walk.go_on(u64::MAX);
        walk
    }

    #[test]
    fn what_was_read_holds_from_then_on() {
        let mut walk = walk();
        walk.reach(0, &of(&record(10, 100, 0)));
        assert_eq!(known(&walk, 300), [None, None]);
        walk.reach(0, &of(&record(150, 60, 0)));
        assert_eq!(known(&walk, 199), [None, None]);
        assert_eq!(known(&walk, 200), [Some("/dev/null"), Some("/a b")]);
        let late = record(300, 5, 0);
        walk.forget(&of(&late));
        assert_eq!(known(&walk, 300), [None, None]);
    }

    #[test]
    fn what_was_read_in_the_midst_of_what_is_missing_is_nothing() {
        for (end, is_known) in [(100, true), (101, false), (300, false)] {
            let mut walk = walk();
            walk.forget(&of(&record(end, 0, 0)));
            walk.reach(0, &of(&record(400, 0, 0)));
            assert_eq!(known(&walk, 400)[0].is_some(), is_known, "{end}");
        }
    }

    #[test]
    fn another_filter_is_another_story() {
        let mut walk = walk();
        walk.reach(0, &of(&record(300, 0, 0)));
        assert!(known(&walk, 400)[0].is_some());
        walk.reach(1, &of(&record(400, 0, 0)));
        assert!(known(&walk, 400)[0].is_none());
    }

    #[test]
    fn what_may_not_be_in_its_order_is_not_known() {
        let mut walk = Walk::new(OpenFiles::parse(TEXT.to_owned()), ROOM);
        let (Some((Entry::Thread(thread), _)), bytes) =
            (Entry::parse(&thread(40, "cat")), record(300, 1, 0))
        else {
            panic!()
        };
        let record = of(&bytes);
        walk.reach(0, &record);
        walk.meet(&thread);
        let is_known = |walk: &Walk| walk.files(&record, 40, [0].into_iter())[0].is_some();
        assert!(!is_known(&walk));
        walk.go_on(301 + UNSETTLED_NS);
        assert!(is_known(&walk));
    }

    #[test]
    fn what_is_no_list_is_none() {
        for text in ["", "1", "x 2", "1 x\n"] {
            assert!(OpenFiles::parse(text.to_owned()).is_none(), "{text:?}");
        }
    }
}
