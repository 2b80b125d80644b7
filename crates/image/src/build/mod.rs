//! Building: a directory with C, Rust or Go sources and a `gadget.yaml` becomes an image.
//!
//! Tools run on this machine, on the files that `build.yaml` names. Results depend on the sources, the tools' versions
//! and the creation date (`SOURCE_DATE_EPOCH`) only: no path of this machine enters an object or a module. `ebpf.rs`
//! and `wasm.rs` run the tools, `assemble.rs` writes the documents of the image.

mod assemble;
mod ebpf;
mod file;
mod rust;
mod tools;
mod wasm;

use std::fs;
use std::path::{Path, PathBuf};

use gizmo_model::config::Config;

use crate::archive::{self, Exported};
use crate::blobs::MemoryBlobs;
use crate::limits::MAX_CONFIG_BYTES;
use crate::oci::{ANNOTATION_CREATED, Descriptor};
use crate::store::{NewTag, Origin, Store, Writer};
use crate::{Digest, Error, Reference, Result};

use file::BuildFile;

/// What to build, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BuildSpec {
    /// The gadget's directory.
    pub dir: PathBuf,
    /// The build file, relative to the current directory; it must exist. `None`: `build.yaml` in `dir`, if there.
    pub build_file: Option<PathBuf>,
    /// Folders with headers for eBPF sources, in order; `<folder>/<arch>` goes before each where it exists.
    pub include_dirs: Vec<PathBuf>,
    /// An existing directory for what the tools write, kept afterwards; `None`: a temporary one. Keeping it makes the
    /// next build of a Rust guest fast.
    pub output: Option<PathBuf>,
    /// The name of the image.
    pub tag: Option<Reference>,
    /// Version written into the image; `ig` compares it with its own and warns when they differ.
    pub builder_version: String,
    /// Creation date in seconds since 1970; `None`: the environment's `SOURCE_DATE_EPOCH`, else now.
    pub source_date_epoch: Option<i64>,
    /// Whether warnings of clang are errors (`-Werror`, which `ig` does not use).
    pub deny_warnings: bool,
}

impl BuildSpec {
    /// A build of `dir` with everything else at its default.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            build_file: None,
            include_dirs: Vec::new(),
            output: None,
            tag: None,
            builder_version: concat!("v", env!("CARGO_PKG_VERSION")).to_owned(),
            source_date_epoch: None,
            deny_warnings: true,
        }
    }
}

/// What a build made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Built {
    /// The name, if one was asked for.
    pub reference: Option<Reference>,
    /// The digest of the image index.
    pub digest: Digest,
    /// The creation date, RFC 3339.
    pub created: String,
    /// Every file that was read, as far as the tools tell: what a build script passes to `rerun-if-changed`.
    pub inputs: Vec<PathBuf>,
}

/// Builds into a store.
///
/// # Errors
/// An invalid directory or build file, a missing or failing tool, or a store that cannot be written.
pub fn build(spec: &BuildSpec, store: &Store) -> Result<Built> {
    let (blobs, root, built) = make(spec)?;
    let writer = Writer::new(store)?;
    if let Err(error) = writer.copy(&blobs, &root) {
        writer.abort();
        return Err(error);
    }
    let name = spec.tag.as_ref().map(Reference::to_string);
    writer.commit(vec![NewTag {
        name,
        target: root,
        origin: Origin::Built,
    }])?;
    Ok(built)
}

/// Builds into a new archive at `path`, which can be embedded (see [`crate::EmbeddedImage`]); needs `spec.tag`.
///
/// # Errors
/// As [`build()`], or when there is no tag.
pub fn build_to_archive(spec: &BuildSpec, path: &Path) -> Result<Built> {
    let no_tag = || Error::Build {
        dir: spec.dir.clone(),
        reason: "an archive needs an image with a tag".to_owned(),
    };
    let name = spec.tag.clone().ok_or_else(no_tag)?;
    let (blobs, root, built) = make(spec)?;
    archive::write(
        path,
        &[Exported {
            blobs: &blobs,
            root,
            name,
        }],
    )?;
    Ok(built)
}

/// The raw material of an image.
#[derive(Debug, Default)]
struct Parts {
    metadata: Option<(Vec<u8>, Config)>,
    /// One object per architecture, in the order of [`ebpf::TARGETS`]; empty without eBPF.
    ebpf: Vec<Vec<u8>>,
    wasm: Option<Vec<u8>>,
    inputs: Vec<PathBuf>,
}

fn make(spec: &BuildSpec) -> Result<(MemoryBlobs, Descriptor, Built)> {
    let created = assemble::creation_date(spec)?;
    let parts = compile(spec)?;
    let (blobs, root) = assemble::assemble(&parts, &spec.builder_version, &created);
    let mut inputs = parts.inputs;
    inputs.sort();
    inputs.dedup();
    let created = root
        .annotations
        .get(ANNOTATION_CREATED)
        .cloned()
        .unwrap_or_default();
    let built = Built {
        reference: spec.tag.clone(),
        digest: root.digest.clone(),
        created,
        inputs,
    };
    Ok((blobs, root, built))
}

fn compile(spec: &BuildSpec) -> Result<Parts> {
    let dir = spec
        .dir
        .canonicalize()
        .map_err(Error::io("open", &spec.dir))?;
    let file = BuildFile::load(&dir, spec.build_file.as_deref())?;
    let temporary = match spec.output {
        Some(_) => None,
        None => Some(
            tempfile::tempdir()
                .map_err(Error::io("create a directory in", std::env::temp_dir()))?,
        ),
    };
    let out = spec
        .output
        .as_deref()
        .or(temporary.as_ref().map(|dir| dir.path()));
    let out = out.expect("one of the two is there");
    let out = out.canonicalize().map_err(Error::io("open", out))?;

    let mut parts = Parts {
        inputs: file.path.iter().cloned().collect(),
        ..Parts::default()
    };
    if let Some(path) = &file.metadata {
        parts.metadata = Some(read_metadata(&dir.join(path))?);
        parts.inputs.push(dir.join(path));
    }
    if let Some(source) = &file.ebpf_source {
        parts.ebpf = ebpf::compile(spec, &dir, source, &out, &mut parts.inputs)?;
    }
    if let Some(wasm) = &file.wasm {
        parts.wasm = Some(wasm::compile(
            &dir,
            wasm,
            &file.wasm_target,
            &out,
            &mut parts.inputs,
        )?);
    }
    Ok(parts)
}

fn read_metadata(path: &Path) -> Result<(Vec<u8>, Config)> {
    let text = read_limited(path, "metadata file", MAX_CONFIG_BYTES)?;
    let yaml = |source| Error::Yaml {
        path: path.to_path_buf(),
        source,
    };
    let config = Config::parse(&text).map_err(yaml)?;
    config
        .expect_maps(&[
            "annotations",
            "datasources",
            "params",
            "operator",
            "programs",
        ])
        .map_err(yaml)?;
    let texts = [
        "name",
        "description",
        "homepageURL",
        "documentationURL",
        "sourceURL",
    ];
    config.expect_scalars(&texts).map_err(yaml)?;
    Ok((text, config))
}

fn read_limited(path: &Path, what: &'static str, limit: u64) -> Result<Vec<u8>> {
    let size = fs::metadata(path).map_err(Error::io("read", path))?.len();
    if size > limit {
        return Err(Error::TooLarge {
            what,
            name: path.display().to_string(),
            size,
            limit,
        });
    }
    fs::read(path).map_err(Error::io("read", path))
}
