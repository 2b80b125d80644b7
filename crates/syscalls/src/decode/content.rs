//! Copied memory as text, by the shape its rule gives it.

use super::memory::Memory;
use super::number::length;
use super::sockaddr::sockaddr;
use super::structs::structure;
use super::text::quote;
use super::{Call, Capture, Outcome};
use crate::capture::{CaptureKind, CaptureRule, Direction, IovecLen, Len};
use crate::{Abi, Declaration, Parameter};

/// Stands behind or in place of what could not be read, always outside quotes.
pub(super) const UNREADABLE: &str = "(unreadable)";

/// What is known about the memory behind an argument.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub text: Option<String>,
    pub len: Option<u64>,
    pub truncated: bool,
    pub fault: bool,
}

/// One argument's place in a call, with all that decides how its memory is read.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub call: &'a Call<'a>,
    pub declaration: Option<&'a Declaration>,
    pub rule: Option<&'a CaptureRule>,
    pub arg: u8,
}

/// The bytes of a capture that belong to the caller's buffer, and how much is missing.
struct Piece<'a> {
    bytes: &'a [u8],
    len: Option<u64>,
    cut: bool,
}

impl<'a> Place<'a> {
    /// The content of the memory behind this argument; empty if nothing was copied.
    pub fn content(self) -> Content {
        let content = self.shaped();
        Content {
            len: content.len.filter(|len| *len != Capture::MORE),
            ..content
        }
    }

    fn shaped(self) -> Content {
        // With `WNOHANG` and no child to report, the status is not written.
        if matches!(self.call.name, "wait4" | "waitpid")
            && self.call.outcome == Outcome::Returned(0)
        {
            return Content::default();
        }
        match self.kind() {
            Some(CaptureKind::MsgHdr { .. }) => return self.message(0),
            Some(CaptureKind::MsgHdrs { direction }) => return self.messages(direction),
            _ => {}
        }
        match self.capture(0) {
            None if self.is_empty_buffer() => Content {
                text: Some("\"\"".to_owned()),
                len: Some(0),
                ..Content::default()
            },
            None => Content::default(),
            Some(capture) if capture.fault && capture.bytes.is_empty() => Content {
                len: capture.true_len,
                fault: true,
                ..Content::default()
            },
            Some(capture) => self.data(capture),
        }
    }

    fn data(self, capture: &Capture<'a>) -> Content {
        let kind = self
            .kind()
            .unwrap_or(CaptureKind::Bytes { len: Len::Return });
        let mut content = match kind {
            CaptureKind::Str => string(capture),
            CaptureKind::StrVec => string_vector(capture),
            CaptureKind::MsgBuf { .. } => self.message_buffer(capture),
            _ => self.bytes(capture),
        };
        if capture.fault {
            content.fault = true;
            content.truncated = true;
            content.text = content.text.map(|text| format!("{text} {UNREADABLE}"));
        }
        content
    }

    fn bytes(self, capture: &Capture<'a>) -> Content {
        let Piece { bytes, len, cut } = self.piece(capture);
        let parameter = self.parameter(self.arg);
        let text = if parameter.is_some_and(|parameter| parameter.ctype.contains("sockaddr")) {
            // An address of no bytes says nothing that the pointer and the length do not.
            (!bytes.is_empty()).then(|| sockaddr(self.call.abi, bytes, cut))
        } else {
            let known = parameter
                .and_then(|parameter| structure(self.call.abi, self.call.name, parameter, bytes));
            Some(known.unwrap_or_else(|| quoted(bytes, cut)))
        };
        Content {
            text,
            len,
            truncated: cut,
            fault: false,
        }
    }

    /// A message of System V: its type, then its text, of which the length is told.
    fn message_buffer(self, capture: &Capture<'a>) -> Content {
        let word = long_bytes(self.call.abi);
        let Some((kind, text)) = capture.bytes.split_at_checked(word) else {
            return Content {
                fault: true,
                ..Content::default()
            };
        };
        let kind = Memory::new(self.call.abi, kind);
        let kind = match word {
            8 => kind.u64_at(0).unwrap_or(0).cast_signed(),
            _ => kind.u32_at(0).unwrap_or(0).cast_signed().into(),
        };
        let len = capture.true_len.map(|len| len.saturating_sub(word as u64));
        let cut = capture.fault || len.is_some_and(|len| len > text.len() as u64);
        Content {
            text: Some(format!("{{mtype={kind}, mtext={}}}", quoted(text, cut))),
            len,
            truncated: cut,
            fault: false,
        }
    }

