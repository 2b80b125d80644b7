//! Which tests run in machines, and which do not and why.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

use super::binaries::Binaries;
use super::kernel::Kernel;
use crate::shell;

/// Test targets, and what the names of their tests for machines begin with.
const TESTS: [(&str, &[&str]); 3] = [
    ("oracle", &[""]),
    (
        "recorder",
        // Floods and churn take too long.
        &[
            "abis::",
            "functions::",
            "moves::",
            "seccomp::",
            "statistics::",
            "whose::",
        ],
    ),
    (
        "cli",
        &[
            "root::doctor::",
            "root::inflight::",
            // Compiled by the gadget's builder, but small; the hosts of most tests have no trampolines.
            "root::objects::metadata_puts_a_program_at_a_function",
            "root::records::",
            "root::signals::",
        ],
    ),
];

/// Tests that make no sense in a machine.
struct LeftOut {
    /// Part of its name.
    test: &'static str,
    /// All kernels when there are none.
    kernels: &'static [&'static str],
    reason: &'static str,
}

/// Before Linux 5.16.
const KILLED_UNSEEN: &str = "calls that seccomp kills for are not seen there; the others that it denies are tested in `seccomp::`";

const LEFT_OUT: [LeftOut; 6] = [
    LeftOut {
        test: "fixture::every_program_compiles",
        kernels: &[],
        reason: "nothing is compiled in a machine",
    },
    LeftOut {
        test: "of_installed_programs",
        kernels: &[],
        reason: "compilers and interpreters take too long in an emulated machine",
    },
    LeftOut {
        test: "ten_thousand",
        kernels: &[],
        reason: "so many threads take too long to start in an emulated machine",
    },
    LeftOut {
        test: "functions::",
        kernels: &["5.10"],
        reason: "recording at functions needs Linux 5.13",
    },
    LeftOut {
        test: "programs::calls_denied_by_seccomp",
        kernels: &["5.10"],
        reason: KILLED_UNSEEN,
    },
    LeftOut {
        test: "seccomp::calls_that_seccomp_kills_for",
        kernels: &["5.10"],
        reason: KILLED_UNSEEN,
    },
];

impl LeftOut {
    fn is_for(&self, kernel: &Kernel) -> bool {
        self.kernels.is_empty() || self.kernels.contains(&kernel.version)
    }
}

/// What a machine runs: the selected tests of every target, also when those of another have failed.
///
/// # Errors
/// No test is selected.
pub(crate) fn commands(
    binaries: &Binaries,
    kernel: &Kernel,
    filters: &[&str],
) -> anyhow::Result<String> {
    // Where cargo would run them.
    let package = shell::root().join("crates/cli").canonicalize()?;
    let mut script = format!("cd '{}'\ncode=0\n", package.display());
    let mut count = 0;
    for (target, prefixes) in TESTS {
        let binary = binaries.test(target);
        let all = list(binary)?;
        let tests = select(&all, prefixes, kernel, filters);
        count += tests.len();
        if !tests.is_empty() {
            script += &format!(
                "'{}' --ignored --test-threads=1 --exact {} || code=$?\n",
                binary.display(),
                tests.join(" ")
            );
        }
    }
    if count == 0 {
        bail!(
            "no test for machines has such a name: {}",
            filters.join(", ")
        );
    }
    Ok(script + "exit $code\n")
}

/// The ignored tests of a test binary.
fn list(binary: &Path) -> anyhow::Result<String> {
    shell::output(Command::new(binary).args(["--ignored", "--list", "--format", "terse"]))
}

fn select<'a>(list: &'a str, prefixes: &[&str], kernel: &Kernel, filters: &[&str]) -> Vec<&'a str> {
    let is_left_out = |name: &str| {
        LEFT_OUT
            .iter()
            .any(|left_out| name.contains(left_out.test) && left_out.is_for(kernel))
    };
    list.lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| filters.is_empty() || filters.iter().any(|filter| name.contains(filter)))
        .filter(|name| !is_left_out(name))
        .collect()
}

/// Says which tests were left out, so that nobody takes them for passed.
pub(crate) fn print_left_out(kernels: &[&Kernel]) {
    for kernel in kernels {
        for left_out in LEFT_OUT.iter().filter(|left_out| left_out.is_for(kernel)) {
            eprintln!(
                "not on Linux {}: `{}`: {}",
                kernel.version, left_out.test, left_out.reason
            );
        }
    }
}

#[test]
fn tests_are_selected_by_prefix_and_filter() {
    let kernel = super::kernel::named("6.1").expect("one of the kernels");
    let list = "a::one: test\na::two: test\nb::one: test\nfixture::every_program_compiles: test\n";
    assert_eq!(select(list, &["a::"], kernel, &[]), ["a::one", "a::two"]);
    assert_eq!(select(list, &[""], kernel, &["one"]), ["a::one", "b::one"]);
    assert_eq!(select(list, &[""], kernel, &[]).len(), 3);
}
