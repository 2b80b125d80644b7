//! Compiled code on disk: a directory that only its owner can read or write, and files that appear whole or not at all.
//!
//! Loading compiled code runs it, so a cache is trusted only when nobody but the effective user can have written it. The
//! directory is opened once, checked through its descriptor, and used only through it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

/// Larger files are not ours: the largest official guest has 5 MB, its code 20 MB.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Longer digests are not ours: `sha512:` and 128 digits fit.
const MAX_DIGEST_BYTES: usize = 160;

pub(crate) struct Cache {
    dir: OwnedFd,
    /// Version and configuration of the engine.
    engine_key: u64,
}

impl Cache {
    /// Opens the directory, which is created if need be. `None`, with a warning, when it cannot be trusted.
    pub(crate) fn open(path: &Path, engine: &wasmtime::Engine) -> Option<Self> {
        let dir = open_checked(path)
            .inspect_err(|reason| {
                tracing::warn!(path = %path.display(), reason, "the cache for compiled guests is not used");
            })
            .ok()?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Some(Self {
            dir,
            engine_key: hasher.finish(),
        })
    }

    /// The file's bytes; `None` when there is no trustworthy one.
    pub(crate) fn read(&self, digest: &str) -> Option<Vec<u8>> {
        let name = self.file_name(digest)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.dir, &name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        let checked = check_owner(&stat, FileType::RegularFile, 0o022);
        let trusted = checked.and_then(|()| match size {
            0..=MAX_FILE_BYTES => Ok(()),
            _ => Err("it is too large".into()),
        });
        if let Err(reason) = trusted {
            tracing::warn!(
                file = name,
                reason,
                "a file in the cache for compiled guests is ignored"
            );
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).ok()?);
        std::fs::File::from(file)
            .take(MAX_FILE_BYTES)
            .read_to_end(&mut bytes)
            .ok()?;
        Some(bytes)
    }

    /// Stores a file; a failure costs time later, nothing else.
    pub(crate) fn write(&self, digest: &str, bytes: &[u8]) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Some(name) = self.file_name(digest) else {
            return;
        };
        let temporary = format!(
            ".tmp-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        if let Err(error) = self.write_through(&temporary, &name, bytes) {
            tracing::warn!(file = name, %error, "compiled code cannot be cached");
            let _ = rustix::fs::unlinkat(&self.dir, &temporary, AtFlags::empty());
        }
    }

    fn write_through(&self, temporary: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || rustix::fs::openat(&self.dir, temporary, flags, Mode::RUSR | Mode::WUSR);
        let file = match create() {
            // Left behind by a process of the same number that was killed while writing.
            Err(rustix::io::Errno::EXIST) => {
                rustix::fs::unlinkat(&self.dir, temporary, AtFlags::empty())?;
                create()?
            }
            other => other?,
        };
        std::fs::File::from(file).write_all(bytes)?;
        rustix::fs::renameat(&self.dir, temporary, &self.dir, name)?;
        Ok(())
    }

    fn file_name(&self, digest: &str) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let digest = digest.replace(':', "-");
        let fits =
            !digest.is_empty() && digest.len() <= MAX_DIGEST_BYTES && digest.bytes().all(plain);
        fits.then(|| format!("{digest}-{:016x}.code", self.engine_key))
    }
}

fn open_checked(path: &Path) -> Result<OwnedFd, String> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| error.to_string())?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| error.to_string())?;
    let stat = rustix::fs::fstat(&dir).map_err(|error| error.to_string())?;
    check_owner(&stat, FileType::Directory, 0o077)?;
    Ok(dir)
}

fn check_owner(stat: &rustix::fs::Stat, kind: FileType, forbidden: u32) -> Result<(), String> {
    if FileType::from_raw_mode(stat.st_mode) != kind {
        return Err("it has the wrong file type".into());
    }
    let own = rustix::process::geteuid().as_raw();
    if stat.st_uid != own {
        return Err(format!("it belongs to user {}, not {own}", stat.st_uid));
    }
    if stat.st_mode & forbidden != 0 {
        return Err(format!(
            "others have access to it (mode {:o})",
            stat.st_mode & 0o7777
        ));
    }
    Ok(())
}
