//! Test guest: parameters, short, long, empty and with a list.
//!
//! Host provides in `params.wasm`: `param-key` = `param-value`; `long` = 100,000 times `a`; `empty` = an empty value;
//! `list` = `openat, "read,write"`; `bad-list` = `openat,,write`.
//!
//! Expect: the run succeeds.

use gizmo_guest::{Error, ensure, export, params};

export! { init = check, start = check }

fn check() -> Result<(), Error> {
    ensure!(
        params::get("param-key")? == "param-value",
        "the value of `param-key`"
    );
    let long = params::get("long")?;
    ensure!(
        long.len() == 100_000 && long.bytes().all(|byte| byte == b'a'),
        "the value of `long`: {} bytes",
        long.len()
    );
    ensure!(params::get("empty")?.is_empty(), "the value of `empty`");
    ensure!(
        params::get("no-such-key").is_err(),
        "an unknown key has a value"
    );

    let list: Vec<String> = params::list("list")?
        .into_iter()
        .map(|item| item.text)
        .collect();
    ensure!(
        list == ["openat", "read,write"],
        "the items of `list`: {list:?}"
    );
    ensure!(params::list("empty")?.is_empty(), "the items of `empty`");
    ensure!(params::list("bad-list").is_err(), "`bad-list` is a list");
    Ok(())
}
