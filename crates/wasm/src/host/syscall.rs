//! Names, numbers and declarations of system calls.

use gizmo_syscalls::entry::entry_points;
use gizmo_syscalls::{Abi, declaration_record, table};
use wasmtime::{Caller, Linker};

use crate::host::{GIZMO, IG, Refusal, host_function, memory};
use crate::limits::MAX_NAME_BYTES;
use crate::state::State;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_function!(quick linker, IG, "getSyscallName", (id: u32, destination: u64) -> u32, 1, name);
    host_function!(quick linker, IG, "getSyscallID", (name: u64) -> i32, -1,
    |caller: &mut Caller<'_, State>, name| {
        let abi = caller.data().host.kernel.native_abi();
        number(caller, abi, name)
    });
    host_function!(slow linker, IG, "getSyscallDeclaration", (name: u64, destination: u64) -> u32, 1, declaration);
    host_function!(quick linker, GIZMO, "getSyscallIdForAbi", (abi: u32, name: u64) -> i32, -1,
    |caller: &mut Caller<'_, State>, abi, name| {
        number(caller, known_abi(abi)?, name)
    });
    host_function!(slow linker, GIZMO, "getSyscallFunction", (abi: u32, number: u32, destination: u64) -> i32, -1, function);
    Ok(())
}

fn known_abi(abi: u32) -> Result<Abi, Refusal> {
    let known = u8::try_from(abi).ok().and_then(Abi::from_number);
    known.ok_or_else(|| Refusal::Text(format!("unknown ABI {abi}")))
}

fn name(caller: &mut Caller<'_, State>, id: u32, destination: u64) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = table::display_name(state.host.kernel.native_abi(), id & 0xffff);
    memory::write(memory, destination, name.as_bytes())?;
    Ok(0)
}

fn number(caller: &mut Caller<'_, State>, abi: Abi, name: u64) -> Result<i32, Refusal> {
    let (memory, _) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    let number = table::number(abi, &name);
    number
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| Refusal::Text(format!("there is no system call `{name}` on {abi}")))
}

fn function(
    caller: &mut Caller<'_, State>,
    abi: u32,
    number: u32,
    destination: u64,
) -> Result<i32, Refusal> {
    let (memory, state) = memory::view(caller);
    let mut names = entry_points(known_abi(abi)?, number).into_iter();
    let name = names.find(|name| state.host.kernel.has_syscall_function(name));
    let name = name.unwrap_or_default();
    memory::write(memory, destination, name.as_bytes())?;
    i32::try_from(name.len()).map_err(|_| Refusal::Quiet)
}

fn declaration(
    caller: &mut Caller<'_, State>,
    name: u64,
    destination: u64,
) -> Result<u32, Refusal> {
    let (memory, state) = memory::view(caller);
    let name = memory::string(memory, name, "the name", MAX_NAME_BYTES)?;
    let found = state.host.kernel.declaration(&name);
    let parameters =
        found.ok_or_else(|| Refusal::Text(format!("system call `{name}` has no declaration")))?;
    let record = declaration_record(&name, &parameters);
    memory::write(memory, destination, &record)?;
    Ok(0)
}
