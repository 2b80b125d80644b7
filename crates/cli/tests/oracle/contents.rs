//! What the arguments of one call point to, in both recordings: bytes, strings, addresses, messages.

use crate::args;
use crate::compare::{Findings, Runs};
use crate::normal::{Content, Message};
use crate::recording::{Arg, Record};
use crate::strace::Call;

/// Bytes of an argument's memory that gizmo keeps.
const CAPTURE_BYTES: usize = 256;
/// Strings of a vector that gizmo keeps.
const STRINGS: usize = 16;
/// Pieces of a vector that gizmo keeps.
const PIECES: usize = 8;
/// Messages of a vector of messages that gizmo keeps.
const MESSAGES: usize = 8;
/// Of a longer string not even the length is known.
const MEASURED_BYTES: usize = 17 * CAPTURE_BYTES;

/// Calls whose bytes are others in every run.
const RANDOM: &[&str] = &["getrandom"];

pub fn contents_agree(
    call: &Call,
    record: &Record,
    runs: Runs,
    findings: &mut Findings,
) -> Result<(), String> {
    if runs == Runs::Apart && RANDOM.contains(&call.name.as_str()) || call.name != record.syscall {
        return Ok(());
    }
    for (strace, gizmo) in call.args.iter().zip(&record.args) {
        let ours = gizmo.text.as_deref().and_then(args::of_gizmo);
        let wrong = |what: &str| Err(format!("argument `{}`: {what}", gizmo.name));
        match (args::of_strace(strace), ours) {
            (Some(theirs), Some(ours)) => {
                findings.contents += 1;
                if let Err(why) = content_agrees(call, &theirs, &ours, gizmo) {
                    return wrong(why);
                }
            }
            // Of an address of no bytes there is nothing to show; anything else was not read, whatever its length.
            (None, None) if gizmo.len == Some(0) && gizmo.text.is_none() && !is_address(gizmo) => {
                return wrong("it is said to be empty, but it was not read");
            }
            (None, None) => {}
            (None, Some(Content::Strings(ours, false))) if strace == "[]" && ours.is_empty() => {}
            (None, Some(Content::Bytes(ours, false))) if strace == "[]" && ours.is_empty() => {}
            (_, Some(_)) => return wrong("only gizmo has its content"),
            (_, None) => return wrong("only strace has its content"),
        }
    }
    Ok(())
}

/// Whether it points to a socket's address, by the kernel's names for those.
fn is_address(arg: &Arg) -> bool {
    arg.name.ends_with("addr")
}

fn content_agrees(
    call: &Call,
    theirs: &Content,
    ours: &Content,
    arg: &Arg,
) -> Result<(), &'static str> {
    match (theirs, ours) {
        (Content::Bytes(theirs, is_more), Content::Bytes(ours, cut)) => {
            let pieces = call.args.get(2).and_then(|count| count.parse().ok());
            let is_vector = call.name.contains("readv") || call.name.contains("writev");
            let is_short = is_vector && pieces.is_some_and(|pieces: usize| pieces > PIECES);
            bytes_agree((theirs, *is_more), (ours, *cut), is_short, arg)
        }
        (Content::Strings(theirs, is_more), Content::Strings(ours, cut)) => {
            strings_agree((theirs, *is_more), (ours, *cut))
        }
        (Content::Message(theirs), Content::Message(ours)) => {
            message_agrees(theirs, ours, |theirs, ours| {
                bytes_agree((&theirs.0, theirs.1), (&ours.0, ours.1), false, arg)
            })
        }
        (Content::Messages(theirs, false), Content::Messages(ours, cut)) => {
            let is_longer = theirs.len() > MESSAGES;
            if ours.len() != theirs.len().min(MESSAGES)
                || *cut != is_longer
                || arg.truncated != is_longer
            {
                return Err("another number of messages");
            }
            let same = |theirs: &(Vec<u8>, bool), ours: &(Vec<u8>, bool)| match theirs == ours {
                true => Ok(()),
                false => Err("other bytes"),
            };
            theirs
                .iter()
                .zip(ours)
                .try_for_each(|(theirs, ours)| message_agrees(theirs, ours, same))
        }
        (theirs, ours) if theirs == ours => Ok(()),
        _ => Err("other contents"),
    }
}

fn message_agrees(
    theirs: &Message,
    ours: &Message,
    data_agree: impl Fn(&(Vec<u8>, bool), &(Vec<u8>, bool)) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    if theirs.address != ours.address {
        return Err("other addresses");
    }
    match (&theirs.data, &ours.data) {
        (Some(theirs), Some(ours)) => data_agree(theirs, ours),
        (None, None) => Ok(()),
        _ => Err("one has no data"),
    }
}

/// The first 256 bytes agree, and what is left out is marked and counted.
fn bytes_agree(
    (theirs, is_more): (&[u8], bool),
    (ours, cut): (&[u8], bool),
    is_short: bool,
    arg: &Arg,
) -> Result<(), &'static str> {
    // The type of a System V message takes part of the room.
    let kept = match (arg.name.as_str(), arg.truncated) {
        ("msgp", true) => ours.len().max(CAPTURE_BYTES - 8),
        _ => CAPTURE_BYTES,
    };
    let is_longer = is_more || theirs.len() > kept;
    let whole = &theirs[..theirs.len().min(kept)];
    if is_short && cut {
        return match theirs.starts_with(ours) {
            true => Ok(()),
            false => Err("other bytes"),
        };
    }
    if whole != ours {
        return Err("other bytes");
    }
    if cut != is_longer || arg.truncated != is_longer {
        return Err("it is not marked right whether it was cut");
    }
    match arg.len {
        Some(len) if is_more => (len > theirs.len() as u64)
            .then_some(())
            .ok_or("the length is too small"),
        Some(len) => (len == theirs.len() as u64)
            .then_some(())
            .ok_or("the length is wrong"),
        None if is_more || theirs.len() >= MEASURED_BYTES => Ok(()),
        None => Err("the length is missing"),
    }
}

fn strings_agree(
    (theirs, is_more): (&[(Vec<u8>, bool)], bool),
    (ours, cut): (&[(Vec<u8>, bool)], bool),
) -> Result<(), &'static str> {
    let is_cut = cut || ours.last().is_some_and(|string| string.1);
    let agree = ours
        .iter()
        .zip(theirs)
        .all(|(ours, theirs)| match (ours.1, theirs.1) {
            (false, false) => ours.0 == theirs.0,
            (true, _) => theirs.0.starts_with(&ours.0),
            (false, true) => false,
        });
    if !agree || ours.len() > theirs.len() {
        return Err("other strings");
    }
    let kept: usize = ours.iter().map(|string| string.0.len() + 1).sum();
    let is_full = kept >= CAPTURE_BYTES || ours.len() == STRINGS;
    match is_cut {
        true if is_full => Ok(()),
        true => Err("strings are left out although there is room"),
        false if ours.len() == theirs.len() && !is_more => Ok(()),
        false => Err("strings are missing"),
    }
}
