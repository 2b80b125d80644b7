//! Tests of numbers: signs, widths, addresses and the parameters whose type says too little.

use super::super::number::length;
use super::*;

fn shown(
    abi: Abi,
    call: &str,
    ctype: &'static str,
    name: &'static str,
    raw: u64,
) -> (String, Option<String>) {
    let parameter = Parameter {
        name: name.into(),
        ctype: ctype.into(),
    };
    let form = Form::new(abi, call, &parameter);
    let (mut value, mut text) = (String::new(), String::new());
    form.value(abi, raw, &mut value);
    form.text(abi, raw, &mut text);
    (value, (!text.is_empty()).then_some(text))
}

fn value(ctype: &'static str, raw: u64) -> String {
    shown(Abi::X86_64, "call", ctype, "x", raw).0
}

#[test]
fn signs_and_widths_follow_the_type() {
    let all = u64::MAX;
    for ctype in [
        "int",
        "long",
        "pid_t",
        "const clockid_t",
        "loff_t",
        "off_t",
        "ssize_t",
        "key_t",
        "__s32",
        "rwf_t",
    ] {
        assert_eq!(value(ctype, all), "-1", "{ctype}");
    }
    for ctype in [
        "unsigned int",
        "unsigned",
        "u32",
        "const __u32",
        "uid_t",
        "enum landlock_rule_type",
    ] {
        assert_eq!(value(ctype, all), "4294967295", "{ctype}");
    }
    for ctype in [
        "unsigned long",
        "size_t",
        "const size_t",
        "__u64",
        "unsigned long long",
        "what_t",
    ] {
        assert_eq!(value(ctype, all), "18446744073709551615", "{ctype}");
    }
    assert_eq!(
        value("int", 0xffff_ffff),
        "-1",
        "the upper half of the register is no part of an int"
    );
    assert_eq!(value("unsigned int", 0x1_0000_0002), "2");
    assert_eq!(value("unsigned char", 0x1ff), "255");
}

#[test]
fn a_word_is_as_wide_as_the_abi_says() {
    assert_eq!(shown(Abi::I386, "call", "long", "x", 0xffff_fffe).0, "-2");
    assert_eq!(
        shown(Abi::Arm, "call", "size_t", "x", u64::MAX).0,
        "4294967295"
    );
    assert_eq!(
        shown(Abi::X32, "lseek", "off_t", "x", 0xffff_fffe).0,
        "4294967294"
    );
    assert_eq!(
        shown(Abi::I386, "call", "char *", "x", 0xffff_ffff_0000_1000).0,
        "0x1000"
    );
}

#[test]
fn descriptors_are_signed_whatever_their_type() {
    for (ctype, name) in [
        ("unsigned int", "fd"),
        ("unsigned long", "fd"),
        ("int", "fd_in"),
        ("unsigned int", "fildes"),
    ] {
        assert_eq!(shown(Abi::X86_64, "call", ctype, name, 0xffff_ffff).0, "-1");
    }
    assert_eq!(
        shown(
            Abi::X86_64,
            "close_range",
            "unsigned int",
            "max_fd",
            0xffff_ffff
        )
        .0,
        "4294967295"
    );
}

#[test]
fn the_current_directory_has_a_name_where_a_directory_is_expected() {
    let cwd = ("-100".to_owned(), Some("AT_FDCWD".to_owned()));
    for name in [
        "dfd",
        "olddfd",
        "newdfd",
        "dirfd",
        "from_dfd",
        "to_dfd",
        "mountdirfd",
    ] {
        assert_eq!(
            shown(Abi::X86_64, "call", "int", name, 0xffff_ff9c),
            cwd,
            "{name}"
        );
    }
    assert_eq!(
        shown(Abi::X86_64, "execveat", "int", "fd", 0xffff_ff9c),
        cwd
    );
    assert_eq!(
        shown(Abi::X86_64, "pidfd_getfd", "int", "pidfd", 0xffff_ff9c).1,
        None
    );
    assert_eq!(
        shown(Abi::X86_64, "read", "unsigned int", "fd", 0xffff_ff9c).1,
        None
    );
}

#[test]
fn addresses_are_hex_even_when_declared_as_integers() {
    assert_eq!(
        shown(Abi::X86_64, "mmap", "unsigned long", "addr", 0x1000).0,
        "0x1000"
    );
    assert_eq!(
        shown(Abi::X86_64, "brk", "unsigned long", "brk", 0),
        ("0x0".to_owned(), None)
    );
    assert_eq!(
        shown(Abi::X86_64, "capget", "cap_user_header_t", "header", 0x10).0,
        "0x10"
    );
    assert_eq!(
        shown(Abi::X86_64, "prctl", "unsigned long", "arg2", 255).0,
        "0xff"
    );
    assert_eq!(
        shown(Abi::X86_64, "mmap", "unsigned long", "len", 4096).0,
        "4096"
    );
    assert_eq!(
        shown(Abi::X86_64, "read", "char *", "buf", 0),
        ("0x0".to_owned(), Some("NULL".to_owned()))
    );
}

#[test]
fn modes_are_octal() {
    assert_eq!(
        shown(Abi::X86_64, "open", "umode_t", "mode", 0xffff_0000 | 0o644)
            .1
            .as_deref(),
        Some("0644")
    );
    assert_eq!(
        shown(Abi::X86_64, "open", "umode_t", "mode", 0),
        ("0".to_owned(), Some("0".to_owned()))
    );
    assert_eq!(
        shown(Abi::X86_64, "umask", "int", "mask", 0o22),
        ("18".to_owned(), Some("022".to_owned()))
    );
}

#[test]
fn a_negative_length_is_no_length() {
    let int = class("int", Abi::X86_64);
    assert_eq!(length(Abi::X86_64, int, u64::MAX), None);
    assert_eq!(length(Abi::X86_64, int, 0xf_0000_0010), Some(16));
    assert_eq!(length(Abi::X86_64, Class::Address, 7), Some(7));
}
