//! What arguments mean beyond their C types, by call.
//!
//! Owns the reading of `data/arguments.txt`; its head says how it is written. A line names parameters as the built-in
//! declarations do, so that it fits whatever the running kernel calls them, and every ABI's order.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::constants::Group;
use super::form::{Form, Meaning};
use super::number::{Class, word_bits};
use super::pointee::Pointee;
use crate::{Abi, fallback};

#[cfg(test)]
mod tests;

static TEXT: &str = include_str!("../data/arguments.txt");

/// What an argument means.
#[derive(Debug)]
pub(super) struct Known {
    pub arg: usize,
    /// Only where another argument decides so.
    pub only: Option<Condition>,
    word: &'static str,
}

/// An argument has one of these values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub arg: usize,
    /// The bits that are compared.
    pub mask: u64,
    pub values: Vec<u64>,
}

impl Known {
    /// How the argument is shown instead of `form`; `None` if it is what it points to that is known.
    pub fn form(&self, abi: Abi, form: Form) -> Option<Form> {
        match self.word.strip_prefix('*') {
            Some(_) => None,
            None => self::form(abi, form, self.word),
        }
    }

    /// What it points to, if it is `declared` to point to that.
    pub fn pointee(&self, abi: Abi, declared: Pointee) -> Pointee {
        match self.word {
            "*[2]" => declared.pair(),
            word => Pointee::named(abi, word.trim_start_matches('*')).unwrap_or(declared),
        }
    }
}

/// A number of this form with the meaning of a word; `None` if the ABI has none of its constants.
pub(super) fn form(abi: Abi, form: Form, word: &str) -> Option<Form> {
    let group = |name| Group::find(abi, name);
    let meaning = match word {
        "int" => return Some(Form::of(Class::Signed(32))),
        "long" => return Some(Form::of(Class::Signed(word_bits(abi)))),
        "address" => return Some(Form::address(Meaning::Pointer)),
        "handler" => return Some(Form::address(Meaning::Names(group("handler")?))),
        // Signed 32 bits, whatever the register holds above them.
        "key" => {
            let key = Form::of(Class::Signed(32));
            return Some(key.meaning(abi, Meaning::Names(group("key")?)));
        }
        "hex" => Meaning::Hex,
        "octal" => Meaning::Octal,
        "limit" => Meaning::Limit,
        "mode" => Meaning::Mode(group("file_type")?),
        "device" => Meaning::Device,
        "signal" => Meaning::Signal,
        "ioctl" => Meaning::Command(group("ioctl")?),
        word => match word.split_once('+') {
            Some((word, "mode")) => Meaning::Permitted(group(word)?),
            Some((word, _)) => Meaning::Signalled(group(word)?),
            None => Meaning::Names(group(word)?),
        },
    };
    Some(form.meaning(abi, meaning))
}

/// What is known of the arguments of a call, those of the plain line first.
pub(super) fn of_call(abi: Abi, name: &str) -> Vec<Known> {
    let Some(declaration) = fallback::declaration(abi, name) else {
        return Vec::new();
    };
    let position = |wanted: &str| {
        declaration
            .parameters
            .iter()
            .position(|parameter| parameter.name == wanted)
    };
    let mut found: Vec<Known> = Vec::new();
    for line in lines().get(name).into_iter().flatten() {
        let only = match line.constants {
            "" => None,
            constants => match selector(abi, &found, constants) {
                Some(only) => Some(only),
                None => continue,
            },
        };
        for (parameter, word) in line
            .words
            .split(' ')
            .filter_map(|word| word.split_once('='))
        {
            if let Some(arg) = position(parameter) {
                found.push(Known {
                    arg,
                    only: only.clone(),
                    word,
                });
            }
        }
    }
    found
}

/// The argument that can be these constants, and their numbers.
fn selector(abi: Abi, plain: &[Known], constants: &str) -> Option<Condition> {
    let numbers = |known: &Known| {
        let group = Group::find(abi, known.word)?;
        let numbers = constants.split(',').filter_map(|name| group.number(name));
        let condition = Condition {
            arg: known.arg,
            mask: group.mask(),
            values: numbers.collect(),
        };
        (!condition.values.is_empty()).then_some(condition)
    };
    plain
        .iter()
        .filter(|known| known.only.is_none())
        .find_map(numbers)
}

/// A line of the text for one of its calls.
#[derive(Debug, Clone, Copy)]
struct Line {
    constants: &'static str,
    words: &'static str,
}

fn lines() -> &'static BTreeMap<&'static str, Vec<Line>> {
    static LINES: OnceLock<BTreeMap<&str, Vec<Line>>> = OnceLock::new();
    LINES.get_or_init(|| {
        let mut lines: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let Some((head, words)) = line.split_once(' ') else {
                continue;
            };
            let (calls, constants) = head.split_once('@').unwrap_or((head, ""));
            for call in calls.split(',') {
                lines
                    .entry(call)
                    .or_default()
                    .push(Line { constants, words });
            }
        }
        lines
    })
}
