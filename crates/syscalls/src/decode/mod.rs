//! A recorded system call as text and as structured arguments.
//!
//! Owns the vocabulary of a call as a recorder hands it over and the way its parts are joined; numbers, copied memory,
//! addresses, results and JSON have a file each. Whatever a traced program did, decoding yields something to show:
//! there is no error, and no length or byte can make it panic. A failure to read memory is never put where the
//! program's own data stands.

mod content;
mod json;
mod memory;
mod number;
mod ret;
mod sockaddr;
mod structs;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

pub use json::args_json;

use crate::capture::CaptureRule;
use crate::{Abi, Declaration};
use content::{Content, Place, UNREADABLE};
use number::{Number, address, number};

/// Memory that a recorder copied for one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capture<'a> {
    /// The argument's position, 0 to 5.
    pub arg: u8,
    /// 0 = the data, 1 = the address at `msg_name` of a `msghdr`; 2 and 3 those of the next message of several, and so on.
    pub part: u8,
    /// What was copied, at most the recorder's limit. Strings may or may not include their NUL; a string that was cut
    /// must not.
    pub bytes: &'a [u8],
    /// How many bytes the caller passed or the kernel wrote; [`Capture::MORE`] if more than was copied but not how many;
    /// `None` if unknown. A string without a NUL counts as cut then, other memory has the length its rule implies.
    pub true_len: Option<u64>,
    /// The memory could not be read, or only as far as `bytes` go.
    pub fault: bool,
}

impl Capture<'_> {
    /// As `true_len`: there is more than was copied, nobody counted how much.
    pub const MORE: u64 = u64::MAX;
}

/// How a call ended, as far as the recorder saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It returned this value.
    Returned(i64),
    /// It never returns, like `exit`.
    NeverReturns,
    /// It had not returned when the recording was read.
    Unfinished,
    /// The task died in it.
    Killed,
}

/// One recorded call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The table the call's number is from.
    pub abi: Abi,
    /// The call's name in that table.
    pub name: &'a str,
    /// The argument registers.
    pub args: [u64; 6],
    /// How many of them are known.
    pub arg_count: u8,
    /// How the call ended.
    pub outcome: Outcome,
    /// What was copied for its arguments.
    pub captures: &'a [Capture<'a>],
    /// False if only the exit was seen, when the registers may hold anything.
    pub args_known: bool,
}

impl Call<'_> {
    /// The register of this argument, if its content is known.
    fn known_arg(&self, index: usize) -> Option<u64> {
        let is_known = self.args_known && index < usize::from(self.arg_count);
        self.args.get(index).copied().filter(|_| is_known)
    }
}

/// One argument, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DecodedArg {
    /// The declared name, or `arg0` to `arg5`.
    pub name: Cow<'static, str>,
    /// The register: hex for pointers and addresses, signed or unsigned decimal by the declared type for the rest, `?`
    /// if it is not known.
    pub value: String,
    /// What the value stands for, if that is more than the value: a quoted string, a socket address, `AT_FDCWD`.
    pub text: Option<String>,
    /// The real length of the memory behind the argument in bytes (of a string without its NUL), if known.
    pub len: Option<u64>,
    /// `text` shows less than `len` bytes.
    pub truncated: bool,
    /// The memory could not be read, or not all of it.
    pub fault: bool,
}

/// One call, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// The arguments in order.
    pub args: Vec<DecodedArg>,
    /// The arguments as one line, `name=value, …`; texts replace values.
    pub parameters: String,
    /// The result, an error with its name and text.
    pub ret: String,
    /// The name of the error, or nothing.
    pub error: &'static str,
}

/// Decodes a call. Without a declaration its arguments are `arg0` to `arg5` in hex; `rules` are those of
/// [`crate::capture::rules`] by which the recorder copied memory.
///
/// ```
/// use gizmo_syscalls::decode::{Call, Outcome, decode};
///
/// let call = Call {
///     abi: gizmo_syscalls::Abi::X86_64,
///     name: "syscall_270f",
///     args: [1, 2, 0xff, 0, 0, 0],
///     arg_count: 3,
///     outcome: Outcome::Returned(-38),
///     captures: &[],
///     args_known: true,
/// };
/// let decoded = decode(&call, None, &[]);
/// assert_eq!(decoded.parameters, "arg0=0x1, arg1=0x2, arg2=0xff");
/// assert_eq!(decoded.error, "ENOSYS");
/// ```
pub fn decode(
    call: &Call<'_>,
    declaration: Option<&Declaration>,
    rules: &[CaptureRule],
) -> Decoded {
    let count = match declaration {
        Some(declaration) => declaration.parameters.len().min(call.args.len()),
        None if call.args_known => usize::from(call.arg_count).min(call.args.len()),
        None => 0,
    };
    let decode_one = |arg: u8| {
        let rule = rules.iter().find(|rule| rule.arg == arg);
        decode_arg(Place {
            call,
            declaration,
            rule,
            arg,
        })
    };
    let args: Vec<DecodedArg> = (0..count as u8).map(decode_one).collect();
    let (ret, error) = ret::outcome(call.abi, call.name, call.outcome);
    Decoded {
        parameters: join(&args),
        args,
        ret,
        error,
    }
}

fn decode_arg(place: Place<'_>) -> DecodedArg {
    const UNNAMED: [&str; 6] = ["arg0", "arg1", "arg2", "arg3", "arg4", "arg5"];
    let Place {
        call,
        declaration,
        arg,
        ..
    } = place;
    let index = usize::from(arg);
    let parameter = declaration.and_then(|declaration| declaration.parameters.get(index));
    let name = parameter.map_or_else(
        || UNNAMED.get(index).copied().unwrap_or("arg").into(),
        |p| p.name.clone(),
    );
    let Number {
        value,
        text: meaning,
    } = match (call.known_arg(index), parameter) {
        (None, _) => Number {
            value: "?".to_owned(),
            text: None,
        },
        (Some(raw), None) => Number {
            value: address(raw, call.abi),
            text: None,
        },
        (Some(raw), Some(parameter)) => number(call.abi, call.name, parameter, raw),
    };
    // A recorder that follows a NULL pointer reports a fault, but `NULL` says it better.
    let is_null = meaning.as_deref() == Some("NULL");
    let Content {
        text,
        len,
        truncated,
        fault,
    } = if is_null {
        Content::default()
    } else {
        place.content()
    };
    DecodedArg {
        name,
        value,
        text: text.or(meaning),
        len,
        truncated,
        fault,
    }
}

fn join(args: &[DecodedArg]) -> String {
    let mut out = String::new();
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&arg.name);
        out.push('=');
        out.push_str(arg.text.as_deref().unwrap_or(&arg.value));
        if arg.fault && arg.text.is_none() {
            out.push(' ');
            out.push_str(UNREADABLE);
        }
    }
    out
}
