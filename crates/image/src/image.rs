//! An image in memory: everything that one architecture needs, verified, so that nothing on disk can change a run.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use crate::blobs::{Blobs, Role};
use crate::oci::{
    ANNOTATION_CREATED, Descriptor, Index, MEDIA_BTFGEN, MEDIA_EBPF, MEDIA_WASM, Manifest,
};
use crate::{Digest, Error, Reference, Result};

/// Where an image came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A local store.
    Store {
        /// Its directory.
        path: PathBuf,
    },
    /// The binary itself.
    Embedded,
    /// A directory with an OCI layout.
    Layout(PathBuf),
    /// An exported archive.
    Archive(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { path } => write!(f, "store `{}`", path.display()),
            Self::Embedded => f.write_str("embedded in the binary"),
            Self::Layout(path) => write!(f, "layout `{}`", path.display()),
            Self::Archive(path) => write!(f, "archive `{}`", path.display()),
        }
    }
}

/// One layer: raw bytes of the media type's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its content; borrowed from the binary for embedded images.
    pub bytes: Cow<'static, [u8]>,
}

impl Layer {
    /// Whether some part of the runtime handles this kind of layer.
    pub fn is_known(&self) -> bool {
        [MEDIA_EBPF, MEDIA_WASM, MEDIA_BTFGEN].contains(&self.media_type.as_str())
    }
}

/// A gadget image for one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// Where it came from.
    pub source: Source,
    /// Its name, if it has one.
    pub reference: Option<Reference>,
    /// Digest of the image index: the identity of the image.
    pub index_digest: Digest,
    /// Digest of the manifest of this architecture.
    pub manifest_digest: Digest,
    /// The manifest of this architecture.
    pub manifest: Manifest,
    /// The build date as the manifest states it, or an empty text.
    pub created: String,
    /// The bytes of the config blob: `gadget.yaml`, or `{}`.
    pub metadata: Vec<u8>,
    /// The layers in manifest order, unknown ones included.
    pub layers: Vec<Layer>,
}

impl Image {
    /// The first layer of a media type.
    pub fn layer(&self, media_type: &str) -> Option<&Layer> {
        self.layers
            .iter()
            .find(|layer| layer.media_type == media_type)
    }

    /// The eBPF object.
    pub fn ebpf(&self) -> Option<&Layer> {
        self.layer(MEDIA_EBPF)
    }

    /// The WebAssembly module.
    pub fn wasm(&self) -> Option<&Layer> {
        self.layer(MEDIA_WASM)
    }

    pub(crate) fn load(
        blobs: &dyn Blobs,
        root: &Descriptor,
        source: Source,
        reference: Option<Reference>,
        arch: &str,
    ) -> Result<Self> {
        let (entry, manifest) = read_manifest(blobs, root, arch)?;
        // The config may have any media type: it is read as metadata all the same.
        let metadata = blobs.read(&manifest.config, Role::Config)?.into_owned();
        let layers = manifest
            .layers
            .iter()
            .map(|d| read_layer(blobs, d))
            .collect::<Result<Vec<_>>>()?;
        let created = manifest
            .annotations
            .get(ANNOTATION_CREATED)
            .cloned()
            .unwrap_or_default();
        let index_digest = root.digest.clone();
        let manifest_digest = entry.digest;
        Ok(Self {
            source,
            reference,
            index_digest,
            manifest_digest,
            manifest,
            created,
            metadata,
            layers,
        })
    }
}

fn read_layer(blobs: &dyn Blobs, descriptor: &Descriptor) -> Result<Layer> {
    let bytes = blobs.read(descriptor, Role::Layer)?;
    let layer = Layer {
        media_type: descriptor.media_type.clone(),
        digest: descriptor.digest.clone(),
        bytes,
    };
    if !layer.is_known() {
        tracing::warn!(digest = %layer.digest, media_type = layer.media_type, "layer of unknown media type is not used");
    }
    Ok(layer)
}

/// The manifest of an architecture, with its descriptor in the index.
fn read_manifest(
    blobs: &dyn Blobs,
    root: &Descriptor,
    arch: &str,
) -> Result<(Descriptor, Manifest)> {
    if !root.is_index() {
        return Err(Error::NotAnIndex {
            digest: root.digest.clone(),
            media_type: root.media_type.clone(),
        });
    }
    let index = Index::parse(&blobs.read(root, Role::Index)?, "index", &root.digest)?;
    let entry = index
        .manifest_for(arch)
        .ok_or_else(|| no_manifest(root, &index, arch))?
        .clone();
    let bytes = blobs.read(&entry, Role::Manifest)?;
    let manifest = serde_json::from_slice(&bytes).map_err(|source| Error::Json {
        what: "manifest",
        name: entry.digest.to_string(),
        source,
    })?;
    Ok((entry, manifest))
}

fn no_manifest(root: &Descriptor, index: &Index, arch: &str) -> Error {
    let known = index.manifests.iter().filter_map(|d| d.platform.as_ref());
    let names: Vec<String> = known
        .map(|p| format!("`{}`", p.architecture.escape_debug()))
        .take(20)
        .collect();
    let available = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    Error::NoManifest {
        arch: arch.to_owned(),
        digest: root.digest.clone(),
        available,
    }
}
