//! Declarations from the texts of tracefs (`events/syscalls/sys_enter_*/format`).
//!
//! This file owns the grammar of those texts and the difference between a tracepoint's name and the table's. Reading
//! the files is for others; what the running kernel does not say comes from `fallback.rs`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::{Abi, Declaration, Parameter, fallback, table};

/// The system call convention has six argument registers; a text that claims more is cut.
const MAX_PARAMETERS: usize = 6;

/// A tracepoint's name and the table's.
type Alias = (&'static str, &'static str);

/// Tracepoint and table name where they differ, on every ABI unless its table has the tracepoint's name too.
const ALIASES: [Alias; 7] = [
    ("newstat", "stat"),
    ("newfstat", "fstat"),
    ("newlstat", "lstat"),
    ("sendfile64", "sendfile"),
    ("newuname", "uname"),
    ("umount", "umount2"),
    ("sysctl", "_sysctl"),
];

/// The same where the generic table serves (`scripts/syscall.tbl`): riscv64 and loongarch64.
const GENERIC_ALIASES: [Alias; 1] = [("fadvise64_64", "fadvise64")];

/// The same, for arm64 only (from the kernel's `arch/arm64/kernel/sys.c` and the generic table).
const ARM64_ALIASES: [Alias; 2] = [
    ("fadvise64_64", "fadvise64"),
    ("arm64_personality", "personality"),
];

/// The same, for s390x (`arch/s390/kernel/syscalls/syscall.tbl`). Its `umount` is the call without flags, while the
/// tracepoint of that name belongs to `umount2`.
const S390X_ALIASES: [Alias; 6] = [
    ("fadvise64_64", "fadvise64"),
    ("s390_personality", "personality"),
    ("s390_ipc", "ipc"),
    ("old_mmap", "mmap"),
    ("umount", "umount2"),
    ("oldumount", "umount"),
];

/// The same, for ppc64le (`arch/powerpc/kernel/syscalls/syscall.tbl`). Slots of 32-bit calls keep a name that the
/// tracepoint of their successor has, so they are given that of the old function, which 64-bit kernels need not have.
const PPC64LE_ALIASES: [Alias; 7] = [
    ("ppc64_personality", "personality"),
    ("umount", "umount2"),
    ("oldumount", "umount"),
    ("select", "_newselect"),
    ("old_select", "select"),
    ("getrlimit", "ugetrlimit"),
    ("old_getrlimit", "getrlimit"),
];

/// The parameters that the text of a `format` file declares, or nothing if it is no such text.
///
/// Only the event's own fields count (after the first empty line). `__syscall_nr` is none of them, nor are fields of
/// the type `__data_loc`, which kernels from 6.19 on add for user strings. A field that cannot be read rejects the
/// whole text: leaving it out would move every later parameter to a wrong register.
pub fn parse_format(text: &str) -> Option<Vec<Parameter>> {
    let mut parameters = Vec::new();
    let mut lines = text.lines().skip_while(|line| !line.trim().is_empty());
    lines.next()?;
    for line in lines.take_while(|line| !line.trim().is_empty()) {
        let (ctype, name) = parse_field(line)?;
        let own = name != "__syscall_nr" && !ctype.starts_with("__data_loc");
        if own && parameters.len() < MAX_PARAMETERS {
            parameters.push(Parameter {
                name: Cow::Owned(name.to_owned()),
                ctype: Cow::Owned(ctype.to_owned()),
            });
        }
    }
    Some(parameters)
}

/// Type and name in a line like `<TAB>field:const char * filename;<TAB>offset:24;…`.
fn parse_field(line: &str) -> Option<(&str, &str)> {
    let field = line.trim_start().strip_prefix("field:")?;
    let (declaration, _) = field.split_once(';')?;
    let (ctype, name) = declaration.trim_end().rsplit_once([' ', '\t'])?;
    let ctype = ctype.trim();
    (!ctype.is_empty() && !name.is_empty()).then_some((ctype, name))
}

/// The system call table's name for a tracepoint, given without its prefix `sys_enter_`: `newstat` is `stat`.
pub fn table_name(tracepoint: &str, abi: Abi) -> &str {
    aliases(abi)
        .find(|alias| alias.0 == tracepoint)
        .map_or(tracepoint, |alias| alias.1)
}

