//! strace is the oracle for its classes: what it traces of every call of x86's ABIs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use gizmo_syscalls::{Abi, classes, table};

/// The kernel's name of a call that strace calls `name`.
fn kernel_name(abi: Abi, name: &str) -> &str {
    match (abi, name) {
        (Abi::I386, "oldumount") => "umount",
        (Abi::I386, "umount") => "umount2",
        _ => name,
    }
}

/// The names that strace shows of the calls of an ABI, as the kernel has them.
fn traced(program: &Path, abi: Abi, filter: &str) -> BTreeSet<String> {
    let output = program.with_file_name(format!("{abi}{}", filter.replace('%', "-")));
    let run = Command::new("strace")
        .args(["-qq", "-e", filter, "-e", "signal=none", "-o"])
        .arg(&output)
        .arg(program)
        .arg(abi.name())
        .status()
        .expect("strace is installed");
    assert!(run.success(), "{abi}");
    let text = std::fs::read_to_string(&output).expect("strace writes text");
    text.lines()
        .filter_map(|line| line.split_once('('))
        // Numbers that it has no name for are in every class, and x32 has numbers that are no calls.
        .filter(|(name, _)| !name.starts_with("syscall_0x") && !name.contains('#'))
        .map(|(name, _)| kernel_name(abi, name).to_owned())
        .collect()
}

fn compile(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fixtures/everycall.c");
    let program = folder.join("everycall");
    let compiled = Command::new("cc")
        .args(["-O1", "-static", "-o"])
        .arg(&program)
        .arg(source)
        .status()
        .expect("cc is installed");
    assert!(compiled.success());
    program
}

#[test]
#[ignore = "packages: needs strace, cc and a kernel with all of x86's ABIs"]
#[cfg(target_arch = "x86_64")]
fn classes_are_those_of_strace() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = compile(folder.path());
    for abi in [Abi::X86_64, Abi::I386, Abi::X32] {
        let known = traced(&program, abi, "trace=all");
        assert!(known.len() > 300, "{abi}: {}", known.len());
        for class in classes::all().filter(|class| class.name != "security") {
            let is_here = |name: &&str| {
                // strace looks at what socketcall is asked to do, which is nothing here.
                let is_ours = class.name == "network" && *name == "socketcall";
                !is_ours && known.contains(*name) && table::number(abi, name).is_some()
            };
            let ours: BTreeSet<&str> = class.calls().filter(is_here).collect();
            let traced = traced(&program, abi, &format!("trace=%{}", class.name));
            let theirs: BTreeSet<&str> = traced.iter().map(String::as_str).collect();
            assert_eq!(ours, theirs, "%{} on {abi}", class.name);
        }
    }
}
