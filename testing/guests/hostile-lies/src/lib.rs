//! Hostile guest: lies about lengths, addresses, handles, sizes and counts, and hoards handles.
//!
//! Host provides: the usual limits (16 MiB of memory, 4096 handles). Whether maps can be made does not matter.
//!
//! Expect: the run succeeds: every lie is refused and nothing traps. `init` and `start` fail with `does not hold:
//! CONDITION` otherwise. Warnings of the host are limited to a sensible rate. No map or buffer of several GiB is made.

// Needs the host's functions as they are, which exist for this target only.
#![cfg(target_family = "wasm")]

use gizmo_guest::{Error, ensure, export};

// SAFETY: the signatures are the documented ones. The host stays within the memory an argument refers to, and this file
// passes memory that is borrowed for the call, or lies outside of what the guest has.
#[link(wasm_import_module = "ig")]
unsafe extern "C" {
    safe fn gadgetLog(level: u32, message: u64);
    safe fn gadgetShouldLog(level: u32) -> u32;
    safe fn newDataSource(name: u64, kind: u32) -> u32;
    safe fn getDataSource(name: u64) -> u32;
    safe fn dataSourceSubscribe(source: u32, kind: u32, priority: i32, callback: u64) -> u32;
    safe fn dataSourceGetField(source: u32, name: u64) -> u32;
    safe fn dataSourceAddField(source: u32, name: u64, kind: u32) -> u32;
    safe fn dataSourceNewPacketSingle(source: u32) -> u32;
    safe fn dataSourceNewPacketArray(source: u32) -> u32;
    safe fn dataSourceEmitAndRelease(source: u32, packet: u32) -> u32;
    safe fn dataSourceRelease(source: u32, packet: u32) -> u32;
    safe fn dataSourceUnreference(source: u32) -> u32;
    safe fn dataSourceIsReferenced(source: u32) -> u32;
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
    safe fn perfReaderPause(reader: u32) -> u32;
    safe fn perfReaderResume(reader: u32) -> u32;
    safe fn perfReaderRead(reader: u32, destination: u64) -> u32;
    safe fn perfReaderClose(reader: u32) -> u32;
    safe fn getSyscallName(id: u32, destination: u64) -> u32;
    safe fn getSyscallID(name: u64) -> i32;
    safe fn getSyscallDeclaration(name: u64, destination: u64) -> u32;
    safe fn kallsymsSymbolExists(name: u64) -> u32;
    safe fn shouldDiscardMntnsID(mntns_id: u64) -> u32;
}
// SAFETY: as above.
#[link(wasm_import_module = "gizmo")]
unsafe extern "C" {
    safe fn getHostFact(name: u64, destination: u64) -> i32;
    safe fn getParamLength(key: u64) -> i32;
    safe fn getSyscallIdForAbi(abi: u32, name: u64) -> i32;
    safe fn setConstant(name: u64, value: u64) -> u32;
    safe fn setMaxEntries(map: u64, is_inner: u32, entries: u32) -> u32;
    safe fn newInnerMap(outer: u64, name: u64) -> u32;
    safe fn fail(text: u64);
}

const STRING: u32 = 12;
const BYTES: u32 = 14;

/// References to memory that the guest does not have; the sum of address and length can exceed 32 bits.
const LIES: [u64; 6] = [
    reference(0, 17 << 20),
    reference(0, u32::MAX),
    reference(17 << 20, 1),
    reference(u32::MAX, 1),
    reference(u32::MAX, u32::MAX),
    reference(1 << 20, u32::MAX - (1 << 20) + 2),
];

/// Numbers that are no handles: small, large, and shaped like an element of an array.
const NOBODY: [u32; 8] = [
    0,
    4095,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0fff,
    0x8001_0001,
    0xffff_0001,
    u32::MAX,
];

const fn reference(address: u32, len: u32) -> u64 {
    (len as u64) << 32 | address as u64
}

