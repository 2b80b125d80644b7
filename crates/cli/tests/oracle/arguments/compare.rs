//! The arguments of two recordings of one execution, one by one.

use crate::arguments::descriptors::{Descriptors, parse, without_targets};
use crate::arguments::differences;
use crate::arguments::value::{Value, number};
use crate::compare::by_thread;
use crate::recording::{Arg, Record};
use crate::strace::{Call, Threads};
use crate::text::split;

/// What was found about one argument.
#[derive(Debug)]
pub struct Finding {
    pub call: String,
    pub argument: String,
    /// The kind of difference, if there is one.
    pub difference: Option<String>,
    pub example: String,
}

/// Compares the calls of each thread up to the first that is another one; those are what the other tests are about.
pub fn compare(
    strace: &Threads,
    records: &[Record],
    descriptors: &mut Descriptors,
) -> Vec<Finding> {
    let gizmo = by_thread(records);
    let mut findings = Vec::new();
    for (tid, calls) in strace {
        let Some(records) = gizmo.get(tid) else {
            continue;
        };
        let same = calls
            .iter()
            .zip(records)
            .take_while(|(call, record)| call.name == record.syscall);
        for (call, record) in same {
            for (text, arg) in pairs(call, record) {
                descriptors.compare(call, record, &text, arg);
                let text = without_targets(&text);
                let arg = &without_target(arg);
                let difference = difference(call, &text, arg);
                findings.push(Finding {
                    call: call.name.clone(),
                    argument: arg.name.clone(),
                    difference,
                    example: format!("`{text}` is {:?} ({})", arg.text, arg.value),
                });
            }
        }
    }
    findings
}

/// An argument as if nobody knew what it refers to.
fn without_target(arg: &Arg) -> Arg {
    let mut arg = arg.clone();
    if let Some((number, _)) = arg.text.as_deref().and_then(parse) {
        arg.text = (number != arg.value).then(|| number.to_owned());
    }
    arg
}

/// What both call the same argument.
fn pairs<'a>(call: &Call, record: &'a Record) -> Vec<(String, &'a Arg)> {
    // The one call whose arguments strace names, in an order of its own.
    if call.name == "clone" {
        let ours = |name: &str| {
            match name {
                "child_stack" => "newsp",
                "flags" => "clone_flags",
                "parent_tid" => "parent_tidptr",
                "child_tidptr" => "child_tidptr",
                _ => "tls",
            }
            .to_owned()
        };
        let named = call.args.iter().filter_map(|arg| arg.split_once('='));
        let found = named.filter_map(|(name, text)| {
            let name = ours(name);
            let arg = record.args.iter().find(|arg| arg.name == name)?;
            Some((text.to_owned(), arg))
        });
        return found.collect();
    }
    // What a call changes stands behind what it was given.
    let whole = |text: &String| split(text, " => ").first().cloned().unwrap_or_default();
    // strace leaves out what these operations do not use, and puts halves of a position together.
    let places: &[usize] = match call.name.as_str() {
        "futex" if call.args.len() == 5 && call.args[1].contains("_BITSET") => &[0, 1, 2, 3, 5],
        "preadv2" | "pwritev2" => &[0, 1, 2, 3, 5],
        "_llseek" => &[0, 2, 3, 4],
        _ => &[0, 1, 2, 3, 4, 5],
    };
    let args = places.iter().filter_map(|place| record.args.get(*place));
    call.args.iter().map(whole).zip(args).collect()
}

fn difference(call: &Call, text: &str, arg: &Arg) -> Option<String> {
    let theirs = Value::parse(text);
    let ours = arg
        .text
        .as_deref()
        .map(|text| text.strip_suffix(" (unreadable)").unwrap_or(text))
        .map(Value::parse);
    if ours.as_ref().is_some_and(|ours| agrees(&theirs, ours)) {
        return None;
    }
    // The number is there, and no name that strace does not give it.
    let has_names = matches!(&ours, Some(Value::Words(names, _)) if !names.is_empty());
    if let Value::Words(names, theirs) = &theirs
        && names.is_empty()
        && !has_names
        && number(&arg.value).is_some_and(|ours| same_number(*theirs, ours))
    {
        return None;
    }
    Some(differences::kind(call, text, arg))
}

