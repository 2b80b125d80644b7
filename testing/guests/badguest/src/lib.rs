//! Test guest: calls every function of `ig` with wrong arguments, as upstream's guest of this name does.
//!
//! Host provides: hash map `test_map` with one entry, key of 12 bytes, value u32; a declaration of `execve`; the symbol
//! `vfs_read`; the usual memory limit of 16 MiB. No parameters.
//!
//! Expect: the run succeeds, without a trap. `init` and `start` fail with `does not hold: CONDITION` otherwise. There are
//! warnings of the host, and a line of level 42 is one of them.

// Needs the host's functions as they are, which exist for this target only.
#![cfg(target_family = "wasm")]

use gizmo_guest::{Error, ensure, export};

// SAFETY: the signatures are the documented ones. The host stays within the memory an argument refers to, and this file
// passes memory that is borrowed for the call, or lies outside of what the guest has.
#[link(wasm_import_module = "ig")]
unsafe extern "C" {
    safe fn gadgetLog(level: u32, message: u64);
    safe fn newDataSource(name: u64, kind: u32) -> u32;
    safe fn getDataSource(name: u64) -> u32;
    safe fn dataSourceSubscribe(source: u32, kind: u32, priority: i32, callback: u64) -> u32;
    safe fn dataSourceGetField(source: u32, name: u64) -> u32;
    safe fn dataSourceAddField(source: u32, name: u64, kind: u32) -> u32;
    safe fn dataSourceNewPacketSingle(source: u32) -> u32;
    safe fn dataSourceNewPacketArray(source: u32) -> u32;
    safe fn dataSourceEmitAndRelease(source: u32, packet: u32) -> u32;
    safe fn dataSourceRelease(source: u32, packet: u32) -> u32;
    safe fn dataArrayNew(array: u32) -> u32;
    safe fn dataArrayAppend(array: u32, data: u32) -> u32;
    safe fn dataArrayRelease(array: u32, data: u32) -> u32;
    safe fn dataArrayLen(array: u32) -> u32;
    safe fn dataArrayGet(array: u32, index: u32) -> u32;
    safe fn fieldGetScalar(field: u32, data: u32, kind: u32, error: u32) -> u64;
    safe fn fieldGetBuffer(field: u32, data: u32, kind: u32, destination: u64) -> i32;
    safe fn fieldSet(field: u32, data: u32, kind: u32, value: u64) -> u32;
    safe fn fieldAddTag(field: u32, tag: u64) -> u32;
    safe fn getParamValue(key: u64, destination: u64) -> u32;
    safe fn setConfig(key: u64, value: u64, kind: u32) -> u32;
    safe fn newMap(name: u64, kind: u32, key_bytes: u32, value_bytes: u32, max_entries: u32)
    -> u32;
    safe fn getMap(name: u64) -> u32;
    safe fn mapLookup(map: u32, key: u64, value: u64) -> u32;
    safe fn mapUpdate(map: u32, key: u64, value: u64, flags: u64) -> u32;
    safe fn mapDelete(map: u32, key: u64) -> u32;
    safe fn mapRelease(map: u32) -> u32;
    safe fn releaseHandle(handle: u32) -> u32;
    safe fn newPerfReader(map: u32, bytes_per_cpu: u32, is_overwritable: u32) -> u32;
    safe fn getSyscallName(id: u32, destination: u64) -> u32;
    safe fn getSyscallID(name: u64) -> i32;
    safe fn getSyscallDeclaration(name: u64, destination: u64) -> u32;
    safe fn kallsymsSymbolExists(name: u64) -> u32;
}
const SINGLE: u32 = 1;
const ARRAY: u32 = 2;
const ON_DATA: u32 = 1;
const ON_ARRAY: u32 = 2;
const ON_PACKET: u32 = 3;
const UINT32: u32 = 8;
const UINT64: u32 = 9;
const STRING: u32 = 12;
const HASH: u32 = 1;

/// A handle that is never valid here: only a few were handed out.
const UNKNOWN: u32 = 42;
/// 17 MiB at address 0, more than a guest has.
const BEYOND: u64 = (17 << 20) << 32;

macro_rules! check {
    ($($condition:expr;)+) => {
        $(ensure!($condition, "does not hold: {}", stringify!($condition));)+
    };
}

export! { init = init, start = start }

