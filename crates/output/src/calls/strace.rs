//! Calls as `strace -f -ttt -T` writes them to a file: thread, time, call, result and duration.
//!
//! Scripts that read such files read these. Contents of structures are all there, as with `-v`; but of an environment only
//! how many variables were recorded, as without. The order is that in which the calls returned, so nothing is
//! `resumed`: a call stands in one line, and what has not returned ends in `<unfinished ...>`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Write;

use gizmo_model::Element;
use gizmo_syscalls::decode::Outcome;

use super::{Argument, Fields, arguments};
use crate::columns::cell;
use crate::value;

/// Where results stand, if the call leaves room: strace's default (option `-a`).
const RESULT_COLUMN: usize = 40;

/// Threads that are remembered for what they were last; a file may lie about how many there are.
const MOST_THREADS: usize = 1 << 20;

/// What was said so far.
#[derive(Default)]
pub(crate) struct Strace {
    /// Threads whose last call was none of 64 bits.
    narrow: HashSet<u64>,
    line: String,
}

impl Strace {
    /// Appends the line of a call, and what strace says around it.
    pub(crate) fn write(&mut self, fields: &Fields, element: &Element, out: &mut Vec<u8>) {
        let tid = value::bits(&fields.tid, element);
        let start = value::bits(&fields.timestamp, element);
        self.write_personality(tid, start, value::text(&fields.abi, element), out);

        let name = value::text(&fields.syscall, element);
        let args = arguments(value::text(&fields.args, element));
        let outcome = fields.outcome(element);
        self.line.clear();
        cell::escape(name, &mut self.line);
        self.line.push('(');
        for (place, arg) in as_strace(name, &args).enumerate() {
            self.line.push_str(if place > 0 { ", " } else { "" });
            cell::escape(arg.as_bytes(), &mut self.line);
        }
        let end = match outcome {
            Outcome::Unfinished => " <unfinished ...>",
            Outcome::Killed => " <unfinished ...>) ",
            _ => ") ",
        };
        self.line.push_str(end);

        let lead = out.len();
        write_lead(tid, start, out);
        out.extend_from_slice(self.line.as_bytes());
        if outcome != Outcome::Unfinished {
            let width = cell::display_width(&self.line) + out.len() - lead - self.line.len();
            out.resize(out.len() + RESULT_COLUMN.saturating_sub(width), b' ');
            write_result(fields, element, outcome, out);
        }
        out.push(b'\n');
        if outcome == Outcome::NeverReturns
            && let b"exit" | b"exit_group" = name
        {
            let status = args.first().map_or(0, |arg| arg.register() & 0xff);
            write_lead(tid, start, out);
            // Writing to a vector cannot fail.
            let _ = writeln!(out, "+++ exited with {status} +++");
        }
    }

    /// Says so when a thread goes over to another width.
    fn write_personality(&mut self, tid: u64, start: u64, abi: &[u8], out: &mut Vec<u8>) {
        let mode = match abi {
            b"i386" | b"arm" => "32 bit",
            b"x32" => "x32",
            _ => "64 bit",
        };
        let is_new = match mode {
            "64 bit" => !self.narrow.is_empty() && self.narrow.remove(&tid),
            _ => self.narrow.len() < MOST_THREADS && self.narrow.insert(tid),
        };
        if is_new {
            write_lead(tid, start, out);
            let _ = writeln!(out, "[ Process PID={tid} runs in {mode} mode. ]");
        }
    }
}

/// The arguments as strace orders and shows them.
fn as_strace<'a>(name: &[u8], args: &'a [Argument<'a>]) -> impl Iterator<Item = Cow<'a, str>> {
    let mut shown: Vec<Cow<'a, str>> = args
        .iter()
        .map(|arg| match (&arg.text, &*arg.value) {
            (None, "0x0") => "NULL".into(),
            (Some(environment), pointer) if arg.name == "envp" && environment.starts_with('[') => {
                format!("{pointer} /* {} vars */", count(environment)).into()
            }
            _ => arg.shown().into(),
        })
        .collect();
    match name {
        b"clone" => shown = clone(args, shown),
        b"open" | b"openat" => {
            let creates = |flags: &str| flags.contains("O_CREAT") || flags.contains("O_TMPFILE");
            let flags = args.iter().find(|arg| arg.name == "flags");
            if flags.is_some_and(|flags| !creates(flags.shown())) {
                shown.pop();
            }
        }
        _ => {}
    }
    shown.into_iter()
}

/// The parts of `clone` that its flags give a meaning.
fn clone<'a>(args: &[Argument<'_>], shown: Vec<Cow<'a, str>>) -> Vec<Cow<'a, str>> {
    let of = |name: &str| {
        let place = args.iter().position(|arg| arg.name == name)?;
        shown.get(place)
    };
    let flags = of("clone_flags").map_or("", |flags| flags);
    let parts = [
        ("child_stack", "newsp", true),
        ("flags", "clone_flags", true),
        (
            "parent_tid",
            "parent_tidptr",
            flags.contains("CLONE_PARENT_SETTID"),
        ),
        ("tls", "tls", flags.contains("CLONE_SETTLS")),
        (
            "child_tidptr",
            "child_tidptr",
            flags.contains("CLONE_CHILD_"),
        ),
    ];
    parts
        .iter()
        .filter(|(_, _, is_used)| *is_used)
        .filter_map(|(label, name, _)| Some(format!("{label}={}", of(name)?).into()))
        .collect()
}

/// How many texts there are in a list of them.
fn count(list: &str) -> usize {
    let mut quotes = 0;
    let mut is_escaped = false;
    for character in list.chars() {
        quotes += usize::from(character == '"' && !is_escaped);
        is_escaped = character == '\\' && !is_escaped;
    }
    quotes / 2
}

/// Thread and time, seconds since 1970.
fn write_lead(tid: u64, start: u64, out: &mut Vec<u8>) {
    let (seconds, micros) = (start / 1_000_000_000, start / 1000 % 1_000_000);
    let _ = write!(out, "{tid:<5} {seconds}.{micros:06} ");
}

fn write_result(fields: &Fields, element: &Element, outcome: Outcome, out: &mut Vec<u8>) {
    match outcome {
        Outcome::NeverReturns | Outcome::Killed => out.extend_from_slice(b"= ?"),
        _ => {
            let mut ret = String::new();
            cell::escape(value::text(&fields.ret, element), &mut ret);
            let _ = write!(out, "= {ret}");
        }
    }
    if let Some(duration) = fields.duration(element) {
        let micros = duration.ns() / 1000;
        let _ = write!(out, " <{}.{:06}>", micros / 1_000_000, micros % 1_000_000);
    }
}
