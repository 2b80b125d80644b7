//! A `gizmo` with a store of its own, and what a run of it left.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_gizmo");

/// A folder with a store.
pub struct Gizmo {
    dir: TempDir,
}

impl Gizmo {
    #[track_caller]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        Self { dir }
    }

    /// A path in the folder of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same as a text.
    pub fn name(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// The file in which the store keeps a blob.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("a sha256 digest");
        self.store().join("blobs/sha256").join(hex)
    }

    /// Writes a file below the folder of this test.
    #[track_caller]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below a folder")).expect("creatable");
        fs::write(&path, content).expect("writable");
        path
    }

    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("--store").arg(self.store()).args(args);
        clean(&mut command);
        // Runs of other tests are not to be looked at.
        command.env("GIZMO_RUN_DIR", self.path("run"));
        command
    }

    /// Runs to the end, with nothing on stdin.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Runs what must succeed.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr());
        ran
    }

    /// Runs what must fail with exit code 1 and one line that starts with `Error:` and has all of these words.
    #[track_caller]
    pub fn fails<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, words: &[&str]) -> Ran {
        let ran = self.run(args);
        ran.is_error(1, words);
        ran
    }

    /// `image list` as a person sees it elsewhere: name, tag, digest, source.
    #[track_caller]
    pub fn list(&self) -> Vec<[String; 4]> {
        let list: Value = self.ok(["image", "list", "-o", "json"]).json();
        let text = |entry: &Value, key: &str| entry[key].as_str().expect("a text").to_owned();
        let entries = list.as_array().expect("a list").iter();
        entries
            .map(|entry| ["Repository", "Tag", "Digest", "Source"].map(|key| text(entry, key)))
            .collect()
    }

    /// The digest of a listed image.
    #[track_caller]
    pub fn digest(&self, name: &str, tag: &str) -> String {
        let list = self.list();
        let found = list.iter().find(|row| row[0] == name && row[1] == tag);
        found.unwrap_or_else(|| panic!("no {name}:{tag} in {list:?}"))[2].clone()
    }

    /// A piece of `image inspect`.
    #[track_caller]
    pub fn inspect(&self, image: &str, key: &str) -> String {
        self.ok(["image", "inspect", image, "--extra-info", key, "-o", "json"])
            .stdout()
    }
}

/// Neither the terminal nor the environment of who runs the tests has a say.
pub fn clean(command: &mut Command) {
    command
        .env_remove("GIZMO_STORE")
        // Cargo's, and every traced program would search its folders.
        .env_remove("LD_LIBRARY_PATH")
        .env("COLUMNS", "100")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
}

/// How a run ended, and what it wrote.
pub struct Ran {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

impl Ran {
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        command.output().expect("gizmo starts").into()
    }

    #[track_caller]
    pub fn stdout(&self) -> String {
        String::from_utf8(self.out.clone()).expect("UTF-8 on stdout")
    }

    #[track_caller]
    pub fn stderr(&self) -> String {
        String::from_utf8(self.err.clone()).expect("UTF-8 on stderr")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.out).expect("JSON on stdout")
    }

    /// An error as the manual promises: the exit code, nothing on stdout, and the last line of stderr says it.
    #[track_caller]
    pub fn is_error(&self, code: i32, words: &[&str]) {
        let text = self.stderr();
        assert_eq!(self.code, Some(code), "{text}");
        assert_eq!(self.stdout(), "", "{text}");
        let at = text
            .find("Error: ")
            .unwrap_or_else(|| panic!("no error: {text}"));
        let error = &text[at..];
        assert!(!error.contains("panicked"), "{error}");
        for word in words {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: output.stdout,
            err: output.stderr,
        }
    }
}

/// Compares a text with a file in `golden`, or rewrites the file when `BLESS=1` is set.
#[track_caller]
pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cli/golden")
        .join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, text).expect("writable");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        expected,
        "not as in {}; BLESS=1 rewrites it",
        path.display()
    );
}