fn init() -> Result<(), Error> {
    log();
    let sources = Sources {
        single: newDataSource(text("mysingleds"), SINGLE),
        array: newDataSource(text("myarrayds"), ARRAY),
    };
    check! {
        sources.single != 0;
        sources.array != 0;
        newDataSource(BEYOND, SINGLE) == 0;
        newDataSource(text("otherds"), 42) == 0;
        getDataSource(text("mysingleds")) != 0;
        getDataSource(text("foo")) == 0;
        getDataSource(BEYOND) == 0;
    }
    let field = dataSourceAddField(sources.single, text("myfield"), UINT32);
    check! {
        field != 0;
        dataSourceAddField(sources.single, text("myfield"), UINT32) == 0;
        dataSourceAddField(UNKNOWN, text("other"), UINT32) == 0;
        dataSourceAddField(field, text("other"), UINT32) == 0;
        dataSourceAddField(sources.single, text("other"), 1005) == 0;
        dataSourceGetField(sources.single, text("myfield")) != 0;
        dataSourceGetField(UNKNOWN, text("myfield")) == 0;
        dataSourceGetField(sources.single, BEYOND) == 0;
    }
    subscriptions(&sources, field)?;
    packets(&sources, field)?;
    arrays(&sources, field)?;
    fields(&sources, field)?;
    params_and_config()?;
    syscalls_and_symbols()?;
    check! {
        getMap(BEYOND) == 0;
        mapUpdate(0, text("key"), text("value"), 0) == 1;
        mapLookup(0, text("key"), destination(&mut [0; 4])) == 1;
        mapDelete(0, text("key")) == 1;
    }
    Ok(())
}

struct Sources {
    single: u32,
    array: u32,
}

fn log() {
    gadgetLog(2, 0);
    gadgetLog(42, text("a line of level 42"));
    gadgetLog(2, BEYOND);
}

fn subscriptions(sources: &Sources, field: u32) -> Result<(), Error> {
    check! {
        dataSourceSubscribe(sources.single, ON_DATA, 0, 0) == 0;
        dataSourceSubscribe(sources.single, ON_PACKET, 0, 0) == 0;
        dataSourceSubscribe(sources.array, ON_ARRAY, 0, 0) == 0;
        dataSourceSubscribe(sources.array, ON_PACKET, 0, 0) == 0;
        dataSourceSubscribe(sources.array, ON_DATA, 0, 0) == 0;
        dataSourceSubscribe(UNKNOWN, ON_DATA, 0, 0) == 1;
        dataSourceSubscribe(field, ON_DATA, 0, 0) == 1;
        dataSourceSubscribe(sources.single, ON_ARRAY, 0, 0) == 1;
        dataSourceSubscribe(sources.single, 1005, 0, 0) == 1;
    }
    Ok(())
}

fn packets(sources: &Sources, field: u32) -> Result<(), Error> {
    let packet = dataSourceNewPacketSingle(sources.single);
    check! {
        packet != 0;
        dataSourceNewPacketSingle(UNKNOWN) == 0;
        dataSourceNewPacketSingle(field) == 0;
        dataSourceNewPacketSingle(sources.array) == 0;
        dataSourceNewPacketArray(UNKNOWN) == 0;
        dataSourceNewPacketArray(field) == 0;
        dataSourceNewPacketArray(sources.single) == 0;

        dataSourceEmitAndRelease(UNKNOWN, packet) == 1;
        dataSourceEmitAndRelease(field, packet) == 1;
        dataSourceEmitAndRelease(sources.single, UNKNOWN) == 1;
        dataSourceEmitAndRelease(sources.single, field) == 1;
        dataSourceRelease(UNKNOWN, packet) == 1;
        dataSourceRelease(field, packet) == 1;
        dataSourceRelease(sources.single, UNKNOWN) == 1;
        dataSourceRelease(sources.single, field) == 1;
        // The packet survived all of this, but only once.
        dataSourceRelease(sources.single, packet) == 0;
        dataSourceRelease(sources.single, packet) == 1;
    }
    Ok(())
}

fn arrays(sources: &Sources, field: u32) -> Result<(), Error> {
    let array = dataSourceNewPacketArray(sources.array);
    let element = dataArrayNew(array);
    let dropped = dataArrayNew(array);
    check! {
        array != 0;
        element != 0;
        dropped != 0;
        dataArrayNew(UNKNOWN) == 0;
        dataArrayNew(field) == 0;

        dataArrayAppend(array, UNKNOWN) == 1;
        dataArrayAppend(array, field) == 1;
        dataArrayAppend(UNKNOWN, element) == 1;
        dataArrayAppend(field, element) == 1;
        dataArrayAppend(array, element) == 0;
        dataArrayRelease(array, element) == 1;
        dataArrayLen(array) == 1;
        dataArrayLen(UNKNOWN) == 0;

        dataArrayRelease(array, UNKNOWN) == 1;
        dataArrayRelease(array, field) == 1;
        dataArrayRelease(UNKNOWN, dropped) == 1;
        dataArrayRelease(field, dropped) == 1;
        dataArrayRelease(array, dropped) == 0;
        dataArrayRelease(array, dropped) == 1;

        dataArrayGet(array, 0) != 0;
        dataArrayGet(array, 1) == 0;
        dataArrayGet(UNKNOWN, 0) == 0;
        // An element's number works for the functions of fields only.
        releaseHandle(dataArrayGet(array, 0)) == 1;
        dataSourceRelease(sources.array, array) == 0;
        dataArrayLen(array) == 0;
        dataArrayGet(array, 0) == 0;
    }
    Ok(())
}

