//! Items that say which calls are meant.

use regex_lite::{Regex, RegexBuilder};

use super::error::{ExpressionError, Reason};
use super::lex::closing_slash;
use crate::classes::{self, Class};
use crate::list::{Glyph, Glyphs, Item, is_blank, to_text, trim_start};
use crate::suggest;

/// Memory that a compiled pattern may take; names are short, and so is what people look for.
const PATTERN_BYTES: usize = 1 << 18;

/// Calls that are meant, or not.
#[derive(Debug, Clone)]
pub struct Selector {
    /// They are removed from the set.
    pub is_removed: bool,
    /// Which.
    pub what: What,
    /// The item, without `!`.
    pub item: Item,
}

/// Which calls.
#[derive(Debug, Clone)]
pub enum What {
    /// A name or a number, perhaps behind an ABI, as the item says.
    Call,
    /// Those of a class, of one ABI if it is named.
    Class(Option<String>, Class),
    /// Those with such names, of one ABI if it is named.
    Pattern(Option<String>, Regex),
}

/// Reads an item that is no predicate.
pub(super) fn parse(item: &Glyphs) -> Result<Selector, ExpressionError> {
    let mut glyphs = &item.glyphs[..];
    let is_removed = glyphs.first().is_some_and(|glyph| glyph.0 == '!');
    if is_removed {
        glyphs = &glyphs[1..];
        match glyphs.first() {
            None => return Err(ExpressionError::at(Reason::NothingToRemove, &item.glyphs)),
            Some(glyph) if is_blank(glyph.0) => {
                return Err(ExpressionError::at(
                    Reason::MisplacedComplement,
                    &item.glyphs,
                ));
            }
            Some(_) => {}
        }
    }
    let (abi, call) = split_abi(glyphs);
    let what = match call.split_first() {
        Some((('%', _), name)) => What::Class(abi, class(name, call)?),
        Some((('/', _), pattern)) => What::Pattern(abi, regex(pattern, call)?),
        _ => What::Call,
    };
    // The pointer in a message is to what was read.
    let column = match is_removed {
        true => glyphs.first().map_or(item.column, |glyph| glyph.1),
        false => item.column,
    };
    Ok(Selector {
        is_removed,
        what,
        item: Item {
            text: to_text(glyphs),
            index: item.index,
            column,
        },
    })
}

/// What stands before a colon in front of a class or pattern, and what stands behind it.
fn split_abi(glyphs: &[Glyph]) -> (Option<String>, &[Glyph]) {
    let special = |glyph: &Glyph| matches!(glyph.0, '/' | '%');
    if glyphs.first().is_some_and(special) {
        return (None, glyphs);
    }
    match glyphs.iter().position(|glyph| glyph.0 == ':') {
        Some(colon) => (Some(to_text(&glyphs[..colon])), &glyphs[colon + 1..]),
        None => (None, glyphs),
    }
}

fn class(name: &[Glyph], call: &[Glyph]) -> Result<Class, ExpressionError> {
    let name = to_text(name);
    Class::find(&name).ok_or_else(|| {
        let known: Vec<String> = classes::all()
            .map(|class| format!("%{}", class.name))
            .collect();
        let nearest = suggest::nearest_of(&name, classes::all().map(|class| class.name));
        let reason = Reason::UnknownClass {
            name,
            nearest: nearest.map(|name| format!("%{name}")),
            known: known.join(" "),
        };
        ExpressionError::at(reason, call)
    })
}

fn regex(pattern: &[Glyph], call: &[Glyph]) -> Result<Regex, ExpressionError> {
    let Some(end) = closing_slash(pattern) else {
        return Err(ExpressionError::at(Reason::UnclosedPattern, call));
    };
    let after = trim_start(&pattern[end + 1..]);
    if !after.is_empty() {
        return Err(ExpressionError::at(Reason::AfterPattern, after));
    }
    let text = to_text(&pattern[..end]).replace("\\/", "/");
    RegexBuilder::new(&text)
        .size_limit(PATTERN_BYTES)
        .build()
        .map_err(|error| ExpressionError::at(Reason::BadPattern(error.to_string()), call))
}
