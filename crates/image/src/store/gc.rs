//! Garbage collection: removes blobs that no entry of `index.json` reaches.
//!
//! It runs under the exclusive `gc.lock` (see `lock.rs`), so no writer of ours is between its blobs and its tag, and
//! under the lock of `index.json`, so the entries stay as they were read. When any reachable document cannot be
//! read as what it should be, what it points to is unknown and nothing is removed.

use std::collections::HashSet;
use std::fs;

use crate::blobs::{Role, children, read_from_layout};
use crate::oci::Descriptor;
use crate::store::{Store, files, lock};
use crate::{Digest, Error, Result};

/// What a collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collected {
    /// So many blobs were removed.
    Removed(usize),
    /// Somebody is writing or reading; the garbage stays for the next time.
    Busy,
}

impl Store {
    /// Removes unreachable blobs and what killed writers left behind.
    ///
    /// # Errors
    /// When the store cannot be read or written, or a reachable index or manifest is damaged.
    pub fn collect_garbage(&self) -> Result<Collected> {
        if !self.path().exists() {
            return Ok(Collected::Removed(0));
        }
        files::create_layout(self.path())?;
        let Some(_collector) = lock::try_collector(self.path())? else {
            return Ok(Collected::Busy);
        };
        let _index = lock::index(self.path())?;
        files::clean_ingest(self.path())?;
        let live = self.live_digests()?;
        let dir = self.path().join("blobs/sha256");
        let mut removed = 0;
        for entry in fs::read_dir(&dir).map_err(Error::io("read", &dir))? {
            let entry = entry.map_err(Error::io("read", &dir))?;
            let name = entry.file_name();
            // Something that is not named like a blob is not ours to delete.
            let digest = name
                .to_str()
                .and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
            if digest.is_some_and(|digest| !live.contains(&digest)) {
                files::remove_if_there(&entry.path())?;
                removed += 1;
            }
        }
        Ok(Collected::Removed(removed))
    }

    /// Collection on the side of another request: that one has succeeded already.
    pub(crate) fn collect_garbage_quietly(&self) {
        if let Err(error) = self.collect_garbage() {
            let store = self.path().display();
            tracing::warn!(%store, error = &error as &dyn std::error::Error, "garbage collection failed");
        }
    }

    fn live_digests(&self) -> Result<HashSet<Digest>> {
        let index = files::read_index(self.path())?;
        let mut live = HashSet::new();
        let roots = index.manifests.into_iter().map(|descriptor| {
            let role = Role::of_node(&descriptor);
            (descriptor, role)
        });
        let mut todo: Vec<(Descriptor, Role)> = roots.collect();
        while let Some((descriptor, role)) = todo.pop() {
            if !live.insert(descriptor.digest.clone())
                || !matches!(role, Role::Index | Role::Manifest)
            {
                continue;
            }
            match read_from_layout(self.path(), &descriptor, role) {
                Ok(bytes) => todo.extend(children(&descriptor, role, &bytes)?),
                Err(Error::MissingBlob { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(live)
    }
}