    /// Several messages, and a mark if there are more than were copied.
    fn messages(self, direction: Direction) -> Content {
        let count = match (direction, self.call.outcome) {
            (Direction::Send, _) => self.known(2).map(|count| count & u64::from(u32::MAX)),
            (Direction::Receive, Outcome::Returned(count)) => u64::try_from(count).ok(),
            (Direction::Receive, _) => None,
        };
        let is_there = |message: u8| {
            [0, 1]
                .iter()
                .any(|part| self.capture(2 * message + part).is_some())
        };
        let messages: Vec<Content> = (0..=u8::MAX / 2)
            .take_while(|message| is_there(*message))
            .map(|message| self.message(2 * message))
            .collect();
        if messages.iter().all(|message| message.text.is_none()) {
            return Content {
                text: (count == Some(0)).then(|| "[]".to_owned()),
                fault: messages.iter().any(|message| message.fault),
                ..Content::default()
            };
        }
        let is_more = count.is_some_and(|count| count > messages.len() as u64);
        let texts = messages
            .iter()
            .map(|message| message.text.as_deref().unwrap_or(UNREADABLE));
        let mut texts: Vec<&str> = texts.collect();
        if is_more {
            texts.push("...");
        }
        Content {
            text: Some(format!("[{}]", texts.join(", "))),
            len: None,
            truncated: is_more || messages.iter().any(|message| message.truncated),
            fault: messages.iter().any(|message| message.fault),
        }
    }

    /// The message whose data are this part; its address is the next.
    fn message(self, part: u8) -> Content {
        let (data, name) = (self.capture(part), self.capture(part + 1));
        let is_lost = |capture: Option<&Capture<'_>>| {
            capture.is_none_or(|capture| capture.fault && capture.bytes.is_empty())
        };
        let fault = [data, name]
            .into_iter()
            .flatten()
            .any(|capture| capture.fault);
        if is_lost(data) && is_lost(name) {
            return Content {
                fault,
                ..Content::default()
            };
        }
        let mut content = Content {
            fault,
            ..Content::default()
        };
        let mut parts = Vec::new();
        if let Some(name) = name {
            let cut = name
                .true_len
                .is_some_and(|len| len > name.bytes.len() as u64);
            content.truncated |= cut;
            match (name.bytes, name.fault) {
                ([], true) => parts.push(format!("name={UNREADABLE}")),
                ([], false) => {}
                (bytes, _) => parts.push(format!("name={}", sockaddr(self.call.abi, bytes, cut))),
            }
        }
        if let Some(data) = data {
            let piece = self.piece(data);
            content.len = piece.len;
            content.truncated |= piece.cut;
            let mark = if data.fault { UNREADABLE } else { "" };
            match piece.bytes {
                [] if data.fault => parts.push(format!("data={mark}")),
                bytes if data.fault => {
                    parts.push(format!("data={} {mark}", quoted(bytes, piece.cut)))
                }
                bytes => parts.push(format!("data={}", quoted(bytes, piece.cut))),
            }
        }
        content.text = Some(format!("{{{}}}", parts.join(", ")));
        content
    }

    /// A recorder may copy more than the caller passed (a fixed block) or less (its limit).
    fn piece(self, capture: &Capture<'a>) -> Piece<'a> {
        let len = capture.true_len.or_else(|| self.expected_len());
        let own = len
            .and_then(|len| usize::try_from(len).ok())
            .unwrap_or(usize::MAX);
        let bytes = &capture.bytes[..capture.bytes.len().min(own)];
        let cut = capture.fault || len.is_some_and(|len| len > bytes.len() as u64);
        Piece { bytes, len, cut }
    }

    fn capture(self, part: u8) -> Option<&'a Capture<'a>> {
        self.call
            .captures
            .iter()
            .find(|capture| capture.arg == self.arg && capture.part == part)
    }

    fn parameter(self, arg: u8) -> Option<&'a Parameter> {
        self.declaration?.parameters.get(usize::from(arg))
    }

    fn kind(self) -> Option<CaptureKind> {
        self.rule.map(|rule| rule.kind)
    }

    fn known(self, arg: u8) -> Option<u64> {
        self.call.known_arg(usize::from(arg))
    }

    /// The length that the rule implies, for recorders that do not report it.
    fn expected_len(self) -> Option<u64> {
        let argument = |arg: u8| length(self.call.abi, self.parameter(arg), self.known(arg)?);
        let returned = match self.call.outcome {
            Outcome::Returned(value) => u64::try_from(value).ok(),
            _ => None,
        };
        match self.kind()? {
            CaptureKind::Bytes { len: Len::Arg(arg) } => argument(arg),
            CaptureKind::Bytes {
                len: Len::MinArgReturn(arg),
            } => Some(argument(arg)?.min(returned?)),
            CaptureKind::Bytes {
                len: Len::Fixed(len),
            } => Some(len.into()),
            CaptureKind::Bytes { len: Len::Return }
            | CaptureKind::Iovec {
                len: IovecLen::Return,
                ..
            }
            | CaptureKind::MsgHdr {
                direction: Direction::Receive,
            } => returned,
            _ => None,
        }
    }

    /// Whether nothing was copied because there was nothing: a read of 0 bytes is not an unread one.
    fn is_empty_buffer(self) -> bool {
        let is_address = self
            .parameter(self.arg)
            .is_some_and(|parameter| parameter.ctype.contains("sockaddr"));
        let has_length = matches!(
            self.kind(),
            Some(CaptureKind::Bytes { .. } | CaptureKind::Iovec { .. })
        );
        let is_pointer = self.known(self.arg).is_some_and(|pointer| pointer != 0);
        has_length && is_pointer && !is_address && self.expected_len() == Some(0)
    }
}

