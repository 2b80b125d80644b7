//! Images inside the binary: archives used where the linker put them.
//!
//! Their digests are **not** checked on each run: whoever can change the bytes of the binary can change the check,
//! and hashing a megabyte without SHA instructions costs about 5 ms of every start. Whatever leaves the binary
//! (export, tagging into a store) and `inspect` is checked, and so is every embedded image in the tests.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use crate::archive::Contents;
use crate::blobs::{Blobs, Role, verify};
use crate::image::{Image, Source};
use crate::layout::only_image;
use crate::oci::{Descriptor, host_arch};
use crate::tarball::Member;
use crate::{Digest, Error, Reference, Result};

/// One image in an archive that is part of the binary.
#[derive(Debug, Clone)]
pub struct EmbeddedImage {
    data: &'static [u8],
    contents: Contents,
    root: Descriptor,
    reference: Reference,
}

impl EmbeddedImage {
    /// Reads the table of contents of an archive made by [`crate::build_to_archive`].
    ///
    /// # Errors
    /// When it is not an archive with exactly one tagged image.
    pub fn from_archive(data: &'static [u8]) -> Result<Self> {
        let path = Path::new("embedded image");
        let contents = Contents::read(&mut Cursor::new(data), path)?;
        let index = contents.load_index(path, |member| Ok(slice(data, member).to_vec()))?;
        let (root, reference) = only_image(&index, path)?;
        let reference = reference.ok_or_else(|| Error::NoImage {
            path: path.to_path_buf(),
        })?;
        let root = root.clone();
        Ok(Self {
            data,
            contents,
            root,
            reference,
        })
    }

    /// Its name in full form.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The digest of its image index.
    pub fn digest(&self) -> &Digest {
        &self.root.digest
    }

    /// Loads it for this machine's architecture; the layers borrow from the binary.
    ///
    /// # Errors
    /// When it has no manifest for this architecture.
    pub fn load(&self) -> Result<Image> {
        Image::load(
            &Trusted(self),
            &self.root,
            Source::Embedded,
            Some(self.reference.clone()),
            host_arch(),
        )
    }

    /// Checks every digest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self) -> Result<()> {
        crate::blobs::walk(self, &self.root, &mut |_, _, _| Ok(()))
    }

    pub(crate) fn root(&self) -> &Descriptor {
        &self.root
    }

    fn bytes(&self, descriptor: &Descriptor, role: Role) -> Result<&'static [u8]> {
        let member = self
            .contents
            .member(descriptor, role, Path::new("embedded image"))?;
        Ok(slice(self.data, member))
    }
}

/// Members lie within the archive, and an archive in memory has offsets that fit.
fn slice(data: &'static [u8], member: &Member) -> &'static [u8] {
    let start = usize::try_from(member.offset).unwrap_or(usize::MAX);
    let len = usize::try_from(member.size).unwrap_or(usize::MAX);
    data.get(start..)
        .and_then(|rest| rest.get(..len))
        .unwrap_or_default()
}

impl Blobs for EmbeddedImage {
    fn read(&self, descriptor: &Descriptor, role: Role) -> Result<Cow<'static, [u8]>> {
        let bytes = self.bytes(descriptor, role)?;
        verify(descriptor, role, bytes)?;
        Ok(Cow::Borrowed(bytes))
    }
}

/// An embedded image read for a run, without hashing.
struct Trusted<'e>(&'e EmbeddedImage);

impl Blobs for Trusted<'_> {
    fn read(&self, descriptor: &Descriptor, role: Role) -> Result<Cow<'static, [u8]>> {
        self.0.bytes(descriptor, role).map(Cow::Borrowed)
    }
}
