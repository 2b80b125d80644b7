//! Sets of calls, as expressions select them.

use std::collections::HashSet;

use super::{SelectError, Selected, abis_of_kernel, parse_abi, select_item};
use crate::expression::{Expression, Selector, What};
use crate::{Abi, socketcall, table};

/// A set of calls: these, or all but these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The set is what `calls` leave.
    pub is_complement: bool,
    /// No call twice, in the order of first appearance.
    pub calls: Vec<Selected>,
}

impl Selection {
    /// All calls.
    pub fn everything() -> Self {
        Self {
            is_complement: true,
            calls: Vec::new(),
        }
    }

    /// Whether all calls are selected.
    pub fn is_everything(&self) -> bool {
        self.is_complement && self.calls.is_empty()
    }

    /// Whether this call is selected; of i386's `socketcall`, whether any of its operations may be.
    pub fn selects(&self, abi: Abi, number: u32) -> bool {
        let mut same = self
            .calls
            .iter()
            .filter(|call| call.abi == abi && call.number == number);
        match self.is_complement {
            false => same.next().is_some(),
            // What is left of `socketcall` without some of its operations.
            true => same.all(|call| call.socket_operation().is_some()),
        }
    }

    /// Whether this operation of i386's `socketcall` is selected; 0 stands for those that do not exist.
    pub fn selects_operation(&self, operation: u32) -> bool {
        let is_named = self.calls.iter().any(|call| {
            let is_socketcall = call.abi == Abi::I386 && call.number == socketcall::NUMBER;
            is_socketcall
                && call
                    .socket_operation()
                    .is_none_or(|named| named == operation)
        });
        is_named != self.is_complement
    }

    /// Whether a call that has a name is in it.
    pub fn has(&self, call: &Selected) -> bool {
        match call.socket_operation() {
            Some(operation) => self.selects_operation(operation),
            None => self.selects(call.abi, call.number),
        }
    }
}

impl Selection {
    /// The calls that an expression selects on a kernel with this native ABI.
    ///
    /// `resolve` answers for plain names in the native ABI; it is how a guest asks its host. Other ABIs, classes and patterns come from
    /// the compiled-in tables. A name that only another ABI of the kernel has needs that ABI in front of it, and every number of 32 bits is
    /// one of a call.
    ///
    /// # Errors
    ///
    /// The first item that selects nothing, with what its author may have meant; or that nothing is left.
    pub fn resolve(
        expression: &Expression,
        native: Abi,
        mut resolve: impl FnMut(&str) -> Option<u32>,
    ) -> Result<Self, SelectError> {
        let Some(first) = expression.selectors.first() else {
            return Ok(Self::everything());
        };
        let mut seen = HashSet::new();
        let mut selected = Vec::new();
        let mut removed = Vec::new();
        for selector in &expression.selectors {
            let calls = calls_of(selector, native, &mut resolve)?;
            let is_new = |call: &Selected| {
                let operation = call.socket_operation();
                seen.insert((selector.is_removed, call.abi, call.number, operation))
            };
            let place = if selector.is_removed {
                &mut removed
            } else {
                &mut selected
            };
            place.extend(calls.into_iter().filter(is_new));
        }
        let is_from_all = expression.selectors.iter().all(|one| one.is_removed);
        let selection = match is_from_all {
            true => Self {
                is_complement: !expression.is_complement,
                calls: removed,
            },
            false => Self {
                is_complement: expression.is_complement,
                calls: without(selected, &removed),
            },
        };
        if selection.calls.is_empty() && !selection.is_complement {
            return Err(SelectError::Nothing {
                item: first.item.clone(),
            });
        }
        Ok(selection)
    }
}

/// All calls that have a name on such a kernel, the operations of `socketcall` among them.
pub fn known_calls(native: Abi) -> impl Iterator<Item = Selected> {
    abis_of_kernel(native).iter().flat_map(|&abi| {
        let operations = (abi == Abi::I386).then_some(socketcall::OPERATIONS);
        let operations = operations.into_iter().flatten();
        let operations = operations.map(|name| (socketcall::NUMBER, name));
        table::entries(abi)
            .chain(operations)
            .map(move |(number, name)| Selected {
                abi,
                number,
                name: name.to_owned(),
            })
    })
}

/// What is left without others.
fn without(calls: Vec<Selected>, others: &[Selected]) -> Vec<Selected> {
    let is_other = |call: &Selected| {
        others.iter().any(|other| {
            let is_same = (call.abi, call.number) == (other.abi, other.number);
            let operation = other.socket_operation();
            is_same && (operation.is_none() || operation == call.socket_operation())
        })
    };
    let is_cut = others
        .iter()
        .any(|other| other.socket_operation().is_some());
    calls
        .into_iter()
        .flat_map(|call| match call.number {
            // All of its operations, so that one of them can go.
            socketcall::NUMBER
                if is_cut && call.abi == Abi::I386 && call.socket_operation().is_none() =>
            {
                let name_it = |name: &&str| Selected {
                    name: (*name).to_owned(),
                    ..call.clone()
                };
                socketcall::OPERATIONS.iter().map(name_it).collect()
            }
            _ => vec![call],
        })
        .filter(|call| !is_other(call))
        .collect()
}

fn calls_of(
    selector: &Selector,
    native: Abi,
    resolve: &mut impl FnMut(&str) -> Option<u32>,
) -> Result<Vec<Selected>, SelectError> {
    let item = &selector.item;
    let (abi, is_meant): (_, &dyn Fn(&str) -> bool) = match &selector.what {
        What::Call => return select_item(item, native, resolve),
        What::Class(abi, class) => (abi, &move |name| class.calls().any(|call| call == name)),
        What::Pattern(abi, pattern) => (abi, &move |name| pattern.is_match(name)),
    };
    let abi = abi
        .as_ref()
        .map(|abi| parse_abi(item, abi, native))
        .transpose()?;
    let calls: Vec<Selected> = known_calls(native)
        .filter(|call| abi.is_none_or(|abi| call.abi == abi) && is_meant(&call.name))
        .collect();
    match calls.is_empty() {
        true => Err(SelectError::NoMatch { item: item.clone() }),
        false => Ok(calls),
    }
}

#[cfg(test)]
mod tests;
