//! The error type of this crate: one enum, and a coarse `kind()` for callers that decide.

use std::io;
use std::path::{Path, PathBuf};

use crate::Digest;

/// What went wrong, coarsely: enough to choose an exit code or another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's text (reference, argument, build file) is not valid.
    InvalidInput,
    /// There is no such image, file or blob.
    NotFound,
    /// The operating system refused access.
    Permission,
    /// An image is damaged, or does not have the shape of a gadget image.
    BadImage,
    /// An archive is damaged, hostile, or not an OCI layout.
    BadArchive,
    /// A tool needed for building is missing.
    ToolMissing,
    /// A tool ran and failed.
    ToolFailed,
    /// The request is understood, but cannot be carried out (removing an embedded image, for example).
    Refused,
    /// Any other failure of the operating system.
    Io,
}

/// Everything that can go wrong with images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A reference does not follow the grammar.
    #[error("invalid image reference `{reference}`: {reason}")]
    InvalidReference {
        /// The text given.
        reference: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A digest is not `algorithm:hex`.
    #[error("invalid digest `{text}`")]
    InvalidDigest {
        /// The text given.
        text: String,
    },
    /// A digest of an algorithm other than SHA-256.
    #[error("digest `{digest}` is not a sha256 digest, the only kind supported")]
    UnsupportedDigest {
        /// The digest.
        digest: Digest,
    },
    /// No image of that name.
    #[error("image `{reference}` not found{hint}")]
    NotFound {
        /// The reference, in full form.
        reference: String,
        /// What else there is, or what the user can do; empty or starting with a separator.
        hint: String,
    },
    /// A blob that a descriptor names does not exist.
    #[error("{what} `{digest}` is missing from {place}")]
    MissingBlob {
        /// The role of the blob.
        what: &'static str,
        /// Its digest.
        digest: Digest,
        /// Where it was looked for.
        place: String,
    },
    /// The content of a blob does not have the digest that names it.
    #[error("{what} `{digest}` is damaged: its content has the digest `{actual}`")]
    DigestMismatch {
        /// The role of the blob.
        what: &'static str,
        /// The digest expected.
        digest: Digest,
        /// The digest found.
        actual: Digest,
    },
    /// The length of a blob differs from its descriptor.
    #[error("{what} `{digest}` is damaged: {actual} bytes where its descriptor says {expected}")]
    SizeMismatch {
        /// The role of the blob.
        what: &'static str,
        /// Its digest.
        digest: Digest,
        /// The size in the descriptor.
        expected: u64,
        /// The size found.
        actual: u64,
    },
    /// Something is larger than we are willing to read.
    #[error("{what} `{name}` has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The role of the thing.
        what: &'static str,
        /// Its digest or path.
        name: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A graph of descriptors is too deep or too wide to be an image.
    #[error("image `{digest}` is not plausible: {reason}")]
    ImplausibleGraph {
        /// The root.
        digest: Digest,
        /// The limit that it exceeds.
        reason: &'static str,
    },
    /// A JSON document cannot be read as what it should be.
    #[error("failed to parse {what} `{name}`")]
    Json {
        /// The role of the document.
        what: &'static str,
        /// Its digest or path.
        name: String,
        /// The parser's words.
        #[source]
        source: serde_json::Error,
    },
    /// A tag points to something that is not an image index.
    #[error("`{digest}` is not an image index but `{media_type}`")]
    NotAnIndex {
        /// The digest.
        digest: Digest,
        /// The media type found.
        media_type: String,
    },
    /// The image does not serve this architecture.
    #[error(
        "no manifest found for architecture `{arch}` in image `{digest}`, which has {available}"
    )]
    NoManifest {
        /// The architecture wanted, in Go's spelling.
        arch: String,
        /// The index.
        digest: Digest,
        /// The architectures that there are.
        available: String,
    },
    /// The same, but a name stands for several images.
    #[error("`{path}` holds several images: {tags}; it must hold exactly one")]
    Ambiguous {
        /// The layout or archive.
        path: PathBuf,
        /// The names in it.
        tags: String,
    },
    /// A layout or an archive holds no image.
    #[error("`{path}` holds no gadget image")]
    NoImage {
        /// The layout or archive.
        path: PathBuf,
    },
    /// A directory is not an OCI image layout that we understand.
    #[error("`{path}` is not an OCI image layout: {reason}")]
    NotALayout {
        /// The directory or archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An archive breaks a rule.
    #[error("archive `{path}` is refused: {reason}")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The rule, and the entry that breaks it.
        reason: String,
    },
    /// Embedded images are part of the binary.
    #[error(
        "image `{reference}` is embedded in the binary and cannot be removed; a tag of the same name shadows it"
    )]
    EmbeddedImage {
        /// Its name.
        reference: String,
    },
    /// The user has no home directory to keep a store in.
    #[error("no home directory is known for uid {uid}; name a store explicitly")]
    NoHome {
        /// The effective uid.
        uid: u32,
    },
    /// A build file or an argument of a build is not valid.
    #[error("cannot build `{dir}`: {reason}")]
    Build {
        /// The directory being built.
        dir: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A YAML file cannot be read.
    #[error("failed to parse `{path}`")]
    Yaml {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        #[source]
        source: gizmo_model::config::ConfigError,
    },
    /// A tool is not installed.
    #[error("`{tool}` was not found: {hint}")]
    ToolMissing {
        /// The tool.
        tool: String,
        /// How to get it.
        hint: String,
    },
    /// A tool ran and failed.
    #[error("`{tool}` failed with {status}:\n{stderr}")]
    ToolFailed {
        /// The tool.
        tool: String,
        /// How it ended.
        status: String,
        /// What it said.
        stderr: String,
    },
    /// The operating system refused something.
    #[error("failed to {action} `{path}`")]
    Io {
        /// The verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The coarse class of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidReference { .. } | Self::InvalidDigest { .. } => ErrorKind::InvalidInput,
            Self::Build { .. } | Self::Yaml { .. } | Self::Ambiguous { .. } => {
                ErrorKind::InvalidInput
            }
            Self::NotFound { .. } | Self::NoImage { .. } | Self::NoHome { .. } => {
                ErrorKind::NotFound
            }
            Self::MissingBlob { .. } | Self::DigestMismatch { .. } | Self::SizeMismatch { .. } => {
                ErrorKind::BadImage
            }
            Self::TooLarge { .. } | Self::ImplausibleGraph { .. } | Self::Json { .. } => {
                ErrorKind::BadImage
            }
            Self::NotAnIndex { .. } | Self::NoManifest { .. } | Self::UnsupportedDigest { .. } => {
                ErrorKind::BadImage
            }
            Self::NotALayout { .. } | Self::Archive { .. } => ErrorKind::BadArchive,
            Self::EmbeddedImage { .. } => ErrorKind::Refused,
            Self::ToolMissing { .. } => ErrorKind::ToolMissing,
            Self::ToolFailed { .. } => ErrorKind::ToolFailed,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::PermissionDenied => ErrorKind::Permission,
                _ => ErrorKind::Io,
            },
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
