//! `cargo xtask test-vm`: the recorder's root tests on other kernels than the host's, in virtual machines.
//!
//! Everything is built on the host; a machine has the host's files, read-only, and Debian's kernel of another release. It is
//! emulated, since nested virtualisation is rarely to be had: ten times slower or worse.

mod binaries;
mod kernel;
mod machine;
mod suite;

use std::fs;
use std::path::PathBuf;

use anyhow::bail;

use crate::{setup, shell};
use binaries::Binaries;
use kernel::{KERNELS, Kernel};
use machine::Machine;

/// Runs the tests whose names contain one of the filters, all without any, on the kernels that are named by
/// `--kernel`, all without it.
pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let (kernels, filters) = parse(words)?;
    if !shell::is_root() {
        bail!("the tests of the recorder load eBPF programs: run this as root");
    }
    if cfg!(not(target_arch = "x86_64")) {
        bail!("the kernels are those of x86-64");
    }
    setup::run(setup::Purpose::Machines)?;
    let folder = folder()?;
    let runner = machine::install(&folder)?;
    let binaries = Binaries::build(&folder)?;
    let mut failed = Vec::new();
    for kernel in &kernels {
        let commands = suite::commands(&binaries, kernel, &filters)?;
        let machine = Machine {
            runner: &runner,
            image: kernel.fetch(&folder)?,
            binaries: &binaries,
            folder: folder.join(kernel.version),
        };
        eprintln!("\n== Linux {}", kernel.version);
        match machine.test(&commands) {
            Ok(passed) => eprintln!("== Linux {}: {passed} tests passed", kernel.version),
            Err(error) => {
                eprintln!("== Linux {}: {error:#}", kernel.version);
                failed.push(kernel.version);
            }
        }
    }
    suite::print_left_out(&kernels);
    if !failed.is_empty() {
        bail!("tests failed on Linux {}", failed.join(", "));
    }
    Ok(())
}

/// What is downloaded and made for machines.
fn folder() -> anyhow::Result<PathBuf> {
    let folder = shell::target().join("vm");
    fs::create_dir_all(&folder)?;
    Ok(folder.canonicalize()?)
}

fn parse<'a>(words: &[&'a str]) -> anyhow::Result<(Vec<&'static Kernel>, Vec<&'a str>)> {
    let mut kernels = Vec::new();
    let mut filters = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--kernel" => match words.next() {
                Some(&"all") => kernels.extend(&KERNELS),
                Some(version) => kernels.push(kernel::named(version)?),
                None => bail!("--kernel wants a version or `all`"),
            },
            flag if flag.starts_with('-') => bail!("unknown flag `{flag}`"),
            filter => filters.push(filter),
        }
    }
    if kernels.is_empty() {
        kernels.extend(&KERNELS);
    }
    Ok((kernels, filters))
}

#[test]
fn kernels_and_filters_are_told_apart() {
    let versions = |words: &[&str]| -> Vec<&str> {
        let (kernels, _) = parse(words).expect("right words");
        kernels.iter().map(|kernel| kernel.version).collect()
    };
    assert_eq!(versions(&[]).len(), KERNELS.len());
    assert_eq!(versions(&["--kernel", "6.1"]), ["6.1"]);
    let (_, filters) = parse(&["vectors", "--kernel", "all", "i386"]).expect("right words");
    assert_eq!(filters, ["vectors", "i386"]);
    for wrong in [&["--kernel"][..], &["--kernel", "6.2"], &["--fast"]] {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
}
