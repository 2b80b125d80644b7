//! Writing to a store: blobs first, then the tags that point to them, all tags in one step.

use std::path::{Path, PathBuf};

use crate::blobs::{Blobs, Role, read_from_layout, verify, walk};
use crate::oci::{ANNOTATION_ORIGIN, ANNOTATION_REF_NAME, Descriptor, Index};
use crate::store::{Origin, Store, files, lock};
use crate::{Error, Result};

/// A writer keeps the collector away from its creation until its tags are committed.
pub(crate) struct Writer<'s> {
    store: &'s Store,
    lock: lock::Lock,
}

/// A new entry of `index.json`.
pub(crate) struct NewTag {
    /// The tag, usually a full reference; `None` keeps the image without a name.
    pub(crate) name: Option<String>,
    pub(crate) target: Descriptor,
    pub(crate) origin: Origin,
}

impl<'s> Writer<'s> {
    pub(crate) fn new(store: &'s Store) -> Result<Self> {
        files::create_layout(store.path())?;
        Ok(Self {
            store,
            lock: lock::writer(store.path())?,
        })
    }

    /// Copies every blob of the graph under `root` into the store, verifying each.
    pub(crate) fn copy(&self, from: &dyn Blobs, root: &Descriptor) -> Result<()> {
        walk(from, root, &mut |descriptor, role, bytes| {
            self.put(descriptor, role, bytes)
        })
    }

    fn put(&self, descriptor: &Descriptor, role: Role, bytes: &[u8]) -> Result<()> {
        verify(descriptor, role, bytes)?;
        // A blob that is there and intact is left alone; a damaged one is replaced.
        if read_from_layout(self.store.path(), descriptor, role).is_ok() {
            return Ok(());
        }
        let path = blob_dir(self.store.path()).join(descriptor.digest.sha256_hex()?);
        files::replace(self.store.path(), &path, bytes, 0o444)
    }

    /// Adds or moves tags, then gives way to the collector if a moved tag left something behind.
    pub(crate) fn commit(self, tags: Vec<NewTag>) -> Result<()> {
        files::sync_dir(&blob_dir(self.store.path()))?;
        let replaced = self.store.change_index(|index| {
            let mut replaced = false;
            for tag in tags {
                replaced |= add_tag(index, tag);
            }
            Ok(replaced)
        })?;
        drop(self.lock);
        if replaced {
            self.store.collect_garbage_quietly();
        }
        Ok(())
    }

    /// Gives up: what was written is garbage.
    pub(crate) fn abort(self) {
        drop(self.lock);
        self.store.collect_garbage_quietly();
    }
}

fn blob_dir(root: &Path) -> PathBuf {
    root.join("blobs/sha256")
}

impl Store {
    /// The one way to change `index.json`: read, change and rename under its lock.
    pub(crate) fn change_index<T>(
        &self,
        change: impl FnOnce(&mut Index) -> Result<T>,
    ) -> Result<T> {
        let _lock = lock::index(self.path())?;
        let before = files::read_index(self.path())?;
        let mut after = before.clone();
        let value = change(&mut after)?;
        if after != before || !self.path().join(files::INDEX_FILE).exists() {
            files::write_index(self.path(), &after)?;
        }
        Ok(value)
    }
}

/// Adds a tag to an index; says whether another image lost its name by that.
pub(crate) fn add_tag(index: &mut Index, tag: NewTag) -> bool {
    let NewTag {
        name,
        mut target,
        origin,
    } = tag;
    target.annotations.remove(ANNOTATION_REF_NAME);
    target
        .annotations
        .insert(ANNOTATION_ORIGIN.to_owned(), origin.as_str().to_owned());
    let Some(name) = name else {
        if !index
            .manifests
            .iter()
            .any(|entry| entry.digest == target.digest)
        {
            index.manifests.push(target);
        }
        return false;
    };
    let digest = target.digest.clone();
    let replaced = index
        .manifests
        .iter()
        .any(|e| e.ref_name() == Some(&name) && e.digest != digest);
    // The image has a name now: its nameless entry, if any, has done its duty.
    index.manifests.retain(|e| {
        e.ref_name().is_some_and(|n| n != name) || (e.ref_name().is_none() && e.digest != digest)
    });
    target
        .annotations
        .insert(ANNOTATION_REF_NAME.to_owned(), name);
    index.manifests.push(target);
    replaced
}

/// A tag is kept as text by other tools: refuse what could not have been one.
pub(crate) fn check_tag_name(path: &Path, name: &str) -> Result<()> {
    let valid = !name.is_empty() && name.len() <= 512 && name.bytes().all(|b| b.is_ascii_graphic());
    if valid {
        return Ok(());
    }
    let shown: String = name.escape_debug().take(80).collect();
    Err(Error::Archive {
        path: path.to_path_buf(),
        reason: format!("`{shown}` is not a tag"),
    })
}
