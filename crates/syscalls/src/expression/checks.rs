//! Testing a call that is known: what the kernel left, and what a recording is searched for.

use super::predicate::{Predicate, Subject, Test};
use super::ranges::Ranges;
use crate::decode::{Call, Class, Outcome, class, is_descriptor, number_of};
use crate::{Abi, Declaration};

/// What predicates look at, besides the call itself.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its arguments, what they point to, and how it ended.
    pub call: &'a Call<'a>,
    /// How long it took; `None` if that is not known.
    pub duration: Option<Duration>,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// The user; `None` if it is not known.
    pub uid: Option<u32>,
    /// The thread's name.
    pub comm: &'a [u8],
}

/// How long a call took, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duration {
    /// So long.
    Exactly(u64),
    /// It goes on, and has taken so long by now.
    AtLeast(u64),
}

impl Duration {
    /// How long it has taken so far.
    pub fn ns(self) -> u64 {
        let (Duration::Exactly(ns) | Duration::AtLeast(ns)) = self;
        ns
    }
}

/// Predicates, prepared for calls of one kind.
#[derive(Debug, Clone, Default)]
pub struct Checks(Vec<Check>);

#[derive(Debug, Clone)]
struct Check {
    test: Test,
    subject: Prepared,
}

#[derive(Debug, Clone)]
enum Prepared {
    Result,
    Duration,
    Pid,
    Tid,
    Uid,
    Comm,
    /// Any of these.
    Arguments(Vec<Argument>),
}

/// An argument that a predicate looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Argument {
    position: u8,
    class: Class,
}

/// How names of parameters that are paths are called. Attributes, types and the like are texts, too.
const PATHS: [&str; 15] = [
    "filename",
    "pathname",
    "path",
    "oldname",
    "newname",
    "from_pathname",
    "to_pathname",
    "special",
    "specialfile",
    "library",
    "new_root",
    "put_old",
    "dir_name",
    "dev_name",
    "name",
];

/// Calls whose `name` is a path (the kernel's fs/namespace.c and kernel/acct.c); elsewhere it is an attribute, or a host's.
const NAME_IS_PATH: [&str; 4] = ["umount", "umount2", "oldumount", "acct"];

/// Whether the text that a parameter of a call points to is a path.
pub fn is_path(call: &str, parameter: &str) -> bool {
    PATHS.contains(&parameter) && (parameter != "name" || NAME_IS_PATH.contains(&call))
}

/// The arguments of such calls that a predicate looks at; nothing for predicates about something else.
pub(super) fn arguments(
    subject: &Subject,
    abi: Abi,
    name: &str,
    declaration: &Declaration,
) -> Vec<Argument> {
    let is_meant = |parameter: &crate::Parameter| match subject {
        Subject::Argument(argument) => parameter.name == *argument,
        Subject::Descriptor => !parameter.is_pointer() && is_descriptor(&parameter.name),
        Subject::Path => is_path(name, &parameter.name) && parameter.ctype.contains("char"),
        _ => false,
    };
    (0..)
        .zip(&declaration.parameters)
        .filter(|(_, parameter)| is_meant(parameter))
        .map(|(position, parameter)| Argument {
            position,
            class: match subject {
                // Some are declared unsigned.
                Subject::Descriptor => Class::Signed(32),
                _ => class(&parameter.ctype, abi),
            },
        })
        .collect()
}

impl Checks {
    /// For the call `name` of an ABI.
    pub fn new(
        predicates: &[Predicate],
        abi: Abi,
        name: &str,
        declaration: Option<&Declaration>,
    ) -> Self {
        let prepare = |predicate: &Predicate| Check {
            test: predicate.test.clone(),
            subject: match &predicate.subject {
                Subject::Result => Prepared::Result,
                Subject::Duration => Prepared::Duration,
                Subject::Pid => Prepared::Pid,
                Subject::Tid => Prepared::Tid,
                Subject::Uid => Prepared::Uid,
                Subject::Comm => Prepared::Comm,
                subject => Prepared::Arguments(
                    declaration
                        .map(|declaration| arguments(subject, abi, name, declaration))
                        .unwrap_or_default(),
                ),
            },
        };
        Self(predicates.iter().map(prepare).collect())
    }

