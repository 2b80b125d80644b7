//! The search for an image: which of the places that may hold it wins, and what can be done with it there.
//!
//! A path (see [`is_path`]) is a layout directory or an archive. A bare name is a tag that the user made (build,
//! import, tag), else an embedded image, else a tag pulled before, else (later) the default registry. So pulling
//! upstream's `traceloop` does not silently replace ours. A name with a slash never means an embedded image.

use std::path::{Path, PathBuf};

use crate::archive::{self, ArchiveFile, Exported};
use crate::blobs::Blobs;
use crate::embedded::EmbeddedImage;
use crate::image::{Image, Source};
use crate::layout::{LayoutDir, only_image};
use crate::oci::{ANNOTATION_CREATED, Descriptor, host_arch};
use crate::store::{Lock, NewTag, Origin, Store, Tag, Writer};
use crate::{Digest, Error, Reference, Result, is_bare, is_path};

/// All images that can be named on this machine.
#[derive(Debug, Clone)]
pub struct Catalog {
    store: Store,
    embedded: Vec<EmbeddedImage>,
}

/// Where a listed image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListedSource {
    /// In the store, put there in this way.
    Store(Origin),
    /// In the binary; `shadowed` when its name means an image of the store.
    Embedded {
        /// Whether a tag of the user hides it.
        shadowed: bool,
    },
}

/// A line of `image list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name; `None` for an image that was built without one.
    pub reference: Option<Reference>,
    /// The digest of the image index.
    pub digest: Digest,
    /// The build date in RFC 3339, or an empty text.
    pub created: String,
    /// Where it is.
    pub source: ListedSource,
}

/// An image that has been found, not read yet.
struct Located {
    blobs: Box<dyn Blobs>,
    root: Descriptor,
    source: Source,
    reference: Option<Reference>,
    /// Keeps a store's blobs until the image has been read.
    _reader: Option<Lock>,
}

impl Catalog {
    /// Joins a store and the images of the binary.
    pub fn new(store: Store, embedded: Vec<EmbeddedImage>) -> Self {
        Self { store, embedded }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The images of the binary.
    pub fn embedded(&self) -> &[EmbeddedImage] {
        &self.embedded
    }

    /// Finds an image and loads it for this machine's architecture.
    ///
    /// # Errors
    /// [`Error::NotFound`] with similar names, an invalid reference, or what is wrong with the image.
    pub fn find(&self, arg: &str) -> Result<Image> {
        if let Some(embedded) = self.winning_embedded(arg)? {
            // Loaded without hashing, see `embedded.rs`.
            return embedded.load();
        }
        let located = self.locate(arg)?;
        Image::load(
            located.blobs.as_ref(),
            &located.root,
            located.source,
            located.reference,
            host_arch(),
        )
    }

    /// Like [`Catalog::find`], but with every digest checked even if the image is embedded: for `inspect`.
    ///
    /// # Errors
    /// As [`Catalog::find`].
    pub fn find_verified(&self, arg: &str) -> Result<Image> {
        let located = self.locate(arg)?;
        Image::load(
            located.blobs.as_ref(),
            &located.root,
            located.source,
            located.reference,
            host_arch(),
        )
    }

    /// Every image of the store for this machine's architecture, and every embedded one, sorted by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let stored = self.store.list()?;
        let embedded = self.embedded.iter().map(|image| {
            let name = image.reference();
            let shadowed = stored
                .iter()
                .any(|tag| tag.reference.as_ref() == Some(name) && tag.origin.is_local());
            let created = image
                .root()
                .annotations
                .get(ANNOTATION_CREATED)
                .cloned()
                .unwrap_or_default();
            let (reference, digest) = (Some(name.clone()), image.digest().clone());
            Listed {
                reference,
                digest,
                created,
                source: ListedSource::Embedded { shadowed },
            }
        });
        let mut all: Vec<Listed> = embedded.collect();
        all.extend(stored.iter().map(|tag| Listed {
            reference: tag.reference.clone(),
            digest: tag.digest.clone(),
            created: tag.created.clone(),
            source: ListedSource::Store(tag.origin),
        }));
        all.sort_by(|a, b| (&a.reference, &a.digest).cmp(&(&b.reference, &b.digest)));
        Ok(all)
    }

    /// Gives an image the further name `dst` in the store; blobs from elsewhere are copied there.
    ///
    /// # Errors
    /// [`Error::NotFound`], damage, or a store that cannot be written.
    pub fn tag(&self, src: &str, dst: &Reference) -> Result<Tag> {
        let located = self.locate(src)?;
        if let (Source::Store { .. }, Some(reference)) =
            (&located.source, located.reference.clone())
        {
            // Our own reader's lock would keep the collector away.
            drop(located);
            return self.store.tag(&reference, dst);
        }
        let writer = Writer::new(&self.store)?;
        if let Err(error) = writer.copy(located.blobs.as_ref(), &located.root) {
            writer.abort();
            return Err(error);
        }
        writer.commit(vec![NewTag {
            name: Some(dst.to_string()),
            target: located.root,
            origin: Origin::Tagged,
        }])?;
        self.store.resolve(dst)
    }

    /// Removes a tag from the store.
    ///
    /// # Errors
    /// [`Error::EmbeddedImage`] for what is part of the binary, [`Error::NotFound`], or a store that cannot be written.
    pub fn remove(&self, arg: &str) -> Result<Tag> {
        let reference = Reference::parse(arg)?;
        match self.store.remove(&reference) {
            Err(Error::NotFound { .. })
                if self.embedded.iter().any(|image| image.matches(&reference)) =>
            {
                Err(Error::EmbeddedImage {
                    reference: reference.short(),
                })
            }
            Err(Error::NotFound { .. }) => Err(self.not_found(&reference, "")),
            other => other,
        }
    }

