//! What the programs are told about each call: how many arguments it has, what they point to, what is special about it.

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, Map, UpdateMode, syscall_declaration};
use gizmo_syscalls::capture::{self, CaptureKind, CaptureRule, Direction, IovecLen, Len, When};
use gizmo_syscalls::{Abi, Declaration, Parameter, fallback, socketcall, table};

use crate::selection::Union;

/// Where a rule has its flags.
const FLAGS: usize = 1;

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

/// Writes the rules of every selected call.
pub fn fill(native: Abi, selected: Union<'_>) -> Result<(), Error> {
    let map = Map::get("rules")?;
    for &call_abi in gizmo_syscalls::selection::abis_of_kernel(native) {
        for (number, name) in table::entries(call_abi) {
            if number >= abi::NUMBERS_PER_ABI || !is_needed(selected, call_abi, number, name) {
                continue;
            }
            let Some(declaration) = fallback::declaration(call_abi, name) else {
                continue;
            };
            let mut rule = encode(call_abi, declaration);
            if !selected.selects(call_abi, number) {
                rule[FLAGS] |= abi::RULE_UNSELECTED as u8;
            }
            map.update(&index(call_abi, number), &rule, UpdateMode::Any)?;
        }
    }
    if selected.selects(Abi::I386, socketcall::NUMBER) {
        for (operation, name) in (1..).zip(socketcall::OPERATIONS) {
            let Some(declaration) = socketcall::declaration(name) else {
                continue;
            };
            map.update(
                &index(Abi::I386, abi::SUBCALL_RULES + operation),
                &encode(Abi::I386, declaration),
                UpdateMode::Any,
            )?;
        }
    }
    Ok(())
}

fn index(call_abi: Abi, number: u32) -> u32 {
    call_abi as u32 * abi::NUMBERS_PER_ABI + number
}

/// Calls that start programs are needed in any case: containers begin with them.
fn is_needed(selected: Union<'_>, call_abi: Abi, number: u32, name: &str) -> bool {
    selected.selects(call_abi, number) || capture::behaviour(name).execs
}

/// The bytes of a `struct rule`.
fn encode(call_abi: Abi, declaration: &Declaration) -> [u8; RULE_BYTES] {
    let captures = capture::rules(&declaration.name, &declaration.parameters);
    let captures = &captures[..captures.len().min(abi::RULE_CAPTURES as usize)];
    let behaviour = capture::behaviour(&declaration.name);
    let mut flags = abi::RULE_KNOWN;
    for (is_set, flag) in [
        (behaviour.never_returns, abi::RULE_NEVER_RETURNS),
        (behaviour.forks, abi::RULE_FORKS),
        (behaviour.execs, abi::RULE_EXECS),
        (behaviour.renames, abi::RULE_RENAMES),
        (
            captures.iter().any(is_begun_at_enter),
            abi::RULE_CAPTURES_AT_ENTER,
        ),
        (
            captures.iter().any(|rule| rule.when == When::Exit),
            abi::RULE_CAPTURES_AT_EXIT,
        ),
    ] {
        flags |= if is_set { flag } else { 0 };
    }
    let mut bytes = [0; RULE_BYTES];
    bytes[0] = declaration.parameters.len().min(abi::RECORD_ARGS as usize) as u8;
    bytes[FLAGS] = flags as u8;
    bytes[2] = captures.len() as u8;
    bytes[3] = u8::from(captures.iter().any(|rule| rule.only.is_some()));
    for (place, rule) in bytes[8..]
        .chunks_exact_mut(size_of::<abi::capture_rule>())
        .zip(captures)
    {
        encode_capture(call_abi, rule, place);
    }
    bytes
}

/// How much room the caller has for an address is read when the call begins.
fn is_begun_at_enter(rule: &CaptureRule) -> bool {
    let is_address = matches!(
        rule.kind,
        CaptureKind::Bytes {
            len: Len::PointedU32(_)
        }
    );
    rule.when == When::Enter || is_address
}

/// Bytes of the type in front of a System V message: a `long`, which x32 has like the native ABI.
fn message_type_bytes(call_abi: Abi) -> u32 {
    match call_abi {
        Abi::I386 | Abi::Arm => 4,
        _ => 8,
    }
}

fn encode_capture(call_abi: Abi, rule: &CaptureRule, place: &mut [u8]) {
    // Elements have a size; of a buffer there are `more` bytes.
    let (kind, from, more, each) = match rule.kind {
        CaptureKind::Str => (abi::CAPTURE_TEXT, 0, 0, 0),
        CaptureKind::Bytes { len } => counted(len, 0, 0),
        CaptureKind::Array { element, count } => counted(count, 0, element.bytes(call_abi)),
        CaptureKind::Iovec {
            count_arg,
            len: IovecLen::Own | IovecLen::Return,
        } => (abi::CAPTURE_IOVEC, count_arg, 0, 0),
        CaptureKind::MsgHdr {
            direction: Direction::Send | Direction::Receive,
        } => (abi::CAPTURE_MSGHDR, 0, 0, 0),
        CaptureKind::MsgHdrs {
            direction: Direction::Send | Direction::Receive,
        } => (abi::CAPTURE_MMSGHDR, 0, 0, 0),
        CaptureKind::MsgBuf { len } => counted(len, message_type_bytes(call_abi), 0),
        CaptureKind::StrVec => (abi::CAPTURE_TEXTS, 0, 0, 0),
    };
    place[0] = rule.arg;
    place[1] = kind as u8;
    place[2] = from;
    place[3] = u8::from(rule.when == When::Exit);
    // All of them are structures, which are far smaller.
    place[4..6].copy_from_slice(&(more as u16).to_ne_bytes());
    place[6..8].copy_from_slice(&(each as u16).to_ne_bytes());
    if let Some(only) = rule.only {
        place[8..16].copy_from_slice(&only.values.to_ne_bytes());
        place[16..20].copy_from_slice(&only.mask.to_ne_bytes());
        place[20] = only.arg;
    }
}

