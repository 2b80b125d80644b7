//! What an expression means on a kernel: which calls, and which part of the rest is tested where.

use std::fmt;

use super::checks::arguments;
use super::error::{ExpressionError, Reason};
use super::predicate::{Predicate, Subject};
use super::{Expression, KernelTests, Plan, What, value};
use crate::descriptors::Effect;
use crate::selection::{Selected, Selection, abis_of_kernel, known_calls, shorten};
use crate::{Abi, Declaration, fallback, socketcall, suggest, table};

/// An expression on a kernel.
#[derive(Debug, Clone)]
pub struct Meaning {
    /// ABI of the kernel itself.
    pub native: Abi,
    /// It was not blank.
    pub is_given: bool,
    /// The calls that can pass.
    pub selection: Selection,
    /// Calls that the expression names one by one; they were checked against the kernel.
    named: Vec<String>,
    /// What must hold of them.
    pub predicates: Vec<Predicate>,
    /// Where that is tested.
    pub plan: Plan,
}

impl Meaning {
    /// Reads an expression. `number` answers for plain names in the native ABI, as at [`Selection::resolve`].
    ///
    /// Predicates about arguments narrow the selection to the calls that have such an argument.
    ///
    /// # Errors
    ///
    /// What cannot be read, selects nothing, or can never be true; and where.
    pub fn of(
        text: &str,
        native: Abi,
        number: impl FnMut(&str) -> Option<u32>,
    ) -> Result<Self, ExpressionError> {
        let expression = Expression::parse(text)?;
        let mut selection = Selection::resolve(&expression, native, number)?;
        let predicates = expression.predicates;
        for predicate in &predicates {
            selection = with_argument(selection, predicate, native)?;
        }
        let named = expression
            .selectors
            .iter()
            .filter(|selector| matches!(selector.what, What::Call) && !selector.is_removed)
            .map(|selector| selector.item.text.clone());
        Ok(Self {
            native,
            is_given: !expression.selectors.is_empty() || !predicates.is_empty(),
            selection,
            named: named.collect(),
            plan: Plan::new(&predicates)?,
            predicates,
        })
    }

    /// Whether the expression asks for this call itself, not for a class or pattern that it is in.
    pub fn names(&self, call: &Selected) -> bool {
        self.named.iter().any(|item| {
            let name = item.split_once(':').map_or(item.as_str(), |(_, name)| name);
            name == call.name || value::number(name) == Some(call.number.into())
        })
    }

    /// What is left to be tested when records are shown.
    pub fn rest(&self) -> Vec<Predicate> {
        let tested = self.predicates.iter().zip(&self.plan.is_in_kernel);
        tested
            .filter(|(_, is_in_kernel)| !**is_in_kernel)
            .map(|(predicate, _)| predicate.clone())
            .collect()
    }

    /// The same of calls that have not returned: the kernel tests how a call ended when it has.
    pub fn rest_in_flight(&self) -> Vec<Predicate> {
        let tested = self.predicates.iter().zip(&self.plan.is_in_kernel);
        tested
            .filter(|(predicate, is_in_kernel)| {
                !**is_in_kernel || matches!(predicate.subject, Subject::Result | Subject::Duration)
            })
            .map(|(predicate, _)| predicate.clone())
            .collect()
    }

    /// Whether all calls are recorded that do something to descriptors, in all ABIs of the kernel.
    pub fn has_effects(&self) -> bool {
        let is_recorded = |abi: Abi, name: &str| {
            let is_selected = |number| {
                let name = name.to_owned();
                self.selection.has(&Selected { abi, number, name })
            };
            let operation = socketcall::operation(name).filter(|_| abi == Abi::I386);
            table::number(abi, name).is_none_or(is_selected)
                && operation.is_none_or(|_| is_selected(socketcall::NUMBER))
        };
        let abis = abis_of_kernel(self.native);
        self.plan.kernel == KernelTests::default()
            && abis
                .iter()
                .all(|abi| Effect::names().all(|name| is_recorded(*abi, name)))
    }

