//! The tables against the kernel headers of every architecture, as Debian packages them.
//!
//! Those headers are older than the tables, so two things are asserted: what a header has, the table has with the same
//! number; and what the table has besides is either newer than the header or listed here with its reason.

mod macros;

use std::collections::BTreeSet;

use gizmo_syscalls::{Abi, errno, signal, table};
use macros::Macros;

/// Where an ABI's numbers are defined.
struct Source {
    abi: Abi,
    /// What the compiler calls the architecture.
    target: &'static str,
    /// Where its headers are. Those of x86 are the machine's own: packages for other machines put theirs where the
    /// machine's own compiler would find them first.
    folders: &'static [&'static str],
    /// The header with the numbers, those of errors and of signals.
    headers: [&'static str; 3],
    options: &'static [&'static str],
    /// Calls that the table has although they are not newer than the header.
    also: &'static [&'static str],
}

const X86: &[&str] = &["/usr/include/x86_64-linux-gnu", "/usr/include"];
const OWN: [&str; 3] = ["asm/unistd.h", "asm/errno.h", "asm/signal.h"];

const SOURCES: [Source; 9] = [
    Source {
        abi: Abi::X86_64,
        target: "x86_64-linux-gnu",
        folders: X86,
        headers: OWN,
        options: &[],
        // Came with Linux 6.11 and 6.18, next to the older calls of this architecture alone.
        also: &["uprobe", "uretprobe"],
    },
    Source {
        abi: Abi::I386,
        target: "i686-linux-gnu",
        folders: X86,
        headers: OWN,
        options: &[],
        also: &[],
    },
    Source {
        abi: Abi::X32,
        target: "x86_64-linux-gnux32",
        folders: X86,
        headers: OWN,
        options: &[],
        also: &["uprobe", "uretprobe"],
    },
    Source {
        abi: Abi::Aarch64,
        target: "aarch64-linux-gnu",
        folders: &["/usr/aarch64-linux-gnu/include"],
        headers: OWN,
        options: &[],
        also: &[],
    },
    Source {
        abi: Abi::Arm,
        target: "arm-linux-gnueabihf",
        folders: &["/usr/arm-linux-gnueabihf/include"],
        headers: OWN,
        options: &[],
        also: &[],
    },
    Source {
        abi: Abi::Riscv64,
        target: "riscv64-linux-gnu",
        folders: &["/usr/riscv64-linux-gnu/include"],
        headers: OWN,
        options: &[],
        // Since Linux 6.4.
        also: &["riscv_hwprobe"],
    },
    Source {
        abi: Abi::S390x,
        target: "s390x-linux-gnu",
        folders: &["/usr/s390x-linux-gnu/include"],
        headers: OWN,
        options: &[],
        // A number kept free until this architecture had the call.
        also: &["memfd_secret"],
    },
    Source {
        abi: Abi::Ppc64le,
        target: "powerpc64le-linux-gnu",
        folders: &["/usr/powerpc64le-linux-gnu/include"],
        headers: OWN,
        options: &[],
        also: &[],
    },
    // No package has its headers. They are the generic ones and a choice of options (arch/loongarch/include/uapi/asm/
    // unistd.h; the older `stat` calls since Linux 6.11), which any 64-bit architecture without options of its own has.
    Source {
        abi: Abi::LoongArch64,
        target: "loongarch64-linux-gnu",
        folders: &["/usr/aarch64-linux-gnu/include"],
        headers: [
            "asm-generic/unistd.h",
            "asm-generic/errno.h",
            "asm-generic/signal.h",
        ],
        options: &[
            "-D__ARCH_WANT_NEW_STAT",
            "-D__ARCH_WANT_SYS_CLONE",
            "-D__ARCH_WANT_SYS_CLONE3",
        ],
        also: &[],
    },
];

/// Whether a name among the numbers is a call's: not where a range begins or ends, nor the second name of
/// `arm_sync_file_range`.
fn is_call(abi: Abi, name: &str) -> bool {
    match name {
        "syscalls" | "arch_specific_syscall" => false,
        "SYSCALL_BASE" | "SYSCALL_MASK" | "OABI_SYSCALL_BASE" | "BASE" => false,
        "sync_file_range2" => abi != Abi::Arm,
        _ => true,
    }
}

