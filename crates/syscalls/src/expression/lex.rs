//! Where items, operators and literals end.

use super::error::{ExpressionError, Reason};
use crate::list::{Glyph, Glyphs, closing_quote, is_blank, is_quote, trim_start};

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    NotLike,
}

/// Longer ones first.
const OPERATORS: [(&str, Operator); 9] = [
    ("!=", Operator::NotEqual),
    ("!~", Operator::NotLike),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("~", Operator::Like),
];

impl Operator {
    /// As people write it.
    pub fn text(self) -> &'static str {
        let found = OPERATORS.iter().rev().find(|entry| entry.1 == self);
        found.map_or("", |entry| entry.0)
    }
}

/// The operator with which the text begins, and how long it is.
fn operator(glyphs: &[Glyph]) -> Option<(Operator, usize)> {
    let begins = |text: &str| {
        text.chars()
            .enumerate()
            .all(|(at, letter)| glyphs.get(at).is_some_and(|glyph| glyph.0 == letter))
    };
    OPERATORS
        .iter()
        .find(|(text, _)| begins(text))
        .map(|(text, operator)| (*operator, text.len()))
}

/// What stands before the first operator, the operator, and what stands behind it.
pub(super) fn split_operator(glyphs: &[Glyph]) -> Option<(&[Glyph], Operator, &[Glyph])> {
    (0..glyphs.len()).find_map(|at| {
        let (operator, length) = operator(&glyphs[at..])?;
        Some((&glyphs[..at], operator, &glyphs[at + length..]))
    })
}

/// Where a pattern's closing slash is in what follows its opening one.
pub(super) fn closing_slash(rest: &[Glyph]) -> Option<usize> {
    let mut is_escaped = false;
    rest.iter().position(|glyph| {
        let is_end = glyph.0 == '/' && !is_escaped;
        is_escaped = glyph.0 == '\\' && !is_escaped;
        is_end
    })
}

/// Where the pattern of an item begins, if it is one: behind `!` and an ABI.
fn pattern_start(glyphs: &[Glyph]) -> Option<usize> {
    let is_before = |glyph: &Glyph| {
        glyph.0 == '!' || glyph.0 == '_' || glyph.0.is_alphanumeric() || is_blank(glyph.0)
    };
    let mut at = glyphs.iter().take_while(|glyph| is_before(glyph)).count();
    if glyphs.get(at).is_some_and(|glyph| glyph.0 == ':') {
        at += 1;
    } else if glyphs[..at]
        .iter()
        .any(|glyph| glyph.0 != '!' && !is_blank(glyph.0))
    {
        return None;
    }
    (glyphs.get(at)?.0 == '/').then_some(at)
}

/// The length of the item with which a list begins, up to its comma or the list's end.
pub(super) fn item_length(list: &[Glyph]) -> usize {
    let mut at = 0;
    if let Some(start) = pattern_start(list) {
        match closing_slash(&list[start + 1..]) {
            Some(length) => at = start + 1 + length,
            None => return list.len(),
        }
    }
    while let Some(glyph) = list.get(at) {
        if glyph.0 == ',' {
            return at;
        }
        at += 1;
        if matches!(glyph.0, '=' | '~' | '<' | '>' | '|') {
            let value = trim_start(&list[at..]);
            if let Some((quote, rest)) = value.split_first()
                && is_quote(quote.0)
            {
                let before = list.len() - rest.len();
                match closing_quote(rest, quote.0) {
                    Some(length) => at = before + length + 1,
                    None => return list.len(),
                }
            }
        }
    }
    list.len()
}

/// Takes the `!` off that complements the whole set: a blank follows it.
pub(super) fn take_complement(first: &mut Glyphs) -> Result<bool, ExpressionError> {
    let is_complement = matches!(first.glyphs[..], [('!', _)])
        || matches!(first.glyphs[..], [('!', _), (blank, _), ..] if is_blank(blank));
    if !is_complement {
        return Ok(false);
    }
    let rest = trim_start(&first.glyphs[1..]).to_vec();
    if rest.is_empty() {
        return Err(ExpressionError::at(
            Reason::NothingToComplement,
            &first.glyphs,
        ));
    }
    first.glyphs = rest;
    Ok(true)
}
