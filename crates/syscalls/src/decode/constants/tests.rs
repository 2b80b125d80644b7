//! Tests of names: single ones, words of flags, what is left, and what ABIs have for themselves.

use super::*;

fn text(abi: Abi, group: &str, value: u64) -> String {
    let mut out = String::new();
    Group::find(abi, group)
        .expect("a group")
        .put(value, &mut out);
    out
}

#[test]
fn flags_are_named_and_what_is_left_is_hex() {
    let open = |value| text(Abi::X86_64, "open", value);
    assert_eq!(open(0), "O_RDONLY");
    assert_eq!(open(0o2000001), "O_WRONLY|O_CLOEXEC");
    assert_eq!(open(0x80_0000_0000_0000), "O_RDONLY|0x80000000000000");
    assert_eq!(open(3), "O_ACCMODE");
    assert_eq!(
        open(0o4010000),
        "O_RDONLY|O_SYNC",
        "and not also one of its bits"
    );
    assert_eq!(open(0o20200002), "O_RDWR|O_TMPFILE");
    assert_eq!(text(Abi::X86_64, "prot", 0), "PROT_NONE");
    assert_eq!(
        text(Abi::X86_64, "prot", 7),
        "PROT_READ|PROT_WRITE|PROT_EXEC"
    );
    assert_eq!(text(Abi::X86_64, "message", 0), "");
    assert_eq!(
        text(Abi::X86_64, "message", 0x4040),
        "MSG_DONTWAIT|MSG_NOSIGNAL"
    );
}

#[test]
fn a_number_among_flags_is_one_name() {
    assert_eq!(text(Abi::X86_64, "mmap", 0x22), "MAP_PRIVATE|MAP_ANONYMOUS");
    assert_eq!(text(Abi::X86_64, "mmap", 0x3), "MAP_SHARED_VALIDATE");
    assert_eq!(
        text(Abi::X86_64, "socket", 0x80802),
        "SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC"
    );
}

#[test]
fn what_is_no_flags_is_one_name_or_none() {
    assert_eq!(text(Abi::X86_64, "seek", 2), "SEEK_END");
    assert_eq!(text(Abi::X86_64, "seek", 99), "");
    assert_eq!(text(Abi::X86_64, "futex", 128), "FUTEX_WAIT_PRIVATE");
}

#[test]
fn abis_have_numbers_of_their_own() {
    assert_eq!(text(Abi::X86_64, "open", 0x10000), "O_RDONLY|O_DIRECTORY");
    assert_eq!(text(Abi::Aarch64, "open", 0x10000), "O_RDONLY|O_DIRECT");
    assert_eq!(text(Abi::Aarch64, "mmap", 0x40), "0x40");
    assert_eq!(text(Abi::I386, "mmap", 0x40), "MAP_32BIT");
    assert_eq!(text(Abi::LoongArch64, "open", 0x4000), "O_RDONLY|O_DIRECT");
    assert_eq!(text(Abi::Ppc64le, "ioctl", 0x402c_7413), "TCGETS");
}

#[test]
fn numbers_are_found_by_name() {
    let number = |group, name| Group::find(Abi::X86_64, group)?.number(name);
    assert_eq!(number("open", "O_WRONLY"), Some(1));
    assert_eq!(number("open", "O_CLOEXEC"), Some(0o2000000));
    assert_eq!(number("open", "O_SYNC"), Some(0o4010000));
    assert_eq!(number("open", "SEEK_END"), None);
    assert_eq!(number("nothing", "O_SYNC"), None);
}

#[test]
fn every_line_is_read() {
    let groups = texts();
    assert!(groups.len() > 100, "{} groups", groups.len());
    for (name, text) in groups {
        let lines: Vec<&str> = text
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty())
            .collect();
        assert!(!lines.is_empty(), "`{name}` is empty");
        for line in lines {
            let known = Abi::ALL
                .iter()
                .filter(|abi| constant(**abi, line).is_some());
            assert!(known.count() > 0, "`{line}` of `{name}` is of no ABI");
        }
    }
}
