//! Test guest: names, numbers and declarations of system calls.
//!
//! Host provides: nothing; declarations need tracefs or a fall-back for `execve`.
//!
//! Expect: the run succeeds.

use gizmo_guest::{Error, ensure, export, syscall_declaration, syscall_id, syscall_name};

export! { init = init }

fn init() -> Result<(), Error> {
    ensure!(
        syscall_name(1337)? == "syscall_539",
        "the name of 1337 is {}",
        syscall_name(1337)?
    );
    ensure!(
        syscall_name(428)? == "open_tree",
        "the name of 428 is {}",
        syscall_name(428)?
    );
    ensure!(
        syscall_id("open_tree") == Some(428),
        "the number of open_tree is {:?}",
        syscall_id("open_tree")
    );
    ensure!(syscall_id("foobar").is_none(), "foobar has a number");
    ensure!(
        syscall_declaration("foobar").is_err(),
        "foobar has a declaration"
    );

    let execve = syscall_declaration("execve")?;
    ensure!(
        execve.name == "execve" && execve.parameters.len() == 3,
        "unexpected declaration: {execve:?}"
    );
    let filename = &execve.parameters[0];
    ensure!(
        filename.name == "filename" && filename.is_pointer,
        "unexpected parameter: {filename:?}"
    );
    Ok(())
}