macro_rules! check {
    ($($condition:expr;)+) => {
        $(ensure!($condition, "does not hold: {}", stringify!($condition));)+
    };
}

export! { init = init, start = start }

fn init() -> Result<(), Error> {
    for lie in LIES {
        texts(lie)?;
        destinations(lie)?;
        elements(lie)?;
    }
    for handle in NOBODY {
        handles(handle)?;
    }
    hoard()
}

fn start() -> Result<(), Error> {
    for lie in LIES {
        check! {
            getMap(lie) == 0;
            newMap(lie, 1, 4, 4, 1) == 0;
            newInnerMap(lie, text("inner")) == 0;
        }
    }
    for kind in [1, 2, 5, 6, 9, 22, 27] {
        check! {
            newMap(text("huge_value"), kind, 4, u32::MAX, u32::MAX) == 0;
            newMap(text("huge_key"), kind, u32::MAX, 4, u32::MAX) == 0;
        }
    }
    check! {
        newMap(text("huge_count"), 2, 4, 8, u32::MAX) == 0;
        newMap(text("unknown_type"), u32::MAX, 4, 4, 1) == 0;
    }
    Ok(())
}

/// Everything that reads from the guest.
fn texts(lie: u64) -> Result<(), Error> {
    gadgetLog(0, lie);
    gadgetLog(u32::MAX, lie);
    fail(lie);
    check! {
        gadgetShouldLog(u32::MAX) == 0;
        newDataSource(lie, 1) == 0;
        getDataSource(lie) == 0;
        getParamValue(lie, destination(&mut [0; 8])) == 1;
        getParamLength(lie) == -1;
        setConfig(lie, text("value"), STRING) == 1;
        setConfig(text("key"), lie, STRING) == 1;
        getSyscallID(lie) == -1;
        getSyscallIdForAbi(0, lie) == -1;
        getSyscallIdForAbi(u32::MAX, text("openat")) == -1;
        getSyscallDeclaration(lie, destination(&mut [0; 252])) == 1;
        kallsymsSymbolExists(lie) == 0;
        getHostFact(lie, destination(&mut [0; 64])) == -1;
        setConstant(lie, text("1234")) == 1;
        setConstant(text("no_such_constant"), lie) == 1;
        setMaxEntries(lie, 0, 1) == 1;
        setMaxEntries(text("no_such_map"), u32::MAX, u32::MAX) == 1;
        getMap(lie) == 0;
    }
    shouldDiscardMntnsID(lie);
    Ok(())
}

/// Everything that writes to the guest.
fn destinations(lie: u64) -> Result<(), Error> {
    check! {
        getSyscallName(0, lie) == 1;
        getSyscallDeclaration(text("execve"), lie) == 1;
        getHostFact(text("architecture"), lie) == -1;
        // Inside of the memory, but without room.
        getSyscallName(0, 0) == 1;
        getHostFact(text("architecture"), 0) == -1;
    }
    Ok(())
}

