//! Which memory a recorder copies for a system call, and what is special about some calls.
//!
//! Owns the vocabulary (what to copy, how much of it, when) and the rules of every call: strings follow from the
//! declaration, everything else is listed in `table.rs`. It leaves the copying to the recorder and the reading of
//! what was copied to `decode`.

mod table;
#[cfg(test)]
mod tests;

use crate::{Abi, Parameter};

/// More rules than this are never returned for one call, so that a recorder can use a fixed array.
///
/// The richest call (`mount`) needs all of them.
pub const MAX_RULES: usize = 4;

/// One thing to copy: the memory that an argument points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureRule {
    /// The argument's position, 0 to 5.
    pub arg: u8,
    /// The shape of the memory.
    pub kind: CaptureKind,
    /// When the memory holds what is worth seeing.
    pub when: When,
    /// Where what the argument is depends on another one.
    pub only: Option<Only>,
}

/// Calls for which a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Only {
    /// The argument that decides.
    pub arg: u8,
    /// Which of its 32 bits count.
    pub mask: u32,
    /// The numbers below 64 that it must be one of, a bit for each.
    pub values: u64,
}

/// When a recorder copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the kernel has done anything: what the caller passed.
    Enter,
    /// After the call, and only if it returned 0 or more: what the kernel wrote. Failed calls write nothing.
    Exit,
}

/// The shape of the memory behind an argument.
///
/// Layouts of `iovec`, `msghdr`, `mmsghdr` and pointer arrays depend on the ABI's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureKind {
    /// A NUL-terminated string.
    Str,
    /// So many bytes.
    Bytes {
        /// How many.
        len: Len,
    },
    /// An array of structures, of which a recorder copies as much as it has room for and not only the beginning that it
    /// copies of a buffer.
    Array {
        /// What stands in it.
        element: Element,
        /// How many there are.
        count: Len,
    },
    /// An array of `struct iovec`; the data is copied one piece after another.
    Iovec {
        /// The argument with the number of elements.
        count_arg: u8,
        /// How many bytes of data there are.
        len: IovecLen,
    },
    /// A `struct msghdr`: its data as part 0 and the address at `msg_name` as part 1.
    MsgHdr {
        /// Which way the data goes.
        direction: Direction,
    },
    /// An array of `struct mmsghdr`, as many as argument 2 says or, when received, as the call returned: the data of
    /// message `i` as part `2 * i`, its address as the part behind it. Of a received message the header says how long it is.
    MsgHdrs {
        /// Which way the data goes.
        direction: Direction,
    },
    /// A `struct msgbuf`: a `long` with the type of the message, then so many bytes.
    MsgBuf {
        /// How many bytes there are behind the type.
        len: Len,
    },
    /// A NULL-terminated array of strings such as `argv`; they are copied with their NULs, one after another.
    StrVec,
}

/// What an array consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Structures that say themselves how long they are; they are counted in bytes.
    Byte,
    /// Numbers of 32 bits.
    Int,
    /// `struct pollfd`.
    PollFd,
    /// `struct epoll_event`.
    EpollEvent,
    /// `struct sembuf`.
    SemBuf,
}

impl Element {
    /// The size of one.
    pub const fn bytes(self, abi: Abi) -> u32 {
        match self {
            Element::Byte => 1,
            Element::Int => 4,
            Element::PollFd => 8,
            // Packed on x86-64, so that it is as on i386 (include/uapi/linux/eventpoll.h).
            Element::EpollEvent if matches!(abi, Abi::X86_64 | Abi::X32 | Abi::I386) => 12,
            Element::EpollEvent => 16,
            Element::SemBuf => 6,
        }
    }
}

/// How many bytes a buffer holds, or elements an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Len {
    /// The value of this argument. One declared as `int` can be negative, which the kernel refuses: copy nothing.
    Arg(u8),
    /// The return value.
    Return,
    /// The smaller of this argument and the return value, for calls whose result can exceed the buffer: a size
    /// query (`getxattr` with size 0) or a cut datagram (`recvfrom` with `MSG_TRUNC`).
    MinArgReturn(u8),
    /// Always this many, and as many as a recorder has room for: a structure. On 32-bit ABIs it can be shorter; the decoder then
    /// looks at its start only.
    Fixed(u32),
    /// The 32-bit number this argument points to, read when the rule applies.
    PointedU32(u8),
}

/// How many bytes the elements of an `iovec` array hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IovecLen {
    /// The sum of their lengths.
    Own,
    /// The return value, spread over the elements in order.
    Return,
}

/// Which way the data of a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Name and data as the caller passed them, all of the `iovec` array.
    Send,
    /// Name and data as the kernel wrote them, limited by the return value.
    Receive,
}

/// What is special about a call besides its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Behaviour {
    /// The caller never sees a return value, so an exit must not be waited for.
    pub never_returns: bool,
    /// A new task comes back from the same call.
    pub forks: bool,
    /// The program is replaced and the caller's memory is gone at exit; the thread id can change.
    pub execs: bool,
    /// The thread may have another name, or another user, when it returns.
    pub renames: bool,
}

/// What is special about the call with this name in the system call table.
pub fn behaviour(name: &str) -> Behaviour {
    Behaviour {
        never_returns: matches!(name, "exit" | "exit_group" | "rt_sigreturn" | "sigreturn"),
        forks: matches!(name, "clone" | "clone3" | "fork" | "vfork"),
        execs: matches!(name, "execve" | "execveat"),
        renames: matches!(
            name,
            "prctl"
                | "setuid"
                | "setuid32"
                | "setreuid"
                | "setreuid32"
                | "setresuid"
                | "setresuid32"
        ),
    }
}

/// The rules of the call with this name and declaration, ordered by argument, at most [`MAX_RULES`].
///
/// Without parameters only the listed rules are left. A listed rule is dropped if the declaration contradicts it:
/// a name can mean something else in another ABI's table. What is a pointer for some calls only is not declared as one.
pub fn rules(name: &str, parameters: &[Parameter]) -> Vec<CaptureRule> {
    let declared_pointer = |rule: &&CaptureRule| {
        rule.only.is_some()
            || parameters.is_empty()
            || parameters
                .get(usize::from(rule.arg))
                .is_some_and(Parameter::is_pointer)
    };
    let mut rules: Vec<CaptureRule> = table::listed(name)
        .iter()
        .filter(declared_pointer)
        .copied()
        .collect();
    for (arg, parameter) in (0u8..6).zip(parameters) {
        let is_taken = rules.iter().any(|rule| rule.arg == arg);
        if !is_taken
            && is_string_type(&parameter.ctype)
            && !table::is_no_string(name, &parameter.name)
        {
            rules.push(CaptureRule {
                arg,
                kind: CaptureKind::Str,
                when: When::Enter,
                only: None,
            });
        }
    }
    rules.truncate(MAX_RULES);
    rules.sort_by_key(|rule| rule.arg);
    rules
}

/// Whether a C type is `char *`, with any qualifiers.
fn is_string_type(ctype: &str) -> bool {
    let mut words = ctype
        .split('*')
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter(|word| !matches!(*word, "const" | "volatile" | "__user"));
    let is_char = words.next() == Some("char") && words.next().is_none();
    is_char && ctype.matches('*').count() == 1
}
