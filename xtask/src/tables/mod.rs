//! `cargo xtask tables`: the names of flags and other constants, from packaged kernel headers, into
//! `crates/syscalls/src/data/constants.txt`.
//!
//! `groups.txt` says which names belong together, `headers.c` where they are defined. The compiler evaluates them, for
//! each ABI with the headers of its architecture.

mod compiler;
mod groups;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::shell;
use compiler::Name;
use groups::Group;

/// What the headers say of a constant.
struct Constant {
    name: Name,
    /// By ABI.
    numbers: BTreeMap<&'static str, u64>,
}

/// By name.
type Constants = BTreeMap<String, Constant>;

const HEAD: &str = "\
# Constants of system calls: `[NAME KIND/MASK]`, then each constant of the group with its number. Where ABIs differ, the
# number that most have is followed by theirs, and `-` is none. MASK holds the bits of a flag word that are one number.
# Made by `cargo xtask tables` from the kernel headers that Debian packages (Linux 6.1); do not edit.
";

pub(crate) fn run() -> anyhow::Result<()> {
    let path = path();
    std::fs::write(&path, made()?).with_context(|| format!("failed to write `{}`", path.display()))
}

fn path() -> PathBuf {
    shell::root().join("crates/syscalls/src/data/constants.txt")
}

/// The text of the file.
fn made() -> anyhow::Result<String> {
    let groups = groups::parse()?;
    let constants = constants(&groups)?;
    let (mut text, mut errors) = (HEAD.to_owned(), BTreeSet::new());
    for group in &groups {
        write!(text, "\n[{} {}", group.name, group.kind)?;
        if let Some(mask) = group.mask {
            write!(text, "/{mask:#x}")?;
        }
        text += "]\n";
        for constant in members(group, &constants, &mut errors) {
            let numbers = numbers(&constant.numbers);
            writeln!(text, "{} {numbers}", constant.name.name)?;
        }
    }
    if !errors.is_empty() {
        let errors: Vec<String> = errors.into_iter().collect();
        bail!("`groups.txt` is wrong:\n{}", errors.join("\n"));
    }
    Ok(text)
}

/// What the headers of every ABI say; of what only libc defines, what it says on x86, since that is the same everywhere.
fn constants(groups: &[Group]) -> anyhow::Result<Constants> {
    let is_wanted = |name: &Name| groups.iter().any(|group| group.has(name));
    let mut constants = Constants::new();
    for abi in &compiler::ABIS {
        for (name, number) in compiler::constants(abi, is_wanted)? {
            let constant = constants.entry(name.name.clone());
            let numbers = BTreeMap::new();
            let constant = constant.or_insert(Constant { name, numbers });
            constant.numbers.insert(abi.name, number);
        }
    }
    for (name, number) in compiler::constants(&compiler::LIBC, is_wanted)? {
        constants.entry(name.name.clone()).or_insert_with(|| {
            let numbers = compiler::ABIS.iter().map(|abi| (abi.name, number));
            let numbers = numbers.collect();
            Constant { name, numbers }
        });
    }
    Ok(constants)
}

/// The constants of a group by their numbers; adds what is wrong with them.
fn members<'a>(
    group: &Group,
    constants: &'a Constants,
    errors: &mut BTreeSet<String>,
) -> Vec<&'a Constant> {
    let is_member = |constant: &&Constant| group.has(&constant.name);
    let mut members: Vec<&Constant> = constants.values().filter(is_member).collect();
    for named in group.named().filter(|name| !constants.contains_key(*name)) {
        errors.insert(format!("{}: no header defines `{named}`", group.name));
    }
    members.sort_by_key(|constant| (usual(&constant.numbers), &constant.name));
    for abi in &compiler::ABIS {
        let mut seen = BTreeMap::new();
        for constant in &members {
            let (name, number) = (&constant.name.name, constant.numbers.get(abi.name));
            if let Some(other) = number.and_then(|number| seen.insert(number, name)) {
                let group = &group.name;
                errors.insert(format!("{group}: `{other}` and `{name}` have one number"));
            }
        }
    }
    members
}

/// The number that most ABIs have, the smallest of several.
fn usual(numbers: &BTreeMap<&str, u64>) -> Option<u64> {
    let count = |abi: &compiler::Source| numbers.get(abi.name).copied();
    let distinct: BTreeSet<Option<u64>> = compiler::ABIS.iter().map(count).collect();
    let how_often = |value: &Option<u64>| {
        compiler::ABIS
            .iter()
            .filter(|abi| count(abi) == *value)
            .count()
    };
    // Of several the last is taken.
    distinct.into_iter().rev().max_by_key(how_often).flatten()
}

fn numbers(numbers: &BTreeMap<&str, u64>) -> String {
    let shown = |number: Option<u64>| match number {
        Some(number) => format!("{number:#x}"),
        None => "-".to_owned(),
    };
    let usual = usual(numbers);
    let mut others: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for abi in &compiler::ABIS {
        let number = numbers.get(abi.name).copied();
        if number != usual {
            others.entry(shown(number)).or_default().push(abi.name);
        }
    }
    let mut text = shown(usual);
    for (number, abis) in others {
        text += &format!(" {}:{number}", abis.join(","));
    }
    text
}

#[test]
#[ignore = "packages: needs kernel headers of other architectures"]
fn constants_are_those_of_the_headers() {
    let found = std::fs::read_to_string(path()).expect("the file is there");
    let made = made().expect("the headers are installed");
    let differs = found
        .lines()
        .zip(made.lines())
        .find(|(found, made)| found != made);
    assert!(differs.is_none(), "run `cargo xtask tables`: {differs:?}");
    assert_eq!(found.len(), made.len(), "run `cargo xtask tables`");
}

#[test]
fn what_most_have_stands_first() {
    let all = |value| -> BTreeMap<&str, u64> {
        compiler::ABIS.iter().map(|abi| (abi.name, value)).collect()
    };
    let mut direct = all(0x4000);
    assert_eq!(numbers(&direct), "0x4000");
    direct.insert("arm64", 0x10000);
    direct.remove("i386");
    assert_eq!(numbers(&direct), "0x4000 i386:- arm64:0x10000");
    let only = BTreeMap::from([("x86_64", 0x40)]);
    assert_eq!(numbers(&only), "- x86_64:0x40");
}
