//! A recorded system call as text and as structured arguments.
//!
//! What a call's parameters mean is found out once, in a [`Decoder`]; it then writes call after call into texts whose room
//! is used again. A ring has millions of calls, so nothing is looked up, built or copied for one of them that needs not be.
//!
//! Owns the vocabulary of a call as a recorder hands it over and the way its parts are joined; numbers, their meanings and
//! names, copied memory, addresses, results and JSON have a file each. Whatever a traced program did, decoding yields something to show:
//! there is no error, and no length or byte can make it panic. A failure to read memory is never put where the
//! program's own data stands.

mod constants;
mod content;
mod form;
mod json;
mod meanings;
mod memory;
mod number;
mod pointee;
mod ret;
mod sigset;
mod sockaddr;
mod structure;
#[cfg(test)]
mod tests;
mod text;
mod unquote;

use crate::capture::{CaptureKind, CaptureRule, Len};
use crate::descriptors::AT_FDCWD;
use crate::{Abi, Declaration, Parameter};
use content::{Content, Place, UNREADABLE};
use form::Form;
pub(crate) use form::is_descriptor;
use meanings::Condition;
pub(crate) use number::{Class, class, number_of};
use pointee::Pointee;
use text::target;

pub(crate) use text::is_unfit;
pub use unquote::unquote;

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

impl Outcome {
    /// What it returned, if it did.
    pub fn result(self) -> Option<i64> {
        match self {
            Self::Returned(result) => Some(result),
            Self::NeverReturns | Self::Unfinished | Self::Killed => None,
        }
    }
}

/// One recorded call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
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
    /// What the descriptors among the arguments refer to, as far as that is known; see [`Decoder::descriptors`].
    pub files: [Option<&'a str>; 6],
}

impl Call<'_> {
    /// The register of this argument, if its content is known.
    pub(crate) fn known_arg(&self, index: usize) -> Option<u64> {
        let is_known = self.args_known && index < usize::from(self.arg_count);
        self.args.get(index).copied().filter(|_| is_known)
    }
}

/// The texts of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// The arguments as one line, `name=value, …`; texts replace values.
    pub parameters: String,
    /// The arguments in order as a JSON array, `[{"name":…,"value":…,"text":…|null,"len":…|null,"truncated":…}]`.
    ///
    /// - `name`: the declared one, or `arg0` to `arg5`.
    /// - `value`: the register; hex for pointers and addresses, signed or unsigned decimal by the declared type for the
    ///   rest, `?` if it is not known.
    /// - `text`: what the value stands for, if that is more than the value: a quoted string, a socket address, `AT_FDCWD`,
    ///   a descriptor with what it refers to (`3</etc/passwd>`), the names of flags (`O_RDWR|O_CLOEXEC`, what has none in hex), permissions in octal, a structure.
    /// - `len`: the real length of the memory behind the argument in bytes (of a string without its NUL), if known.
    /// - `truncated`: `text` shows less than `len` bytes.
    pub args: String,
    /// The result, an error with its name and text.
    pub ret: String,
    /// The name of the error, or nothing.
    pub error: &'static str,
}

/// An address of a socket as text.
pub(crate) fn address(abi: Abi, bytes: &[u8]) -> String {
    let mut text = String::new();
    sockaddr::sockaddr(abi, bytes, false, &mut text);
    text
}

/// Decodes calls of one kind.
///
/// ```
/// use gizmo_syscalls::decode::{Call, Decoder, Outcome, Texts};
///
/// let decoder = Decoder::new(gizmo_syscalls::Abi::X86_64, "syscall_270f", None, &[]);
/// let call = Call {
///     args: [1, 2, 0xff, 0, 0, 0],
///     arg_count: 3,
///     outcome: Outcome::Returned(-38),
///     captures: &[],
///     args_known: true,
///     files: [None; 6],
/// };
/// let mut texts = Texts::default();
/// decoder.decode(&call, &mut texts);
/// assert_eq!(texts.parameters, "arg0=0x1, arg1=0x2, arg2=0xff");
/// assert_eq!(texts.error, "ENOSYS");
/// ```
#[derive(Debug)]
pub struct Decoder {
    abi: Abi,
    is_declared: bool,
    returns_address: bool,
    arguments: Vec<Argument>,
    /// A bit for each that is one.
    descriptors: u8,
}

/// What is known of an argument of every call.
#[derive(Debug)]
struct Argument {
    /// What stands before its value in the line.
    label: String,
    /// What stands before its value in JSON.
    head: String,
    form: Form,
    /// Where another argument decides.
    cases: Vec<Case>,
    pointee: Pointee,
    /// How the recorder copied the memory behind it.
    kind: Option<CaptureKind>,
}

/// How an argument is shown when another one decides.
#[derive(Debug)]
struct Case {
    only: Condition,
    form: Form,
    pointee: Pointee,
}

impl Decoder {
    /// For the call `name` in the table of `abi`. Without a declaration its arguments are `arg0` to `arg5` in hex; `rules`
    /// are those of [`crate::capture::rules`] by which the recorder copied memory.
    pub fn new(
        abi: Abi,
        name: &str,
        declaration: Option<&Declaration>,
        rules: &[CaptureRule],
    ) -> Self {
        let parameter =
            |arg: u8| declaration.map(|declaration| declaration.parameters.get(usize::from(arg)));
        let arguments = (0..6).map_while(|arg| {
            let rule = rules.iter().find(|rule| rule.arg == arg);
            let kind = rule.map(|rule| rule.kind);
            Some(match parameter(arg) {
                Some(parameter) => Argument::declared(arg, kind, abi, name, parameter?),
                None => Argument::new(arg, kind, &format!("arg{arg}")),
            })
        });
        let mut decoder = Decoder {
            abi,
            is_declared: declaration.is_some(),
            returns_address: ret::is_address(name),
            arguments: arguments.collect(),
            descriptors: 0,
        };
        if decoder.is_declared {
            decoder.add_meanings(name);
        }
        for argument in &mut decoder.arguments {
            if matches!(argument.kind, Some(CaptureKind::Array { count, .. }) if count != Len::Fixed(1))
            {
                argument.pointee = argument.pointee.several();
            }
        }
        for (arg, argument) in decoder.arguments.iter().enumerate() {
            decoder.descriptors |= u8::from(argument.form.is_descriptor()) << arg;
        }
        decoder
    }

