//! What runs in machines, built on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use crate::shell;

/// Test binaries, the `gizmo` they run, and the programs it records.
#[derive(Debug)]
pub(crate) struct Binaries {
    /// Where the tests look for `gizmo`: the path is compiled into them.
    pub(crate) gizmo: PathBuf,
    /// Test binaries by the names of their targets.
    tests: Vec<(String, PathBuf)>,
    /// Copies of all of these under their own names, without what only a debugger wants: a machine reads the host's files slowly.
    pub(crate) copies: PathBuf,
    /// Fixtures that were compiled ahead.
    pub(crate) fixtures: PathBuf,
}

/// Test targets with tests for machines.
const TARGETS: [&str; 3] = ["cli", "oracle", "recorder"];

impl Binaries {
    pub(crate) fn build(folder: &Path) -> anyhow::Result<Self> {
        let messages = shell::output(
            // The whole workspace: another selection of packages has other features and builds wasmtime anew.
            shell::cargo()
                .args(["test", "--workspace", "--no-run", "--message-format=json"])
                .args(TARGETS.map(|target| ["--test", target]).as_flattened()),
        )?;
        let gizmo = executable(&messages, "bin", "gizmo")?;
        let mut tests = Vec::new();
        for target in TARGETS {
            tests.push((target.to_owned(), executable(&messages, "test", target)?));
        }
        let copies = fresh(&folder.join("bin"))?;
        for path in tests.iter().map(|(_, path)| path).chain([&gizmo]) {
            let to = copies.join(path.file_name().context("a file")?);
            shell::run(
                Command::new("strip")
                    .arg("--strip-debug")
                    .arg("-o")
                    .arg(&to)
                    .arg(path),
            )?;
        }
        let fixtures = fresh(&folder.join("fixtures"))?;
        let binaries = Self {
            gizmo,
            tests,
            copies,
            fixtures,
        };
        shell::run(
            Command::new(binaries.test("oracle"))
                .args([
                    "--quiet",
                    "--ignored",
                    "--exact",
                    "fixture::every_program_compiles",
                ])
                .env("GIZMO_FIXTURES", &binaries.fixtures),
        )?;
        Ok(binaries)
    }

    /// The test binary of a target.
    pub(crate) fn test(&self, target: &str) -> &Path {
        let found = self.tests.iter().find(|(name, _)| name == target);
        &found.expect("one of `TARGETS`").1
    }

    /// Everything that is copied.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let tests = self.tests.iter().map(|(_, path)| path.as_path());
        tests.chain([self.gizmo.as_path()])
    }
}

fn fresh(folder: &Path) -> anyhow::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.to_owned())
}

/// The executable of a target among cargo's messages.
fn executable(messages: &str, kind: &str, name: &str) -> anyhow::Result<PathBuf> {
    let of_target = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let target = message.get("target")?;
        let is_it = target["name"] == name && target["kind"][0] == kind;
        let path = message["executable"].as_str().filter(|_| is_it)?;
        Some(PathBuf::from(path))
    };
    let found = messages.lines().find_map(of_target);
    found.with_context(|| format!("cargo has not built the {kind} `{name}`"))
}

#[test]
fn executables_are_found_in_cargos_messages() {
    let messages = concat!(
        "Compiling\n",
        r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"cli"},"executable":null}"#,
        "\n",
        r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"cli"},"executable":"/t/cli-1"}"#,
        "\n",
        r#"{"reason":"build-finished","success":true}"#,
    );
    assert_eq!(
        executable(messages, "test", "cli").ok(),
        Some("/t/cli-1".into())
    );
    assert!(executable(messages, "bin", "cli").is_err());
}
