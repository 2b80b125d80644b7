//! Test guest: facts about the host, and system calls of other ABIs.
//!
//! Host provides: nothing.
//!
//! Expect: the run succeeds.

use gizmo_guest::{Abi, Error, architecture, ensure, export, host_fact, syscall_id_for_abi};
use gizmo_guest::{
    page_size_bytes, possible_cpus, release, syscall_function, wall_clock_offset_ns,
};

export! { init = init }

fn init() -> Result<(), Error> {
    let architecture = architecture()?;
    ensure!(
        ["x86_64", "arm64"].contains(&architecture.as_str()),
        "unknown architecture `{architecture}`"
    );
    ensure!(
        release()?.contains('.'),
        "unexpected release `{}`",
        release()?
    );
    ensure!(possible_cpus()? > 0, "no CPUs");
    ensure!(
        page_size_bytes()?.is_power_of_two(),
        "unexpected page size {}",
        page_size_bytes()?
    );
    ensure!(
        wall_clock_offset_ns()? > 0,
        "the machine was started before 1970"
    );
    ensure!(
        host_fact("no-such-fact").is_err(),
        "an unknown fact is known"
    );

    let openat = [
        (Abi::X86_64, 257),
        (Abi::I386, 295),
        (Abi::X32, 257),
        (Abi::Arm64, 56),
        (Abi::Arm, 322),
    ];
    for (abi, number) in openat {
        let found = syscall_id_for_abi(abi, "openat");
        ensure!(
            found == Some(number),
            "the number of openat for {abi:?} is {found:?}"
        );
    }
    let function = syscall_function(Abi::X86_64, 0)?;
    ensure!(
        function.is_none() || function.as_deref() == Some("__x64_sys_read"),
        "reading begins in {function:?}"
    );
    let nowhere = syscall_function(Abi::X86_64, 4000)?;
    ensure!(nowhere.is_none(), "call 4000 begins in {nowhere:?}");
    ensure!(
        syscall_id_for_abi(Abi::Arm64, "open").is_none(),
        "arm64 has `open`"
    );
    Ok(())
}
