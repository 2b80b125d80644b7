//! The grammar of lists that users type, such as the value of `--syscall-filters`.
//!
//! Reading happens in two steps. First, once, blanks around the whole value go, and so does a pair of quotes around
//! it: a quote that opens at the first character and whose partner is the last one. What is left is a list:
//!
//! - Commas separate items. Blanks (space, tab, line break) around an item go, blanks inside belong to it.
//! - An item that starts with `"` or `'` runs to the same quote; commas and blanks in between are literal, a backslash
//!   stands before a literal quote of that kind or a literal backslash, and is itself before anything else.
//! - In an item without quotes, a backslash or a later quote is an ordinary character.
//! - An empty item is an error; a list without any character is no items.
//!
//! So `openat,write`, `"openat","write"`, `"openat, write"` and `'openat,write'` are the same two items. The pair
//! around the whole value is read like a quoted item: its escapes are resolved, then the result is read as a list.
//! Thus a list with quotes can be quoted again, with the other quote (`'"a b",c'`) or with escapes (`"\"a b\",c"`).
//! Because only one pair is taken off, a sole item with a comma needs two: `'"a,b"'`. [`join_items`] does that.

use thiserror::Error;

use crate::selection::shorten;

/// An item of a list, without its quotes, and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What the item says.
    pub text: String,
    /// Its position among the items, from 1.
    pub index: usize,
    /// The character of the value at which it starts (with its quote), from 1.
    pub column: usize,
}

/// Why a text is no list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListError {
    /// Nothing between two commas, before the first, after the last or between an item's quotes.
    #[error("item {index} of the list is empty (column {column})")]
    Empty {
        /// The item, from 1.
        index: usize,
        /// Where it would have started, from 1.
        column: usize,
    },
    /// An item starts with a quote that is never closed.
    #[error(
        "item {index} of the list opens a quote that is never closed: `{quote}` (column {column})"
    )]
    UnclosedQuote {
        /// The item, from 1.
        index: usize,
        /// Where the quote is, from 1.
        column: usize,
        /// The quote.
        quote: char,
    },
    /// Something other than a comma follows an item's closing quote.
    #[error(
        "item {index} of the list goes on after its closing quote: `{}` (column {column})",
        shorten(&found.to_string())
    )]
    AfterQuote {
        /// The item, from 1.
        index: usize,
        /// Where the stray character is, from 1.
        column: usize,
        /// The stray character.
        found: char,
    },
}

/// A character and its column in the value, from 1; columns survive when escapes are resolved.
pub(crate) type Glyph = (char, usize);

/// The characters of an item, without its quotes, and where it stood.
#[derive(Debug, Clone)]
pub(crate) struct Glyphs {
    pub glyphs: Vec<Glyph>,
    pub index: usize,
    pub column: usize,
}

impl Glyphs {
    pub fn item(&self) -> Item {
        Item {
            text: to_text(&self.glyphs),
            index: self.index,
            column: self.column,
        }
    }
}

/// Reads a list. A blank value, or quotes around nothing but blanks, is no items: the caller takes that for
/// "everything". There is no limit on the number of items or their length.
///
/// ```
/// let items = gizmo_syscalls::list::parse_list(r#" "openat, write" "#).unwrap();
/// assert_eq!(items[1].text, "write");
/// ```
///
/// # Errors
///
/// An empty item, an unclosed quote or text after a closing quote; the error says which item and where.
pub fn parse_list(text: &str) -> Result<Vec<Item>, ListError> {
    let until_comma = |item: &[Glyph]| item.iter().take_while(|glyph| glyph.0 != ',').count();
    let items = split(text, until_comma)?;
    Ok(items.iter().map(Glyphs::item).collect())
}

/// As [`parse_list`], for a language of items that has commas of its own: `length` says how long an item without quotes is.
pub(crate) fn split(
    text: &str,
    length: impl Fn(&[Glyph]) -> usize,
) -> Result<Vec<Glyphs>, ListError> {
    let glyphs: Vec<Glyph> = text.chars().zip(1..).collect();
    let value = trim(&glyphs);
    match inside_pair(value) {
        Some(inside) => {
            let quote = value[0].0;
            // The closing quote, so that a missing last item is reported there.
            let end = value[value.len() - 1].1;
            split_items(trim(&unescape(inside, quote)), end, length)
        }
        None => split_items(value, value.last().map_or(1, |last| last.1 + 1), length),
    }
}

/// The inside of the quotes around the whole value, if there are any.
fn inside_pair(value: &[Glyph]) -> Option<&[Glyph]> {
    let (first, rest) = value.split_first()?;
    let closing = is_quote(first.0).then(|| closing_quote(rest, first.0))??;
    (closing + 1 == rest.len()).then(|| &rest[..closing])
}

