//! Items that say what must hold of a call.

use super::error::{ExpressionError, Reason};
use super::lex::{Operator, split_operator};
use super::ranges::Ranges;
use super::{Glob, value};
use crate::list::{Glyph, Glyphs, closing_quote, is_quote, to_text, trim, trim_start, unescape};
use crate::{errno, suggest};

/// What a test looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The call's result; errors are negative.
    Result,
    /// How long it took, in ns.
    Duration,
    /// The process.
    Pid,
    /// The thread.
    Tid,
    /// The user, as the kernel's initial namespace numbers it.
    Uid,
    /// The thread's name.
    Comm,
    /// Any argument that is a file descriptor.
    Descriptor,
    /// Any argument that is a path.
    Path,
    /// The argument of this name.
    Argument(String),
}

/// Values that pass, or those that do not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Test {
    /// Only what is none of these passes.
    pub is_negated: bool,
    /// Numbers.
    pub numbers: Ranges,
    /// Texts.
    pub texts: Vec<Glob>,
}

/// Something that must hold of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    /// What is tested.
    pub subject: Subject,
    /// How.
    pub test: Test,
    /// As it was written.
    pub text: String,
    /// The character of the expression with which it begins, from 1.
    pub column: usize,
}

impl Predicate {
    /// Whether it looks at arguments.
    pub(super) fn is_of_arguments(&self) -> bool {
        matches!(
            self.subject,
            Subject::Descriptor | Subject::Path | Subject::Argument(_)
        )
    }

    /// An error about it.
    pub(super) fn error(&self, reason: Reason) -> ExpressionError {
        ExpressionError {
            reason,
            column: self.column,
            width: self.text.chars().count().max(1),
        }
    }
}

impl Test {
    /// The numbers that pass, where only numbers are compared.
    pub fn passing(&self) -> Ranges {
        match self.is_negated {
            true => self.numbers.complement(),
            false => self.numbers.clone(),
        }
    }
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Error,
    Result,
    Number,
    Duration,
    Comm,
    Text,
    Any,
}

/// All fields with a name of their own.
const FIELDS: [(&str, Kind, Subject); 9] = [
    ("error", Kind::Error, Subject::Result),
    ("ret", Kind::Result, Subject::Result),
    ("duration", Kind::Duration, Subject::Duration),
    ("pid", Kind::Number, Subject::Pid),
    ("tid", Kind::Number, Subject::Tid),
    ("uid", Kind::Number, Subject::Uid),
    ("comm", Kind::Comm, Subject::Comm),
    ("fd", Kind::Number, Subject::Descriptor),
    ("path", Kind::Text, Subject::Path),
];

const KNOWN: &str = "failed, ok, error, ret, duration, pid, tid, uid, comm, fd, path and arg.NAME";

/// Words that are tests without an operator.
const WORDS: [&str; 2] = ["failed", "ok"];

const ARGUMENT: &str = "arg.";

/// The errors among results.
fn errors() -> Ranges {
    Ranges::of(-i128::from(errno::MAX_ERRNO), -1)
}

/// The predicate that an item is; `None` if it is none.
pub(super) fn parse(item: &Glyphs) -> Result<Option<Predicate>, ExpressionError> {
    let glyphs = &item.glyphs[..];
    let predicate = |subject, test| {
        Some(Predicate {
            subject,
            test,
            text: to_text(glyphs),
            column: item.column,
        })
    };
    let first = glyphs.first().map(|glyph| glyph.0);
    let (is_negated, positive) = match first {
        Some('!') => (true, trim_start(&glyphs[1..])),
        _ => (false, glyphs),
    };
    let word = to_text(positive);
    if WORDS.contains(&word.as_str()) {
        if is_negated {
            return Err(ExpressionError::at(Reason::NegatedPredicate, glyphs));
        }
        let numbers = if word == "failed" {
            errors()
        } else {
            errors().complement()
        };
        return Ok(predicate(Subject::Result, numbers.into()));
    }
    let Some((field, operator, values)) = split_operator(positive) else {
        return Ok(None);
    };
    // Patterns may have signs like operators, and so may what stands behind an ABI.
    if field.iter().any(|glyph| matches!(glyph.0, ':' | '/' | '%')) {
        return Ok(None);
    }
    if is_negated {
        return Err(ExpressionError::at(Reason::NegatedPredicate, glyphs));
    }
    let (kind, subject) = parse_field(trim(field), positive)?;
    let test = parse_test(kind, trim(field), operator, values, glyphs)?;
    Ok(predicate(subject, test))
}

impl From<Ranges> for Test {
    fn from(numbers: Ranges) -> Self {
        Self {
            numbers,
            ..Self::default()
        }
    }
}

fn parse_field(field: &[Glyph], item: &[Glyph]) -> Result<(Kind, Subject), ExpressionError> {
    let name = to_text(field);
    if let Some(argument) = name.strip_prefix(ARGUMENT) {
        return match argument {
            "" => Err(ExpressionError::at(Reason::NoArgumentName, field)),
            _ => Ok((Kind::Any, Subject::Argument(argument.to_owned()))),
        };
    }
    let found = FIELDS.iter().find(|entry| entry.0 == name);
    found
        .map(|(_, kind, subject)| (*kind, subject.clone()))
        .ok_or_else(|| {
            let names = FIELDS.iter().map(|entry| entry.0).chain(WORDS);
            let reason = Reason::UnknownField {
                nearest: suggest::nearest_of(&name, names),
                name,
                known: KNOWN,
            };
            ExpressionError::at(reason, if field.is_empty() { item } else { field })
        })
}