    /// Whether everything passes, also because there is nothing to test.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the call passes all predicates. What is not known passes none.
    pub fn pass(&self, facts: &Facts<'_>) -> bool {
        self.0.iter().all(|check| check.passes(facts))
    }
}

impl Check {
    fn passes(&self, facts: &Facts<'_>) -> bool {
        let test = &self.test;
        let is_passing =
            |number: Option<i128>| number.is_some_and(|number| test.passes_number(number));
        match &self.subject {
            Prepared::Result => match facts.call.outcome {
                Outcome::Returned(result) => test.passes_number(result.into()),
                Outcome::NeverReturns | Outcome::Unfinished | Outcome::Killed => false,
            },
            Prepared::Duration => match facts.duration {
                Some(Duration::Exactly(ns)) => test.passes_number(ns.into()),
                // However long it will take.
                Some(Duration::AtLeast(ns)) => {
                    test.passing().covers(&Ranges::of(ns.into(), i128::MAX))
                }
                None => false,
            },
            Prepared::Pid => test.passes_number(facts.pid.into()),
            Prepared::Tid => test.passes_number(facts.tid.into()),
            Prepared::Uid => is_passing(facts.uid.map(i128::from)),
            Prepared::Comm => test.passes_text(facts.comm),
            Prepared::Arguments(arguments) => {
                let passes = |argument: &Argument| test.passes_argument(*argument, facts.call);
                match test.is_negated {
                    false => arguments.iter().any(passes),
                    true => !arguments.is_empty() && arguments.iter().all(passes),
                }
            }
        }
    }
}

impl Test {
    fn passes_number(&self, number: i128) -> bool {
        self.numbers.contains(number) != self.is_negated
    }

    fn passes_text(&self, text: &[u8]) -> bool {
        self.texts.iter().any(|glob| glob.matches(text)) != self.is_negated
    }

    /// Of an argument its value is compared with numbers, and what it points to with texts.
    fn passes_argument(&self, argument: Argument, call: &Call<'_>) -> bool {
        let value = call
            .known_arg(argument.position.into())
            .map(|raw| number_of(argument.class, raw));
        let text = || text_of(call, argument.position);
        let has = |known: Option<bool>| known.map(|is_among| is_among != self.is_negated);
        let by_number = match self.numbers.ranges() {
            [] => None,
            _ => Some(has(value.map(|value| self.numbers.contains(value)))),
        };
        let by_text = match &self.texts[..] {
            [] => None,
            texts => {
                let is_among = |text: &[u8]| texts.iter().any(|glob| glob.matches(text));
                Some(has(text().map(is_among)))
            }
        };
        let mut tests = by_number.into_iter().chain(by_text);
        match self.is_negated {
            false => tests.any(|passed| passed == Some(true)),
            true => tests.all(|passed| passed == Some(true)),
        }
    }
}

/// What was captured of the text that an argument points to. Of a long one that is its beginning.
fn text_of<'a>(call: &Call<'a>, position: u8) -> Option<&'a [u8]> {
    let capture = call
        .captures
        .iter()
        .find(|capture| capture.arg == position && capture.part == 0 && !capture.fault)?;
    capture.bytes.split(|byte| *byte == 0).next()
}

/// Whether some of these tests need what pointers point to.
pub fn needs_captures(predicates: &[Predicate]) -> bool {
    predicates.iter().any(|predicate| {
        let is_of_arguments = matches!(predicate.subject, Subject::Path | Subject::Argument(_));
        is_of_arguments && !predicate.test.texts.is_empty()
    })
}

#[cfg(test)]
mod tests;
