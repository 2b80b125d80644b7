//! Why an item of a list selects no system call, and how that is said.

use std::fmt::Write as _;

use thiserror::Error;

use super::abis_of_kernel;
use crate::Abi;
use crate::decode::is_unfit;
use crate::list::Item;

/// An item that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SelectError {
    /// The ABI has no call of this name.
    #[error("{}{}", describe(item), describe_unknown(call, *abi, elsewhere, *selectable, nearest))]
    UnknownCall {
        /// The item.
        item: Item,
        /// The name in it, without an ABI.
        call: String,
        /// The ABI it was looked for in.
        abi: Abi,
        /// Other ABIs that have such a call, those of this kernel first.
        elsewhere: Vec<Abi>,
        /// The one of them that can be selected on this kernel, if any.
        selectable: Option<Abi>,
        /// Calls of `abi` that may have been meant, best first.
        nearest: Vec<&'static str>,
    },
    /// What is before the colon is no ABI.
    #[error("{}names the unknown abi `{}` (this kernel has {})", describe(item), shorten(text), join(abis_of_kernel(*native)))]
    UnknownAbi {
        /// The item.
        item: Item,
        /// What is before the colon.
        text: String,
        /// The kernel's native ABI.
        native: Abi,
    },
    /// The ABI is another kernel's.
    #[error("{}names the abi `{abi}`, which tasks of this kernel cannot use (it has {})", describe(item), join(abis_of_kernel(*native)))]
    ForeignAbi {
        /// The item.
        item: Item,
        /// The ABI it names.
        abi: Abi,
        /// The kernel's native ABI.
        native: Abi,
    },
    /// It starts with a digit but is no 32-bit number.
    #[error(
        "{}is neither a name nor a number from 0 to 4294967295",
        describe(item)
    )]
    BadNumber {
        /// The item.
        item: Item,
    },
    /// No call of this kernel is in the class, or has such a name.
    #[error("{}matches no system call of this kernel", describe(item))]
    NoMatch {
        /// The item.
        item: Item,
    },
    /// Everything that was selected was removed again.
    #[error("nothing is left of the selected calls")]
    Nothing {
        /// The first item.
        item: Item,
    },
}

impl SelectError {
    /// The item that it is about.
    pub fn item(&self) -> &Item {
        match self {
            Self::UnknownCall { item, .. }
            | Self::UnknownAbi { item, .. }
            | Self::ForeignAbi { item, .. }
            | Self::BadNumber { item }
            | Self::NoMatch { item }
            | Self::Nothing { item } => item,
        }
    }
}

/// Longer texts from users are cut in messages.
const MAX_SHOWN: usize = 64;

/// More ABIs than this are not listed. Old calls such as `open` exist on all but the newest architectures.
const MAX_ABIS: usize = 3;

fn describe(item: &Item) -> String {
    let Item {
        text,
        index,
        column,
    } = item;
    format!(
        "item {index} of the list, `{}` (column {column}), ",
        shorten(text)
    )
}

fn describe_unknown(
    call: &str,
    abi: Abi,
    elsewhere: &[Abi],
    selectable: Option<Abi>,
    nearest: &[&str],
) -> String {
    let mut text = match elsewhere {
        [] => format!("is not a system call of {abi}"),
        _ => format!("exists on {} but not on {abi}", join_some(elsewhere)),
    };
    // Writing to a string cannot fail.
    if let Some(other) = selectable {
        let _ = write!(
            text,
            " (`{other}:{}` selects it for {other} tasks)",
            shorten(call)
        );
    }
    if !nearest.is_empty() {
        let names: Vec<String> = nearest.iter().map(|name| format!("`{name}`")).collect();
        let _ = write!(text, "; did you mean {}?", any_of(&names));
    }
    text
}

fn join(abis: &[Abi]) -> String {
    let names: Vec<&str> = abis.iter().map(|abi| abi.name()).collect();
    names.join(", ")
}

/// All of a few; the first of many, and how many there are besides.
fn join_some(abis: &[Abi]) -> String {
    match abis.get(..MAX_ABIS) {
        Some(first) if abis.len() > MAX_ABIS => {
            format!("{} (and {} more)", join(first), abis.len() - MAX_ABIS)
        }
        _ => join(abis),
    }
}

/// `a`, `a or b`, `a, b or c`.
fn any_of(names: &[String]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// The text as a message may show it: on one line, without characters that a terminal acts on, not too long.
pub(crate) fn shorten(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(MAX_SHOWN) {
        match is_unfit(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
