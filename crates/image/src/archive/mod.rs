//! Archives: an OCI layout in an uncompressed tar, for machines that share no registry.
//!
//! An archive is opened by listing its members and reading `index.json`; blobs are read where they lie, each checked
//! against the descriptor that leads to it. Writing is in `export.rs`, copying into a store in `import.rs`.

mod export;
mod import;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

pub(crate) use export::{Exported, write};
pub use import::import;

use crate::blobs::{Blobs, Role, missing, open_regular, verify};
use crate::limits::MAX_INDEX_FILE_BYTES;
use crate::oci::{Descriptor, Index};
use crate::store::{INDEX_FILE, LAYOUT_FILE, check_layout_text};
use crate::tarball::{self, Member, Refusal};
use crate::{Digest, Error, Result};

/// Files of `docker save` and of a live store that mean nothing to us.
const IGNORED: [&str; 4] = [
    "manifest.json",
    "repositories",
    "index.json.lock",
    "gc.lock",
];

/// The members of an archive that matter: a table of contents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    pub(crate) index: Option<Member>,
    pub(crate) layout: Option<Member>,
    pub(crate) blobs: BTreeMap<Digest, Member>,
}

impl Contents {
    pub(crate) fn read(reader: &mut (impl Read + Seek), path: &Path) -> Result<Self> {
        let members = tarball::members(reader).map_err(|refusal| match refusal {
            Refusal::Io(error) => Error::io("read", path)(error),
            Refusal::Rule(reason) => refused(path, reason),
        })?;
        let mut contents = Self::default();
        for member in members {
            contents
                .add(member)
                .map_err(|reason| refused(path, reason))?;
        }
        Ok(contents)
    }

    fn add(&mut self, member: Member) -> Result<(), String> {
        let name = member.name.clone();
        let shown = || name.escape_debug().take(120).collect::<String>();
        let before = match name.as_str() {
            INDEX_FILE => self.index.replace(member),
            LAYOUT_FILE => self.layout.replace(member),
            ignored if IGNORED.contains(&ignored) => None,
            other => match other
                .strip_prefix("blobs/sha256/")
                .and_then(|hex| format!("sha256:{hex}").parse().ok())
            {
                Some(digest) => self.blobs.insert(digest, member),
                None => {
                    return Err(format!(
                        "entry `{}` is not part of an image layout",
                        shown()
                    ));
                }
            },
        };
        match before {
            Some(_) => Err(format!("entry `{}` is there twice", shown())),
            None => Ok(()),
        }
    }

    pub(crate) fn required<'m>(
        member: Option<&'m Member>,
        name: &str,
        limit: u64,
        path: &Path,
    ) -> Result<&'m Member> {
        let member = member.ok_or_else(|| refused(path, format!("it has no `{name}`")))?;
        if member.size > limit {
            let name = format!("{}:{name}", path.display());
            return Err(Error::TooLarge {
                what: "entry",
                name,
                size: member.size,
                limit,
            });
        }
        Ok(member)
    }

    /// Checks the layout version and reads the index, with `read` giving the bytes of a member.
    pub(crate) fn load_index(
        &self,
        path: &Path,
        read: impl Fn(&Member) -> Result<Vec<u8>>,
    ) -> Result<Index> {
        let layout = Self::required(self.layout.as_ref(), LAYOUT_FILE, 4096, path)?;
        check_layout_text(path, &read(layout)?)?;
        let index = Self::required(self.index.as_ref(), INDEX_FILE, MAX_INDEX_FILE_BYTES, path)?;
        Index::parse(&read(index)?, "archive index", path.display())
    }

    /// Where a blob lies, its size checked against the descriptor and the limit of its role.
    pub(crate) fn member(
        &self,
        descriptor: &Descriptor,
        role: Role,
        path: &Path,
    ) -> Result<&Member> {
        role.check_limit(descriptor)?;
        descriptor.digest.sha256_hex()?;
        let member = self
            .blobs
            .get(&descriptor.digest)
            .ok_or_else(|| missing(descriptor, role, path))?;
        if member.size != descriptor.size {
            let (digest, expected) = (descriptor.digest.clone(), descriptor.size);
            return Err(Error::SizeMismatch {
                what: role.what(),
                digest,
                expected,
                actual: member.size,
            });
        }
        Ok(member)
    }
}

fn refused(path: &Path, reason: impl Into<String>) -> Error {
    Error::Archive {
        path: path.to_path_buf(),
        reason: reason.into(),
    }
}

/// An archive file, open for reading.
#[derive(Debug)]
pub(crate) struct ArchiveFile {
    path: PathBuf,
    file: File,
    contents: Contents,
    pub(crate) index: Index,
}

impl ArchiveFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        // A link to an archive is as good as the archive: the user named it.
        let real = path.canonicalize().map_err(Error::io("open", path))?;
        let file = open_regular(&real).map_err(Error::io("open", path))?;
        let contents = Contents::read(&mut BufReader::new(&file), path)?;
        let index = contents.load_index(path, |member| read_member(&file, member, path))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            contents,
            index,
        })
    }
}

fn read_member(file: &File, member: &Member, path: &Path) -> Result<Vec<u8>> {
    // The size was compared with a limit, and lies within the file.
    let mut bytes = vec![0; usize::try_from(member.size).unwrap_or(0)];
    file.read_exact_at(&mut bytes, member.offset)
        .map_err(Error::io("read", path))?;
    Ok(bytes)
}

impl Blobs for ArchiveFile {
    fn read(&self, descriptor: &Descriptor, role: Role) -> Result<Cow<'static, [u8]>> {
        let member = self.contents.member(descriptor, role, &self.path)?;
        let bytes = read_member(&self.file, member, &self.path)?;
        verify(descriptor, role, &bytes)?;
        Ok(Cow::Owned(bytes))
    }
}
