//! The programs of `testing/fixtures`, compiled for a test into a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// How a program is linked.
#[derive(Debug, Clone, Copy)]
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
        let folder = TempDir::new().expect("a temporary folder");
        let program = folder.path().join(name);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../testing/fixtures")
            .join(name)
            .with_extension("c");
        let output = Command::new("cc")
            .args(["-O1", "-w"])
            .args(link.flags())
            .arg("-o")
            .arg(&program)
            .arg(&source)
            .output()
            .expect("`cc` is installed");
        assert!(
            output.status.success(),
            "`{}` does not compile ({link:?}): {}",
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        );
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
