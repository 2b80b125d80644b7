//! Runs without root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::turn;
use crate::support::{BINARY, Ran, clean};

#[test]
#[ignore = "root: becomes another user"]
fn without_root_the_error_says_what_is_needed() {
    let turn = turn();
    // Where another user can read and execute it.
    fs::set_permissions(turn.path(""), PermissionsExt::from_mode(0o777)).unwrap();
    let binary = turn.path("gizmo");
    fs::copy(BINARY, &binary).unwrap();
    let nobody = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--clear-groups"])
            .arg(&binary);
        command.arg("--store").arg(turn.store()).args(args);
        clean(&mut command);
        Ran::of(&mut command)
    };
    let created = turn.name("created");
    let ran = nobody(&["run", "traceloop", "--", "touch", &created]);
    ran.is_error(1, &["must be run as root", "CAP_SYS_ADMIN"]);
    assert_eq!(ran.stderr().lines().count(), 1, "{}", ran.stderr());
    assert!(!turn.path("created").exists(), "the command was run");
    let ran = nobody(&["bench", "overhead"]);
    ran.is_error(1, &["`gizmo bench` must be run as root", "CAP_SYS_ADMIN"]);
    // Everything that needs no rights works.
    for args in [
        vec!["image", "list"],
        vec!["image", "inspect", "traceloop"],
        vec!["run", "traceloop", "--help"],
    ] {
        let ran = nobody(&args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr());
    }
}
