//! Set-up, demo, tests and benches of Gizmo: `cargo xtask COMMAND`.
//!
//! This program must build on a machine with nothing but a Rust toolchain, so it depends on none of Gizmo's crates.

#![forbid(unsafe_code)]

mod bench;
mod demo;
mod python;
mod setup;
mod shell;
mod tables;
mod test;
mod vm;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  setup            install what is missing to build (Debian packages, Rust targets)
  demo             set up, build, and record the opened and written files of a small program
  tables           make the tables of constants from the kernel's headers (after `test` has installed those)
  test             set up, then every test: those without and those with root
  test --full      the same, with floods, churn and numbers of containers at full length
  test --no-root   only the tests that need neither root nor kernel features
  test --root      only the others
  test-vm          the recorder's root tests on other kernels, in virtual machines [--kernel 5.10|6.1|6.12|all] [FILTER]...
  bench overhead   what a system call costs under Gizmo and under other tools [--json] [--rounds N]
  bench dump       how fast a full ring becomes JSON, and what memory it takes [--json] [--records N] [--budget SIZE]
  bench start      time to the first recorded call, and memory [--json] [--rounds N]
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["setup"] => setup::run(setup::Purpose::Build),
        ["demo"] => demo::run(),
        ["test"] => test::run(test::Extent::All),
        ["test", "--full"] => test::run(test::Extent::Full),
        ["test", "--no-root"] => test::run(test::Extent::NoRoot),
        ["test", "--root"] => test::run(test::Extent::Root),
        ["tables"] => tables::run(),
        ["test-vm", words @ ..] => vm::run(words),
        ["bench", "overhead", flags @ ..] => bench::overhead::run(flags),
        ["bench", "dump", flags @ ..] => bench::dump::run(flags),
        ["bench", "start", flags @ ..] => bench::start::run(flags),
        // Hidden: the second halves of benches, and the program that fills a ring.
        ["measure-start", gizmo, flags @ ..] => bench::start::measure(gizmo, flags),
        ["measure-dump", gizmo, flags @ ..] => bench::dump::measure(gizmo, flags),
        ["flood", count] => bench::flood::run(count),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