fn fields(sources: &Sources, field: u32) -> Result<(), Error> {
    let packet = dataSourceNewPacketSingle(sources.single);
    check! {
        fieldSet(field, packet, UINT32, 1234) == 0;
        fieldSet(field, packet, UINT64, 1234) == 1;
        fieldSet(field, packet, 1005, 1234) == 1;
        fieldSet(field, field, UINT32, 1234) == 1;
        fieldSet(packet, packet, UINT32, 1234) == 1;
        get(field, packet, UINT32) == (1234, 0);
        get(field, packet, 1005).1 == 1;
        get(field, packet, STRING).1 == 1;
        get(field, field, UINT32).1 == 1;
        get(packet, packet, UINT32).1 == 1;
        fieldGetBuffer(field, packet, UINT32, destination(&mut [0; 8])) == -1;
        fieldGetBuffer(field, packet, STRING, destination(&mut [0; 2])) == -1;
        fieldGetBuffer(field, packet, STRING, BEYOND) == -1;
        fieldAddTag(field, BEYOND) == 1;
        fieldAddTag(packet, text("tag")) == 1;
    }
    // Nobody wants to know about the error.
    fieldGetScalar(field, field, UINT32, 0);
    check! { dataSourceRelease(sources.single, packet) == 0; }
    Ok(())
}

fn get(field: u32, data: u32, kind: u32) -> (u64, u32) {
    let mut error = 0u32;
    let value = fieldGetScalar(
        field,
        data,
        kind,
        (&raw mut error).expose_provenance() as u32,
    );
    (value, error)
}

fn params_and_config() -> Result<(), Error> {
    check! {
        getParamValue(text("no-such-key"), destination(&mut [0; 16])) == 1;
        getParamValue(BEYOND, destination(&mut [0; 16])) == 1;
        setConfig(text("key"), text("value"), STRING) == 0;
        setConfig(text("key"), text("value"), 1005) == 1;
        setConfig(BEYOND, text("value"), STRING) == 1;
        setConfig(text("key"), BEYOND, STRING) == 1;
    }
    Ok(())
}

fn syscalls_and_symbols() -> Result<(), Error> {
    check! {
        getSyscallDeclaration(text("execve"), destination(&mut [0; 252])) == 0;
        getSyscallDeclaration(BEYOND, destination(&mut [0; 252])) == 1;
        getSyscallDeclaration(text("execve"), destination(&mut [0; 126])) == 1;
        getSyscallName(0, destination(&mut [0; 1])) == 1;
        getSyscallID(BEYOND) == -1;
        kallsymsSymbolExists(text("vfs_read")) == 1;
        kallsymsSymbolExists(BEYOND) == 0;
        kallsymsSymbolExists(text("no_such_symbol_in_any_kernel")) == 0;
    }
    Ok(())
}

fn start() -> Result<(), Error> {
    let map = getMap(text("test_map"));
    let key = buffer(&[0; 12]);
    let value = buffer(&[0; 4]);
    check! {
        map != 0;
        mapUpdate(map, key, value, 8) == 1;
        mapUpdate(map, BEYOND, value, 0) == 1;
        mapUpdate(map, key, BEYOND, 0) == 1;
        mapUpdate(map, buffer(&[0; 11]), value, 0) == 1;
        mapLookup(map, BEYOND, destination(&mut [0; 4])) == 1;
        mapLookup(map, key, BEYOND) == 1;
        mapLookup(map, buffer(&[0; 13]), destination(&mut [0; 4])) == 1;
        mapUpdate(map, key, buffer(&[0; 5]), 0) == 1;
        mapDelete(map, BEYOND) == 1;
        mapDelete(map, buffer(&[0; 11])) == 1;
        mapRelease(map) == 1;
        newPerfReader(map, 4096, 1) == 0;
        newPerfReader(UNKNOWN, 4096, 1) == 0;
    }
    let own = newMap(text("own_map"), HASH, 4, 4, 1);
    check! {
        own != 0;
        newMap(text("other"), 34, 4, 4, 1) == 0;
        newMap(BEYOND, HASH, 4, 4, 1) == 0;
        mapRelease(own) == 0;
        mapRelease(own) == 1;
        mapLookup(own, buffer(&[0; 4]), destination(&mut [0; 4])) == 1;
        releaseHandle(own) == 1;
        releaseHandle(map) == 0;
        releaseHandle(map) == 1;
    }
    Ok(())
}

/// A reference to these bytes, as the host wants it.
fn buffer(bytes: &[u8]) -> u64 {
    (bytes.len() as u64) << 32 | bytes.as_ptr().expose_provenance() as u64
}

/// A reference to memory that the host may write to.
fn destination(bytes: &mut [u8]) -> u64 {
    (bytes.len() as u64) << 32 | bytes.as_mut_ptr().expose_provenance() as u64
}

fn text(text: &str) -> u64 {
    buffer(text.as_bytes())
}