    /// Writes images into an uncompressed archive; the same images always give the same bytes.
    ///
    /// # Errors
    /// When an image is not found, damaged or (from a layout) nameless, or the archive cannot be written.
    pub fn export(&self, images: &[&str], path: &Path) -> Result<()> {
        let located = images
            .iter()
            .map(|arg| self.locate(arg))
            .collect::<Result<Vec<_>>>()?;
        let exported = located.iter().map(|image| {
            let no_name = || Error::NoImage {
                path: PathBuf::from(image.source.to_string()),
            };
            let name = image.reference.clone().ok_or_else(no_name)?;
            Ok(Exported {
                blobs: image.blobs.as_ref(),
                root: image.root.clone(),
                name,
            })
        });
        archive::write(path, &exported.collect::<Result<Vec<_>>>()?)
    }

    /// Copies the images of an archive into the store.
    ///
    /// # Errors
    /// As [`archive::import`].
    pub fn import(&self, path: &Path) -> Result<Vec<Reference>> {
        archive::import(&self.store, path)
    }

    fn locate(&self, arg: &str) -> Result<Located> {
        if is_path(arg) {
            return locate_path(Path::new(arg));
        }
        if let Some(image) = self.winning_embedded(arg)? {
            let (root, reference) = (image.root().clone(), Some(image.reference().clone()));
            return Ok(Located {
                blobs: Box::new(image.clone()),
                root,
                source: Source::Embedded,
                reference,
                _reader: None,
            });
        }
        let reference = Reference::parse(arg)?;
        let reader = self.store.reader_lock()?;
        let Some(tag) = self.store.lookup(&reference)? else {
            return Err(
                self.not_found(&reference, "; pulling from a registry is not supported yet")
            );
        };
        let source = Source::Store {
            path: self.store.path().to_path_buf(),
        };
        let (blobs, root) = (Box::new(self.store.clone()), tag.descriptor);
        Ok(Located {
            blobs,
            root,
            source,
            reference: Some(reference),
            _reader: reader,
        })
    }

    /// The embedded image that a name means, unless the user has a tag of that name.
    fn winning_embedded(&self, arg: &str) -> Result<Option<&EmbeddedImage>> {
        if is_path(arg) || !is_bare(arg) {
            return Ok(None);
        }
        let reference = Reference::parse(arg)?;
        let Some(image) = self.embedded.iter().find(|image| image.matches(&reference)) else {
            return Ok(None);
        };
        let shadowed = self
            .store
            .lookup(&reference)?
            .is_some_and(|tag| tag.origin.is_local());
        Ok((!shadowed).then_some(image))
    }

    fn not_found(&self, reference: &Reference, advice: &str) -> Error {
        let wanted = last_part(reference.repository());
        // Names are a courtesy here: a store that cannot be listed has failed before.
        let listed = self.list().unwrap_or_default();
        let mut similar: Vec<String> = listed
            .iter()
            .filter_map(|l| l.reference.as_ref())
            .filter(|r| is_similar(wanted, last_part(r.repository())))
            .map(|r| format!("`{}`", r.short()))
            .collect();
        similar.dedup();
        similar.truncate(5);
        let names = if similar.is_empty() {
            String::new()
        } else {
            format!("; similar images here: {}", similar.join(", "))
        };
        Error::NotFound {
            reference: reference.to_string(),
            hint: format!("{advice}{names}"),
        }
    }
}

impl EmbeddedImage {
    fn matches(&self, reference: &Reference) -> bool {
        let own = self.reference();
        let tag_ok = reference.tag().is_none_or(|tag| own.tag() == Some(tag));
        let digest_ok = reference
            .digest()
            .is_none_or(|digest| digest == self.digest());
        own.repository() == reference.repository() && tag_ok && digest_ok
    }
}

fn locate_path(path: &Path) -> Result<Located> {
    let metadata = path.metadata().map_err(Error::io("open", path))?;
    if metadata.is_dir() {
        let layout = LayoutDir::open(path)?;
        let (root, reference) = only_image(&layout.index, path)?;
        let (root, source) = (root.clone(), Source::Layout(path.to_path_buf()));
        return Ok(Located {
            blobs: Box::new(layout),
            root,
            source,
            reference,
            _reader: None,
        });
    }
    let archive = ArchiveFile::open(path)?;
    let (root, reference) = only_image(&archive.index, path)?;
    let (root, source) = (root.clone(), Source::Archive(path.to_path_buf()));
    Ok(Located {
        blobs: Box::new(archive),
        root,
        source,
        reference,
        _reader: None,
    })
}

fn last_part(repository: &str) -> &str {
    repository
        .rsplit_once('/')
        .map_or(repository, |(_, last)| last)
}

/// One contains the other, or at most a third of the letters differ: enough for a slip of the finger.
fn is_similar(wanted: &str, name: &str) -> bool {
    wanted.contains(name)
        || name.contains(wanted)
        || distance(wanted, name) * 3 <= wanted.len().min(name.len())
}

/// Levenshtein distance; names have at most 255 bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_near() {
        assert_eq!(
            (
                distance("kitten", "sitting"),
                distance("", "ab"),
                distance("a", "a")
            ),
            (3, 2, 0)
        );
        assert!(is_similar("tracelop", "traceloop"));
        assert!(!is_similar("snapshot", "traceloop"));
    }
}
