//! What descriptors refer to, as strace reads it from `/proc` while the program is held, and gizmo tells it from the calls.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::recording::{Arg, Record};
use crate::strace::Call;

/// Of the descriptors that strace names.
const KNOWN_AT_LEAST: f64 = 0.95;

/// What was found about descriptors that are arguments.
#[derive(Debug, Default)]
pub struct Descriptors {
    same: usize,
    /// Those that gizmo does not know, by what they refer to, with an example.
    unknown: BTreeMap<String, (usize, String)>,
    /// Those of which gizmo says something else.
    wrong: Vec<String>,
}

impl Descriptors {
    /// Compares one argument.
    pub fn compare(&mut self, call: &Call, record: &Record, text: &str, arg: &Arg) {
        let Some((number, theirs)) = parse(text) else {
            return;
        };
        let ours = arg.text.as_deref().and_then(parse);
        let example = || {
            let ours = arg.text.as_deref().unwrap_or(&arg.value);
            format!(
                "{} {text} is {ours} ({}) in {}",
                call.name, arg.name, record.tid
            )
        };
        match ours {
            Some((_, ours)) if is_same(theirs, ours, record.tid) => self.same += 1,
            Some(_) => self.wrong.push(example()),
            // strace says it also where it does not matter.
            None if number == "AT_FDCWD" => {}
            None => {
                let kind = theirs.split(['[', '#']).next().unwrap_or_default();
                let found = self.unknown.entry(kind.to_owned());
                found.or_insert_with(|| (0, example())).0 += 1;
            }
        }
    }

    fn unknown(&self) -> usize {
        self.unknown.values().map(|(count, _)| count).sum()
    }

    pub fn text(&self) -> String {
        let mut text = format!(
            "Of {} descriptors that strace names {} are the same, {} not known to gizmo, {} others.\n",
            self.same + self.unknown() + self.wrong.len(),
            self.same,
            self.unknown(),
            self.wrong.len()
        );
        for (kind, (count, example)) in &self.unknown {
            let _ = writeln!(text, "{count:8}  {kind}: {example}");
        }
        for wrong in &self.wrong {
            let _ = writeln!(text, "   WRONG  {wrong}");
        }
        text
    }

    /// Nothing is wrong, and most is known.
    #[track_caller]
    pub fn assert_right(&self, report: &Path) {
        let report = report.display();
        assert!(self.wrong.is_empty(), "see {report}: {:?}", self.wrong);
        let share = self.same as f64 / (self.same + self.unknown()).max(1) as f64;
        assert!(
            share >= KNOWN_AT_LEAST,
            "only {:.2} % are known, see {report}",
            share * 100.0
        );
    }
}

/// The number of a descriptor, and what it refers to.
pub fn parse(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.split_once('<')?;
    let is_number = number.parse::<u32>().is_ok() || number == "AT_FDCWD";
    let target = rest.strip_suffix("(deleted)").unwrap_or(rest);
    let target = target.strip_suffix('>')?;
    (is_number && !target.starts_with('<')).then_some((number, target))
}

/// A text without what its descriptors refer to.
pub fn without_targets(text: &str) -> String {
    let mut out = String::new();
    let (mut is_quoted, mut rest) = (false, text);
    while let Some(char) = rest.chars().next() {
        let is_behind_number = out.ends_with(|last: char| last.is_ascii_digit() || last == 'D');
        if char == '<'
            && !is_quoted
            && is_behind_number
            && let Some((target, behind)) = rest[1..].split_once('>')
            && !target.starts_with('<')
        {
            rest = behind.strip_prefix("(deleted)").unwrap_or(behind);
            continue;
        }
        let mut end = char.len_utf8();
        match char {
            '\\' if is_quoted => end += rest[end..].chars().next().map_or(0, char::len_utf8),
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    out
}

/// strace's paths are those that the kernel found, gizmo's those that calls named, without a folder that is not known.
fn is_same(theirs: &str, ours: &str, tid: u32) -> bool {
    if let Some(folder) = ours.strip_suffix("(unnamed)") {
        return theirs.starts_with(&format!("{folder}#"));
    }
    // A link that the kernel follows by itself, and nobody can any more.
    if ours == "/proc/self/exe" {
        return Path::new(theirs).is_absolute();
    }
    // None of the programs has threads that look there.
    let ours = &ours.replacen("/proc/self/", &format!("/proc/{tid}/"), 1);
    let kinds = ["pipe", "socket"];
    if let Some(kind) = kinds.iter().find(|kind| ours.starts_with(**kind)) {
        return theirs.starts_with(kind);
    }
    let is_end = !ours.starts_with('/') && theirs.ends_with(&format!("/{ours}"));
    is_end || theirs == ours || resolved(theirs) == resolved(ours)
}

/// Without links, as far as it is there by now.
fn resolved(path: &str) -> PathBuf {
    let path = Path::new(path);
    if let Ok(found) = fs::canonicalize(path) {
        return found;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if path.is_absolute() => {
            resolved(&parent.to_string_lossy()).join(name)
        }
        _ => path.to_owned(),
    }
}

#[test]
fn targets_are_told_from_the_rest() {
    assert_eq!(parse("3</a b>"), Some(("3", "/a b")));
    assert_eq!(parse("3</a>(deleted)"), Some(("3", "/a")));
    assert_eq!(parse("AT_FDCWD</a>"), Some(("AT_FDCWD", "/a")));
    assert_eq!([parse("3"), parse("-1"), parse("1<<3>")], [None; 3]);
    let text = r#"[{fd=3<pipe:[1]>, revents=1<<3}], [4</x>(deleted) 5</y>], "3<a>""#;
    let plain = r#"[{fd=3, revents=1<<3}], [4 5], "3<a>""#;
    assert_eq!(without_targets(text), plain);
}