/// A value among alternatives.
struct Value<'a> {
    glyphs: &'a [Glyph],
    text: String,
    is_quoted: bool,
}

fn parse_test(
    kind: Kind,
    field: &[Glyph],
    operator: Operator,
    values: &[Glyph],
    item: &[Glyph],
) -> Result<Test, ExpressionError> {
    use Operator::{Equal, Like, NotEqual, NotLike};

    let is_equality = matches!(operator, Equal | NotEqual);
    let is_likeness = matches!(operator, Like | NotLike);
    let (is_possible, possible) = match kind {
        Kind::Error => (is_equality, "`=` and `!=`"),
        Kind::Comm | Kind::Text => (is_equality || is_likeness, "`=`, `!=`, `~` and `!~`"),
        Kind::Result | Kind::Number | Kind::Duration => {
            (!is_likeness, "`=`, `!=`, `<`, `<=`, `>` and `>=`")
        }
        Kind::Any => (true, ""),
    };
    if !is_possible {
        let reason = Reason::BadOperator {
            field: to_text(field),
            operator: operator.text(),
            possible,
        };
        return Err(ExpressionError::at(reason, item));
    }
    let values = split_values(values, item)?;
    if values.len() > 1 && !is_equality && !is_likeness {
        return Err(ExpressionError::at(Reason::BadAlternatives, item));
    }
    let mut test = Test {
        is_negated: matches!(operator, NotEqual | NotLike),
        ..Test::default()
    };
    for value in values {
        let added = test.add(kind, operator, &value);
        added.map_err(|reason| ExpressionError::at(reason, value.glyphs))?;
    }
    Ok(test)
}

impl Test {
    fn add(&mut self, kind: Kind, operator: Operator, value: &Value<'_>) -> Result<(), Reason> {
        let text = value.text.as_str();
        if matches!(operator, Operator::Like | Operator::NotLike) {
            self.texts.push(Glob::new(text));
            return Ok(());
        }
        let bad_number = || Reason::BadNumber {
            value: text.to_owned(),
        };
        // What stands in quotes is a text.
        let number = || value::number(text).filter(|_| !value.is_quoted);
        let number = match kind {
            Kind::Comm if text.len() > value::COMM_BYTES => return Err(Reason::LongComm),
            Kind::Comm | Kind::Text => {
                self.texts.push(Glob::literal(text));
                return Ok(());
            }
            Kind::Any => match number() {
                Some(number) => number,
                None if matches!(operator, Operator::Equal | Operator::NotEqual) => {
                    self.texts.push(Glob::literal(text));
                    return Ok(());
                }
                None => return Err(bad_number()),
            },
            Kind::Error => -value::error(text)?,
            Kind::Result if errno::number(text).is_some() => {
                return Err(Reason::ErrorAsResult {
                    value: text.to_owned(),
                });
            }
            Kind::Result | Kind::Number => number().ok_or_else(bad_number)?,
            Kind::Duration => value::duration_ns(text).ok_or_else(|| Reason::BadDuration {
                value: text.to_owned(),
            })?,
        };
        let passing = match operator {
            Operator::Less => Ranges::of(i128::MIN, number - 1),
            Operator::LessOrEqual => Ranges::of(i128::MIN, number),
            Operator::Greater => Ranges::of(number + 1, i128::MAX),
            Operator::GreaterOrEqual => Ranges::of(number, i128::MAX),
            _ => Ranges::of(number, number),
        };
        self.numbers = self.numbers.or(&passing);
        Ok(())
    }
}

/// The alternatives.
fn split_values<'a>(
    values: &'a [Glyph],
    item: &[Glyph],
) -> Result<Vec<Value<'a>>, ExpressionError> {
    let mut found = Vec::new();
    let mut rest = values;
    loop {
        let (value, after) = split_value(trim_start(rest), item)?;
        found.push(value);
        match after.split_first() {
            None => return Ok(found),
            Some((_, behind)) => rest = behind,
        }
    }
}

/// The first alternative, and what follows from its `|` on.
fn split_value<'a>(
    rest: &'a [Glyph],
    item: &[Glyph],
) -> Result<(Value<'a>, &'a [Glyph]), ExpressionError> {
    if let Some((quote, inside)) = rest.split_first()
        && is_quote(quote.0)
    {
        let Some(end) = closing_quote(inside, quote.0) else {
            return Err(ExpressionError::at(Reason::UnclosedQuote, &rest[..1]));
        };
        let after = trim_start(&inside[end + 1..]);
        if after.first().is_some_and(|glyph| glyph.0 != '|') {
            return Err(ExpressionError::at(Reason::AfterQuote, &after[..1]));
        }
        let value = Value {
            glyphs: &rest[..end + 2],
            text: to_text(&unescape(&inside[..end], quote.0)),
            is_quoted: true,
        };
        return Ok((value, after));
    }
    let end = rest.iter().position(|glyph| glyph.0 == '|');
    let (value, after) = rest.split_at(end.unwrap_or(rest.len()));
    let glyphs = trim(value);
    if glyphs.is_empty() {
        let near = if rest.is_empty() { item } else { &rest[..1] };
        return Err(ExpressionError::at(Reason::NoValue, near));
    }
    let value = Value {
        glyphs,
        text: to_text(glyphs),
        is_quoted: false,
    };
    Ok((value, after))
}
