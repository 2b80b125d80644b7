//! The groups of `groups.txt`; its head says how they are written.

use anyhow::{Context, bail};

use super::compiler::Name;

static TEXT: &str = include_str!("groups.txt");

/// Constants that can stand in the same argument.
#[derive(Debug)]
pub(super) struct Group {
    pub name: String,
    /// `enum` or `flags`.
    pub kind: String,
    /// The bits of a flag word that are one number.
    pub mask: Option<u64>,
    patterns: Vec<String>,
    left_out: Vec<String>,
}

impl Group {
    /// Whether a constant belongs to it. Who is named belongs to it, whatever is left out.
    pub fn has(&self, name: &Name) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('}') {
            None => matches(pattern, &name.name),
            Some(pattern) => pattern.split_once('{').is_some_and(|(origin, pattern)| {
                origin == name.origin && matches(pattern, &name.name)
            }),
        };
        self.named().any(|named| named == name.name)
            || self.patterns.iter().any(matches) && !self.left_out.iter().any(matches)
    }

    /// The constants that are named and not matched.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        let patterns = self.patterns.iter().map(String::as_str);
        patterns.filter(|pattern| !pattern.contains('*'))
    }
}

/// Whether a name is what the pattern says, of which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => {
            let Some(name) = name.strip_prefix(start) else {
                return false;
            };
            (0..=name.len())
                .any(|skipped| name.is_char_boundary(skipped) && matches(rest, &name[skipped..]))
        }
    }
}

pub(super) fn parse() -> anyhow::Result<Vec<Group>> {
    let mut groups = Vec::new();
    let lines = TEXT
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in lines {
        let names = match line.strip_prefix(' ') {
            Some(names) => names,
            None => {
                let (head, names) = line
                    .split_once(": ")
                    .with_context(|| format!("no group in `{line}`"))?;
                groups.push(begin(head)?);
                names
            }
        };
        let group: &mut Group = groups.last_mut().context("the first line goes on")?;
        for name in names.split_ascii_whitespace() {
            match name.strip_prefix('-') {
                Some(name) => group.left_out.push(name.to_owned()),
                None => group.patterns.push(name.to_owned()),
            }
        }
    }
    Ok(groups)
}

fn begin(head: &str) -> anyhow::Result<Group> {
    let (name, kind) = head
        .split_once(' ')
        .with_context(|| format!("no kind in `{head}`"))?;
    let (kind, mask) = kind.split_once('/').unwrap_or((kind, ""));
    if !matches!(kind, "enum" | "flags") {
        bail!("`{kind}` is no kind of group");
    }
    let mask = match mask.strip_prefix("0x") {
        Some(digits) => Some(u64::from_str_radix(digits, 16)?),
        None => None,
    };
    Ok(Group {
        name: name.to_owned(),
        kind: kind.to_owned(),
        mask,
        patterns: Vec::new(),
        left_out: Vec::new(),
    })
}

#[test]
fn names_are_matched_and_left_out() {
    let names = |patterns: &[&str]| patterns.iter().map(|name| (*name).to_owned()).collect();
    let group = Group {
        patterns: names(&["O_*", "*_MAGIC", "_IO{FI*}"]),
        left_out: names(&["O_ACC*"]),
        ..begin("open flags/0x3").expect("a group")
    };
    assert_eq!(group.mask, Some(3));
    let has = |name: &str, origin: &str| {
        group.has(&Name {
            name: name.to_owned(),
            origin: origin.to_owned(),
        })
    };
    assert!(has("O_RDONLY", "") && has("PROC_MAGIC", "") && has("FIX", "_IO"));
    assert!(!has("O_ACCMODE", "") && !has("FO_X", "") && !has("MAGIC_X", "") && !has("FIX", ""));
}
