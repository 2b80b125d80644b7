//! A writer killed anywhere leaves a store with every tag that it had reported as committed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gizmo_image::{Collected, Store};

use crate::support::{build_tagged, reference, temp};

const STORE_VARIABLE: &str = "GIZMO_TEST_STORE";
const COUNT_VARIABLE: &str = "GIZMO_TEST_COUNT";

/// This test binary again, running only [`writer`].
pub fn writer_process(store: &Path, count: usize) -> Child {
    let program = std::env::current_exe().expect("test binary");
    Command::new(program)
        .args([
            "--exact",
            "kill::writer",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(STORE_VARIABLE, store)
        .env(COUNT_VARIABLE, count.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("child")
}

#[test]
#[ignore = "helper: the process that other tests start, and kill"]
fn writer() {
    // Started by `--ignored` alone there is nothing to do.
    let Some(path) = std::env::var_os(STORE_VARIABLE) else {
        return;
    };
    let count: usize = std::env::var(COUNT_VARIABLE)
        .expect("set together")
        .parse()
        .expect("number");
    let store = Store::open(path).expect("store");
    for n in 0..count {
        let tag = format!("org/child{}:t{n}", std::process::id());
        build_tagged(&store, &tag);
        // Garbage, so that collections are interrupted, too.
        let brief = format!("org/brief:t{}", std::process::id());
        build_tagged(&store, &brief);
        store.remove(&reference(&brief)).expect("remove");
        println!("committed {tag}");
        std::io::stdout().flush().expect("pipe");
    }
}

#[test]
fn every_reported_tag_survives_sigkill() {
    let dir = temp();
    let mut committed: Vec<String> = Vec::new();
    for round in 0..25_u64 {
        let mut child = writer_process(dir.path(), 10_000);
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        // Kill it only once it is at work: after its first report, so in the middle of later images.
        let first = lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains("committed "));
        // 37 and 61 have no common factor: the rounds hit different points of the loop.
        std::thread::sleep(Duration::from_micros(200 + round * 3_700 % 61_000));
        child.kill().expect("kill");
        child.wait().expect("wait");
        let reported = first.into_iter().chain(lines.map_while(Result::ok));
        committed
            .extend(reported.filter_map(|line| Some(line.split_once("committed ")?.1.to_owned())));

        let store = Store::open(dir.path()).expect("opens after a kill");
        for tag in &committed {
            store
                .load(&reference(tag))
                .unwrap_or_else(|error| panic!("round {round}, {tag}: {error}"));
        }
    }
    assert!(committed.len() >= 25, "every child reports at least once");
    let store = Store::open(dir.path()).expect("store");
    assert!(matches!(
        store.collect_garbage().expect("collect"),
        Collected::Removed(_)
    ));
    assert_eq!(
        std::fs::read_dir(dir.path().join("ingest"))
            .expect("there")
            .count(),
        0,
        "leftovers are gone"
    );
    for tag in store.list().expect("list") {
        store
            .load(&tag.reference.expect("named"))
            .expect("load after collection");
    }
}