/// How long memory is: the kind of capture, the argument it asks, bytes besides, bytes of an element.
fn counted(len: Len, more: u32, each: u32) -> (u32, u8, u32, u32) {
    match len {
        Len::Arg(arg) => (abi::CAPTURE_LENGTH_IN_ARG, arg, more, each),
        Len::Return => (abi::CAPTURE_LENGTH_IS_RET, 0, more, each),
        Len::MinArgReturn(arg) => (abi::CAPTURE_LENGTH_MIN_ARG_RET, arg, more, each),
        Len::Fixed(count) => (abi::CAPTURE_FIXED, 0, count * each.max(1), each),
        Len::PointedU32(arg) => (abi::CAPTURE_LENGTH_POINTED, arg, more, each),
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    fn rule_of(name: &str) -> [u8; RULE_BYTES] {
        let declaration = fallback::declaration(Abi::X86_64, name).unwrap();
        encode(Abi::X86_64, declaration)
    }

    #[test]
    fn openat_has_four_arguments_and_a_path() {
        let rule = rule_of("openat");
        let flags = abi::RULE_KNOWN | abi::RULE_CAPTURES_AT_ENTER;
        assert_eq!(rule[..3], [4, flags as u8, 1]);
        assert_eq!(rule[8..12], [1, abi::CAPTURE_TEXT as u8, 0, 0]);
    }

    #[test]
    fn read_is_captured_when_it_returns() {
        let rule = rule_of("read");
        assert_eq!(rule[8..12], [1, abi::CAPTURE_LENGTH_IS_RET as u8, 0, 1]);
    }

    #[test]
    fn offsets_are_those_of_the_header_file() {
        assert_eq!(offset_of!(abi::rule, flags), FLAGS);
        assert_eq!(offset_of!(abi::rule, captures), 2);
        assert_eq!(offset_of!(abi::rule, conditional), 3);
        assert_eq!(offset_of!(abi::rule, capture), 8);
        assert_eq!(offset_of!(abi::capture_rule, size), 4);
        assert_eq!(offset_of!(abi::capture_rule, each), 6);
        assert_eq!(offset_of!(abi::capture_rule, only), 8);
        assert_eq!(offset_of!(abi::capture_rule, mask), 16);
        assert_eq!(offset_of!(abi::capture_rule, by), 20);
    }

    #[test]
    fn special_calls_are_flagged() {
        assert_eq!(
            u32::from(rule_of("exit_group")[1]),
            abi::RULE_KNOWN | abi::RULE_NEVER_RETURNS
        );
        assert_eq!(
            u32::from(rule_of("clone3")[1]),
            abi::RULE_KNOWN | abi::RULE_FORKS | abi::RULE_CAPTURES_AT_ENTER
        );
        assert_eq!(
            u32::from(rule_of("execve")[1]),
            abi::RULE_KNOWN | abi::RULE_EXECS | abi::RULE_CAPTURES_AT_ENTER
        );
    }

    #[test]
    fn a_message_has_its_type_in_front() {
        let size_in = |call_abi| {
            let declaration = fallback::declaration(call_abi, "msgsnd").unwrap();
            u16::from_ne_bytes(encode(call_abi, declaration)[12..14].try_into().unwrap())
        };
        assert_eq!((size_in(Abi::X86_64), size_in(Abi::I386)), (8, 4));
    }

    #[test]
    fn an_array_is_as_long_as_its_elements() {
        let each_in = |call_abi| {
            let declaration = fallback::declaration(call_abi, "epoll_pwait").unwrap();
            let rule = encode(call_abi, declaration);
            assert_eq!(rule[9..12], [abi::CAPTURE_LENGTH_IS_RET as u8, 0, 1]);
            u16::from_ne_bytes(rule[14..16].try_into().unwrap())
        };
        assert_eq!((each_in(Abi::X86_64), each_in(Abi::Aarch64)), (12, 16));
    }

    #[test]
    fn a_rule_may_be_for_some_calls_only() {
        let rule = rule_of("futex");
        assert_eq!(rule[2..4], [1, 1]);
        let value = |at: usize| u64::from_ne_bytes(rule[at..at + 8].try_into().unwrap());
        // FUTEX_WAIT and FUTEX_WAIT_BITSET, and not FUTEX_WAKE.
        assert_eq!(value(16) & 0b10_0000_0011, 0b10_0000_0001);
        assert_eq!(value(24), 0x1_ffff_fe7f);
        assert_eq!(rule_of("fcntl")[2..4], [2, 1]);
        assert_eq!(rule_of("openat")[3], 0);
    }

    #[test]
    fn an_address_needs_both_ends_of_its_call() {
        let both = abi::RULE_CAPTURES_AT_ENTER | abi::RULE_CAPTURES_AT_EXIT;
        assert_eq!(u32::from(rule_of("accept4")[1]), abi::RULE_KNOWN | both);
        assert_eq!(
            u32::from(rule_of("read")[1]),
            abi::RULE_KNOWN | abi::RULE_CAPTURES_AT_EXIT
        );
    }
}
