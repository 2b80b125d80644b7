//! Random calls: whatever a program did and a recorder copied, decoding does not panic, the JSON is whole and the quoted
//! text is unambiguous.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::declaration;
use crate::Abi;
use crate::capture::{CaptureKind, CaptureRule, Direction, Element, IovecLen, Len, When};
use crate::decode::{Call, Capture, Decoder, Outcome, Texts, text};

const CTYPES: [&str; 21] = [
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
    "struct stat *",
    "struct pollfd *",
    "struct epoll_event *",
    "struct linux_dirent64 *",
    "struct new_utsname *",
    "fd_set *",
    "const sigset_t *",
    "umode_t",
    "const char *const *",
    "",
];

const NAMES: [&str; 17] = [
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
    "poll",
    "getdents64",
    "accept4",
    "futex",
    "ioctl",
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
    let element = prop::sample::select(vec![
        Element::Byte,
        Element::PollFd,
        Element::EpollEvent,
        Element::SemBuf,
    ]);
    prop_oneof![
        Just(CaptureKind::Str),
        (element, len.clone()).prop_map(|(element, count)| CaptureKind::Array { element, count }),
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
        file in prop::option::of("\\PC{0,8}"),
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
            kinds.into_iter().map(|(arg, kind)| CaptureRule { arg, kind, when: When::Exit, only: None }).collect();
        let decoder = Decoder::new(abi, name, parameters.as_ref(), &rules);
        let files = [file.as_deref(); 6];
        let call = Call { args, arg_count, outcome, captures: &captures, args_known, files };
        let mut texts = Texts::default();
        decoder.decode(&call, &mut texts);
        let json: Vec<Value> = serde_json::from_str(&texts.args).expect("the arguments are JSON");
        prop_assert!(json.len() <= 6);
    }

    #[test]
    fn quoted_text_gives_its_bytes_back(bytes in any_bytes()) {
        let mut quoted = String::new();
        text::quote(&bytes, false, &mut quoted);
        prop_assert_eq!(unquote(&quoted), Some(bytes));
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