/// The tracepoint's name, without `sys_enter_`, for a name in the table: the inverse of [`table_name`].
pub fn tracepoint_name(name: &str, abi: Abi) -> &str {
    aliases(abi)
        .find(|alias| alias.1 == name)
        .map_or(name, |alias| alias.0)
}

/// The aliases of `abi`, its own first. None of the common ones whose tracepoint name is a table entry itself (i386 has
/// `umount` next to `umount2`).
fn aliases(abi: Abi) -> impl Iterator<Item = Alias> {
    let own: &[Alias] = match abi {
        Abi::Aarch64 => &ARM64_ALIASES,
        Abi::Riscv64 | Abi::LoongArch64 => &GENERIC_ALIASES,
        Abi::S390x => &S390X_ALIASES,
        Abi::Ppc64le => &PPC64LE_ALIASES,
        Abi::X86_64 | Abi::I386 | Abi::X32 | Abi::Arm => &[],
    };
    let common = ALIASES
        .iter()
        .filter(move |alias| table::number(abi, alias.0).is_none());
    own.iter().chain(common).copied()
}

/// What the calls of one ABI are declared as: the running kernel's word first, then the compiled-in table's.
#[derive(Debug, Clone)]
pub struct Declarations {
    abi: Abi,
    kernel: BTreeMap<String, Declaration>,
}

impl Declarations {
    /// Only the compiled-in table; the right choice for every ABI but the kernel's native one.
    pub fn fallback(abi: Abi) -> Declarations {
        Declarations {
            abi,
            kernel: BTreeMap::new(),
        }
    }

    /// Reads pairs of a directory's name (`sys_enter_openat`) and the text of its `format` file.
    ///
    /// `abi` is the kernel's native one: tracepoints say nothing about the others. Directories of another kind and
    /// texts that are no format are passed over.
    pub fn from_formats(abi: Abi, formats: impl Iterator<Item = (String, String)>) -> Declarations {
        let mut declarations = Declarations::fallback(abi);
        for (directory, text) in formats {
            let Some(tracepoint) = directory.strip_prefix("sys_enter_") else {
                continue;
            };
            if let Some(parameters) = parse_format(&text) {
                declarations.insert(table_name(tracepoint, abi), parameters);
            }
        }
        declarations
    }

    fn insert(&mut self, name: &str, parameters: Vec<Parameter>) {
        let declaration = Declaration {
            name: Cow::Owned(name.to_owned()),
            parameters,
        };
        self.kernel.insert(name.to_owned(), declaration);
    }

    /// The ABI these declarations are for.
    pub fn abi(&self) -> Abi {
        self.abi
    }

