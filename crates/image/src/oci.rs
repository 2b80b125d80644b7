//! The OCI documents a gadget image is made of: descriptors, indexes, manifests and their media types.
//!
//! Fields stand in the order in which Go writes them. What we do not know is kept in `extra` and written back, so
//! that a store shared with other tools loses nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, Error, Result};

/// Media type of an image index, the thing a tag points to.
pub const MEDIA_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a manifest, as used in descriptors.
pub const MEDIA_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// `artifactType` of every gadget manifest.
pub const ARTIFACT_GADGET: &str = "application/vnd.gadget.v1+binary";
/// Media type of `gadget.yaml`.
pub const MEDIA_CONFIG: &str = "application/vnd.gadget.config.v1+yaml";
/// Media type of the config of a gadget without metadata.
pub const MEDIA_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Media type of an eBPF object.
pub const MEDIA_EBPF: &str = "application/vnd.gadget.ebpf.program.v1+binary";
/// Media type of a WebAssembly module.
pub const MEDIA_WASM: &str = "application/vnd.gadget.wasm.program.v1+binary";
/// Media type of a BTFGen archive.
pub const MEDIA_BTFGEN: &str = "application/vnd.gadget.btfgen.v1+binary";

/// Annotation of a descriptor in `index.json`: its tag.
pub const ANNOTATION_REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation with the build date.
pub const ANNOTATION_CREATED: &str = "org.opencontainers.image.created";
/// Annotation with the version of the builder.
pub const ANNOTATION_BUILDER: &str = "io.inspektor-gadget.builder.version";
/// Annotation of a descriptor in our `index.json`: how the tag got there (see [`crate::Origin`]).
pub const ANNOTATION_ORIGIN: &str = "io.gizmo.origin";

/// Annotations, sorted bytewise as the format demands.
pub type Annotations = BTreeMap<String, String>;

/// Reads `null` as the empty value: Go writes it for nil maps and slices.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The machine a manifest is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Architecture in Go's spelling (`amd64`, `arm64`).
    pub architecture: String,
    /// Operating system.
    #[serde(default)]
    pub os: String,
    /// Fields that we do not interpret.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A pointer to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    #[serde(default)]
    pub media_type: String,
    /// Its name.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: Annotations,
    /// The content itself in base64, for tiny blobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The machine, for manifests in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Fields that we do not interpret.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Descriptor {
    /// Describes `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            annotations: Annotations::new(),
            data: None,
            platform: None,
            extra: Map::new(),
        }
    }

    /// The tag of a descriptor in `index.json`.
    pub fn ref_name(&self) -> Option<&str> {
        self.annotations
            .get(ANNOTATION_REF_NAME)
            .map(String::as_str)
    }

    pub(crate) fn is_index(&self) -> bool {
        self.media_type == MEDIA_INDEX
    }
}

/// An image index: also the shape of `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// [`MEDIA_INDEX`], or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// One manifest per architecture, or one descriptor per tag.
    #[serde(default, deserialize_with = "nullable")]
    pub manifests: Vec<Descriptor>,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: Annotations,
    /// Fields that we do not interpret.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: None,
            manifests: Vec::new(),
            annotations: Annotations::new(),
            extra: Map::new(),
        }
    }
}

impl Index {
    pub(crate) fn parse(bytes: &[u8], what: &'static str, name: impl ToString) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|source| Error::Json {
            what,
            name: name.to_string(),
            source,
        })
    }

    /// The first manifest for `arch`; an entry without a platform matches nothing, `os` and variant do not count.
    pub fn manifest_for(&self, arch: &str) -> Option<&Descriptor> {
        self.manifests.iter().find(|entry| {
            entry
                .platform
                .as_ref()
                .is_some_and(|p| p.architecture == arch)
        })
    }
}

/// The manifest of one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Absent in what gadget builders write; [`MEDIA_MANIFEST`] elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// [`ARTIFACT_GADGET`] for gadgets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The metadata file.
    pub config: Descriptor,
    /// eBPF object, WASM module, BTFGen archive, each only if there is one.
    #[serde(default, deserialize_with = "nullable")]
    pub layers: Vec<Descriptor>,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: Annotations,
    /// Fields that we do not interpret.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The architecture of this machine in Go's spelling.
pub fn host_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_survive_and_null_is_empty() {
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{}","size":2,"artifactType":"x"}}],"subject":{{"a":1}}}}"#,
            Digest::of(b"{}")
        );
        let index = Index::parse(text.as_bytes(), "index", "t").expect("valid");
        assert_eq!(
            String::from_utf8(crate::json::to_vec(&index)).expect("UTF-8"),
            text
        );
        let nulls = br#"{"schemaVersion":2,"manifests":null,"annotations":null}"#;
        assert_eq!(
            Index::parse(nulls, "index", "t").expect("valid"),
            Index::default()
        );
    }

    #[test]
    fn an_entry_without_platform_matches_no_architecture() {
        let mut index = Index {
            manifests: vec![Descriptor::of(MEDIA_MANIFEST, b"x")],
            ..Index::default()
        };
        assert_eq!(index.manifest_for("amd64"), None);
        let platform = Platform {
            architecture: "amd64".into(),
            os: "plan9".into(),
            extra: Map::new(),
        };
        index.manifests.push(Descriptor {
            platform: Some(platform),
            ..Descriptor::of(MEDIA_MANIFEST, b"y")
        });
        assert_eq!(
            index.manifest_for("amd64").map(|d| &d.digest),
            Some(&Digest::of(b"y"))
        );
    }
}
