//! C types as numbers in registers: signed or not, how wide, address or not; and the digits of numbers.

use crate::Abi;

/// How a C type is passed in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Address,
    Signed(u32),
    Unsigned(u32),
}

/// The number that a register holds.
pub(crate) fn number_of(class: Class, raw: u64) -> i128 {
    match class {
        Class::Signed(bits) => signed(raw, bits).into(),
        Class::Unsigned(bits) => masked(raw, bits).into(),
        Class::Address => raw.into(),
    }
}

/// A length or count that a parameter holds; `None` if it is negative.
pub(super) fn length(abi: Abi, class: Class, raw: u64) -> Option<u64> {
    match class {
        Class::Signed(bits) => u64::try_from(signed(raw, bits)).ok(),
        Class::Unsigned(bits) => Some(masked(raw, bits)),
        Class::Address => Some(masked(raw, word_bits(abi))),
    }
}

/// Appends an address in hex, cut to the ABI's pointers.
pub(super) fn address(raw: u64, abi: Abi, out: &mut String) {
    hex(masked(raw, word_bits(abi)), out);
}

pub(super) fn hex(number: u64, out: &mut String) {
    out.push_str("0x");
    digits::<16>(number, out);
}

/// Appends a file mode as C writes it.
pub(super) fn octal(mode: u64, out: &mut String) {
    if mode != 0 {
        out.push('0');
    }
    digits::<8>(mode, out);
}

/// Appends a number with its sign.
pub(super) fn decimal(number: i64, out: &mut String) {
    if number < 0 {
        out.push('-');
    }
    digits::<10>(number.unsigned_abs(), out);
}

/// Appends the digits of a number; the machinery of `write!` takes several times as long, and this is done for every argument.
pub(super) fn digits<const BASE: u64>(mut number: u64, out: &mut String) {
    let mut text = [0; u64::BITS as usize];
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
        if number == 0 {
            break;
        }
    }
    out.extend(text[start..].iter().map(|&digit| char::from(digit)));
}

/// Bits of a register. x32 passes 64-bit registers although its pointers and longs are narrow.
pub(super) fn word_bits(abi: Abi) -> u32 {
    match abi {
        Abi::I386 | Abi::Arm => 32,
        Abi::X86_64
        | Abi::X32
        | Abi::Aarch64
        | Abi::Riscv64
        | Abi::S390x
        | Abi::Ppc64le
        | Abi::LoongArch64 => 64,
    }
}

pub(super) fn masked(raw: u64, bits: u32) -> u64 {
    if bits >= 64 {
        raw
    } else {
        raw & ((1 << bits) - 1)
    }
}

pub(super) fn signed(raw: u64, bits: u32) -> i64 {
    let unused = 64 - bits.clamp(1, 64);
    ((raw << unused) as i64) >> unused
}

/// That of a C type.
pub(crate) fn class(ctype: &str, abi: Abi) -> Class {
    // Most parameters, without taking their type apart.
    match ctype {
        "int" => return Class::Signed(32),
        "unsigned int" => return Class::Unsigned(32),
        "unsigned long" | "size_t" => return Class::Unsigned(word_bits(abi)),
        _ => {}
    }
    if ctype.contains('*') {
        return Class::Address;
    }
    let words = || {
        ctype
            .split_ascii_whitespace()
            .filter(|word| !matches!(*word, "const" | "volatile" | "__user"))
    };
    let first = words().next().unwrap_or_default();
    if !matches!(
        first,
        "unsigned" | "signed" | "char" | "short" | "int" | "long"
    ) {
        return typedef(first, word_bits(abi));
    }
    let count = |wanted: &str| words().filter(|word| *word == wanted).count();
    let bits = match count("long") {
        _ if count("char") > 0 => 8,
        _ if count("short") > 0 => 16,
        0 => 32,
        1 => word_bits(abi),
        _ => 64,
    };
    if count("unsigned") > 0 {
        Class::Unsigned(bits)
    } else {
        Class::Signed(bits)
    }
}

/// The kernel's type names, without the prefixes of their user space and compat twins. A type that is not known is
/// taken for an unsigned word: nothing of the register is lost.
fn typedef(name: &str, word: u32) -> Class {
    let name = name
        .strip_prefix("compat_")
        .or_else(|| name.strip_prefix("__kernel_"))
        .unwrap_or(name);
    match name.trim_start_matches('_') {
        "cap_user_header_t" | "cap_user_data_t" | "sighandler_t" | "aio_context_t" | "uptr_t"
        | "uintptr_t" => Class::Address,
        "pid_t" | "key_t" | "clockid_t" | "timer_t" | "mqd_t" | "key_serial_t" | "rwf_t"
        | "s32" | "int32_t" | "int_t" | "daddr_t" => Class::Signed(32),
        "ssize_t" | "off_t" | "long_t" | "time_t" | "old_time_t" | "old_time32_t" | "clock_t"
        | "suseconds_t" => Class::Signed(word),
        "loff_t" | "s64" | "int64_t" | "time64_t" => Class::Signed(64),
        "u32" | "uint32_t" | "uint_t" | "uint" | "uid_t" | "gid_t" | "qid_t" | "uid32_t"
        | "gid32_t" | "dev_t" | "enum" => Class::Unsigned(32),
        "umode_t" | "mode_t" | "u16" | "uint16_t" | "old_uid_t" | "old_gid_t" => {
            Class::Unsigned(16)
        }
        "u8" | "uint8_t" | "bool" => Class::Unsigned(8),
        "u64" | "uint64_t" => Class::Unsigned(64),
        _ => Class::Unsigned(word),
    }
}
