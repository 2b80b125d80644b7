//! The functions of the host, as they are.
//!
//! Owns the declarations of the modules `ig` and `gizmo`, and the stand-ins for targets without a host. Everything about
//! their meaning is left to the modules that call them.

use crate::abi::{ErrorFlag, Input, Output, Value};

/// Declares the functions of one host module.
macro_rules! host_module {
    ($module:literal: $($import:literal => fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        // SAFETY: the signatures are those of the host's documentation, as scalars and `repr(transparent)` wrappers of
        // scalars. Calling is safe with any argument: what refers to memory can only be made from a borrowed slice of
        // initialised bytes, and the host stays within it.
        #[cfg(target_family = "wasm")]
        #[link(wasm_import_module = $module)]
        unsafe extern "C" {
            $(
                #[link_name = $import]
                pub(crate) safe fn $name($($argument: $type),*) $(-> $result)?;
            )*
        }

        $(
            #[cfg(not(target_family = "wasm"))]
            pub(crate) fn $name($($argument: $type),*) $(-> $result)? {
                let _ = ($($argument,)*);
                panic!(concat!(
                    "host function `", $module, ".", $import,
                    "` was called outside a gadget: in a native build only code that does not need the host can run"
                ))
            }
        )*
    };
}

// Apart from the others, because the log works without a host.
#[cfg(target_family = "wasm")]
host_module! { "ig":
    "gadgetLog" => fn gadget_log(level: u32, message: Input<'_>);
    "gadgetShouldLog" => fn gadget_should_log(level: u32) -> u32;
}

host_module! { "ig":
    "newDataSource" => fn new_data_source(name: Input<'_>, kind: u32) -> u32;
    "getDataSource" => fn get_data_source(name: Input<'_>) -> u32;
    "dataSourceSubscribe" => fn data_source_subscribe(source: u32, kind: u32, priority: i32, callback: u64) -> u32;
    "dataSourceGetField" => fn data_source_get_field(source: u32, name: Input<'_>) -> u32;
    "dataSourceAddField" => fn data_source_add_field(source: u32, name: Input<'_>, kind: u32) -> u32;
    "dataSourceNewPacketSingle" => fn data_source_new_packet_single(source: u32) -> u32;
    "dataSourceNewPacketArray" => fn data_source_new_packet_array(source: u32) -> u32;
    "dataSourceEmitAndRelease" => fn data_source_emit_and_release(source: u32, packet: u32) -> u32;
    "dataSourceRelease" => fn data_source_release(source: u32, packet: u32) -> u32;
    "dataSourceUnreference" => fn data_source_unreference(source: u32) -> u32;
    "dataSourceIsReferenced" => fn data_source_is_referenced(source: u32) -> u32;

    "dataArrayNew" => fn data_array_new(array: u32) -> u32;
    "dataArrayAppend" => fn data_array_append(array: u32, data: u32) -> u32;
    "dataArrayRelease" => fn data_array_release(array: u32, data: u32) -> u32;
    "dataArrayLen" => fn data_array_len(array: u32) -> u32;
    "dataArrayGet" => fn data_array_get(array: u32, index: u32) -> u32;

    "fieldGetScalar" => fn field_get_scalar(field: u32, data: u32, kind: u32, error: ErrorFlag<'_>) -> u64;
    "fieldGetBuffer" => fn field_get_buffer(field: u32, data: u32, kind: u32, destination: Output<'_>) -> i32;
    "fieldSet" => fn field_set(field: u32, data: u32, kind: u32, value: Value<'_>) -> u32;
    "fieldAddTag" => fn field_add_tag(field: u32, tag: Input<'_>) -> u32;

    "getParamValue" => fn get_param_value(key: Input<'_>, destination: Output<'_>) -> u32;
    "setConfig" => fn set_config(key: Input<'_>, value: Input<'_>, kind: u32) -> u32;

    "newMap" => fn new_map(name: Input<'_>, kind: u32, key_bytes: u32, value_bytes: u32, max_entries: u32) -> u32;
    "getMap" => fn get_map(name: Input<'_>) -> u32;
    "mapLookup" => fn map_lookup(map: u32, key: Input<'_>, value: Output<'_>) -> u32;
    "mapUpdate" => fn map_update(map: u32, key: Input<'_>, value: Input<'_>, flags: u64) -> u32;
    "mapDelete" => fn map_delete(map: u32, key: Input<'_>) -> u32;
    "mapRelease" => fn map_release(map: u32) -> u32;
    "releaseHandle" => fn release_handle(handle: u32) -> u32;

    "newPerfReader" => fn new_perf_reader(map: u32, bytes_per_cpu: u32, is_overwritable: u32) -> u32;
    "perfReaderPause" => fn perf_reader_pause(reader: u32) -> u32;
    "perfReaderResume" => fn perf_reader_resume(reader: u32) -> u32;
    "perfReaderRead" => fn perf_reader_read(reader: u32, destination: Output<'_>) -> u32;
    "perfReaderClose" => fn perf_reader_close(reader: u32) -> u32;

    "getSyscallName" => fn get_syscall_name(id: u32, destination: Output<'_>) -> u32;
    "getSyscallID" => fn get_syscall_id(name: Input<'_>) -> i32;
    "getSyscallDeclaration" => fn get_syscall_declaration(name: Input<'_>, destination: Output<'_>) -> u32;

    "kallsymsSymbolExists" => fn kallsyms_symbol_exists(name: Input<'_>) -> u32;
    "shouldDiscardMntnsID" => fn should_discard_mntns_id(mntns_id: u64) -> u32;
}

#[cfg(feature = "host-gizmo")]
host_module! { "gizmo":
    "getHostFact" => fn get_host_fact(name: Input<'_>, destination: Output<'_>) -> i32;
    "getParamLength" => fn get_param_length(key: Input<'_>) -> i32;
    "getSyscallIdForAbi" => fn get_syscall_id_for_abi(abi: u32, name: Input<'_>) -> i32;
    "getSyscallFunction" => fn get_syscall_function(abi: u32, number: u32, destination: Output<'_>) -> i32;
    "setConstant" => fn set_constant(name: Input<'_>, value: Input<'_>) -> u32;
    "setMaxEntries" => fn set_max_entries(map: Input<'_>, is_inner: u32, entries: u32) -> u32;
    "newInnerMap" => fn new_inner_map(outer: Input<'_>, name: Input<'_>) -> u32;
    "emitBatch" => fn emit_batch(source: u32, rows: Input<'_>) -> u32;
    "newIterator" => fn new_iterator(program: Input<'_>) -> u32;
    "iteratorRead" => fn iterator_read(iterator: u32, destination: Output<'_>) -> i32;
    "programMisses" => fn program_misses(program: Input<'_>) -> i64;
    "isWanted" => fn is_wanted(cgroup_id: u64, mntns_id: u64, name: Input<'_>) -> u32;
    "reportRecording" => fn report_recording(name: Input<'_>, cgroup_id: u64, mntns_id: u64, recorded: u64, held: u64, lost: u64) -> u32;
}

// Apart from the others, because without a host the log takes its place.
#[cfg(all(feature = "host-gizmo", target_family = "wasm"))]
host_module! { "gizmo":
    "fail" => fn fail(text: Input<'_>);
}
