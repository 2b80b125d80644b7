//! From a command's name to the file that is executed, so that the recording has one `execve` and no failed attempts.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::CommandError;

/// Where a name without a slash is looked for when there is no `PATH`; what glibc's `execvp` uses.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A command whose file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The file.
    pub path: PathBuf,
    /// The arguments, the first being the name as it was typed.
    pub args: Vec<OsString>,
}

impl Resolved {
    /// The command's own name, without folders.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

/// Finds the file of a command as a shell does.
///
/// # Errors
/// [`CommandError::NotFound`] or [`CommandError::NotExecutable`]. A name that is found but not executable in one folder of
/// `PATH` may still be found in a later one.
pub fn resolve(args: &[OsString]) -> Result<Resolved, CommandError> {
    let name = args
        .first()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| CommandError::NotFound(String::new()))?;
    let path = if name.as_bytes().contains(&b'/') {
        check(Path::new(name))?;
        PathBuf::from(name)
    } else {
        search(
            name,
            &env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into()),
        )?
    };
    Ok(Resolved {
        path,
        args: args.to_vec(),
    })
}

fn search(name: &OsStr, folders: &OsStr) -> Result<PathBuf, CommandError> {
    let mut refused = None;
    for folder in env::split_paths(folders) {
        // An empty entry is the current folder.
        let candidate = if folder.as_os_str().is_empty() {
            Path::new(".").join(name)
        } else {
            folder.join(name)
        };
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(CommandError::NotFound(_)) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| CommandError::NotFound(name.to_string_lossy().into_owned())))
}

fn check(path: &Path) -> Result<(), CommandError> {
    let shown = || path.to_string_lossy().into_owned();
    let metadata = path.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            CommandError::NotExecutable(shown(), error.to_string())
        }
        _ => CommandError::NotFound(shown()),
    })?;
    if metadata.is_dir() {
        return Err(CommandError::NotExecutable(
            shown(),
            "it is a directory".into(),
        ));
    }
    rustix::fs::access(path, Access::EXEC_OK).map_err(|error| {
        CommandError::NotExecutable(shown(), std::io::Error::from(error).to_string())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn args(name: &str) -> Vec<OsString> {
        vec![name.into(), "-x".into()]
    }

    #[test]
    fn a_bare_name_is_found_in_the_path() {
        let resolved = resolve(&args("sh")).unwrap();
        assert!(resolved.path.is_absolute());
        assert_eq!(resolved.name(), "sh");
        assert_eq!(resolved.args, args("sh"));
    }

    #[test]
    fn a_missing_command_is_not_found() {
        assert!(matches!(
            resolve(&args("no-such-command-anywhere")),
            Err(CommandError::NotFound(_))
        ));
        assert!(matches!(
            resolve(&args("/no/such/file")),
            Err(CommandError::NotFound(_))
        ));
        assert!(matches!(resolve(&[]), Err(CommandError::NotFound(_))));
        assert!(matches!(resolve(&args("")), Err(CommandError::NotFound(_))));
    }

    #[test]
    fn folders_and_plain_files_are_not_executable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plain");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        for path in [folder.path(), &file] {
            assert!(matches!(
                resolve(&args(path.to_str().unwrap())),
                Err(CommandError::NotExecutable(..))
            ));
        }
    }

    #[test]
    fn a_later_folder_may_have_the_executable_one() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, mode) in [(&first, 0o644), (&second, 0o755)] {
            let file = folder.path().join("tool");
            std::fs::write(&file, "x").unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        }
        let path = env::join_paths([first.path(), second.path()]).unwrap();
        assert_eq!(
            search(OsStr::new("tool"), &path).unwrap(),
            second.path().join("tool")
        );
    }
}
