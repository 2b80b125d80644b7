//! Sets of signals as text: `[INT CHLD]`, or `~[KILL STOP]` where it is shorter to say which are missing.

use super::form;
use super::memory::Memory;
use crate::Abi;

/// Sets that have as many signals are told by what they lack.
const MANY: u32 = 42;

/// Appends a set of as many words of 32 signals as there are; `None` if there is none.
pub(super) fn sigset(abi: Abi, bytes: &[u8], out: &mut String) -> Option<()> {
    let memory = Memory::new(abi, bytes);
    let set = match bytes.len() {
        8.. => memory.u64_at(0)?,
        _ => memory.u32_at(0)?.into(),
    };
    let all = if bytes.len() < 8 {
        u64::from(u32::MAX)
    } else {
        u64::MAX
    };
    let is_complement = set.count_ones() >= MANY;
    let mut rest = if is_complement { !set & all } else { set };
    out.push_str(if is_complement { "~[" } else { "[" });
    let start = out.len();
    while rest != 0 {
        if out.len() > start {
            out.push(' ');
        }
        // Without `SIG`, which all of them have.
        let name = out.len();
        form::signal(u64::from(rest.trailing_zeros()) + 1, out);
        out.replace_range(name..name + 3, "");
        rest &= rest - 1;
    }
    out.push(']');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(set: u64) -> String {
        let mut out = String::new();
        sigset(Abi::X86_64, &set.to_le_bytes(), &mut out).expect("a set");
        out
    }

    #[test]
    fn signals_of_a_set_are_named() {
        assert_eq!(text(0), "[]");
        assert_eq!(text(1 << 1 | 1 << 16), "[INT CHLD]");
        assert_eq!(text(1 << 31 | 1 << 32), "[RTMIN RT_1]");
    }

    #[test]
    fn a_set_of_most_signals_is_told_by_the_others() {
        assert_eq!(text(u64::MAX), "~[]");
        assert_eq!(text(!(1 << 8 | 1 << 18)), "~[KILL STOP]");
    }

    #[test]
    fn a_set_may_be_short() {
        let mut out = String::new();
        assert!(sigset(Abi::I386, &[2, 0, 0, 0], &mut out).is_some());
        assert_eq!(out, "[INT]");
        assert!(sigset(Abi::X86_64, &[2, 0], &mut out).is_none());
    }
}