    /// What is known besides the declaration.
    fn add_meanings(&mut self, name: &str) {
        for known in meanings::of_call(self.abi, name) {
            let Some(argument) = self.arguments.get_mut(known.arg) else {
                continue;
            };
            let form = known.form(self.abi, argument.form);
            let pointee = match form {
                Some(_) => argument.pointee,
                None => known.pointee(self.abi, argument.pointee),
            };
            let form = form.unwrap_or(argument.form);
            match known.only {
                None => (argument.form, argument.pointee) = (form, pointee),
                Some(only) => argument.cases.push(Case {
                    only,
                    form,
                    pointee,
                }),
            }
        }
    }

    /// Which arguments are descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = usize> {
        let bits = self.descriptors;
        (0..6).filter(move |arg| bits >> arg & 1 != 0)
    }

    /// Puts the texts of a call in the place of others.
    pub fn decode(&self, call: &Call<'_>, texts: &mut Texts) {
        let Texts {
            parameters,
            args,
            ret,
            error,
        } = texts;
        parameters.clear();
        args.clear();
        ret.clear();
        *error = ret::outcome(self.abi, self.returns_address, call.outcome, ret);
        let count = match call.args_known {
            _ if self.is_declared => self.arguments.len(),
            true => call.arg_count.into(),
            false => 0,
        };
        args.push('[');
        for (arg, argument) in (0..).zip(self.arguments.iter().take(count)) {
            let place = Place {
                decoder: self,
                call,
                argument,
                arg,
            };
            place.decode(parameters, args);
        }
        args.push(']');
    }
}

impl Argument {
    fn new(arg: u8, kind: Option<CaptureKind>, name: &str) -> Self {
        let separator = if arg == 0 { "" } else { ", " };
        Argument {
            label: format!("{separator}{name}="),
            head: json::head(arg, name),
            form: Form::of(Class::Address),
            cases: Vec::new(),
            pointee: Pointee::Bytes,
            kind,
        }
    }

    fn declared(
        arg: u8,
        kind: Option<CaptureKind>,
        abi: Abi,
        name: &str,
        parameter: &Parameter,
    ) -> Self {
        Argument {
            form: Form::new(abi, name, parameter),
            pointee: Pointee::declared(abi, parameter),
            ..Argument::new(arg, kind, &parameter.name)
        }
    }
}

impl<'a> Place<'a> {
    /// What this call makes of the argument, and of what it points to.
    fn case(self) -> (Form, Pointee) {
        let is_it = |case: &&Case| {
            let Condition { arg, mask, values } = &case.only;
            let other = self
                .decoder
                .arguments
                .get(*arg)
                .zip(self.call.known_arg(*arg));
            other.is_some_and(|(other, raw)| {
                values.contains(&(other.form.bits(self.decoder.abi, raw) & mask))
            })
        };
        let Argument { form, pointee, .. } = self.argument;
        let case = self.argument.cases.iter().find(is_it);
        case.map_or((*form, *pointee), |case| (case.form, case.pointee))
    }

    /// What the argument refers to, if it is a descriptor. Where a path begins that is absolute says nothing.
    fn file(self, form: Form, raw: u64) -> Option<&'a str> {
        let file = self.call.files[usize::from(self.arg)].filter(|_| form.is_descriptor())?;
        let is_next = |capture: &&Capture<'_>| capture.arg == self.arg + 1;
        let mut paths = self.call.captures.iter().filter(is_next);
        let is_idle = raw as i32 == AT_FDCWD && paths.any(|path| path.bytes.starts_with(b"/"));
        (!is_idle).then_some(file)
    }

    /// Appends the argument to the line and to the list.
    fn decode(self, line: &mut String, json: &mut String) {
        let (abi, (form, pointee)) = (self.decoder.abi, self.case());
        let raw = self.call.known_arg(self.arg.into());
        line.push_str(&self.argument.label);
        json.push_str(&self.argument.head);
        let (value, text) = (json.len(), line.len());
        match raw {
            Some(raw) => form.value(abi, raw, json),
            None => json.push('?'),
        }
        // A recorder that follows a NULL pointer reports a fault, but `NULL` says it better.
        let content = match raw.is_some_and(|raw| form.is_null(abi, raw)) {
            true => Content::default(),
            false => self.content(pointee, line),
        };
        if let Some(raw) = raw
            && line.len() == text
        {
            form.text(abi, raw, line);
            if let Some(file) = self.file(form, raw) {
                if line.len() == text {
                    form.value(abi, raw, line);
                }
                line.push('<');
                target(file, line);
                line.push('>');
            }
        }
        if line.len() > text {
            json::tail(Some(&line[text..]), &content, json);
            return;
        }
        line.push_str(&json[value..]);
        if content.fault {
            line.push(' ');
            line.push_str(UNREADABLE);
        }
        json::tail(None, &content, json);
    }
}
