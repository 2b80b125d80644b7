//! Where the bytes of an image come from: one trait over stores, layouts, archives and embedded images.
//!
//! Whoever implements it checks size and digest before handing bytes out. The walk over a graph of descriptors is
//! here too, with limits on its depth and width, since a hostile image decides what it looks like.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use serde::Deserialize;

use crate::limits::{
    MAX_CONFIG_BYTES, MAX_GRAPH_DEPTH, MAX_GRAPH_NODES, MAX_LAYER_BYTES, MAX_MANIFEST_BYTES,
};
use crate::oci::Descriptor;
use crate::{Digest, Error, Result};

/// What a blob is to the image: decides its limit and its name in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Index,
    Manifest,
    Config,
    Layer,
}

impl Role {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::Layer => "layer",
        }
    }

    fn limit(self) -> u64 {
        match self {
            Self::Index | Self::Manifest => MAX_MANIFEST_BYTES,
            Self::Config => MAX_CONFIG_BYTES,
            Self::Layer => MAX_LAYER_BYTES,
        }
    }

    /// The role of a node of `index.json` or of an index. Docker's own types are the same documents.
    pub(crate) fn of_node(descriptor: &Descriptor) -> Self {
        match descriptor.media_type.as_str() {
            crate::oci::MEDIA_INDEX
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Self::Index,
            crate::oci::MEDIA_MANIFEST | "application/vnd.docker.distribution.manifest.v2+json" => {
                Self::Manifest
            }
            _ => Self::Layer,
        }
    }

    pub(crate) fn check_limit(self, descriptor: &Descriptor) -> Result<()> {
        let limit = self.limit();
        if descriptor.size > limit {
            let name = descriptor.digest.to_string();
            return Err(Error::TooLarge {
                what: self.what(),
                name,
                size: descriptor.size,
                limit,
            });
        }
        Ok(())
    }
}

/// A place that holds blobs.
pub(crate) trait Blobs {
    /// The content of a blob, checked against its descriptor.
    fn read(&self, descriptor: &Descriptor, role: Role) -> Result<Cow<'static, [u8]>>;
}

/// Compares content with its descriptor.
pub(crate) fn verify(descriptor: &Descriptor, role: Role, bytes: &[u8]) -> Result<()> {
    let (what, digest) = (role.what(), descriptor.digest.clone());
    digest.sha256_hex()?;
    if bytes.len() as u64 != descriptor.size {
        return Err(Error::SizeMismatch {
            what,
            digest,
            expected: descriptor.size,
            actual: bytes.len() as u64,
        });
    }
    let actual = Digest::of(bytes);
    if actual != digest {
        return Err(Error::DigestMismatch {
            what,
            digest,
            actual,
        });
    }
    Ok(())
}

/// Opens a regular file without following a link and without waiting for the other end of a pipe.
pub(crate) fn open_regular(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(
            ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    Ok(file)
}

/// Reads a blob from the `blobs/sha256` folder of the layout at `root`.
pub(crate) fn read_from_layout(
    root: &Path,
    descriptor: &Descriptor,
    role: Role,
) -> Result<Vec<u8>> {
    role.check_limit(descriptor)?;
    let path = root
        .join("blobs/sha256")
        .join(descriptor.digest.sha256_hex()?);
    let file = match open_regular(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(missing(descriptor, role, root));
        }
        other => other.map_err(Error::io("open", &path))?,
    };
    let actual = file.metadata().map_err(Error::io("read", &path))?.len();
    if actual != descriptor.size {
        let digest = descriptor.digest.clone();
        return Err(Error::SizeMismatch {
            what: role.what(),
            digest,
            expected: descriptor.size,
            actual,
        });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(descriptor.size).unwrap_or(0));
    file.take(descriptor.size + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", &path))?;
    verify(descriptor, role, &bytes)?;
    Ok(bytes)
}

pub(crate) fn missing(descriptor: &Descriptor, role: Role, place: &Path) -> Error {
    let place = format!("`{}`", place.display());
    Error::MissingBlob {
        what: role.what(),
        digest: descriptor.digest.clone(),
        place,
    }
}

/// Blobs in memory: an image that has just been built.
#[derive(Debug, Default)]
pub(crate) struct MemoryBlobs(BTreeMap<Digest, Vec<u8>>);

impl MemoryBlobs {
    /// Adds content and describes it.
    pub(crate) fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::of(media_type, &bytes);
        self.0.insert(descriptor.digest.clone(), bytes);
        descriptor
    }
}

impl Blobs for MemoryBlobs {
    fn read(&self, descriptor: &Descriptor, role: Role) -> Result<Cow<'static, [u8]>> {
        role.check_limit(descriptor)?;
        let bytes = self
            .0
            .get(&descriptor.digest)
            .ok_or_else(|| missing(descriptor, role, Path::new("memory")))?;
        verify(descriptor, role, bytes)?;
        Ok(Cow::Owned(bytes.clone()))
    }
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

/// What an index or a manifest points to.
pub(crate) fn children(
    descriptor: &Descriptor,
    role: Role,
    bytes: &[u8],
) -> Result<Vec<(Descriptor, Role)>> {
    if !matches!(role, Role::Index | Role::Manifest) {
        return Ok(Vec::new());
    }
    let name = descriptor.digest.to_string();
    let node: Node = serde_json::from_slice(bytes).map_err(|source| Error::Json {
        what: role.what(),
        name,
        source,
    })?;
    let nodes = node.manifests.unwrap_or_default().into_iter().map(|d| {
        // An index lists manifests only; one with a type that we do not know is read as a manifest all the same.
        let role = if Role::of_node(&d) == Role::Index {
            Role::Index
        } else {
            Role::Manifest
        };
        (d, role)
    });
    let config = node.config.into_iter().map(|d| (d, Role::Config));
    let layers = node
        .layers
        .unwrap_or_default()
        .into_iter()
        .map(|d| (d, Role::Layer));
    Ok(nodes.chain(config).chain(layers).collect())
}

/// Called for each blob with its verified content.
pub(crate) type Visitor<'v> = dyn FnMut(&Descriptor, Role, &[u8]) -> Result<()> + 'v;

/// Visits every blob of the graph under `root` once, children before parents.
pub(crate) fn walk(blobs: &dyn Blobs, root: &Descriptor, visit: &mut Visitor<'_>) -> Result<()> {
    let mut seen = HashSet::new();
    step(blobs, root, root, Role::of_node(root), 0, &mut seen, visit)
}

fn step(
    blobs: &dyn Blobs,
    root: &Descriptor,
    descriptor: &Descriptor,
    role: Role,
    depth: usize,
    seen: &mut HashSet<(Digest, u64)>,
    visit: &mut Visitor<'_>,
) -> Result<()> {
    if !seen.insert((descriptor.digest.clone(), descriptor.size)) {
        return Ok(());
    }
    let implausible = |reason| Error::ImplausibleGraph {
        digest: root.digest.clone(),
        reason,
    };
    if seen.len() > MAX_GRAPH_NODES {
        return Err(implausible("it has more than 1024 blobs"));
    }
    if depth > MAX_GRAPH_DEPTH {
        return Err(implausible("it is nested more than 4 levels deep"));
    }
    let bytes = blobs.read(descriptor, role)?;
    for (child, child_role) in children(descriptor, role, &bytes)? {
        step(blobs, root, &child, child_role, depth + 1, seen, visit)?;
    }
    visit(descriptor, role, &bytes)
}
