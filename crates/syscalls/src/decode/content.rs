//! Copied memory as text, by the shape its rule gives it.

use super::memory::Memory;
use super::number::{Class, decimal, digits, length};
use super::pointee::Pointee;
use super::sockaddr::sockaddr;
use super::text::quote;
use super::{Argument, Call, Capture, Decoder, Outcome};
use crate::Abi;
use crate::capture::{CaptureKind, Direction, IovecLen, Len};

/// Stands behind or in place of what could not be read, always outside quotes.
pub(super) const UNREADABLE: &str = "(unreadable)";

/// What is known about the memory behind an argument, besides its text.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub len: Option<u64>,
    pub truncated: bool,
    pub fault: bool,
}

/// One argument's place in a call, with all that decides how its memory is read.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub decoder: &'a Decoder,
    pub call: &'a Call<'a>,
    pub argument: &'a Argument,
    pub arg: u8,
}

/// The bytes of a capture that belong to the caller's buffer, and how much is missing.
struct Piece<'a> {
    bytes: &'a [u8],
    len: Option<u64>,
    cut: bool,
}

impl<'a> Place<'a> {
    /// Appends the text of the memory behind this argument; nothing if nothing was copied.
    pub fn content(self, pointee: Pointee, out: &mut String) -> Content {
        let content = self.shaped(pointee, out);
        Content {
            len: content.len.filter(|len| *len != Capture::MORE),
            ..content
        }
    }

    fn shaped(self, pointee: Pointee, out: &mut String) -> Content {
        // With `WNOHANG` and no child to report, the status is not written.
        let is_status = matches!(pointee, Pointee::WaitStatus);
        if is_status && self.call.outcome == Outcome::Returned(0) {
            return Content::default();
        }
        match self.argument.kind {
            Some(CaptureKind::MsgHdr { .. }) => return self.message(0, out),
            Some(CaptureKind::MsgHdrs { direction }) => return self.messages(direction, out),
            _ => {}
        }
        match self.capture(0) {
            None if self.is_empty_buffer(pointee) => {
                out.push_str(if pointee.is_list() { "[]" } else { "\"\"" });
                Content {
                    len: Some(0),
                    ..Content::default()
                }
            }
            None => Content::default(),
            Some(capture) if capture.fault && capture.bytes.is_empty() => Content {
                len: capture.true_len,
                fault: true,
                ..Content::default()
            },
            Some(capture) => self.data(pointee, capture, out),
        }
    }

    fn data(self, pointee: Pointee, capture: &Capture<'a>, out: &mut String) -> Content {
        let start = out.len();
        let mut content = match self.argument.kind {
            Some(CaptureKind::Str) => string(capture, out),
            Some(CaptureKind::StrVec) => string_vector(capture, out),
            Some(CaptureKind::MsgBuf { .. }) => self.message_buffer(capture, out),
            _ => self.bytes(pointee, capture, out),
        };
        if capture.fault {
            content.fault = true;
            content.truncated = true;
            if out.len() > start {
                out.push(' ');
                out.push_str(UNREADABLE);
            }
        }
        content
    }

    fn bytes(self, pointee: Pointee, capture: &Capture<'a>, out: &mut String) -> Content {
        let Piece { bytes, len, cut } = self.piece(capture);
        let abi = self.decoder.abi;
        match pointee {
            // An address of no bytes says nothing that the pointer and the length do not.
            Pointee::SocketAddress if bytes.is_empty() => {}
            Pointee::SocketAddress => sockaddr(abi, bytes, cut, out),
            Pointee::Length => self.length(bytes, out),
            pointee => {
                let first = self.known(0);
                if pointee.put(abi, bytes, cut, first, out).is_none() {
                    quote(bytes, cut, out);
                }
            }
        }
        Content {
            len,
            truncated: cut,
            fault: false,
        }
    }

    /// The length that the kernel wrote, behind the one that was there.
    fn length(self, bytes: &[u8], out: &mut String) {
        let number = |bytes| Memory::new(self.decoder.abi, bytes).u32_at(0);
        let before = self
            .captures(0)
            .next()
            .and_then(|capture| number(capture.bytes));
        let after = number(bytes);
        out.push('[');
        if let Some(before) = before.filter(|_| before != after) {
            digits::<10>(before.into(), out);
            out.push_str(" => ");
        }
        digits::<10>(after.unwrap_or_default().into(), out);
        out.push(']');
    }

    /// A message of System V: its type, then its text, of which the length is told.
    fn message_buffer(self, capture: &Capture<'a>, out: &mut String) -> Content {
        let abi = self.decoder.abi;
        let word = long_bytes(abi);
        let Some((kind, text)) = capture.bytes.split_at_checked(word) else {
            return Content {
                fault: true,
                ..Content::default()
            };
        };
        let kind = Memory::new(abi, kind);
        let kind = match word {
            8 => kind.u64_at(0).unwrap_or(0).cast_signed(),
            _ => kind.u32_at(0).unwrap_or(0).cast_signed().into(),
        };
        let len = capture.true_len.map(|len| len.saturating_sub(word as u64));
        let cut = capture.fault || len.is_some_and(|len| len > text.len() as u64);
        out.push_str("{mtype=");
        decimal(kind, out);
        out.push_str(", mtext=");
        quote(text, cut, out);
        out.push('}');
        Content {
            len,
            truncated: cut,
            fault: false,
        }
    }

