//! Why a text is no expression, where, and how that is shown.

use thiserror::Error;

use crate::decode::is_unfit;
use crate::list::{Glyph, ListError};
use crate::selection::{SelectError, shorten};

/// Why a text is no expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct ExpressionError {
    /// Why.
    pub reason: Reason,
    /// The first character that is meant, from 1.
    pub column: usize,
    /// How many are, at least 1.
    pub width: usize,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// It is no list.
    #[error(transparent)]
    List(ListError),
    /// An item selects nothing.
    #[error(transparent)]
    Select(Box<SelectError>),
    /// A `!` with a blank behind it, and nothing that it could complement.
    #[error("`!` stands before selected calls, and there are none")]
    NothingToComplement,
    /// A `!` with a blank behind it, not before the first item.
    #[error(
        "`!` with a blank behind it complements everything and stands before the first item; to remove one item, write no blank"
    )]
    MisplacedComplement,
    /// Only selectors can be removed.
    #[error(
        "`!` removes calls; what a call must not be is said with `!=` or `!~`, and the opposite of `failed` is `ok`"
    )]
    NegatedPredicate,
    /// Nothing follows a `!`.
    #[error("nothing follows the `!`")]
    NothingToRemove,
    /// No class has this name.
    #[error(
        "there is no class `%{}`{}",
        shorten(name),
        did_you_mean_or(nearest, known)
    )]
    UnknownClass {
        /// The name.
        name: String,
        /// A class that may have been meant.
        nearest: Option<String>,
        /// All of them.
        known: String,
    },
    /// A pattern without its second slash.
    #[error("the pattern has no slash at its end")]
    UnclosedPattern,
    /// Something follows a pattern's second slash.
    #[error("nothing can follow a pattern; a slash inside it needs a backslash")]
    AfterPattern,
    /// The pattern is no regular expression.
    #[error("the pattern is no regular expression: {0}")]
    BadPattern(String),
    /// What is tested does not exist.
    #[error(
        "calls have no `{}` that can be tested{}",
        shorten(name),
        did_you_mean_or(nearest, known)
    )]
    UnknownField {
        /// Its name.
        name: String,
        /// One that may have been meant.
        nearest: Option<String>,
        /// All of them.
        known: &'static str,
    },
    /// An argument's name is missing.
    #[error("the name of an argument is missing, such as `arg.flags`")]
    NoArgumentName,
    /// No call has an argument of this name.
    #[error("no call has an argument `{}`{}", shorten(name), did_you_mean(nearest))]
    UnknownArgument {
        /// The name.
        name: String,
        /// One that may have been meant.
        nearest: Option<String>,
    },
    /// No selected call has what is tested.
    #[error("none of the selected calls has such an argument")]
    NoSuchArgument,
    /// It contradicts what stands before.
    #[error("no call can pass this together with the tests before it")]
    NeverTrue,
    /// The field cannot be compared like this.
    #[error("`{field}` cannot be tested with `{operator}`, but with {possible}")]
    BadOperator {
        /// The field.
        field: String,
        /// The operator.
        operator: &'static str,
        /// Those that it has.
        possible: &'static str,
    },
    /// Nothing to compare with.
    #[error("a value is missing")]
    NoValue,
    /// Several values that cannot be alternatives.
    #[error("`|` separates values of `=`, `!=`, `~` and `!~`")]
    BadAlternatives,
    /// A value's quote is not closed.
    #[error("the quote is never closed")]
    UnclosedQuote,
    /// Something follows a value's closing quote.
    #[error("a comma or `|` must follow the closing quote")]
    AfterQuote,
    /// The value is no number.
    #[error("`{}` is no number", shorten(value))]
    BadNumber {
        /// The value.
        value: String,
    },
    /// The name of an error where a number is needed.
    #[error("`{value}` is an error, and no result; `error={value}` tests for it")]
    ErrorAsResult {
        /// The name.
        value: String,
    },
    /// There is no such error.
    #[error("`{}` is no error{}", shorten(value), did_you_mean(nearest))]
    UnknownError {
        /// The value.
        value: String,
        /// One that may have been meant.
        nearest: Option<String>,
    },
    /// The value is no time.
    #[error(
        "`{}` is no time; it needs a number and a unit: ns, us, ms, s, m or h",
        shorten(value)
    )]
    BadDuration {
        /// The value.
        value: String,
    },
    /// A name that no thread can have.
    #[error("names of threads have at most {most} bytes", most = super::value::COMM_BYTES)]
    LongComm,
}

impl ExpressionError {
    /// About these characters.
    pub(super) fn at(reason: Reason, glyphs: &[Glyph]) -> Self {
        let column = glyphs.first().map_or(1, |glyph| glyph.1);
        let last = glyphs.last().map_or(column, |glyph| glyph.1);
        Self {
            reason,
            column,
            width: last + 1 - column,
        }
    }
}

impl From<ListError> for ExpressionError {
    fn from(error: ListError) -> Self {
        let column = match error {
            ListError::Empty { column, .. }
            | ListError::UnclosedQuote { column, .. }
            | ListError::AfterQuote { column, .. } => column,
        };
        Self {
            reason: Reason::List(error),
            column,
            width: 1,
        }
    }
}

impl From<SelectError> for ExpressionError {
    fn from(error: SelectError) -> Self {
        let item = error.item();
        Self {
            column: item.column,
            width: item.text.chars().count().max(1),
            reason: Reason::Select(Box::new(error)),
        }
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

fn did_you_mean_or(nearest: &Option<String>, known: &str) -> String {
    match nearest {
        Some(_) => did_you_mean(nearest),
        None => format!("; there are {known}"),
    }
}

/// Characters of a long expression that are shown in front of what is meant, and behind it.
const AROUND: usize = 40;

/// The expression, and below it marks under the characters that an error is about: two lines. Only the part around them is
/// shown of a long one, and nothing that a terminal would obey.
pub fn point(text: &str, error: &ExpressionError) -> String {
    let first = error.column.saturating_sub(AROUND + 1);
    let shown = AROUND + error.width.min(AROUND) + AROUND;
    let mut letters = text.chars().skip(first);
    let mut line = String::new();
    if first > 0 {
        line.push('…');
    }
    for letter in letters.by_ref().take(shown) {
        line.push(if is_unfit(letter) { '\u{fffd}' } else { letter });
    }
    if letters.next().is_some() {
        line.push('…');
    }
    let before = error.column.saturating_sub(first + 1) + usize::from(first > 0);
    format!(
        "{line}\n{}{}",
        " ".repeat(before),
        "^".repeat(error.width.clamp(1, AROUND))
    )
}
