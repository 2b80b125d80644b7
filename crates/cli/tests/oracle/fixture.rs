//! The programs of `testing/fixtures`, compiled for a test into a folder of its own.
//!
//! Where compiling takes too long, as in an emulated machine, they are compiled ahead into the folder `GIZMO_FIXTURES` and
//! copied from there.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Names the folder of programs that are compiled ahead.
const AHEAD: &str = "GIZMO_FIXTURES";

/// How a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// libc inside.
    Static,
    /// libc loaded, as most programs have it.
    Dynamic,
    /// No libc at all.
    Bare,
    /// 32 bits, libc inside.
    Narrow,
    /// 32 bits, no libc at all.
    BareNarrow,
}

impl Link {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Link::Static => &["-static", "-pthread"],
            Link::Dynamic => &["-pthread"],
            Link::Bare => &[
                "-static",
                "-nostdlib",
                "-ffreestanding",
                "-fno-stack-protector",
            ],
            Link::Narrow => &["-m32", "-static", "-pthread"],
            Link::BareNarrow => &[
                "-m32",
                "-static",
                "-nostdlib",
                "-ffreestanding",
                "-fno-stack-protector",
            ],
        }
    }
}

/// A compiled program and the folder it runs in.
pub struct Fixture {
    folder: TempDir,
    program: PathBuf,
}

impl Fixture {
    #[track_caller]
    pub fn compile(name: &str, link: Link) -> Self {
        assert!(
            links(name).contains(&link),
            "`links` does not know {name}, {link:?}"
        );
        let folder = TempDir::new().expect("a temporary folder");
        let program = folder.path().join(name);
        match std::env::var_os(AHEAD) {
            Some(ahead) => copy(&ahead_of(Path::new(&ahead), name, link), &program),
            None => compile(name, link, &program),
        }
        Self { folder, program }
    }

    /// A program that is installed.
    #[allow(
        dead_code,
        reason = "the tests of the recorder share this file and have no use for it"
    )]
    #[track_caller]
    pub fn installed(program: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let program = PathBuf::from(program);
        assert!(program.exists(), "`{}` is not installed", program.display());
        Self { folder, program }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// An empty folder of the same name for each run, since programs leave files and results may show the name.
    pub fn fresh_folder(&self) -> PathBuf {
        let folder = self.folder.path().join("run");
        // There is none before the first run.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a folder for the run");
        folder
    }

    /// Where the outputs of a run go.
    pub fn output(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// How the tests link each program.
fn links(name: &str) -> &'static [Link] {
    match name {
        "direct" | "everyabi" | "flood" => &[Link::Bare],
        "libc" | "parked" | "threads" => &[Link::Dynamic],
        "narrow" | "untouched32" => &[Link::BareNarrow],
        "i386" => &[Link::Narrow],
        "judged" | "messages" | "numbers" | "options" | "sockets" | "vectors" => {
            &[Link::Static, Link::Narrow]
        }
        _ => &[Link::Static],
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fixtures")
}

fn ahead_of(folder: &Path, name: &str, link: Link) -> PathBuf {
    folder.join(format!("{name}-{link:?}"))
}

#[track_caller]
fn copy(from: &Path, to: &Path) {
    if let Err(error) = std::fs::copy(from, to) {
        panic!("`{}` was not compiled ahead: {error}", from.display());
    }
}

#[track_caller]
fn compile(name: &str, link: Link, program: &Path) {
    let source = sources().join(name).with_extension("c");
    let output = Command::new("cc")
        .args(["-O1", "-w"])
        .args(link.flags())
        .arg("-o")
        .arg(program)
        .arg(&source)
        .output()
        .expect("`cc` is installed");
    assert!(
        output.status.success(),
        "`{}` does not compile ({link:?}): {}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `cargo xtask test-vm` runs this with the folder before it starts machines.
#[test]
#[ignore = "packages: compiles programs, with 32 bits, too"]
fn every_program_compiles() {
    let temporary = TempDir::new().expect("a temporary folder");
    let ahead = std::env::var_os(AHEAD).map(PathBuf::from);
    let folder = ahead.as_deref().unwrap_or(temporary.path());
    for entry in sources().read_dir().expect("the folder of the sources") {
        let path = entry.expect("the folder of the sources").path();
        if path.extension().is_none_or(|extension| extension != "c") {
            continue;
        }
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name in UTF-8");
        for link in links(name) {
            compile(name, *link, &ahead_of(folder, name, *link));
        }
    }
}
