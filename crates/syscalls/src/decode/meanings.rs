//! What arguments mean beyond their C types, by call.
//!
//! Owns the reading of `data/arguments.txt`; its head says how it is written. A line names parameters as the built-in
//! declarations do, so that it fits whatever the running kernel calls them, and every ABI's order.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::constants::Group;
use super::form::{Form, Meaning};
use super::number::word_bits;
use crate::{Abi, fallback};

#[cfg(test)]
mod tests;

static TEXT: &str = include_str!("../data/arguments.txt");

/// What an argument means.
#[derive(Debug)]
pub(super) struct Known {
    pub arg: usize,
    /// Only where another argument has one of these values.
    pub only: Option<(usize, Vec<u64>)>,
    word: &'static str,
}

impl Known {
    /// How the argument is shown instead of `form`; `None` if the ABI has none of these constants.
    pub fn form(&self, abi: Abi, form: Form) -> Option<Form> {
        let group = |name| Group::find(abi, name);
        let meaning = match self.word {
            "int" => return Some(form.signed(32)),
            "long" => return Some(form.signed(word_bits(abi))),
            // Signed 32 bits, whatever the register holds above them.
            "key" => return Some(form.signed(32).meaning(abi, Meaning::Names(group("key")?))),
            "hex" => Meaning::Hex,
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
fn selector(abi: Abi, plain: &[Known], constants: &str) -> Option<(usize, Vec<u64>)> {
    let numbers = |known: &Known| {
        let group = Group::find(abi, known.word)?;
        let numbers: Vec<u64> = constants
            .split(',')
            .filter_map(|name| group.number(name))
            .collect();
        (!numbers.is_empty()).then_some((known.arg, numbers))
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