impl Source {
    fn read(&self, header: &str) -> Macros {
        Macros::read(self.target, self.folders, self.options, header)
    }

    /// The calls that the header defines, x32 without its bit 30.
    fn calls(&self) -> BTreeSet<(String, u32)> {
        let macros = self.read(self.headers[0]);
        let common = macros.numbers("__NR_");
        let private = macros.numbers("__ARM_NR_");
        let bit = match self.abi {
            Abi::X32 => 0x4000_0000,
            _ => 0,
        };
        common
            .into_iter()
            .chain(private)
            .filter(|(name, _)| is_call(self.abi, name))
            .map(|(name, number)| (name.to_owned(), number & !bit))
            .collect()
    }
}

#[test]
fn every_abi_has_a_source() {
    assert_eq!(SOURCES.map(|source| source.abi), Abi::ALL);
}

#[test]
#[ignore = "packages: needs kernel headers of other architectures"]
fn what_the_headers_define_is_in_the_tables() {
    for source in SOURCES {
        let abi = source.abi;
        let calls = source.calls();
        assert!(calls.len() > 300, "{abi}: only {} calls", calls.len());
        for (name, number) in calls {
            assert_eq!(table::number(abi, &name), Some(number), "{abi} {name}");
            assert_eq!(table::name(abi, number), Some(&*name), "{abi} {number}");
        }
    }
}

#[test]
#[ignore = "packages: needs kernel headers of other architectures"]
fn what_the_tables_have_besides_is_newer_than_the_headers() {
    for source in SOURCES {
        let abi = source.abi;
        let calls = source.calls();
        // Above these are only calls that x32 and Arm do not share with other ABIs, and none of those is new.
        let numbers = calls.iter().map(|call| call.1);
        let newest = numbers.filter(|number| *number < 512).max().unwrap();
        let unexplained: Vec<(u32, &str)> = table::entries(abi)
            .filter(|&(number, name)| !calls.contains(&(name.to_owned(), number)))
            .filter(|&(number, name)| number <= newest && !source.also.contains(&name))
            .collect();
        assert!(unexplained.is_empty(), "{abi}: {unexplained:?}");
    }
}

#[test]
#[ignore = "packages: needs kernel headers of other architectures"]
fn errors_have_their_names_on_every_abi() {
    // Second names of numbers whose first one is shown; `EDEADLOCK` is one on all ABIs but POWER.
    let is_second = |name: &str, shown: &str| {
        matches!(
            (name, shown),
            ("WOULDBLOCK", "EAGAIN") | ("DEADLOCK", "EDEADLK")
        )
    };
    for source in SOURCES {
        let abi = source.abi;
        let macros = source.read(source.headers[1]);
        let errors = macros.numbers("E");
        assert!(errors.len() > 130, "{abi}: only {} errors", errors.len());
        for (name, number) in errors {
            let shown = errno::lookup_in(abi, number).unwrap_or_else(|| panic!("{abi} E{name}"));
            let same = shown.name == format!("E{name}") || is_second(name, shown.name);
            assert!(same, "{abi}: {number} is E{name}, not {}", shown.name);
        }
    }
}

#[test]
#[ignore = "packages: needs kernel headers of other architectures"]
fn signals_have_their_names_on_every_abi() {
    // Second names, the first real-time signal, and sizes and masks that begin like a signal.
    let is_other = |name: &str| {
        matches!(name, "IOT" | "POLL" | "UNUSED" | "STKSZ" | "SWI") || name.starts_with(['_', 'R'])
    };
    for source in SOURCES {
        let abi = source.abi;
        let macros = source.read(source.headers[2]);
        let signals: Vec<(&str, u32)> = macros
            .numbers("SIG")
            .into_iter()
            .filter(|(name, _)| !is_other(name))
            .collect();
        assert_eq!(signals.len(), 31, "{abi}: {signals:?}");
        for (name, number) in signals {
            let shown = signal::name(number.into());
            assert_eq!(shown, Some(&*format!("SIG{name}")), "{abi} {number}");
        }
    }
}
