//! From the selectors of an expression to the system calls they select.
//!
//! A kernel serves several ABIs and a number means nothing without one, so a selection is a set of pairs. A plain name
//! means the call in every ABI of the kernel; a plain number means the native ABI; `ABI:` before either means that one.

use crate::list::Item;
use crate::{Abi, socketcall, suggest, table};

mod error;
mod set;

pub use error::SelectError;
pub(crate) use error::shorten;
pub use set::{Selection, known_calls};

/// x32 numbers carry this bit in registers and headers; the tables leave it out.
const X32_BIT: u32 = 0x4000_0000;

/// A selected system call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selected {
    /// The ABI the number belongs to.
    pub abi: Abi,
    /// The number (for x32 without its bit 30).
    pub number: u32,
    /// The name as selected, or that of the number (`syscall_539` if it has none). An operation of `socketcall` has
    /// the number of that call and a name of its own.
    pub name: String,
}

impl Selected {
    /// Whether this is one operation of i386's `socketcall`: its number.
    pub fn socket_operation(&self) -> Option<u32> {
        let is_socketcall = self.abi == Abi::I386 && self.number == socketcall::NUMBER;
        is_socketcall.then(|| socketcall::operation(&self.name))?
    }
}

/// The ABIs that tasks on a kernel with this native ABI can use, as far as they are known here, the native one first.
pub fn abis_of_kernel(native: Abi) -> &'static [Abi] {
    match native {
        Abi::X86_64 => &[Abi::X86_64, Abi::I386, Abi::X32],
        Abi::Aarch64 => &[Abi::Aarch64, Abi::Arm],
        Abi::I386 => &[Abi::I386],
        Abi::X32 => &[Abi::X32],
        Abi::Arm => &[Abi::Arm],
        // Their kernels can run 32-bit tasks, too (riscv64, s390x and ppc64le), whose tables are not built in.
        Abi::Riscv64 => &[Abi::Riscv64],
        Abi::S390x => &[Abi::S390x],
        Abi::Ppc64le => &[Abi::Ppc64le],
        Abi::LoongArch64 => &[Abi::LoongArch64],
    }
}

/// The calls that a name or a number selects, behind an ABI perhaps.
///
/// `resolve` answers for names in the native ABI; it is how a guest asks its host. Other ABIs come from the compiled-in
/// tables. A name that only another ABI of the kernel has is an error unless its ABI is given, because selecting
/// `open` on arm64 would otherwise quietly trace 32-bit tasks only. Any 32-bit number is accepted, decimal or with
/// `0x`, since tasks may issue numbers that no table has.
fn select_item(
    item: &Item,
    native: Abi,
    resolve: &mut impl FnMut(&str) -> Option<u32>,
) -> Result<Vec<Selected>, SelectError> {
    let (abi, call) = match item.text.split_once(':') {
        Some((abi, call)) => (Some(parse_abi(item, abi, native)?), call),
        None => (None, item.text.as_str()),
    };
    if let Some(number) = parse_number(item, call)? {
        return Ok(vec![numbered(abi.unwrap_or(native), number)]);
    }
    let number_in = |abi| match abi == native {
        true => resolve(call),
        false => table::number(abi, call),
    };
    let first = abi.unwrap_or(native);
    let mut calls = named(first, call, number_in);
    if calls.is_empty() {
        return Err(unknown(item, call, first, native));
    }
    if abi.is_none() {
        for other in abis_of_kernel(native).iter().filter(|abi| **abi != native) {
            calls.extend(named(*other, call, |abi| table::number(abi, call)));
        }
    }
    Ok(calls)
}

/// What a name stands for in an ABI: a call, an operation of `socketcall`, or both.
fn named(abi: Abi, call: &str, number_in: impl FnOnce(Abi) -> Option<u32>) -> Vec<Selected> {
    let operation = || {
        let is_operation = abi == Abi::I386 && socketcall::operation(call).is_some();
        is_operation.then_some(socketcall::NUMBER)
    };
    let selected = |number| Selected {
        abi,
        number,
        name: call.to_owned(),
    };
    [number_in(abi), operation()]
        .into_iter()
        .flatten()
        .map(selected)
        .collect()
}

/// The ABI before an item's colon, if this kernel has it.
fn parse_abi(item: &Item, text: &str, native: Abi) -> Result<Abi, SelectError> {
    let abi = text.parse().map_err(|()| SelectError::UnknownAbi {
        item: item.clone(),
        text: text.to_owned(),
        native,
    })?;
    if !abis_of_kernel(native).contains(&abi) {
        let item = item.clone();
        return Err(SelectError::ForeignAbi { item, abi, native });
    }
    Ok(abi)
}

/// The number an item says, or nothing if it says a name: no name starts with a digit.
fn parse_number(item: &Item, call: &str) -> Result<Option<u32>, SelectError> {
    if !call.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(None);
    }
    let parsed = match call.strip_prefix("0x") {
        // `from_str_radix` would take a sign.
        Some(digits) if digits.starts_with('+') => None,
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => call.parse().ok(),
    };
    parsed
        .map(Some)
        .ok_or_else(|| SelectError::BadNumber { item: item.clone() })
}

fn numbered(abi: Abi, number: u32) -> Selected {
    let number = match abi {
        Abi::X32 => number & !X32_BIT,
        _ => number,
    };
    Selected {
        abi,
        number,
        name: table::display_name(abi, number).into_owned(),
    }
}

/// The error for a name that `abi` does not have.
fn unknown(item: &Item, call: &str, abi: Abi, native: Abi) -> SelectError {
    let has_it = |other: &Abi| {
        *other != abi && !named(*other, call, |abi| table::number(abi, call)).is_empty()
    };
    let mut elsewhere: Vec<Abi> = Abi::ALL.into_iter().filter(has_it).collect();
    // Those of this kernel first (the sort is stable): they are what the person may have meant.
    elsewhere.sort_by_key(|other| !abis_of_kernel(native).contains(other));
    SelectError::UnknownCall {
        item: item.clone(),
        call: call.to_owned(),
        abi,
        selectable: abis_of_kernel(native).iter().copied().find(has_it),
        elsewhere,
        nearest: suggest::calls(abi, call),
    }
}

#[cfg(test)]
mod tests;
