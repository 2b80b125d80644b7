use super::*;
use crate::decode::Capture;
use crate::expression::Expression;
use crate::fallback;

/// An `openat(3, "/etc/passwd", 0x80000)` of thread 8 of process 7, called nginx.
struct Opened {
    call: Call<'static>,
    duration: Option<Duration>,
    uid: Option<u32>,
}

const PATH: [Capture<'static>; 1] = [Capture {
    arg: 1,
    part: 0,
    bytes: b"/etc/passwd\0",
    true_len: Some(11),
    fault: false,
}];

fn opened() -> Opened {
    Opened {
        call: Call {
            args: [3, 0x1000, 0x80000, 0, 0, 0],
            arg_count: 4,
            outcome: Outcome::Returned(4),
            captures: &PATH,
            args_known: true,
            files: [None; 6],
        },
        duration: Some(Duration::Exactly(5000)),
        uid: Some(33),
    }
}

impl Opened {
    #[track_caller]
    fn passes(&self, text: &str) -> bool {
        let predicates = Expression::parse(text).unwrap().predicates;
        let abi = Abi::X86_64;
        let declaration = fallback::declaration(abi, "openat");
        let checks = Checks::new(&predicates, abi, "openat", declaration);
        checks.pass(&Facts {
            call: &self.call,
            duration: self.duration,
            pid: 7,
            tid: 8,
            uid: self.uid,
            comm: b"nginx",
        })
    }

    #[track_caller]
    fn assert(&self, passing: &[&str], others: &[&str]) {
        for text in passing {
            assert!(self.passes(text), "{text}");
        }
        for text in others {
            assert!(!self.passes(text), "{text}");
        }
    }
}

#[test]
fn every_subject_is_tested() {
    opened().assert(
        &[
            "ok",
            "ret=4",
            "ret>3, ret<=4",
            "error!=ENOENT",
            "duration>4us",
            "pid=7|9",
            "tid!=7",
            "uid=33",
            "comm=nginx",
            "comm~ng*",
            "fd=3",
            "fd>2",
            "path=/etc/passwd",
            "path~/etc/*",
            "path!~/usr/*",
            "arg.flags=0x80000",
            "arg.flags>=524288",
            "arg.dfd=3",
            "arg.filename~*passwd",
            "arg.filename=3|/etc/passwd",
            "arg.filename=0x1000",
        ],
        &[
            "failed",
            "ret!=4",
            "error=ENOENT",
            "duration<5us",
            "pid=8",
            "tid=7",
            "uid!=33",
            "comm=sh",
            "comm!~*x",
            "fd!=3",
            "path!=/etc/passwd",
            "path~/usr/*",
            "arg.flags=0",
            "arg.filename!=0x1000|/x",
        ],
    );
}

#[test]
fn what_is_not_known_passes_no_test() {
    let mut call = opened();
    call.duration = None;
    call.uid = None;
    call.call.captures = &[];
    call.call.outcome = Outcome::Killed;
    call.call.args_known = false;
    call.assert(
        &["pid=7"],
        &[
            "ok",
            "failed",
            "ret!=0",
            "duration>0ns",
            "duration<1s",
            "uid!=1",
            "path!=/x",
            "path~*",
            "fd!=9",
            "arg.flags!=1",
        ],
    );
}

#[test]
fn what_could_not_be_read_is_not_known() {
    const UNREADABLE: [Capture<'static>; 1] = [Capture {
        fault: true,
        ..PATH[0]
    }];
    let mut call = opened();
    call.call.captures = &UNREADABLE;
    call.assert(&[], &["path~*", "path!=/x", "arg.filename~*"]);
}

#[test]
fn a_call_that_goes_on_has_taken_so_long_at_least() {
    let mut call = opened();
    call.call.outcome = Outcome::Unfinished;
    call.duration = Some(Duration::AtLeast(5000));
    call.assert(
        &["duration>4us", "duration>=5us", "duration!=4us"],
        &["duration>5us", "duration<10us", "duration!=9us"],
    );
}

#[test]
fn a_call_without_the_argument_passes_no_test_of_it() {
    let none = |text: &str| {
        let predicates = Expression::parse(text).unwrap().predicates;
        let declaration = fallback::declaration(Abi::X86_64, "getppid");
        let checks = Checks::new(&predicates, Abi::X86_64, "getppid", declaration);
        let call = opened();
        checks.pass(&Facts {
            call: &call.call,
            duration: None,
            pid: 0,
            tid: 0,
            uid: None,
            comm: b"",
        })
    };
    assert!(!none("fd=3") && !none("fd!=3") && !none("path!=x") && !none("arg.flags!=1"));
}

#[test]
fn values_have_the_sign_of_their_type() {
    let mut call = opened();
    call.call.args[0] = 0xffff_ff9c;
    call.assert(
        &["fd=-100", "arg.dfd=-100", "arg.dfd<0"],
        &["fd=4294967196"],
    );
}
