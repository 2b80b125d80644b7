//! `build.yaml`: which files make up the gadget.
//!
//! Paths become arguments of tools, so none may look like an option or a response file.

use std::fs;
use std::path::{Path, PathBuf};

use gizmo_model::config::Config;

use crate::limits::MAX_CONFIG_BYTES;
use crate::{Error, Result};

const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// The files of a gadget, relative to its directory; those that are not there are `None`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BuildFile {
    /// The build file itself.
    pub(super) path: Option<PathBuf>,
    pub(super) ebpf_source: Option<String>,
    pub(super) wasm: Option<String>,
    /// Rust target of a guest in Rust.
    pub(super) wasm_target: String,
    pub(super) metadata: Option<String>,
}

impl BuildFile {
    /// Reads the build file and checks that what it names exists.
    pub(super) fn load(dir: &Path, explicit: Option<&Path>) -> Result<Self> {
        let path = match explicit {
            Some(path) => Some(path.to_path_buf()),
            None => Some(dir.join("build.yaml")).filter(|path| path.exists()),
        };
        let config = match &path {
            Some(path) => {
                let text = super::read_limited(path, "build file", MAX_CONFIG_BYTES)?;
                Config::parse(&text).map_err(|source| Error::Yaml {
                    path: path.clone(),
                    source,
                })?
            }
            None => Config::default(),
        };
        let ebpf_source = file_or_default(dir, &config, "ebpfsource", Some("program.bpf.c"))?;
        let metadata = file_or_default(dir, &config, "metadata", Some("gadget.yaml"))?;
        let wasm = file_or_default(dir, &config, "wasm", None)?;
        let wasm_target = config
            .get_str("wasmTarget")
            .unwrap_or_else(|| TARGETS[0].to_owned());
        if !TARGETS.contains(&wasm_target.as_str()) {
            return Err(invalid(
                dir,
                format!("`wasmTarget` must be one of {TARGETS:?}, not `{wasm_target}`"),
            ));
        }
        if ebpf_source.is_none()
            && metadata.is_none()
            && wasm.is_none()
            && !has_go_file(&dir.join("go"), 8)
        {
            let reason = "it has no eBPF source, no metadata and no WASM source (`program.bpf.c`, `gadget.yaml`)";
            return Err(invalid(dir, reason));
        }
        Ok(Self {
            path,
            ebpf_source,
            wasm,
            wasm_target,
            metadata,
        })
    }
}

pub(super) fn invalid(dir: &Path, reason: impl Into<String>) -> Error {
    Error::Build {
        dir: dir.to_path_buf(),
        reason: reason.into(),
    }
}

/// A file that is named must exist; one that goes by its default name may be missing.
fn file_or_default(
    dir: &Path,
    config: &Config,
    key: &str,
    default: Option<&str>,
) -> Result<Option<String>> {
    let named = config
        .get_str(key)
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    let Some(name) = named else {
        return Ok(default
            .filter(|name| dir.join(name).is_file())
            .map(str::to_owned));
    };
    if name.starts_with(['-', '@']) {
        return Err(invalid(
            dir,
            format!("`{key}: {name}` would be taken for an option"),
        ));
    }
    if !dir.join(&name).is_file() {
        return Err(invalid(dir, format!("`{key}: {name}` does not exist")));
    }
    Ok(Some(name))
}

/// Whether there is a `.go` file below; `ig` accepts such a directory, and so do we.
fn has_go_file(dir: &Path, depth: u32) -> bool {
    let Ok(entries) = fs::read_dir(dir) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir {
            depth > 0 && has_go_file(&entry.path(), depth - 1)
        } else {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "go")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<BuildFile> {
        let dir = tempfile::tempdir().expect("temporary directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("below the directory")).expect("creatable");
            fs::write(path, text).expect("writable");
        }
        BuildFile::load(dir.path(), None)
    }

    #[test]
    fn defaults_are_optional_but_not_all_of_them() {
        assert!(load(&[]).is_err());
        let file = load(&[("gadget.yaml", "")]).expect("metadata is enough");
        assert_eq!(
            (file.metadata.as_deref(), file.ebpf_source, file.wasm),
            (Some("gadget.yaml"), None, None)
        );
        assert!(load(&[("go/cmd/main.go", "")]).is_ok());
    }

    #[test]
    fn named_files_must_exist_and_not_look_like_options() {
        let with = |line| load(&[("build.yaml", line), ("gadget.yaml", ""), ("x.wasm", "")]);
        assert_eq!(
            with("wasm: ' x.wasm '\nother: [1]")
                .expect("valid")
                .wasm
                .as_deref(),
            Some("x.wasm")
        );
        for line in [
            "wasm: y.wasm",
            "wasm: '-x.wasm'",
            "ebpfsource: '@x'",
            "wasmTarget: x86_64",
            "metadata: no",
            "[1]",
            "a: b: c",
        ] {
            assert!(with(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_build_file_that_is_asked_for_must_exist() {
        let dir = tempfile::tempdir().expect("temporary directory");
        assert!(matches!(
            BuildFile::load(dir.path(), Some(&dir.path().join("b.yaml"))),
            Err(Error::Io { .. })
        ));
    }
}