fn split_items(
    list: &[Glyph],
    end: usize,
    length: impl Fn(&[Glyph]) -> usize,
) -> Result<Vec<Glyphs>, ListError> {
    let mut items = Vec::new();
    let mut rest = (!list.is_empty()).then_some(list);
    while let Some(glyphs) = rest {
        let (item, after) = split_item(glyphs, items.len() + 1, end, &length)?;
        items.push(item);
        rest = after;
    }
    Ok(items)
}

/// The first item of `glyphs`, and what follows its comma if it has one.
fn split_item(
    glyphs: &[Glyph],
    index: usize,
    end: usize,
    length: impl Fn(&[Glyph]) -> usize,
) -> Result<(Glyphs, Option<&[Glyph]>), ListError> {
    let started = trim_start(glyphs);
    if let Some((&(quote, column), rest)) = started.split_first()
        && is_quote(quote)
    {
        return split_quoted(rest, quote, index, column);
    }
    let (item, after) = glyphs.split_at(length(glyphs));
    let item = trim(item);
    let Some(&(_, column)) = item.first() else {
        let column = glyphs.first().map_or(end, |glyph| glyph.1);
        return Err(ListError::Empty { index, column });
    };
    let item = Glyphs {
        glyphs: item.to_vec(),
        index,
        column,
    };
    Ok((item, after.split_first().map(|(_, rest)| rest)))
}

/// The rest of an item whose opening quote, at `column`, has just been read.
fn split_quoted(
    rest: &[Glyph],
    quote: char,
    index: usize,
    column: usize,
) -> Result<(Glyphs, Option<&[Glyph]>), ListError> {
    let Some(closing) = closing_quote(rest, quote) else {
        return Err(ListError::UnclosedQuote {
            index,
            column,
            quote,
        });
    };
    if closing == 0 {
        return Err(ListError::Empty { index, column });
    }
    let item = Glyphs {
        glyphs: unescape(&rest[..closing], quote),
        index,
        column,
    };
    match trim_start(&rest[closing + 1..]).split_first() {
        None => Ok((item, None)),
        Some(((',', _), rest)) => Ok((item, Some(rest))),
        Some((&(found, column), _)) => Err(ListError::AfterQuote {
            index,
            column,
            found,
        }),
    }
}

/// Where the partner of an opening quote is in what follows that quote.
pub(crate) fn closing_quote(rest: &[Glyph], quote: char) -> Option<usize> {
    let mut position = 0;
    while position < rest.len() {
        if is_escape(&rest[position..], quote) {
            position += 1;
        } else if rest[position].0 == quote {
            return Some(position);
        }
        position += 1;
    }
    None
}

/// The inside of quotes with each escape replaced by what it stands for.
pub(crate) fn unescape(inside: &[Glyph], quote: char) -> Vec<Glyph> {
    let mut plain = Vec::with_capacity(inside.len());
    let mut position = 0;
    while position < inside.len() {
        if is_escape(&inside[position..], quote) {
            position += 1;
        }
        plain.push(inside[position]);
        position += 1;
    }
    plain
}

/// Whether the text starts with a backslash that makes the next character literal.
fn is_escape(glyphs: &[Glyph], quote: char) -> bool {
    matches!(glyphs, [('\\', _), (next, _), ..] if *next == quote || *next == '\\')
}

pub(crate) fn is_quote(character: char) -> bool {
    matches!(character, '"' | '\'')
}

pub(crate) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

pub(crate) fn trim_start(glyphs: &[Glyph]) -> &[Glyph] {
    let start = glyphs.iter().position(|glyph| !is_blank(glyph.0));
    &glyphs[start.unwrap_or(glyphs.len())..]
}

pub(crate) fn trim(glyphs: &[Glyph]) -> &[Glyph] {
    let end = glyphs.iter().rposition(|glyph| !is_blank(glyph.0));
    trim_start(&glyphs[..end.map_or(0, |end| end + 1)])
}

pub(crate) fn to_text(glyphs: &[Glyph]) -> String {
    glyphs.iter().map(|glyph| glyph.0).collect()
}

/// An item as it has to be written among others: quoted where it would otherwise be read as something else.
///
/// Joined with commas, two or more such items read back as they were. A sole quoted item would be taken for a quoted
/// list; use [`join_items`] where there may be one. An empty item cannot be written at all.
pub fn quote_item(text: &str) -> String {
    let edge_is_blank = text.starts_with(is_blank) || text.ends_with(is_blank);
    if edge_is_blank || text.starts_with(is_quote) || text.contains(',') || text.is_empty() {
        in_quotes(text, '"')
    } else {
        text.to_owned()
    }
}

/// A list of these items: [`parse_list`] gives them back. No item may be empty.
pub fn join_items<S: AsRef<str>>(items: &[S]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| quote_item(item.as_ref())).collect();
    match &quoted[..] {
        // The pair that the parser takes off first must not be the item's own.
        [sole] if sole.starts_with(is_quote) => in_quotes(sole, '\''),
        _ => quoted.join(","),
    }
}

fn in_quotes(text: &str, quote: char) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for character in text.chars() {
        if character == quote || character == '\\' {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests;