fn same_number(left: i128, right: i128) -> bool {
    let low = |number: i128, bits: u32| number & ((1 << bits) - 1);
    low(left, 64) == low(right, 64) || low(left, 32) == low(right, 32) && left.min(right) < 0
}

fn agrees(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Words(theirs, left), Value::Words(ours, right)) => {
            theirs == ours && same_number(*left, *right)
        }
        (Value::Bytes(theirs, is_more), Value::Bytes(ours, cut)) => match (is_more, cut) {
            (false, false) => theirs == ours,
            (true, false) => ours.starts_with(theirs),
            (false, true) => theirs.starts_with(ours),
            (true, true) => ours.starts_with(theirs) || theirs.starts_with(ours),
        },
        // Pieces of a vector are one text in gizmo.
        (Value::List(pieces, is_more), Value::Bytes(ours, cut)) => {
            let all = pieces_of(pieces);
            all.is_some_and(|(bytes, is_cut)| {
                agrees(
                    &Value::Bytes(bytes, is_cut || *is_more),
                    &Value::Bytes(ours.clone(), *cut),
                )
            })
        }
        (Value::List(theirs, is_more), Value::List(ours, cut)) => {
            // The last one that was copied may be cut.
            let cut = *cut || matches!(ours.last(), Some(Value::Bytes(_, true)));
            let is_long_enough = |cut: bool, len: usize, other: usize| cut || len >= other;
            is_long_enough(cut, ours.len(), theirs.len())
                && is_long_enough(*is_more, theirs.len(), ours.len())
                && theirs
                    .iter()
                    .zip(ours)
                    .all(|(theirs, ours)| agrees(theirs, ours))
        }
        // A structure of one field.
        (Value::List(theirs, false), Value::Fields(ours, false)) if ours.len() == 1 => {
            ours.values().eq(theirs)
        }
        // A time that is none.
        (Value::Words(..), Value::Fields(ours, _)) => ours.get("tv_nsec") == Some(theirs),
        // A union that is one number, an array in a structure of its own.
        (Value::Fields(theirs, _), ours) if theirs.contains_key("u64") => {
            agrees(&theirs["u64"], ours)
        }
        (Value::Fields(theirs, _), ours) if theirs.contains_key("val") => {
            agrees(&theirs["val"], ours)
        }
        (Value::Fields(theirs, _), Value::Fields(ours, _)) if theirs.contains_key("msg_iov") => {
            let same = |theirs: Option<&Value>, ours: Option<&Value>| match (theirs, ours) {
                (Some(theirs), Some(ours)) => agrees(theirs, ours),
                (Some(theirs), None) => {
                    theirs.is_number() || *theirs == Value::List(Vec::new(), false)
                }
                (None, ours) => ours.is_none(),
            };
            same(theirs.get("msg_name"), ours.get("name"))
                && same(theirs.get("msg_iov"), ours.get("data"))
        }
        (Value::Fields(theirs, _), ours) if theirs.contains_key("msg_hdr") => {
            agrees(&theirs["msg_hdr"], ours)
        }
        (Value::Fields(theirs, _), Value::Fields(ours, cut)) => theirs
            .iter()
            .all(|(name, theirs)| ours.get(name).map_or(*cut, |ours| agrees(theirs, ours))),
        (theirs, ours) => theirs == ours,
    }
}

/// The bytes of a vector, if it is one.
fn pieces_of(pieces: &[Value]) -> Option<(Vec<u8>, bool)> {
    let mut all = Vec::new();
    for piece in pieces {
        let Value::Fields(fields, _) = piece else {
            return None;
        };
        match fields.get("iov_base")? {
            Value::Bytes(bytes, cut) => {
                all.extend_from_slice(bytes);
                if *cut {
                    return Some((all, true));
                }
            }
            // A buffer that was not filled.
            _ => return Some((all, true)),
        }
    }
    Some((all, false))
}
