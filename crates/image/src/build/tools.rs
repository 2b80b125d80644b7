//! Tools: finding them, running them, and what they say they have read.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::limits::MAX_TOOL_OUTPUT_BYTES;
use crate::{Error, Result};

/// Versions of LLVM that Debian and Ubuntu install under a suffix; the first is what `cargo xtask setup` installs.
const LLVM_SUFFIXES: [&str; 9] = ["19", "20", "21", "22", "18", "17", "16", "15", "14"];

/// The compiler and the tool that removes debug information, of the same release where there is a choice.
#[derive(Debug)]
pub(super) struct Llvm {
    pub(super) clang: PathBuf,
    pub(super) strip: PathBuf,
}

impl Llvm {
    pub(super) fn find() -> Result<Self> {
        let clang = llvm_tool("clang", "CLANG", None)?;
        let name = clang
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let strip = llvm_tool("llvm-strip", "LLVM_STRIP", name.strip_prefix("clang-"))?;
        Ok(Self { clang, strip })
    }
}

fn llvm_tool(name: &str, variable: &str, first_suffix: Option<&str>) -> Result<PathBuf> {
    let hint = format!(
        "install clang and llvm (Debian: `clang-19 llvm-19`), run `cargo xtask setup`, or set `{variable}`"
    );
    if let Some(named) = env::var(variable).ok().filter(|value| !value.is_empty()) {
        return find(&named).ok_or(Error::ToolMissing { tool: named, hint });
    }
    let preferred = first_suffix.map(|suffix| format!("{name}-{suffix}"));
    let suffixed = LLVM_SUFFIXES
        .iter()
        .map(|suffix| format!("{name}-{suffix}"));
    let mut candidates = preferred
        .into_iter()
        .chain([name.to_owned()])
        .chain(suffixed);
    candidates
        .find_map(|tool| find(&tool))
        .ok_or_else(|| Error::ToolMissing {
            tool: name.to_owned(),
            hint,
        })
}

/// An executable file, by path or in `PATH`.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_executable(path));
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Runs a tool to its end and returns what it wrote to `stdout`; when it fails, the error has its `stderr`.
pub(super) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let program = PathBuf::from(command.get_program());
    let tool = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    tracing::debug!(?command, "running tool");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("run", &program))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    // The end says why it gave up.
    let start = output.stderr.len().saturating_sub(MAX_TOOL_OUTPUT_BYTES);
    let stderr = String::from_utf8_lossy(&output.stderr[start..])
        .trim_end()
        .to_owned();
    Err(Error::ToolFailed {
        tool,
        status: output.status.to_string(),
        stderr,
    })
}

/// The prerequisites in a dependency file as compilers write them for make.
pub(super) fn dependencies(path: &Path, base: &Path) -> Vec<PathBuf> {
    // No file, no list: it is a help for build scripts, not a part of the result.
    let text = fs::read_to_string(path).unwrap_or_default();
    parse_dependencies(&text)
        .into_iter()
        .map(|file| base.join(file))
        .collect()
}

fn parse_dependencies(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut files = Vec::new();
    for line in joined.lines() {
        let Some((_, list)) = line.split_once(": ") else {
            continue;
        };
        let spaced = list.replace("\\ ", "\0");
        files.extend(
            spaced
                .split_whitespace()
                .map(|file| file.replace('\0', " ")),
        );
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_files_are_read_with_their_escapes() {
        let text = "out/a.o: src/a.c \\\n  /usr/include/x.h dir\\ b/c.h\n\nsrc/a.c:\n";
        assert_eq!(
            parse_dependencies(text),
            ["src/a.c", "/usr/include/x.h", "dir b/c.h"]
        );
    }

    #[test]
    fn a_failing_tool_is_quoted() {
        let error =
            run(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).expect_err("fails");
        let text = error.to_string();
        assert!(
            text.contains("`sh`") && text.contains("exit status: 3") && text.ends_with("broken"),
            "{text}"
        );
    }
}