/// Fields and elements of a real source, with lies for values, indices and kinds.
fn elements(lie: u64) -> Result<(), Error> {
    // Made at the first lie, found at the others.
    let made = newDataSource(text("lies"), 2);
    let source = if made != 0 {
        made
    } else {
        getDataSource(text("lies"))
    };
    let added = dataSourceAddField(source, text("field"), BYTES);
    let field = if added != 0 {
        added
    } else {
        dataSourceGetField(source, text("field"))
    };
    let array = dataSourceNewPacketArray(source);
    let element = dataArrayNew(array);
    check! {
        source != 0;
        field != 0;
        element != 0;
        dataSourceAddField(source, lie, BYTES) == 0;
        dataSourceAddField(source, text("other"), u32::MAX) == 0;
        dataSourceGetField(source, lie) == 0;
        fieldAddTag(field, lie) == 1;
        fieldSet(field, element, BYTES, lie) == 1;
        fieldSet(field, element, u32::MAX, lie) == 1;
        fieldSet(field, element, BYTES, text("some bytes")) == 0;
        fieldGetBuffer(field, element, BYTES, lie) == -1;
        fieldGetBuffer(field, element, BYTES, 0) == -1;
        dataSourceSubscribe(source, u32::MAX, i32::MIN, lie) == 1;
        dataArrayAppend(array, element) == 0;
        // The handle went with appending; the element is there under its index.
        fieldSet(field, element, BYTES, text("more")) == 1;
        fieldSet(field, dataArrayGet(array, 0), BYTES, text("more")) == 0;
        fieldSet(field, 0x8000_0000 | 1 << 16 | array, BYTES, text("more")) == 1;
        fieldSet(field, 0xffff_0000 | array, BYTES, text("more")) == 1;
        dataArrayGet(array, 1) == 0;
        dataArrayGet(array, 0x7fff_ffff) == 0;
        dataArrayGet(array, u32::MAX) == 0;
        dataArrayAppend(array, array) == 1;
        dataSourceRelease(source, array) == 0;
        dataSourceEmitAndRelease(source, array) == 1;
        releaseHandle(field) == 0;
        releaseHandle(source) == 0;
    }
    Ok(())
}

/// Everything that takes a handle.
fn handles(handle: u32) -> Result<(), Error> {
    let mut error = 0u32;
    fieldGetScalar(
        handle,
        handle,
        8,
        (&raw mut error).expose_provenance() as u32,
    );
    check! {
        error == 1;
        fieldGetBuffer(handle, handle, BYTES, destination(&mut [0; 8])) == -1;
        fieldSet(handle, handle, 8, 1) == 1;
        fieldAddTag(handle, text("tag")) == 1;
        dataSourceSubscribe(handle, 1, 0, 0) == 1;
        dataSourceGetField(handle, text("field")) == 0;
        dataSourceAddField(handle, text("field"), 8) == 0;
        dataSourceNewPacketSingle(handle) == 0;
        dataSourceNewPacketArray(handle) == 0;
        dataSourceEmitAndRelease(handle, handle) == 1;
        dataSourceRelease(handle, handle) == 1;
        dataSourceUnreference(handle) == 1;
        dataSourceIsReferenced(handle) == 2;
        dataArrayNew(handle) == 0;
        dataArrayAppend(handle, handle) == 1;
        dataArrayRelease(handle, handle) == 1;
        dataArrayLen(handle) == 0;
        dataArrayGet(handle, 0) == 0;
        mapLookup(handle, text("key"), destination(&mut [0; 8])) == 1;
        mapUpdate(handle, text("key"), text("value"), u64::MAX) == 1;
        mapDelete(handle, text("key")) == 1;
        mapRelease(handle) == 1;
        releaseHandle(handle) == 1;
        newPerfReader(handle, u32::MAX, u32::MAX) == 0;
        perfReaderPause(handle) == 1;
        perfReaderResume(handle) == 1;
        perfReaderRead(handle, destination(&mut [0; 8])) == 1;
        perfReaderClose(handle) == 1;
    }
    Ok(())
}

/// Takes handles until there are none, then gives them back.
fn hoard() -> Result<(), Error> {
    const MOST: usize = 4096;
    let mut taken = Vec::new();
    while taken.len() <= MOST {
        match getDataSource(text("lies")) {
            0 => break,
            handle => taken.push(handle),
        }
    }
    ensure!(
        taken.len() <= MOST,
        "the host hands out more than {MOST} handles"
    );
    ensure!(
        taken.len() > MOST / 2,
        "the host hands out {} handles only",
        taken.len()
    );
    let are_small = taken.iter().all(|handle| *handle <= 0xffff);
    check! {
        are_small;
        dataSourceNewPacketArray(taken[0]) == 0;
    }
    for handle in taken {
        check! { releaseHandle(handle) == 0; }
    }
    check! { getDataSource(text("lies")) != 0; }
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
