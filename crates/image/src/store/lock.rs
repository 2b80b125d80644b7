//! Advisory locks of a store: who may touch what at the same time.
//!
//! Two files, both locked with `flock`, so that a killed process leaves none behind.
//!
//! | lock | shared | exclusive |
//! |---|---|---|
//! | `gc.lock` | writing blobs up to the commit of their tag; reading an image | deleting blobs |
//! | `index.json.lock` | – | one read-modify-write of `index.json` (the file `ig` locks, too) |
//!
//! The order is always `gc.lock` before `index.json.lock`. The second is held for the time of reading and renaming
//! one small file; nobody needs the optimistic retry of `ig`, which computes outside the lock and compares later.
//! The collector only *tries* to get `gc.lock`: while anybody writes or reads, garbage simply stays until next time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::{Error, Result};

/// Holds a lock until dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

fn open(root: &Path, name: &str) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(root.join(name))
}

/// The right to change `index.json`.
pub(crate) fn index(root: &Path) -> Result<Lock> {
    exclusive(root, "index.json.lock")
}

fn exclusive(root: &Path, name: &str) -> Result<Lock> {
    let file = open(root, name).map_err(Error::io("open", root.join(name)))?;
    file.lock().map_err(Error::io("lock", root.join(name)))?;
    Ok(Lock(file))
}

/// Keeps the collector away while blobs are written.
pub(crate) fn writer(root: &Path) -> Result<Lock> {
    let path = root.join("gc.lock");
    let file = open(root, "gc.lock").map_err(Error::io("open", &path))?;
    file.lock_shared().map_err(Error::io("lock", &path))?;
    Ok(Lock(file))
}

/// Keeps the collector away while an image is read; a store that we may not write to has no collector of ours.
pub(crate) fn reader(root: &Path) -> Result<Option<Lock>> {
    let path = root.join("gc.lock");
    let file = match open(root, "gc.lock").or_else(|_| File::open(&path)) {
        Ok(file) => file,
        Err(error)
            if [
                ErrorKind::NotFound,
                ErrorKind::PermissionDenied,
                ErrorKind::ReadOnlyFilesystem,
            ]
            .contains(&error.kind()) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Error::io("open", &path)(error)),
    };
    file.lock_shared().map_err(Error::io("lock", &path))?;
    Ok(Some(Lock(file)))
}

/// The right to delete blobs, if nobody is writing or reading right now.
pub(crate) fn try_collector(root: &Path) -> Result<Option<Lock>> {
    let path = root.join("gc.lock");
    let file = open(root, "gc.lock").map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
    }
}