    /// Several messages, and a mark if there are more than were copied.
    fn messages(self, direction: Direction, out: &mut String) -> Content {
        let count = match (direction, self.call.outcome) {
            (Direction::Send, _) => self.known(2).map(|count| count & u64::from(u32::MAX)),
            (Direction::Receive, Outcome::Returned(count)) => u64::try_from(count).ok(),
            (Direction::Receive, _) => None,
        };
        let is_there = |message: &u8| {
            [0, 1]
                .iter()
                .any(|part| self.capture(2 * message + part).is_some())
        };
        let start = out.len();
        let mut content = Content::default();
        let (mut shown, mut has_text) = (0, false);
        for message in (0..=u8::MAX / 2).take_while(is_there) {
            out.push_str(if shown == 0 { "[" } else { ", " });
            let text = out.len();
            let part = self.message(2 * message, out);
            if out.len() == text {
                out.push_str(UNREADABLE);
            } else {
                has_text = true;
            }
            content.fault |= part.fault;
            content.truncated |= part.truncated;
            shown += 1;
        }
        if !has_text {
            out.truncate(start);
            if count == Some(0) {
                out.push_str("[]");
            }
            return content;
        }
        if count.is_some_and(|count| count > shown) {
            out.push_str(", ...");
            content.truncated = true;
        }
        out.push(']');
        content
    }

    /// The message whose data are this part; its address is the next.
    fn message(self, part: u8, out: &mut String) -> Content {
        let (data, name) = (self.capture(part), self.capture(part + 1));
        let is_lost = |capture: Option<&Capture<'_>>| {
            capture.is_none_or(|capture| capture.fault && capture.bytes.is_empty())
        };
        let fault = [data, name]
            .into_iter()
            .flatten()
            .any(|capture| capture.fault);
        let mut content = Content {
            fault,
            ..Content::default()
        };
        if is_lost(data) && is_lost(name) {
            return content;
        }
        out.push('{');
        let start = out.len();
        if let Some(name) = name {
            let cut = name
                .true_len
                .is_some_and(|len| len > name.bytes.len() as u64);
            content.truncated |= cut;
            if name.fault || !name.bytes.is_empty() {
                out.push_str("name=");
            }
            match name.bytes {
                [] if name.fault => out.push_str(UNREADABLE),
                [] => {}
                bytes => sockaddr(self.decoder.abi, bytes, cut, out),
            }
        }
        if let Some(data) = data {
            let piece = self.piece(data);
            content.len = piece.len;
            content.truncated |= piece.cut;
            if out.len() > start {
                out.push_str(", ");
            }
            out.push_str("data=");
            let is_shown = !(data.fault && piece.bytes.is_empty());
            if is_shown {
                quote(piece.bytes, piece.cut, out);
            }
            if data.fault {
                out.push_str(if is_shown { " " } else { "" });
                out.push_str(UNREADABLE);
            }
        }
        out.push('}');
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

    fn captures(self, part: u8) -> impl DoubleEndedIterator<Item = &'a Capture<'a>> {
        let is_it = move |capture: &&Capture<'_>| capture.arg == self.arg && capture.part == part;
        self.call.captures.iter().filter(is_it)
    }

    /// The last one: what was copied when the call returned stands behind what was copied when it began.
    fn capture(self, part: u8) -> Option<&'a Capture<'a>> {
        self.captures(part).next_back()
    }

    fn known(self, arg: u8) -> Option<u64> {
        self.call.known_arg(usize::from(arg))
    }

    /// The length that the rule implies, for recorders that do not report it.
    fn expected_len(self) -> Option<u64> {
        let argument = |arg: u8| {
            let argument = self.decoder.arguments.get(usize::from(arg));
            let class = argument.map_or(Class::Address, |argument| argument.form.class);
            length(self.decoder.abi, class, self.known(arg)?)
        };
        let returned = match self.call.outcome {
            Outcome::Returned(value) => u64::try_from(value).ok(),
            _ => None,
        };
        let counted = |len: Len| match len {
            Len::Arg(arg) => argument(arg),
            Len::MinArgReturn(arg) => Some(argument(arg)?.min(returned?)),
            Len::Fixed(len) => Some(len.into()),
            Len::Return => returned,
            Len::PointedU32(_) => None,
        };
        match self.argument.kind? {
            CaptureKind::Bytes { len } => counted(len),
            CaptureKind::Array { element, count } => {
                counted(count)?.checked_mul(element.bytes(self.decoder.abi).into())
            }
            CaptureKind::Iovec {
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
    fn is_empty_buffer(self, pointee: Pointee) -> bool {
        let is_address = matches!(pointee, Pointee::SocketAddress);
        let has_length = matches!(
            self.argument.kind,
            Some(CaptureKind::Bytes { .. } | CaptureKind::Array { .. } | CaptureKind::Iovec { .. })
        );
        let is_pointer = self.known(self.arg).is_some_and(|pointer| pointer != 0);
        has_length && is_pointer && !is_address && self.expected_len() == Some(0)
    }
}

/// Appends a string, which ends at its first NUL. Without one it is whole only if the recorder knows that it copied all of it.
fn string(capture: &Capture<'_>, out: &mut String) -> Content {
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
    quote(bytes, cut, out);
    Content {
        len,
        truncated: cut,
        fault: false,
    }
}

/// The strings of a vector stand one after another, each with its NUL; a last one without it was cut.
fn string_vector(capture: &Capture<'_>, out: &mut String) -> Content {
    out.push('[');
    let start = out.len();
    let mut is_last_cut = false;
    for piece in capture.bytes.split_inclusive(|&byte| byte == 0) {
        if out.len() > start {
            out.push_str(", ");
        }
        let string = piece.strip_suffix(b"\0");
        is_last_cut = string.is_none();
        quote(string.unwrap_or(piece), is_last_cut, out);
    }
    let is_more_missing = capture
        .true_len
        .is_some_and(|len| len > capture.bytes.len() as u64);
    if is_more_missing && !is_last_cut {
        out.push_str(if out.len() > start { ", ..." } else { "..." });
    }
    out.push(']');
    Content {
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
