//! Files that a run writes, and what was in them before.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Read and write for the owner alone.
const PRIVATE: u32 = 0o600;

/// A file that loses its old content when a run has begun: one that fails early leaves yesterday's recording alone.
pub(super) struct FreshFile {
    file: File,
    is_private: bool,
    is_fresh: bool,
}

impl FreshFile {
    /// A file for everybody whom the umask lets.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: writable().open(path)?,
            is_private: false,
            is_fresh: false,
        })
    }

    /// A file for the owner alone, which is not that of somebody else behind a symbolic link: root writes it.
    pub(super) fn open_private(path: &Path) -> io::Result<Self> {
        let no_link = OFlags::NOFOLLOW.bits().cast_signed();
        let opened = writable().mode(PRIVATE).custom_flags(no_link).open(path);
        let is_link = |error: &io::Error| error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
        let file = opened.map_err(|error| {
            if is_link(&error) {
                io::Error::other("it is a symbolic link, which is not followed")
            } else {
                error
            }
        })?;
        Ok(Self {
            file,
            is_private: true,
            is_fresh: false,
        })
    }

    fn refresh(&mut self) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        // A pipe or a terminal has no old content, and is what others have made.
        if metadata.is_file() {
            if self.is_private && metadata.permissions().mode() & 0o077 != 0 {
                self.file.set_permissions(Permissions::from_mode(PRIVATE))?;
            }
            self.file.set_len(0)?;
        }
        self.is_fresh = true;
        Ok(())
    }
}

fn writable() -> OpenOptions {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    options
}

impl Write for FreshFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        self.file.write(bytes)
    }

    /// The runtime flushes once, when everything that was asked for has been found right.
    fn flush(&mut self) -> io::Result<()> {
        if self.is_fresh {
            return Ok(());
        }
        self.refresh()
    }
}
