//! Files of an OCI layout: reading `index.json`, and writing anything so that a reader sees all of it or nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::blobs::open_regular;
use crate::limits::MAX_INDEX_FILE_BYTES;
use crate::oci::Index;
use crate::{Error, Result, json};

pub(crate) const LAYOUT_FILE: &str = "oci-layout";
pub(crate) const INDEX_FILE: &str = "index.json";
pub(crate) const LAYOUT_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Prefix of our files in `ingest/`.
const TEMP_PREFIX: &str = "gizmo-";

/// Creates the folders and the version file of a layout, where they are missing.
pub(crate) fn create_layout(root: &Path) -> Result<()> {
    for dir in [
        root.to_path_buf(),
        root.join("blobs/sha256"),
        root.join("ingest"),
    ] {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(Error::io("create", &dir))?;
    }
    let layout = root.join(LAYOUT_FILE);
    if !layout.exists() {
        replace(root, &layout, LAYOUT_CONTENT, 0o644)?;
    }
    check_layout(root)
}

/// Fails unless `root` has the layout version that we know.
pub(crate) fn check_layout(root: &Path) -> Result<()> {
    let path = root.join(LAYOUT_FILE);
    match read_limited(&path, 4096) {
        Ok(text) => check_layout_text(root, &text),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            let reason = format!("it has no file `{LAYOUT_FILE}`");
            Err(Error::NotALayout {
                path: root.to_path_buf(),
                reason,
            })
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn check_layout_text(path: &Path, text: &[u8]) -> Result<()> {
    let value: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    let version = value
        .get("imageLayoutVersion")
        .and_then(|v| v.as_str())
        .unwrap_or("");
    if version == "1.0.0" {
        return Ok(());
    }
    let reason = format!(
        "its layout version is `{}`, not `1.0.0`",
        version.escape_debug()
    );
    Err(Error::NotALayout {
        path: path.to_path_buf(),
        reason,
    })
}

/// Reads `index.json`; a store without one is empty.
pub(crate) fn read_index(root: &Path) -> Result<Index> {
    let path = root.join(INDEX_FILE);
    match read_limited(&path, MAX_INDEX_FILE_BYTES) {
        Ok(text) => Index::parse(&text, "store index", path.display()),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Ok(Index::default())
        }
        Err(error) => Err(error),
    }
}

/// Replaces `index.json`; the caller holds its lock.
pub(crate) fn write_index(root: &Path, index: &Index) -> Result<()> {
    let path = root.join(INDEX_FILE);
    let text = json::to_vec(index);
    if text.len() as u64 > MAX_INDEX_FILE_BYTES {
        let (size, limit) = (text.len() as u64, MAX_INDEX_FILE_BYTES);
        return Err(Error::TooLarge {
            what: "store index",
            name: path.display().to_string(),
            size,
            limit,
        });
    }
    replace(root, &path, &text, 0o600)?;
    sync_dir(root)
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open_regular(path).map_err(Error::io("open", path))?;
    let size = file
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))? as u64;
    if size > limit {
        return Err(Error::TooLarge {
            what: "file",
            name: path.display().to_string(),
            size,
            limit,
        });
    }
    Ok(bytes)
}

/// Writes `content` into `ingest/`, flushes it to the disk and moves it to `path` in one step.
pub(crate) fn replace(root: &Path, path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let (temp, mut file) = create_temp(&root.join("ingest"), mode)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(Error::io("write", &temp));
    let moved = written.and_then(|()| fs::rename(&temp, path).map_err(Error::io("rename", &temp)));
    if moved.is_err() {
        // Best effort: what stays is removed by the next collection.
        let _ = fs::remove_file(&temp);
    }
    moved
}

fn create_temp(dir: &Path, mode: u32) -> Result<(PathBuf, File)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    // Names cannot meet within one PID namespace; across namespaces `create_new` finds out and the next is tried.
    loop {
        let serial = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{TEMP_PREFIX}{}-{serial}", std::process::id()));
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
        {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create", &path)(error)),
        }
    }
}

/// Makes renames in a folder survive a power failure.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|file| file.sync_all())
        .map_err(Error::io("flush", dir))
}

/// Removes what killed writers left in `ingest/`; the caller holds the collector's lock, so none of ours is alive.
///
/// Files of other tools (`ig` knows nothing of our lock) stay for a day.
pub(crate) fn clean_ingest(root: &Path) -> Result<()> {
    const FOREIGN_AGE_SECS: u64 = 24 * 3600;
    let dir = root.join("ingest");
    for entry in fs::read_dir(&dir).map_err(Error::io("read", &dir))? {
        let entry = entry.map_err(Error::io("read", &dir))?;
        let ours = entry.file_name().to_string_lossy().starts_with(TEMP_PREFIX);
        let age = entry
            .metadata()
            .and_then(|m| m.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if ours || age.is_some_and(|age| age.as_secs() > FOREIGN_AGE_SECS) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
