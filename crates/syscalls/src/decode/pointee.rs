//! What an argument points to, besides texts, buffers and messages: structures, lists of them, and shapes of their own.
//!
//! Which it is follows from the declared type, else from `data/arguments.txt`. What is not known here, or is too short, is
//! left to be shown as bytes.

use super::constants::Group;
use super::form;
use super::memory::Memory;
use super::number::{decimal, digits};
use super::sigset::sigset;
use super::structure::Structure;
use super::text::{push, quote};
use crate::{Abi, Parameter};

#[cfg(test)]
mod tests;

/// What an argument points to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pointee {
    Bytes,
    SocketAddress,
    Structure(&'static Structure),
    Structures(&'static Structure),
    /// Two of them.
    Pair(&'static Structure),
    /// Numbers of 32 bits with their signs.
    Integers,
    /// A number of 64 bits.
    Offset,
    /// How long an address is, and how much room there is for it.
    Length,
    SigSet,
    /// Descriptors, as many as the first argument says.
    Descriptors,
    /// Places of bits that are set.
    Bits,
    /// Of a folder.
    Entries(&'static Group),
    WaitStatus,
    /// Of a socket.
    Option,
}

impl Pointee {
    /// That of a parameter with this declaration.
    pub fn declared(abi: Abi, parameter: &Parameter) -> Pointee {
        let ctype = parameter.ctype.as_ref();
        if ctype.matches('*').count() != 1 {
            return Pointee::Bytes;
        }
        let mut words = ctype.trim_end_matches('*').split_ascii_whitespace();
        let name = words.rfind(|word| !matches!(*word, "const" | "struct" | "__user"));
        let name = name.unwrap_or_default();
        match name.strip_prefix("__kernel_").unwrap_or(name) {
            "sockaddr" => Pointee::SocketAddress,
            "sigset_t" => Pointee::SigSet,
            "fd_set" => Pointee::Descriptors,
            "linux_dirent64" => {
                Group::find(abi, "entry_type").map_or(Pointee::Bytes, Pointee::Entries)
            }
            name => Structure::find(abi, name).map_or(Pointee::Bytes, Pointee::Structure),
        }
    }

    /// That with this name in `data/arguments.txt`.
    pub fn named(abi: Abi, name: &str) -> Option<Pointee> {
        Some(match name {
            "i32" => Pointee::Integers,
            "offset" => Pointee::Offset,
            "length" => Pointee::Length,
            "status" => Pointee::WaitStatus,
            "option" => Pointee::Option,
            "bits" => Pointee::Bits,
            name => Pointee::Structure(Structure::find(abi, name)?),
        })
    }

    /// The same for an argument that points to several.
    pub fn several(self) -> Pointee {
        match self {
            Pointee::Structure(structure) => Pointee::Structures(structure),
            other => other,
        }
    }

    /// The same for an argument that points to two.
    pub fn pair(self) -> Pointee {
        match self {
            Pointee::Structure(structure) => Pointee::Pair(structure),
            other => other,
        }
    }

    /// Whether its text is a list, which may be empty.
    pub fn is_list(self) -> bool {
        matches!(
            self,
            Pointee::Structures(_) | Pointee::Integers | Pointee::Entries(_)
        )
    }

    /// Appends its text, and that there is more if it is `cut`; nothing and `None` if there is none for this argument or
    /// `bytes` hold nothing of it. `first` is the call's first argument.
    pub fn put(
        self,
        abi: Abi,
        bytes: &[u8],
        cut: bool,
        first: Option<u64>,
        out: &mut String,
    ) -> Option<()> {
        let memory = Memory::new(abi, bytes);
        match self {
            Pointee::Bytes | Pointee::SocketAddress => None,
            Pointee::Structure(structure) => structure.put(abi, bytes, out),
            Pointee::Structures(structure) | Pointee::Pair(structure) => {
                let pieces = bytes.chunks(structure.bytes.max(1));
                let (most, cut) = match self {
                    Pointee::Pair(_) => (2, false),
                    _ => (usize::MAX, cut),
                };
                list(pieces.take(most), cut, out, |piece, out| {
                    structure.put(abi, piece, out)
                })
            }
            Pointee::Integers => list(bytes.chunks_exact(4), cut, out, |piece, out| {
                integer(Memory::new(abi, piece), out)
            }),
            Pointee::Option if bytes.len() != 4 => None,
            Pointee::Option | Pointee::Length => {
                list(bytes.chunks_exact(4), false, out, |piece, out| {
                    integer(Memory::new(abi, piece), out)
                })
            }
            Pointee::Offset => {
                let offset = memory.u64_at(0)?;
                out.push('[');
                decimal(offset.cast_signed(), out);
                out.push(']');
                Some(())
            }
            Pointee::SigSet => sigset(abi, bytes, out),
            Pointee::Descriptors => bits(abi, bytes, cut, first.unwrap_or_default() as u32, out),
            Pointee::Bits => bits(abi, bytes, cut, u32::MAX, out),
            Pointee::Entries(types) => entries(abi, bytes, cut, types, out),
            Pointee::WaitStatus => {
                wait_status(memory.u32_at(0)?.cast_signed(), out);
                Some(())
            }
        }
    }
}

/// Appends pieces between brackets, as far as they have a text; `None` if the first has none.
fn list<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    cut: bool,
    out: &mut String,
    mut put: impl FnMut(&'a [u8], &mut String) -> Option<()>,
) -> Option<()> {
    let before = out.len();
    out.push('[');
    let start = out.len();
    for piece in pieces {
        let end = out.len();
        out.push_str(if end > start { ", " } else { "" });
        if put(piece, out).is_none() {
            out.truncate(end);
            break;
        }
    }
    if cut && out.len() == start {
        out.truncate(before);
        return None;
    }
    out.push_str(if cut { ", ...]" } else { "]" });
    Some(())
}

fn integer(memory: Memory<'_>, out: &mut String) -> Option<()> {
    decimal(memory.u32_at(0)?.cast_signed().into(), out);
    Some(())
}

/// Places of the bits that are set, as far as they count; place 0 is the lowest of the first `long`.
fn bits(abi: Abi, bytes: &[u8], cut: bool, count: u32, out: &mut String) -> Option<()> {
    let wide = abi.word_bytes();
    let count = usize::try_from(count).ok()?;
    let byte = |place: usize| match abi.is_big_endian() {
        true => (place / 8) ^ (wide - 1),
        false => place / 8,
    };
    let is_set = |place: &usize| {
        let byte = bytes.get(byte(*place));
        byte.is_some_and(|byte| byte & 1 << (place % 8) != 0)
    };
    out.push('[');
    let start = out.len();
    for place in (0..count.min(bytes.len() * 8)).filter(is_set) {
        out.push_str(if out.len() > start { " " } else { "" });
        digits::<10>(place as u64, out);
    }
    let is_more = cut && count > bytes.len() * 8;
    out.push_str(if is_more { " ...]" } else { "]" });
    Some(())
}

/// `struct linux_dirent64` after `struct linux_dirent64` (include/linux/dirent.h); each says how long it is.
fn entries(abi: Abi, bytes: &[u8], cut: bool, types: &Group, out: &mut String) -> Option<()> {
    const NAME: usize = 19;
    let mut rest = bytes;
    let pieces = std::iter::from_fn(|| {
        let len = usize::from(Memory::new(abi, rest).u16_at(16)?);
        // One that is shorter than its own head would never end.
        let (piece, others) = rest.split_at_checked(len.max(NAME)).unwrap_or((rest, &[]));
        rest = others;
        Some(piece)
    });
    list(pieces, cut, out, |piece, out| {
        let memory = Memory::new(abi, piece);
        let (inode, offset, len) = (memory.u64_at(0)?, memory.u64_at(8)?, memory.u16_at(16)?);
        let kind = u64::from(*piece.get(18)?);
        let name = piece.get(NAME..)?;
        let end = name.iter().position(|&byte| byte == 0);
        let offset = offset.cast_signed();
        push(
            out,
            format_args!("{{d_ino={inode}, d_off={offset}, d_reclen={len}, d_type="),
        );
        match types.name(kind) {
            Some(name) => out.push_str(name),
            None => digits::<10>(kind, out),
        }
        out.push_str(", d_name=");
        quote(&name[..end.unwrap_or(name.len())], end.is_none(), out);
        out.push('}');
        Some(())
    })
}

/// The encoding of `wait(2)`: exit code in the second byte, or a signal in the lowest seven bits.
fn wait_status(status: i32, out: &mut String) {
    let (low, high) = (status & 0x7f, (status >> 8) & 0xff);
    let core = if status & 0x80 == 0 {
        ""
    } else {
        " && WCOREDUMP(s)"
    };
    out.push_str("[{");
    match status & 0xffff {
        0xffff => out.push_str("WIFCONTINUED(s)"),
        _ if low == 0 => push(
            out,
            format_args!("WIFEXITED(s) && WEXITSTATUS(s) == {high}"),
        ),
        _ if low == 0x7f => {
            out.push_str("WIFSTOPPED(s) && WSTOPSIG(s) == ");
            signal(high, out);
        }
        _ => {
            out.push_str("WIFSIGNALED(s) && WTERMSIG(s) == ");
            signal(low, out);
            out.push_str(core);
        }
    }
    out.push_str("}]");
}

fn signal(number: i32, out: &mut String) {
    let start = out.len();
    form::signal(u64::try_from(number).unwrap_or_default(), out);
    if out.len() == start {
        decimal(number.into(), out);
    }
}
