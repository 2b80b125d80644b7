//! The local store: an OCI image layout, shared by any number of processes.
//!
//! Blobs are named by their digest, written to `ingest/`, flushed and renamed, and checked each time they are read. A
//! tag is an entry of `index.json`, which is only ever replaced as a whole. So a process can be killed anywhere: the
//! worst that stays is garbage. Who waits for whom is told in `lock.rs`.

mod files;
mod gc;
mod lock;
mod write;

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

pub use gc::Collected;

pub(crate) use files::{
    INDEX_FILE, LAYOUT_CONTENT, LAYOUT_FILE, check_layout, check_layout_text, read_index,
};
pub(crate) use lock::Lock;
pub(crate) use write::{NewTag, Writer, add_tag, check_tag_name};

use crate::blobs::{Blobs, Role, children, read_from_layout};
use crate::image::{Image, Source};
use crate::oci::{ANNOTATION_CREATED, ANNOTATION_ORIGIN, Descriptor, Index, host_arch};
use crate::{Digest, Error, Reference, Result};

/// How a tag got into a store.
///
/// A pulled image must not take the place of an embedded one of the same bare name; what the user made does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// By a build on this machine.
    Built,
    /// From an archive.
    Imported,
    /// From a registry.
    Pulled,
    /// By naming an image that was there already.
    Tagged,
    /// By another tool, which does not say.
    Unknown,
}

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Imported => "imported",
            Self::Pulled => "pulled",
            Self::Tagged => "tagged",
            Self::Unknown => "unknown",
        }
    }

    fn of(descriptor: &Descriptor) -> Self {
        match descriptor
            .annotations
            .get(ANNOTATION_ORIGIN)
            .map(String::as_str)
        {
            Some("built") => Self::Built,
            Some("imported") => Self::Imported,
            Some("pulled") => Self::Pulled,
            Some("tagged") => Self::Tagged,
            _ => Self::Unknown,
        }
    }

    /// Whether the user put the image there by hand.
    pub fn is_local(self) -> bool {
        matches!(self, Self::Built | Self::Imported | Self::Tagged)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A tag of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The name; `None` for an image that was built without one.
    pub reference: Option<Reference>,
    /// The digest of the image index.
    pub digest: Digest,
    /// The build date as the image states it, or an empty text.
    pub created: String,
    /// How it got there.
    pub origin: Origin,
    pub(crate) descriptor: Descriptor,
}

impl Tag {
    fn of(descriptor: &Descriptor) -> Self {
        Self {
            reference: descriptor.ref_name().and_then(|name| name.parse().ok()),
            digest: descriptor.digest.clone(),
            created: descriptor
                .annotations
                .get(ANNOTATION_CREATED)
                .cloned()
                .unwrap_or_default(),
            origin: Origin::of(descriptor),
            descriptor: descriptor.clone(),
        }
    }
}

