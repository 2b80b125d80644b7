//! The compiled-in declarations, for kernels that do not offer theirs.
//!
//! This file owns the reading of `data/declarations.txt` (one line per call; its head says where the lines come from).
//! The text is read once, at the first question, without copying: names and types borrow from the binary.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::{Abi, Declaration, Parameter, table};

static TEXT: &str = include_str!("data/declarations.txt");

/// One line of the text: a declaration and the ABIs it is for, none meaning all that have no line of their own.
struct Line {
    abis: Vec<Abi>,
    declaration: Declaration,
}

/// The declaration of call `name` in `abi`, if that ABI has the call and it ever had parameters to declare.
///
/// A few table slots never had an implementation (`tuxcall`, `getpmsg`, …) and have no declaration.
pub fn declaration(abi: Abi, name: &str) -> Option<&'static Declaration> {
    table::number(abi, name)?;
    let lines = lines();
    let first = lines.partition_point(|line| *line.declaration.name < *name);
    let same_name = || {
        lines[first..]
            .iter()
            .take_while(|line| line.declaration.name == name)
    };
    same_name()
        .find(|line| line.abis.contains(&abi))
        .or_else(|| same_name().find(|line| line.abis.is_empty()))
        .map(|line| &line.declaration)
}

fn lines() -> &'static [Line] {
    static LINES: OnceLock<Vec<Line>> = OnceLock::new();
    LINES.get_or_init(|| {
        TEXT.lines()
            .filter(|line| !line.starts_with('#'))
            .map(parse_line)
            .collect()
    })
}

/// Reads `name@abi,abi type name, type name`. The text is ours and a test reads all of it, so nothing here can fail.
fn parse_line(line: &'static str) -> Line {
    let (head, parameters) = line.split_once(' ').unwrap_or((line, ""));
    let (name, abis) = head.split_once('@').unwrap_or((head, ""));
    Line {
        abis: abis.split(',').filter_map(|abi| abi.parse().ok()).collect(),
        declaration: Declaration {
            name: Cow::Borrowed(name),
            parameters: parameters.split(", ").filter_map(parse_parameter).collect(),
        },
    }
}

