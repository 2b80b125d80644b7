//! The filter language: which calls, and which of them.
//!
//! An expression is a list ([`crate::list`]) whose items say which system calls are meant, and what else must hold:
//!
//! ```text
//! %network, !sendto, /^epoll/, failed, duration>10ms, comm=nginx|haproxy
//! ```
//!
//! **Selectors** form one set. `openat`, `257` and `i386:openat` are calls, as [`crate::selection`] says; `%file` is a class
//! ([`crate::classes`]); `/re/` are all calls with such a name, anywhere in it unless `^` and `$` say where. A class
//! or a pattern may stand behind `ABI:`, too. `!item` removes what the item selects, wherever it stands; if nothing is selected, it
//! removes from all calls. A `!` with a blank behind it before the first item complements the whole set. No selector
//! selects all calls.
//!
//! **Predicates** must all hold: `failed` and `ok`, or `FIELD OPERATOR VALUE`:
//!
//! | field | values | operators |
//! | --- | --- | --- |
//! | `error` | names or numbers of errors | `=` `!=` |
//! | `ret`, `pid`, `tid`, `uid`, `fd` | numbers | `=` `!=` `<` `<=` `>` `>=` |
//! | `duration` | times such as `1.5ms` | the same |
//! | `comm`, `path` | texts; with `~` globs | `=` `!=` `~` `!~` |
//! | `arg.NAME` | numbers or texts | all |
//!
//! Alternatives are separated by `|`: one of them must hold, of `!=` and `!~` none may. A value may stand in quotes. `fd` and `path` mean
//! any argument that is one. What is not known (the result of a call that has not returned, a path that could not be read) passes no
//! test, not even `!=`.
//!
//! Commas in a pattern, and in quotes behind an operator, are literal; slashes in a pattern need a backslash.

mod checks;
mod error;
mod glob;
mod lex;
mod meaning;
mod plan;
mod predicate;
mod ranges;
mod selector;
#[cfg(test)]
mod tests;
mod value;

pub use checks::{Checks, Duration, Facts, is_path, needs_captures};
pub use error::{ExpressionError, Reason, point};
pub use glob::Glob;
pub use meaning::Meaning;
pub use plan::{COMM_TESTS, CommTest, KernelTests, NUMBER_TESTS, Plan};
pub use predicate::{Predicate, Subject, Test};
pub use ranges::Ranges;
pub use selector::{Selector, What};

use crate::list;

/// What a person has asked for. Nothing in it is resolved yet: that takes an ABI.
#[derive(Debug, Clone, Default)]
pub struct Expression {
    /// All calls but the selected ones are meant.
    pub is_complement: bool,
    /// Which calls; none means all.
    pub selectors: Vec<Selector>,
    /// What must hold of them.
    pub predicates: Vec<Predicate>,
}

impl Expression {
    /// Reads an expression. A blank one means all calls.
    ///
    /// ```
    /// use gizmo_syscalls::expression::Expression;
    ///
    /// let expression = Expression::parse("%file, !openat, failed").unwrap();
    /// assert_eq!(expression.selectors.len(), 2);
    /// assert_eq!(expression.predicates.len(), 1);
    /// ```
    ///
    /// # Errors
    ///
    /// The first item that cannot be read: why, and where.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut items = list::split(text, lex::item_length)?;
        let mut expression = Self::default();
        if let Some(first) = items.first_mut() {
            expression.is_complement = lex::take_complement(first)?;
        }
        for item in &items {
            match predicate::parse(item)? {
                Some(predicate) => expression.predicates.push(predicate),
                None => expression.selectors.push(selector::parse(item)?),
            }
        }
        match items.first() {
            Some(first) if expression.is_complement && expression.selectors.is_empty() => Err(
                ExpressionError::at(Reason::NothingToComplement, &first.glyphs),
            ),
            _ => Ok(expression),
        }
    }
}
