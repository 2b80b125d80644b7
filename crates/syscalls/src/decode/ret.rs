//! What a system call returned, as text.

use super::Outcome;
use super::number::{address, decimal, signed, word_bits};
use crate::{Abi, errno};

/// Appends the result's text and returns the error's name, which is empty if there is no error.
pub(super) fn outcome(
    abi: Abi,
    is_address: bool,
    outcome: Outcome,
    out: &mut String,
) -> &'static str {
    match outcome {
        Outcome::NeverReturns => out.push('X'),
        Outcome::Unfinished => out.push_str("unfinished"),
        Outcome::Killed => out.push_str("killed"),
        Outcome::Returned(value) => return returned(abi, is_address, value, out),
    }
    ""
}

/// The kernel's test for an error holds for every call, those that return addresses included: no mapping lies in the
/// last page. A 32-bit task's value may or may not be sign-extended in the register.
fn returned(abi: Abi, is_address: bool, value: i64, out: &mut String) -> &'static str {
    let value = signed(value as u64, word_bits(abi));
    if (-4095..=-1).contains(&value) {
        return error(abi, value.unsigned_abs() as u32, out);
    }
    if is_address {
        address(value as u64, abi, out);
    } else {
        decimal(value, out);
    }
    ""
}

fn error(abi: Abi, number: u32, out: &mut String) -> &'static str {
    let known = || errno::lookup_in(abi, number).map(|errno| ("-1 ", errno.name, errno.text));
    let restart = restart(number).map(|(name, text)| ("? ", name, text));
    let Some((before, name, text)) = restart.or_else(known) else {
        out.push_str("-1 errno ");
        decimal(number.into(), out);
        return "";
    };
    for part in [before, name, " (", text, ")"] {
        out.push_str(part);
    }
    name
}

/// Codes that only the kernel and a tracer see: a signal came, and the call is restarted or ends with `EINTR`
/// (include/linux/errno.h). Texts are those of strace.
fn restart(number: u32) -> Option<(&'static str, &'static str)> {
    Some(match number {
        512 => ("ERESTARTSYS", "To be restarted if SA_RESTART is set"),
        513 => ("ERESTARTNOINTR", "To be restarted"),
        514 => ("ERESTARTNOHAND", "To be restarted if no handler"),
        516 => ("ERESTART_RESTARTBLOCK", "Interrupted by signal"),
        _ => return None,
    })
}

/// Whether the call with this name returns an address.
pub(super) fn is_address(name: &str) -> bool {
    matches!(
        name,
        "mmap" | "mmap2" | "brk" | "mremap" | "shmat" | "map_shadow_stack"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(abi: Abi, name: &str, outcome: Outcome) -> (String, &'static str) {
        let mut text = String::new();
        let error = super::outcome(abi, is_address(name), outcome, &mut text);
        (text, error)
    }

    fn ret(name: &str, value: i64) -> (String, &'static str) {
        outcome(Abi::X86_64, name, Outcome::Returned(value))
    }

    #[test]
    fn errors_carry_the_linux_name_and_text() {
        assert_eq!(
            ret("openat", -2),
            ("-1 ENOENT (No such file or directory)".to_owned(), "ENOENT")
        );
        assert_eq!(ret("openat", -13).1, "EACCES");
        assert_eq!(ret("mmap", -12).1, "ENOMEM");
        assert_eq!(ret("read", -4000), ("-1 errno 4000".to_owned(), ""));
        assert_eq!(ret("read", -4096), ("-4096".to_owned(), ""));
    }

    #[test]
    fn an_error_is_named_as_in_its_abi() {
        let name = |abi| outcome(abi, "fcntl", Outcome::Returned(-58)).1;
        assert_eq!([name(Abi::Ppc64le), name(Abi::Riscv64)], ["EDEADLOCK", ""]);
    }

    #[test]
    fn interrupted_calls_say_how_they_go_on() {
        let text = "? ERESTARTSYS (To be restarted if SA_RESTART is set)";
        assert_eq!(ret("read", -512), (text.to_owned(), "ERESTARTSYS"));
        assert_eq!(ret("nanosleep", -516).1, "ERESTART_RESTARTBLOCK");
    }

    #[test]
    fn results_are_signed_and_addresses_hex() {
        assert_eq!(ret("getpid", 42).0, "42");
        assert_eq!(ret("mmap", 0x7f00_0000_1000).0, "0x7f0000001000");
        assert_eq!(ret("brk", 0).0, "0x0");
        assert_eq!(ret("lseek", i64::MIN).0, i64::MIN.to_string());
    }

    #[test]
    fn a_32_bit_result_is_an_error_with_and_without_sign_extension() {
        for value in [-2, 0xffff_fffe] {
            assert_eq!(
                outcome(Abi::I386, "open", Outcome::Returned(value)).1,
                "ENOENT"
            );
        }
        assert_eq!(
            outcome(Abi::I386, "mmap2", Outcome::Returned(0xf7f0_0000)).0,
            "0xf7f00000"
        );
        assert_eq!(
            outcome(Abi::X86_64, "lseek", Outcome::Returned(0xffff_fffe)).0,
            "4294967294"
        );
    }

    #[test]
    fn calls_without_a_result_say_why() {
        assert_eq!(
            outcome(Abi::X86_64, "exit_group", Outcome::NeverReturns).0,
            "X"
        );
        assert_eq!(
            outcome(Abi::X86_64, "read", Outcome::Unfinished).0,
            "unfinished"
        );
        assert_eq!(outcome(Abi::X86_64, "read", Outcome::Killed).0, "killed");
    }
}
