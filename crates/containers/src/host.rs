//! The host's file system, from wherever we run: in a container it is mounted at the folder that `HOST_ROOT` names.
//!
//! Paths that runtimes or processes tell are those of the host. They are resolved below that folder, and links cannot lead
//! out of it.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

/// Where the host's root is mounted.
const ROOT_VARIABLE: &str = "HOST_ROOT";

/// The root of the host's file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoot {
    folder: PathBuf,
}

impl Default for HostRoot {
    fn default() -> Self {
        Self::new("/")
    }
}

impl HostRoot {
    /// The host's root at a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The host's root as `HOST_ROOT` says, else `/`.
    #[must_use]
    pub fn from_env() -> Self {
        env::var_os(ROOT_VARIABLE)
            .filter(|folder| !folder.is_empty())
            .map_or_else(Self::default, Self::new)
    }

    fn is_own(&self) -> bool {
        self.folder == Path::new("/")
    }

    /// A path of a file system of the kernel's (`proc`, `sys`), where nobody can lay links.
    pub(crate) fn kernel_path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.folder.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Opens a path of the host without following links out of its root.
    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        if self.is_own() {
            return Ok(rustix::fs::open(path, flags, Mode::empty())?);
        }
        let root = rustix::fs::openat(
            CWD,
            &self.folder,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(
            root,
            path,
            flags,
            Mode::empty(),
            resolve,
        )?)
    }

    /// Whether a path of the host exists.
    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.open(path, OFlags::PATH).is_ok()
    }

    /// Something to connect to a socket of the host with; the descriptor keeps it valid.
    pub(crate) fn socket(&self, path: &Path) -> io::Result<(PathBuf, Option<OwnedFd>)> {
        if self.is_own() {
            return Ok((path.to_owned(), None));
        }
        let socket = self.open(path, OFlags::PATH)?;
        // The way to connect to what a descriptor stands for (unix(7) knows no connectat).
        let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
        Ok((path.into(), Some(socket)))
    }

    /// Reads a regular file of the host that is not longer than `limit` bytes.
    pub(crate) fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        // A FIFO in the file's place must not hold us.
        let file = File::from(self.open(path, OFlags::RDONLY | OFlags::NONBLOCK)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        read_limited(file, limit)
    }
}

/// Reads all of a source that must not have more than `limit` bytes.
pub(crate) fn read_limited(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_do_not_lead_out_of_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("secret");
        std::fs::write(&outside, "outside").unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/inside"), "inside").unwrap();
        symlink("../../../secret", root.join("up")).unwrap();
        symlink("/etc/inside", root.join("absolute")).unwrap();
        let host = HostRoot::new(&root);
        assert_eq!(host.read(Path::new("/absolute"), 100).unwrap(), b"inside");
        assert!(host.read(Path::new("/up"), 100).is_err());
        assert!(host.read(&outside, 100).is_err());
        assert!(host.exists(Path::new("/etc/inside")) && !host.exists(Path::new("/etc/none")));
    }

    #[test]
    fn a_socket_below_a_root_can_be_connected_to() {
        use std::os::unix::net::{UnixListener, UnixStream};
        let folder = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(folder.path().join("s.sock")).unwrap();
        let host = HostRoot::new(folder.path());
        let (path, _keep) = host.socket(Path::new("/s.sock")).unwrap();
        UnixStream::connect(path).unwrap();
    }

    #[test]
    fn only_regular_files_of_sane_length_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "12345").unwrap();
        let host = HostRoot::default();
        assert_eq!(host.read(&file, 5).unwrap(), b"12345");
        let error = host.read(&file, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(host.read(folder.path(), 100).is_err());
        assert!(host.read(Path::new("/dev/zero"), 100).is_err());
    }
}
