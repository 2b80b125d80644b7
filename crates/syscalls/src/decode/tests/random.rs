//! Random calls: whatever a program did and a recorder copied, decoding does not panic, the JSON is whole and the quoted
//! text is unambiguous.

use proptest::collection::vec;
use proptest::prelude::*;

use super::declaration;
use crate::Abi;
use crate::capture::{CaptureKind, CaptureRule, Direction, IovecLen, Len, When};
use crate::decode::{Call, Capture, Outcome, args_json, decode, text};

const CTYPES: [&str; 14] = [
    "int",
    "unsigned int",
    "unsigned long",
    "const char *",
    "char *",
    "struct sockaddr *",
    "struct user_msghdr *",
    "const struct iovec *",
    "struct __kernel_timespec *",
    "struct rlimit *",
    "struct clone_args *",
    "umode_t",
    "const char *const *",
    "",
];

const NAMES: [&str; 12] = [
    "openat",
    "read",
    "recvfrom",
    "sendmsg",
    "writev",
    "execve",
    "pipe2",
    "wait4",
    "getsockopt",
    "nanosleep",
    "brk",
    "syscall_270f",
];

fn any_kind() -> impl Strategy<Value = CaptureKind> {
    let len = prop_oneof![
        any::<u8>().prop_map(Len::Arg),
        any::<u8>().prop_map(Len::MinArgReturn),
        any::<u8>().prop_map(Len::PointedU32),
        any::<u32>().prop_map(Len::Fixed),
        Just(Len::Return),
    ];
    prop_oneof![
        Just(CaptureKind::Str),
        Just(CaptureKind::StrVec),
        len.prop_map(|len| CaptureKind::Bytes { len }),
        any::<u8>().prop_map(|count_arg| CaptureKind::Iovec {
            count_arg,
            len: IovecLen::Return
        }),
        Just(CaptureKind::MsgHdr {
            direction: Direction::Receive
        }),
    ]
}

/// Bytes that often begin like a socket address.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let family = prop::sample::select(vec![0u8, 1, 2, 10, 16, 17, 38, 40, 99]);
    let address = (family, vec(any::<u8>(), 0..120))
        .prop_map(|(family, rest)| [&[family, 0], &rest[..]].concat());
    prop_oneof![
        vec(any::<u8>(), 0..200),
        address,
        "\\PC{0,40}".prop_map(String::into_bytes)
    ]
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<i64>().prop_map(Outcome::Returned),
        (-5000i64..300).prop_map(Outcome::Returned),
        Just(Outcome::Unfinished),
        Just(Outcome::NeverReturns),
    ]
}

proptest! {
    #[test]
    fn random_calls_never_panic_and_their_json_is_whole(
        name in prop::sample::select(NAMES.to_vec()),
        abi in prop::sample::select(Abi::ALL.to_vec()),
        args in any::<[u64; 6]>(),
        arg_count in any::<u8>(),
        args_known in any::<bool>(),
        outcome in any_outcome(),
        parameters in prop::option::of(vec((prop::sample::select(CTYPES.to_vec()), "\\PC{0,8}"), 0..9)),
        kinds in vec((0u8..8, any_kind()), 0..5),
        content in vec((0u8..7, 0u8..3, any_bytes(), any::<Option<u64>>(), any::<bool>()), 0..6),
    ) {
        let captures: Vec<Capture<'_>> = content
            .iter()
            .map(|&(arg, part, ref bytes, true_len, fault)| Capture { arg, part, bytes, true_len, fault })
            .collect();
        let parameters = parameters.map(|parameters| {
            let parameters: Vec<_> = parameters.iter().map(|(ctype, name)| (*ctype, name.as_str())).collect();
            declaration(name, &parameters)
        });
        let rules: Vec<CaptureRule> =
            kinds.into_iter().map(|(arg, kind)| CaptureRule { arg, kind, when: When::Exit }).collect();
        let call = Call { abi, name, args, arg_count, outcome, captures: &captures, args_known };
        let decoded = decode(&call, parameters.as_ref(), &rules);
        prop_assert!(decoded.args.len() <= 6);
        let mut json = String::new();
        args_json(&decoded.args, &mut json);
        prop_assert_eq!(json_value(json.as_bytes()), Some(&[][..]), "{}", json);
    }

    #[test]
    fn quoted_text_gives_its_bytes_back(bytes in any_bytes()) {
        let mut quoted = String::new();
        text::quote(&bytes, false, &mut quoted);
        prop_assert_eq!(unquote(&quoted), Some(bytes));
    }
}

/// Reads one JSON value and returns what follows it; a validator of just what `args_json` may write.
fn json_value(text: &[u8]) -> Option<&[u8]> {
    match text.first()? {
        b'[' => json_list(&text[1..], b']', json_value),
        b'{' => json_list(&text[1..], b'}', |text| {
            json_value(json_string(text)?.strip_prefix(b":")?)
        }),
        b'"' => json_string(text),
        b'0'..=b'9' => Some(&text[text.iter().position(|byte| !byte.is_ascii_digit())?..]),
        _ => [&b"null"[..], b"true", b"false"]
            .iter()
            .find_map(|word| text.strip_prefix(*word)),
    }
}

fn json_list(mut text: &[u8], end: u8, item: impl Fn(&[u8]) -> Option<&[u8]>) -> Option<&[u8]> {
    if text.first() == Some(&end) {
        return Some(&text[1..]);
    }
    loop {
        text = item(text)?;
        match text.split_first()? {
            (b',', rest) => text = rest,
            (byte, rest) if *byte == end => return Some(rest),
            _ => return None,
        }
    }
}

fn json_string(text: &[u8]) -> Option<&[u8]> {
    let mut text = text.strip_prefix(b"\"")?;
    loop {
        let (byte, rest) = text.split_first()?;
        text = match byte {
            b'"' => return Some(rest),
            b'\\' => match rest.split_first()? {
                (b'u', digits) => {
                    digits
                        .split_at_checked(4)
                        .filter(|(hex, _)| hex.is_ascii())?
                        .1
                }
                (b'"' | b'\\' | b'n' | b'r' | b't', rest) => rest,
                _ => return None,
            },
            0..0x20 => return None,
            _ => rest,
        };
    }
}

/// Undoes the escapes, which is possible only if they are unambiguous.
fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut chars = text.strip_prefix('"')?.strip_suffix('"')?.chars();
    while let Some(char) = chars.next() {
        let mut buffer = [0; 4];
        if char != '\\' {
            out.extend_from_slice(char.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let escape = chars.next()?;
        let digits = match escape {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let hex: String = chars.by_ref().take(digits).collect();
        match escape {
            'x' => out.push(u8::from_str_radix(&hex, 16).ok()?),
            'u' | 'U' => {
                let char = char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?;
                out.extend_from_slice(char.encode_utf8(&mut buffer).as_bytes());
            }
            '"' | '\\' => out.push(escape as u8),
            _ => {
                let short = [
                    ('n', 10),
                    ('t', 9),
                    ('r', 13),
                    ('a', 7),
                    ('b', 8),
                    ('f', 12),
                    ('v', 11),
                ];
                out.push(short.iter().find(|(name, _)| *name == escape)?.1);
            }
        }
    }
    Some(out)
}
