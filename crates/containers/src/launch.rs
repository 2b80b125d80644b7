//! What happens between `fork` and the command's own `execve`.
//!
//! Gizmo starts itself with a hidden subcommand, which moves into its own mount namespace, stops itself, and becomes the
//! command when it is continued. A process of its own is simpler to get right than code between `fork` and `exec` of a
//! process with threads, and needs no descriptor that the command could inherit.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;

use nix::sched::{CloneFlags, unshare};
use rustix::process::{Signal, getpid, getppid, kill_process, set_parent_process_death_signal};

/// The hidden subcommand that runs [`launch`].
pub const LAUNCH_COMMAND: &str = "__launch";

/// Exit code when the namespace cannot be made.
pub(crate) const SETUP_FAILED: u8 = 125;

/// Becomes a command: `args` are its file, then its arguments from the name on. Returns only what went wrong, with the exit
/// code that tells it: 125 for Gizmo's own part, 126 and 127 as shells do.
pub fn launch(args: &[OsString]) -> (u8, io::Error) {
    let Some((file, argv)) = args.split_first() else {
        return (SETUP_FAILED, io::Error::other("no command to launch"));
    };
    if let Err(error) = prepare() {
        return (SETUP_FAILED, error);
    }
    let mut command = std::process::Command::new(file);
    if let Some((name, rest)) = argv.split_first() {
        command.arg0(name).args(rest);
    }
    let error = command.exec();
    let code = if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    };
    (code, error)
}

/// Returns when the process has been continued.
fn prepare() -> io::Result<()> {
    let parent = getppid();
    // Who holds us may die; a stopped process would stay for ever.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != parent {
        return Err(io::Error::other(
            "the process that started the command is gone",
        ));
    }
    // Nothing is remounted: mounts still propagate as they did (mount_namespaces(7)).
    unshare(CloneFlags::CLONE_NEWNS)?;
    kill_process(getpid(), Signal::STOP)?;
    set_parent_process_death_signal(None)?;
    Ok(())
}