/// A store on disk. Opening touches nothing; the directory is made by the first write.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store at `path`, which need not exist yet.
    ///
    /// # Errors
    /// When something is there that is not an OCI layout.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let root = path.into();
        if !is_in_the_making(&root) {
            check_layout(&root)?;
        }
        Ok(Self { root })
    }

    /// Where the store of the effective user is: `/var/lib/gizmo/oci-store` for root, else
    /// `<home>/.gizmo/oci-store` with the home of the user database (`HOME` when that knows none).
    ///
    /// # Errors
    /// [`Error::NoHome`] when neither says where home is.
    pub fn default_path() -> Result<PathBuf> {
        let uid = rustix::process::geteuid().as_raw();
        if uid == 0 {
            return Ok(PathBuf::from("/var/lib/gizmo/oci-store"));
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let home = home_of(uid, &users).or_else(|| std::env::var_os("HOME").map(PathBuf::from));
        let home = home
            .filter(|home| home.is_absolute())
            .ok_or(Error::NoHome { uid })?;
        Ok(home.join(".gizmo/oci-store"))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Every tag of a gadget image for this machine's architecture, in the order of their names; what cannot be read
    /// as one (tags of signatures, images for other machines, damaged ones) is left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self) -> Result<Vec<Tag>> {
        let _reader = self.reader_lock()?;
        let index = read_index(&self.root)?;
        let mut tags: Vec<Tag> = index
            .manifests
            .iter()
            .filter_map(|d| self.listed(d))
            .collect();
        tags.sort_by(|a, b| (&a.reference, &a.digest).cmp(&(&b.reference, &b.digest)));
        Ok(tags)
    }

    fn listed(&self, descriptor: &Descriptor) -> Option<Tag> {
        let mut tag = Tag::of(descriptor);
        let named = tag.reference.is_some() || descriptor.ref_name().is_none();
        let bytes = read_from_layout(&self.root, descriptor, Role::Index)
            .ok()
            .filter(|_| named && descriptor.is_index())?;
        let image = Index::parse(&bytes, "index", &descriptor.digest).ok()?;
        let manifest = image.manifest_for(host_arch())?;
        if let Some(created) = manifest.annotations.get(ANNOTATION_CREATED) {
            tag.created.clone_from(created);
        }
        Some(tag)
    }

    /// The tag that a reference means: the one of that name, else, for a reference with a digest, any entry with
    /// that digest which has the same repository or no name.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the store cannot be read.
    pub fn resolve(&self, reference: &Reference) -> Result<Tag> {
        self.lookup(reference)?.ok_or_else(|| not_found(reference))
    }

    /// Like [`Store::resolve`], but absence is a value.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn lookup(&self, reference: &Reference) -> Result<Option<Tag>> {
        let index = read_index(&self.root)?;
        Ok(position(&index, reference).map(|at| Tag::of(&index.manifests[at])))
    }

    /// Gives the image of `src` the further name `dst`; an image that had it before loses it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the store cannot be written.
    pub fn tag(&self, src: &Reference, dst: &Reference) -> Result<Tag> {
        // No lock against the collector: the image is reachable before and after, under the index lock.
        if !self.root.exists() {
            return Err(not_found(src));
        }
        let (tag, replaced) = self.change_index(|index| {
            let at = position(index, src).ok_or_else(|| not_found(src))?;
            let target = index.manifests[at].clone();
            let new = NewTag {
                name: Some(dst.to_string()),
                target,
                origin: Origin::Tagged,
            };
            let replaced = add_tag(index, new);
            Ok((
                index.manifests.last().map(Tag::of).expect("just added"),
                replaced,
            ))
        })?;
        if replaced {
            self.collect_garbage_quietly();
        }
        Ok(tag)
    }

    /// Removes a tag; with the last tag of an image, the image goes too.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the store cannot be written.
    pub fn remove(&self, reference: &Reference) -> Result<Tag> {
        if !self.root.exists() {
            return Err(not_found(reference));
        }
        let tag = self.change_index(|index| {
            let at = position(index, reference).ok_or_else(|| not_found(reference))?;
            let removed = index.manifests.remove(at);
            if !index
                .manifests
                .iter()
                .any(|e| e.digest == removed.digest && e.ref_name().is_some())
            {
                self.forget_nameless(index, &removed);
            }
            Ok(Tag::of(&removed))
        })?;
        self.collect_garbage_quietly();
        Ok(tag)
    }

    /// `ig` lists an image's index and manifests once more without a name; they must not keep it alive.
    fn forget_nameless(&self, index: &mut Index, removed: &Descriptor) {
        let role = Role::of_node(removed);
        let parts = read_from_layout(&self.root, removed, role)
            .and_then(|bytes| children(removed, role, &bytes))
            .unwrap_or_default();
        index.manifests.retain(|entry| {
            let part = entry.digest == removed.digest
                || parts.iter().any(|(d, _)| d.digest == entry.digest);
            entry.ref_name().is_some() || !part
        });
    }

    /// Loads an image for this machine's architecture into memory, verified.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what is wrong with the image.
    pub fn load(&self, reference: &Reference) -> Result<Image> {
        let _reader = self.reader_lock()?;
        let tag = self.resolve(reference)?;
        let source = Source::Store {
            path: self.root.clone(),
        };
        Image::load(
            self,
            &tag.descriptor,
            source,
            Some(reference.clone()),
            host_arch(),
        )
    }

    /// Keeps the blobs of whatever is resolved from now on, until dropped.
    pub(crate) fn reader_lock(&self) -> Result<Option<Lock>> {
        lock::reader(&self.root)
    }
}

impl Blobs for Store {
    fn read(&self, descriptor: &Descriptor, role: Role) -> Result<Cow<'static, [u8]>> {
        read_from_layout(&self.root, descriptor, role).map(Cow::Owned)
    }
}

/// Whether a directory is absent, empty, or holds no more than the first steps of making a store.
fn is_in_the_making(dir: &Path) -> bool {
    const FIRST_STEPS: [&str; 4] = ["ingest", "blobs", "gc.lock", "index.json.lock"];
    match fs::read_dir(dir) {
        Ok(entries) => entries
            .flatten()
            .all(|entry| FIRST_STEPS.iter().any(|name| entry.file_name() == *name)),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn not_found(reference: &Reference) -> Error {
    Error::NotFound {
        reference: reference.to_string(),
        hint: String::new(),
    }
}

fn position(index: &Index, reference: &Reference) -> Option<usize> {
    let name = reference.to_string();
    let exact = index
        .manifests
        .iter()
        .position(|e| e.ref_name() == Some(&name));
    exact.or_else(|| {
        let digest = reference.digest()?;
        index.manifests.iter().position(|e| {
            let same_repository = |n: &str| {
                n.parse::<Reference>()
                    .is_ok_and(|r| r.repository() == reference.repository())
            };
            e.digest == *digest && e.ref_name().is_none_or(same_repository)
        })
    })
}

fn home_of(uid: u32, users: &str) -> Option<PathBuf> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        (fields.next()?.parse() == Ok(uid)).then(|| fields.nth(2).map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_comes_from_the_sixth_field() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbad line\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(home_of(1000, users), Some(PathBuf::from("/home/ann")));
        assert_eq!(home_of(7, users), None);
    }
}