/// A string ends at its first NUL. Without one it is whole only if the recorder knows that it copied all of it.
fn string(capture: &Capture<'_>) -> Content {
    let end = capture.bytes.iter().position(|&byte| byte == 0);
    let bytes = &capture.bytes[..end.unwrap_or(capture.bytes.len())];
    let cut = capture.fault
        || match capture.true_len {
            Some(len) => len > capture.bytes.len() as u64,
            None => end.is_none(),
        };
    let len = if cut {
        capture.true_len
    } else {
        Some(bytes.len() as u64)
    };
    Content {
        text: Some(quoted(bytes, cut)),
        len,
        truncated: cut,
        fault: false,
    }
}

/// The strings of a vector stand one after another, each with its NUL; a last one without it was cut.
fn string_vector(capture: &Capture<'_>) -> Content {
    let mut text = String::from("[");
    let mut is_last_cut = false;
    for piece in capture.bytes.split_inclusive(|&byte| byte == 0) {
        if text.len() > 1 {
            text.push_str(", ");
        }
        let string = piece.strip_suffix(b"\0");
        is_last_cut = string.is_none();
        quote(string.unwrap_or(piece), is_last_cut, &mut text);
    }
    let is_more_missing = capture
        .true_len
        .is_some_and(|len| len > capture.bytes.len() as u64);
    if is_more_missing && !is_last_cut {
        text.push_str(if text.len() > 1 { ", ..." } else { "..." });
    }
    text.push(']');
    Content {
        text: Some(text),
        len: capture.true_len,
        truncated: is_more_missing || is_last_cut,
        fault: false,
    }
}

/// Bytes of a `long` in structures that are not converted for 32-bit tasks: x32 has the native one.
fn long_bytes(abi: Abi) -> usize {
    match abi {
        Abi::X32 => 8,
        abi => abi.word_bytes(),
    }
}

fn quoted(bytes: &[u8], cut: bool) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    quote(bytes, cut, &mut text);
    text
}
