//! What the programs are told about each call: how many arguments it has, what they point to, what is special about it.

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, Map, UpdateMode, syscall_declaration};
use gizmo_syscalls::capture::{self, CaptureKind, CaptureRule, Direction, IovecLen, Len, When};
use gizmo_syscalls::{Abi, Declaration, Parameter, fallback, table};

use crate::filter::Filter;

/// Bytes of a rule.
pub const RULE_BYTES: usize = size_of::<abi::rule>();

/// The declaration of a call as the running kernel gives it. The host API says names and pointers only, so the types come
/// from the built-in declaration where both agree. `None` for calls that nobody knows.
pub fn declaration(native: Abi, call_abi: Abi, name: &str) -> Option<Declaration> {
    let built_in = fallback::declaration(call_abi, name).cloned();
    if call_abi != native || built_in.is_none() {
        return built_in;
    }
    let Ok(declared) = syscall_declaration(name) else {
        return built_in;
    };
    let parameters = declared
        .parameters
        .iter()
        .enumerate()
        .map(|(position, parameter)| {
            let known = built_in
                .as_ref()
                .and_then(|known| known.parameters.get(position));
            let ctype = match known {
                Some(known) if known.is_pointer() == parameter.is_pointer => known.ctype.clone(),
                _ if parameter.is_pointer => "void *".into(),
                _ => "unsigned long".into(),
            };
            Parameter {
                name: parameter.name.clone().into(),
                ctype,
            }
        });
    Some(Declaration {
        name: name.to_owned().into(),
        parameters: parameters.collect(),
    })
}

/// What to capture of a call. The programs read vectors of 64-bit pointers only.
pub fn capture_rules(call_abi: Abi, declaration: &Declaration) -> Vec<CaptureRule> {
    let mut rules = capture::rules(&declaration.name, &declaration.parameters);
    if call_abi.word_bytes() < 8 {
        rules.retain(|rule| matches!(rule.kind, CaptureKind::Str | CaptureKind::Bytes { .. }));
    }
    rules
}

/// Writes the rules of every selected call.
pub fn fill(filter: &Filter) -> Result<(), Error> {
    let map = Map::get("rules")?;
    for &call_abi in gizmo_syscalls::selection::abis_of_kernel(filter.native) {
        for (number, name) in table::entries(call_abi) {
            if number >= abi::NUMBERS_PER_ABI || !is_needed(filter, call_abi, number, name) {
                continue;
            }
            let Some(declaration) = fallback::declaration(call_abi, name) else {
                continue;
            };
            let rule = encode(declaration, &capture_rules(call_abi, declaration));
            let index = call_abi as u32 * abi::NUMBERS_PER_ABI + number;
            map.update(&index, &rule, UpdateMode::Any)?;
        }
    }
    Ok(())
}

/// Calls that start programs are needed in any case: they end the wait for a container's first instruction.
fn is_needed(filter: &Filter, call_abi: Abi, number: u32, name: &str) -> bool {
    filter.selects(call_abi, number) || capture::behaviour(name).execs
}

/// The bytes of a `struct rule`.
fn encode(declaration: &Declaration, captures: &[CaptureRule]) -> [u8; RULE_BYTES] {
    let behaviour = capture::behaviour(&declaration.name);
    let mut flags = abi::RULE_KNOWN;
    for (is_set, flag) in [
        (behaviour.never_returns, abi::RULE_NEVER_RETURNS),
        (behaviour.forks, abi::RULE_FORKS),
        (behaviour.execs, abi::RULE_EXECS),
    ] {
        flags |= if is_set { flag } else { 0 };
    }
    let mut bytes = [0; RULE_BYTES];
    bytes[0] = declaration.parameters.len().min(abi::RECORD_ARGS as usize) as u8;
    bytes[1] = flags as u8;
    let captures = &captures[..captures.len().min(abi::RULE_CAPTURES as usize)];
    bytes[2] = captures.len() as u8;
    for (place, rule) in bytes[8..]
        .chunks_exact_mut(size_of::<abi::capture_rule>())
        .zip(captures)
    {
        encode_capture(rule, place);
    }
    bytes
}

fn encode_capture(rule: &CaptureRule, place: &mut [u8]) {
    let (kind, from, size) = match rule.kind {
        CaptureKind::Str => (abi::CAPTURE_TEXT, 0, 0),
        CaptureKind::Bytes { len: Len::Arg(arg) } => (abi::CAPTURE_LENGTH_IN_ARG, arg, 0),
        CaptureKind::Bytes { len: Len::Return } => (abi::CAPTURE_LENGTH_IS_RET, 0, 0),
        CaptureKind::Bytes {
            len: Len::MinArgReturn(arg),
        } => (abi::CAPTURE_LENGTH_MIN_ARG_RET, arg, 0),
        CaptureKind::Bytes {
            len: Len::Fixed(size),
        } => (abi::CAPTURE_FIXED, 0, size),
        CaptureKind::Bytes {
            len: Len::PointedU32(arg),
        } => (abi::CAPTURE_LENGTH_POINTED, arg, 0),
        CaptureKind::Iovec {
            count_arg,
            len: IovecLen::Own | IovecLen::Return,
        } => (abi::CAPTURE_IOVEC, count_arg, 0),
        CaptureKind::MsgHdr {
            direction: Direction::Send | Direction::Receive,
        } => (abi::CAPTURE_MSGHDR, 0, 0),
        CaptureKind::StrVec => (abi::CAPTURE_TEXTS, 0, 0),
    };
    place[0] = rule.arg;
    place[1] = kind as u8;
    place[2] = from;
    place[3] = u8::from(rule.when == When::Exit);
    place[4..8].copy_from_slice(&size.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule_of(name: &str) -> [u8; RULE_BYTES] {
        let declaration = fallback::declaration(Abi::X86_64, name).unwrap();
        encode(declaration, &capture_rules(Abi::X86_64, declaration))
    }

    #[test]
    fn openat_has_four_arguments_and_a_path() {
        let rule = rule_of("openat");
        assert_eq!(rule[..3], [4, abi::RULE_KNOWN as u8, 1]);
        assert_eq!(rule[8..12], [1, abi::CAPTURE_TEXT as u8, 0, 0]);
    }

    #[test]
    fn read_is_captured_when_it_returns() {
        let rule = rule_of("read");
        assert_eq!(rule[8..12], [1, abi::CAPTURE_LENGTH_IS_RET as u8, 0, 1]);
    }

    #[test]
    fn special_calls_are_flagged() {
        assert_eq!(
            u32::from(rule_of("exit_group")[1]),
            abi::RULE_KNOWN | abi::RULE_NEVER_RETURNS
        );
        assert_eq!(
            u32::from(rule_of("clone3")[1]),
            abi::RULE_KNOWN | abi::RULE_FORKS
        );
        assert_eq!(
            u32::from(rule_of("execve")[1]),
            abi::RULE_KNOWN | abi::RULE_EXECS
        );
    }

    #[test]
    fn vectors_of_narrow_pointers_are_left_out() {
        let declaration = fallback::declaration(Abi::I386, "writev").unwrap();
        assert!(capture_rules(Abi::I386, declaration).is_empty());
        assert!(
            !capture_rules(
                Abi::X86_64,
                fallback::declaration(Abi::X86_64, "writev").unwrap()
            )
            .is_empty()
        );
    }
}