    /// The declaration of the call with this table name; nothing if neither kernel nor table knows it.
    pub fn get(&self, name: &str) -> Option<&Declaration> {
        self.kernel
            .get(name)
            .or_else(|| fallback::declaration(self.abi, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "name: sys_enter_x\nID: 700\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n";

    fn format(fields: &[&str]) -> String {
        let mut text = format!("{HEADER}\n");
        for field in fields {
            text.push_str(&format!(
                "\tfield:{field};\toffset:16;\tsize:8;\tsigned:0;\n"
            ));
        }
        text + "\nprint fmt: \"dfd: 0x%08lx\", ((unsigned long)(REC->dfd))\n"
    }

    fn shown(text: &str) -> Option<Vec<String>> {
        let parameters = parse_format(text)?;
        let show = |p: &Parameter| format!("{}|{}|{}", p.ctype, p.name, p.is_pointer());
        Some(parameters.iter().map(show).collect())
    }

    #[test]
    fn a_format_gives_types_and_names_in_order() {
        let text = format(&[
            "int __syscall_nr",
            "int dfd",
            "const char * filename",
            "const char *const * argv",
        ]);
        assert_eq!(
            shown(&text).unwrap(),
            [
                "int|dfd|false",
                "const char *|filename|true",
                "const char *const *|argv|true"
            ]
        );
    }

    #[test]
    fn a_call_without_parameters_has_an_empty_list() {
        assert_eq!(parse_format(&format(&["int __syscall_nr"])), Some(vec![]));
        assert_eq!(parse_format(&format(&[])), Some(vec![]));
    }

    #[test]
    fn user_string_fields_of_new_kernels_are_not_parameters() {
        let text = format(&[
            "int __syscall_nr",
            "const char * filename",
            "__data_loc char[] __filename_val",
        ]);
        assert_eq!(shown(&text).unwrap(), ["const char *|filename|true"]);
    }

    #[test]
    fn more_than_six_parameters_are_cut() {
        let parameters = parse_format(&format(&["int a"; 9])).unwrap();
        assert_eq!(parameters.len(), 6);
    }

    #[test]
    fn carriage_returns_do_no_harm() {
        let text = format(&["int __syscall_nr", "int dfd"]).replace('\n', "\r\n");
        assert_eq!(shown(&text).unwrap(), ["int|dfd|false"]);
    }

    #[test]
    fn texts_that_are_no_format_give_nothing() {
        assert_eq!(parse_format(""), None);
        assert_eq!(parse_format(HEADER), None);
        assert_eq!(
            parse_format(&format!("{HEADER}\n\tfield:nonsense;\n")),
            None
        );
        assert_eq!(parse_format(&format!("{HEADER}\n\tfield:int a\n")), None);
    }

    #[test]
    fn tracepoints_are_named_as_in_the_table() {
        for (tracepoint, name) in ALIASES {
            assert_eq!(table_name(tracepoint, Abi::X86_64), name);
            assert_eq!(tracepoint_name(name, Abi::X86_64), tracepoint);
            assert!(table::number(Abi::X86_64, name).is_some(), "{name}");
        }
        for (tracepoint, name) in ARM64_ALIASES {
            assert_eq!(table_name(tracepoint, Abi::Aarch64), name);
            assert_eq!(tracepoint_name(name, Abi::Aarch64), tracepoint);
            assert_eq!(table_name(tracepoint, Abi::X86_64), tracepoint);
        }
        for (abi, own) in [
            (Abi::Riscv64, &GENERIC_ALIASES[..]),
            (Abi::LoongArch64, &GENERIC_ALIASES),
            (Abi::S390x, &S390X_ALIASES),
            (Abi::Ppc64le, &PPC64LE_ALIASES),
        ] {
            for &(tracepoint, name) in own {
                assert_eq!(table_name(tracepoint, abi), name, "{abi}");
                assert_eq!(tracepoint_name(name, abi), tracepoint, "{abi}");
                assert!(table::number(abi, name).is_some(), "{abi} {name}");
            }
        }
        assert_eq!(table_name("newfstatat", Abi::X86_64), "newfstatat");
        assert_eq!(table_name("umount", Abi::I386), "umount");
        assert_eq!(table_name("sendfile64", Abi::Arm), "sendfile64");
    }

    #[test]
    fn every_call_survives_the_way_to_its_tracepoint_and_back() {
        for abi in Abi::ALL {
            for (_, name) in table::entries(abi) {
                assert_eq!(
                    table_name(tracepoint_name(name, abi), abi),
                    name,
                    "{abi} {name}"
                );
            }
        }
    }

    #[test]
    fn the_kernels_word_comes_before_the_table() {
        let formats = [
            (
                "sys_enter_newstat",
                format(&["int __syscall_nr", "long mine"]),
            ),
            ("sys_exit_read", format(&["long ret"])),
            ("sys_enter_write", "broken".to_owned()),
        ];
        let formats = formats.map(|(directory, text)| (directory.to_owned(), text));
        let declarations = Declarations::from_formats(Abi::X86_64, formats.into_iter());
        assert_eq!(declarations.abi(), Abi::X86_64);
        let stat = declarations.get("stat").unwrap();
        assert_eq!(
            (stat.name.as_ref(), stat.parameters[0].name.as_ref()),
            ("stat", "mine")
        );
        assert_eq!(declarations.get("write").unwrap().parameters[1].name, "buf");
        assert_eq!(declarations.get("read").unwrap().parameters.len(), 3);
        assert_eq!(declarations.get("newstat"), None);
        assert_eq!(declarations.get("foobar"), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(\\PC|[\n\t;: ]|field:|\n\n){0,60}") {
            if let Some(parameters) = parse_format(&text) {
                prop_assert!(parameters.len() <= 6);
            }
        }
    }
}
