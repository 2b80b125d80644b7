//! The files of `strace -ff -n -xx -X raw -a1`: one for each thread.

use std::collections::BTreeMap;
use std::path::Path;

use crate::normal::Outcome;
use crate::text;

/// One call of a thread.
#[derive(Debug, Clone)]
pub struct Call {
    /// Number in its ABI; without the bit of x32.
    pub number: Option<u32>,
    pub name: String,
    pub args: Vec<String>,
    pub outcome: Outcome,
}

/// The calls of every thread, by its number.
pub type Threads = BTreeMap<u32, Vec<Call>>;

/// Reads the files `prefix.TID`.
#[track_caller]
pub fn read(prefix: &Path) -> Threads {
    let folder = prefix.parent().expect("the files are in a folder");
    let name = prefix
        .file_name()
        .and_then(|name| name.to_str())
        .expect("the name is text");
    let mut threads = Threads::new();
    for entry in folder.read_dir().expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let file = path.file_name().and_then(|name| name.to_str());
        let tid = file
            .and_then(|file| file.strip_prefix(name)?.strip_prefix('.'))
            .and_then(|tid| tid.parse().ok());
        if let Some(tid) = tid {
            let text = std::fs::read_to_string(&path).expect("strace writes text");
            threads.insert(tid, text.lines().filter_map(parse_line).collect());
        }
    }
    threads
}

const X32_BIT: u32 = 0x4000_0000;

/// A line that is a call; nothing for signals, ends and remarks.
#[track_caller]
fn parse_line(line: &str) -> Option<Call> {
    let (number, rest) = line.strip_prefix('[')?.split_once("] ")?;
    if ["---", "+++", "<..."]
        .iter()
        .any(|mark| rest.starts_with(mark))
    {
        return None;
    }
    let (name, rest) = rest
        .split_once('(')
        .unwrap_or_else(|| panic!("`{line}` is no call"));
    let (args, outcome) = match split_end(rest) {
        Some((args, result)) => (args, parse_outcome(name, result)),
        // What became of the thread stands behind the arguments.
        None => (
            rest.rsplit_once(" <").map_or(rest, |(args, _)| args),
            Outcome::Unseen,
        ),
    };
    Some(Call {
        number: number
            .trim()
            .parse::<u32>()
            .ok()
            .map(|number| number & !X32_BIT),
        name: name.to_owned(),
        args: text::split(args, ", "),
        outcome,
    })
}

/// Arguments and result of a call that ended: the last `) = ` is not in a text, since those are escaped.
fn split_end(rest: &str) -> Option<(&str, &str)> {
    rest.rsplit_once(") = ")
}

#[track_caller]
fn parse_outcome(name: &str, result: &str) -> Outcome {
    // What a descriptor refers to.
    let result = match result.split_once('<') {
        Some((number, _)) if number.bytes().all(|byte| byte.is_ascii_digit()) => number,
        _ => result,
    };
    let mut words = result.split(' ');
    let value = words.next().unwrap_or_default();
    let next = words.next();
    match (value, next) {
        ("?", Some(error)) if error.starts_with('E') => Outcome::Error(error.to_owned()),
        ("?", _) if name == "exit" || name == "exit_group" => Outcome::NeverReturns,
        ("?", _) => Outcome::Unseen,
        ("-1", Some(error)) if error.starts_with('E') => Outcome::Error(error.to_owned()),
        // The kernel's -1 is EPERM. strace says this of a thread that died before it could be asked.
        ("-1", _) => Outcome::Unseen,
        _ => Outcome::Value(number(value).unwrap_or_else(|| panic!("`{result}` is no result"))),
    }
}

fn number(text: &str) -> Option<i64> {
    let unsigned = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(text, 8).ok()?,
        None => return text.parse().ok(),
    };
    Some(unsigned.cast_signed())
}

#[test]
fn lines_become_calls() {
    let call = parse_line(r#"[ 257] openat(-100, "\x2f", 0) = -1 ENOENT (No such file)"#);
    let call = call.expect("a call");
    assert_eq!((call.number, call.name.as_str()), (Some(257), "openat"));
    assert_eq!(call.args, ["-100", r#""\x2f""#, "0"]);
    assert_eq!(call.outcome, Outcome::Error("ENOENT".to_owned()));
    let outcome = |line| parse_line(line).expect("a call").outcome;
    assert_eq!(outcome("[  12] brk(NULL) = 0x1000"), Outcome::Value(0x1000));
    assert_eq!(outcome("[  95] umask(0) = 022"), Outcome::Value(0o22));
    assert_eq!(outcome("[   2] open(1) = 3</a b>"), Outcome::Value(3));
    assert_eq!(outcome("[ 231] exit_group(0) = ?"), Outcome::NeverReturns);
    assert_eq!(outcome("[  34] pause( <unfinished ...>"), Outcome::Unseen);
    assert_eq!(outcome("[  34] pause() = -1"), Outcome::Unseen);
    assert_eq!(
        outcome("[   0] read(3, 0x10, 1) = ? ERESTARTSYS (To be restarted)"),
        Outcome::Error("ERESTARTSYS".to_owned())
    );
    let call = parse_line(r#"[  59] execve("\x2f", ["\x61"], [] <pid changed to 7 ...>"#);
    assert_eq!(
        call.expect("a call").args,
        [r#""\x2f""#, r#"["\x61"]"#, "[]"]
    );
    assert!(parse_line("[ 231] +++ exited with 0 +++").is_none());
    assert!(parse_line("--- SIGALRM {} ---").is_none());
}
