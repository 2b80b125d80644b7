//! WASI as guests of Rust and Go see it.

use gizmo_wasm::{Guest, Phase};

use crate::support::{World, chain, logged, plain};

/// All functions of preview 1 with their parameters; `proc_exit` alone has no result.
#[rustfmt::skip]
const FUNCTIONS: &str = "args_get ii args_sizes_get ii environ_get ii environ_sizes_get ii clock_res_get ii
    clock_time_get iIi fd_advise iIIi fd_allocate iII fd_close i fd_datasync i fd_fdstat_get ii fd_fdstat_set_flags ii
    fd_fdstat_set_rights iII fd_filestat_get ii fd_filestat_set_size iI fd_filestat_set_times iIIi fd_pread iiiIi
    fd_prestat_get ii fd_prestat_dir_name iii fd_pwrite iiiIi fd_read iiii fd_readdir iiiIi fd_renumber ii fd_seek iIii
    fd_sync i fd_tell ii fd_write iiii path_create_directory iii path_filestat_get iiiii path_filestat_set_times iiiiIIi
    path_link iiiiiii path_open iiiiiIIii path_readlink iiiiii path_remove_directory iii path_rename iiiiii
    path_symlink iiiii path_unlink_file iii poll_oneoff iiii proc_raise i random_get ii sched_yield - sock_accept iii
    sock_recv iiiiii sock_send iiiii sock_shutdown ii";

fn imports() -> String {
    let words: Vec<&str> = FUNCTIONS.split_whitespace().collect();
    let mut text = String::new();
    for pair in words.chunks(2) {
        let parameters: String = pair[1]
            .chars()
            .filter(|letter| *letter != '-')
            .map(|letter| if letter == 'I' { " i64" } else { " i32" })
            .collect();
        let name = pair[0];
        text.push_str(&format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param{parameters}) (result i32)))\n"
        ));
    }
    text
}

fn guest(body: &str) -> Guest {
    guest_in(&World::new(), body)
}

fn guest_in(world: &World, body: &str) -> Guest {
    let text = format!(
        "(module {} (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $proc_exit (param i32)))
        (memory (export \"memory\") 1) (func (export \"gadgetAPIVersion\") (result i64) (i64.const 1))
        (func $eq (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then unreachable)))
        (data (i32.const 0) \"\\20\\00\\00\\00\\04\\00\\00\\00\\30\\00\\00\\00\\04\\00\\00\\00\") (data (i32.const 32) \"one\\0a\") (data (i32.const 48) \"rest\")
        {body})",
        imports()
    );
    Guest::instantiate(&plain(&text), world.context()).unwrap()
}

#[test]
fn all_functions_link_and_answer() {
    assert_eq!(FUNCTIONS.split_whitespace().count(), 2 * 45);
    guest("").call(Phase::Start).unwrap();
    guest(
        "(func (export \"gadgetStart\") (result i32)
        (call $eq (i32.const 0) (call $args_sizes_get (i32.const 64) (i32.const 68)))
        (call $eq (i32.const 0) (call $environ_get (i32.const 64) (i32.const 68)))
        (call $eq (i32.const 8) (call $fd_prestat_get (i32.const 3) (i32.const 64)))
        (call $eq (i32.const 8) (call $path_open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 3) (i32.const 0)
            (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 64)))
        (call $eq (i32.const 0) (call $fd_fdstat_get (i32.const 1) (i32.const 64)))
        (call $eq (i32.const 2) (i32.load8_u (i32.const 64)))
        (call $eq (i32.const 0) (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))
        (call $eq (i32.const 0) (i32.load (i32.const 64)))
        (call $eq (i32.const 0) (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 64)))
        (if (i64.lt_u (i64.load (i32.const 64)) (i64.const 1600000000000000000)) (then unreachable))
        (call $eq (i32.const 0) (call $random_get (i32.const 64) (i32.const 8)))
        (call $eq (i32.const 21) (call $random_get (i32.const 65530) (i32.const 8)))
        (call $eq (i32.const 21) (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 65530)))
        (call $eq (i32.const 21) (call $fd_write (i32.const 1) (i32.const -1) (i32.const 2) (i32.const 64)))
        (call $eq (i32.const 8) (call $fd_write (i32.const 7) (i32.const 0) (i32.const 2) (i32.const 64)))
        (call $eq (i32.const 21) (call $poll_oneoff (i32.const -8) (i32.const 64) (i32.const 1) (i32.const 64)))
        (call $eq (i32.const 0) (call $sched_yield)) (i32.const 0))",
    )
    .call(Phase::Start)
    .unwrap();
}

#[test]
fn output_becomes_log_lines() {
    let write = "(call $eq (i32.const 0) (call $fd_write (i32.const 2) (i32.const 0) (i32.const 2) (i32.const 64)))";
    let guest = guest(&format!(
        "(func (export \"gadgetStart\") (result i32) {write} (call $eq (i32.const 8) (i32.load (i32.const 64))) (i32.const 0))
        (func (export \"gadgetStop\") (result i32) {write} unreachable)"
    ));
    let ((), lines) = logged(|| guest.call(Phase::Start).unwrap());
    assert_eq!(lines, ["DEBUG one", "DEBUG rest"]);
    let (_, lines) = logged(|| guest.call(Phase::Stop).unwrap_err());
    assert!(
        lines.contains(&"WARN standard error of the guest before it ended: one".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"WARN standard error of the guest before it ended: rest".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn exit_ends_the_guest_even_with_success() {
    let guest = guest(
        "(func (export \"gadgetStart\") (result i32) (call $proc_exit (i32.const 0)) (i32.const 0))
        (func (export \"gadgetStop\") (result i32) (i32.const 0))",
    );
    let text = chain(&guest.call(Phase::Start).unwrap_err());
    assert!(
        text.starts_with("calling gadgetStart: the guest exited with status 0"),
        "{text}"
    );
    assert!(guest.call(Phase::Stop).is_err());
}

#[test]
fn sleeping_uses_up_the_deadline() {
    // A subscription to the monotonic clock at 128: an hour, then 10 ms.
    let poll = "(i32.store (i32.const 144) (i32.const 1))
        (call $eq (i32.const 0) (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 64)))";
    let guest = guest_in(&World::hasty(), &format!(
        "(func (export \"gadgetStart\") (result i32) (i64.store (i32.const 152) (i64.const 10000000)) {poll}
            (call $eq (i32.const 1) (i32.load (i32.const 64))) (i32.const 0))
        (func (export \"gadgetStop\") (result i32) (i64.store (i32.const 152) (i64.const 3600000000000)) {poll} (loop (br 0)) (i32.const 0))"
    ));
    guest.call(Phase::Start).unwrap();
    assert!(chain(&guest.call(Phase::Stop).unwrap_err()).contains("ran longer than 0.2 s"));
}