    /// Whether some of its tests look at arguments.
    pub fn tests_arguments(&self) -> bool {
        self.predicates.iter().any(Predicate::is_of_arguments)
    }

    /// What it means where only these tests are in the programs, which were loaded for another expression.
    pub fn within(mut self, loaded: &KernelTests) -> Self {
        self.plan = self.plan.within(loaded, &self.predicates);
        self
    }
}

/// The declaration of a call that has a name.
fn declaration(call: &Selected) -> Option<&'static Declaration> {
    match call.socket_operation() {
        Some(_) => socketcall::declaration(&call.name),
        None => fallback::declaration(call.abi, &call.name),
    }
}

/// What is left of a selection when a predicate looks at an argument: the calls that have it.
fn with_argument(
    selection: Selection,
    predicate: &Predicate,
    native: Abi,
) -> Result<Selection, ExpressionError> {
    if !predicate.is_of_arguments() {
        return Ok(selection);
    }
    let has_it = |call: &Selected| {
        declaration(call).is_some_and(|declaration| {
            !arguments(&predicate.subject, call.abi, &call.name, declaration).is_empty()
        })
    };
    let calls: Vec<Selected> = known_calls(native)
        .filter(|call| selection.has(call) && has_it(call))
        .collect();
    if !calls.is_empty() {
        return Ok(Selection {
            is_complement: false,
            calls,
        });
    }
    Err(predicate.error(match &predicate.subject {
        Subject::Argument(name) if !known_calls(native).any(|call| has_it(&call)) => {
            Reason::UnknownArgument {
                name: name.clone(),
                nearest: suggest::nearest_of(name, parameter_names(native)),
            }
        }
        _ => Reason::NoSuchArgument,
    }))
}

/// Names of all parameters.
fn parameter_names(native: Abi) -> impl Iterator<Item = &'static str> {
    known_calls(native)
        .filter_map(|call| declaration(&call))
        .flat_map(|declaration| &declaration.parameters)
        .map(|parameter| parameter.name.as_ref())
}

/// Names that are shown of a large set.
const SHOWN_NAMES: usize = 40;

impl fmt::Display for Meaning {
    /// Lines for a person, without the last line's end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.say_calls(f)?;
        let is_quiet = self.predicates.is_empty();
        let texts = |is_in_kernel: bool| {
            let tested = self.predicates.iter().zip(&self.plan.is_in_kernel);
            let chosen = tested.filter(|(_, tested)| **tested == is_in_kernel);
            let texts: Vec<String> = chosen.map(|(one, _)| shorten(&one.text)).collect();
            texts.join(", ")
        };
        let (kernel, shown) = (texts(true), texts(false));
        if is_quiet {
            return Ok(());
        }
        if !kernel.is_empty() {
            write!(
                f,
                "\ntested in the kernel, before a record is written: {kernel}"
            )?;
        }
        if !shown.is_empty() {
            write!(f, "\ntested when records are shown: {shown}")?;
        }
        if self.plan.kernel.is_of_failures() {
            write!(
                f,
                "\nonly failures: nothing is done when calls begin, so durations are not known, and arguments are read when calls have failed"
            )?;
        }
        Ok(())
    }
}

impl Meaning {
    fn say_calls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Selection {
            is_complement,
            calls,
        } = &self.selection;
        if self.selection.is_everything() {
            return write!(f, "all calls");
        }
        let mut names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let counts = abis_of_kernel(self.native).iter().filter_map(|abi| {
            let count = calls.iter().filter(|call| call.abi == *abi).count();
            (count > 0).then(|| format!("{count} of {abi}"))
        });
        let counts: Vec<String> = counts.collect();
        let all_but = if *is_complement { "all but " } else { "" };
        let noun = if calls.len() == 1 { "call" } else { "calls" };
        write!(
            f,
            "{all_but}{} {noun} ({}): ",
            calls.len(),
            counts.join(", ")
        )?;
        write!(f, "{}", names[..names.len().min(SHOWN_NAMES)].join(" "))?;
        match names.len().saturating_sub(SHOWN_NAMES) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests;