fn parse_parameter(text: &'static str) -> Option<Parameter> {
    let (ctype, name) = text.rsplit_once(' ')?;
    Some(Parameter {
        name: Cow::Borrowed(name),
        ctype: Cow::Borrowed(ctype),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Slots that no kernel ever filled, or only with something else than a system call.
    const NEVER_IMPLEMENTED: &str = "afs_syscall break epoll_ctl_old epoll_wait_old ftime getpmsg gtty idle lock mpx \
        multiplexer prof profil putpmsg security stty sys_debug_setcontext timerfd tuxcall ulimit vserver";

    #[track_caller]
    fn names(abi: Abi, call: &str) -> Vec<&'static str> {
        let declaration = declaration(abi, call).unwrap();
        declaration
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_ref())
            .collect()
    }

    #[test]
    fn every_call_is_declared_unless_it_never_existed() {
        let never: BTreeSet<&str> = NEVER_IMPLEMENTED.split_whitespace().collect();
        for abi in Abi::ALL {
            for (_, name) in table::entries(abi) {
                let declared = declaration(abi, name).is_some();
                assert_eq!(declared, !never.contains(name), "{abi} {name}");
            }
        }
    }

    #[test]
    fn the_text_is_sorted_and_without_strays() {
        assert!(lines().is_sorted_by(|a, b| a.declaration.name <= b.declaration.name));
        let mut heads = BTreeSet::new();
        for text in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let head = text.split(' ').next().unwrap();
            assert!(heads.insert(head), "`{head}` appears twice");
            let line = parse_line(text);
            let name = line.declaration.name.as_ref();
            let known = |abi: &Abi| table::number(*abi, name).is_some();
            assert!(Abi::ALL.iter().any(known), "`{name}` is in no table");
            assert!(line.abis.iter().all(known), "`{head}` has an ABI too many");
            let count = head
                .split_once('@')
                .map_or(0, |(_, abis)| abis.split(',').count());
            assert_eq!(line.abis.len(), count, "`{head}` names an unknown ABI");
        }
    }

    #[test]
    fn every_parameter_has_a_type_and_a_name_and_there_are_six_at_most() {
        for text in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let parameters = parse_line(text).declaration.parameters;
            assert!(parameters.len() <= 6, "{text}");
            let commas = text
                .split_once(' ')
                .map_or(0, |(_, rest)| rest.split(',').count());
            assert_eq!(parameters.len(), commas, "{text}");
            for parameter in &parameters {
                let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
                assert!(parameter.name.chars().all(good), "{text}");
                assert!(!parameter.name.is_empty(), "{text}");
                assert!(!parameter.ctype.trim().is_empty(), "{text}");
            }
        }
    }

    #[test]
    fn openat_is_declared_as_the_kernel_does() {
        let openat = declaration(Abi::X86_64, "openat").unwrap();
        let types: Vec<&str> = openat.parameters.iter().map(|p| p.ctype.as_ref()).collect();
        assert_eq!(types, ["int", "const char *", "int", "umode_t"]);
        assert_eq!(
            names(Abi::X86_64, "openat"),
            ["dfd", "filename", "flags", "mode"]
        );
        assert!(openat.parameters[1].is_pointer());
    }

    #[test]
    fn the_order_of_clone_is_the_architectures() {
        let tls_first = [
            "clone_flags",
            "newsp",
            "parent_tidptr",
            "tls",
            "child_tidptr",
        ];
        let tls_last = [
            "clone_flags",
            "newsp",
            "parent_tidptr",
            "child_tidptr",
            "tls",
        ];
        for abi in [Abi::X86_64, Abi::X32, Abi::LoongArch64] {
            assert_eq!(names(abi, "clone"), tls_last, "{abi}");
        }
        for abi in [
            Abi::I386,
            Abi::Aarch64,
            Abi::Arm,
            Abi::Riscv64,
            Abi::Ppc64le,
        ] {
            assert_eq!(names(abi, "clone"), tls_first, "{abi}");
        }
        let mut stack_first = tls_last;
        stack_first.swap(0, 1);
        assert_eq!(names(Abi::S390x, "clone"), stack_first);
    }

    #[test]
    fn what_one_architecture_passes_differently_is_its_own_line() {
        assert_eq!(names(Abi::S390x, "mmap"), ["arg"]);
        assert_eq!(names(Abi::Ppc64le, "mmap").len(), 6);
        assert_eq!(names(Abi::S390x, "ipc").len(), 5);
        assert_eq!(names(Abi::Ppc64le, "ipc").len(), 6);
        assert_eq!(
            names(Abi::Ppc64le, "sync_file_range2"),
            ["fd", "flags", "offset", "nbytes"]
        );
        assert_eq!(
            names(Abi::S390x, "sync_file_range"),
            ["fd", "offset", "nbytes", "flags"]
        );
        for (abi, len) in [
            (Abi::Ppc64le, "size_t"),
            (Abi::S390x, "loff_t"),
            (Abi::Riscv64, "loff_t"),
        ] {
            let fadvise64 = declaration(abi, "fadvise64").unwrap();
            assert_eq!(fadvise64.parameters[2].ctype, len, "{abi}");
        }
    }

    #[test]
    fn sixty_four_bit_abis_pass_offsets_whole() {
        for abi in Abi::ALL.into_iter().filter(|abi| abi.word_bytes() == 8) {
            for call in ["pread64", "pwrite64", "fallocate"] {
                assert_eq!(names(abi, call).len(), 4, "{abi} {call}");
            }
            assert_eq!(names(abi, "preadv").len(), 5, "{abi}");
        }
    }

    #[test]
    fn calls_this_kernel_config_lacks_are_declared_by_hand() {
        assert_eq!(names(Abi::X86_64, "init_module"), ["umod", "len", "uargs"]);
        assert_eq!(
            names(Abi::Aarch64, "map_shadow_stack"),
            ["addr", "size", "flags"]
        );
        assert!(names(Abi::X86_64, "fork").is_empty());
    }

    #[test]
    fn thirty_two_bit_abis_pass_long_offsets_in_pairs() {
        assert_eq!(names(Abi::X86_64, "pread64").len(), 4);
        assert_eq!(names(Abi::I386, "pread64").len(), 5);
        assert_eq!(names(Abi::Arm, "pread64").len(), 6);
    }

    #[test]
    fn a_call_of_another_architecture_is_not_declared() {
        assert_eq!(declaration(Abi::Aarch64, "open"), None);
        assert_eq!(declaration(Abi::X86_64, "foobar"), None);
    }
}
