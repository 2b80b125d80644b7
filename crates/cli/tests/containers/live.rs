//! Runs that are looked at while containers come and go.

use std::process::Stdio;

use gizmo_test_runtimes::{Docker, output, wait_until};
use serde_json::Value;

use crate::support::{LIMIT, Runtime, turn, with};

/// Names of the containers that events are from.
fn names(events: &str) -> Vec<String> {
    let name = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["runtime"]["containerName"]
            .as_str()
            .expect("a name")
            .to_owned()
    };
    let mut names: Vec<String> = events.lines().map(name).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
#[ignore = "root: starts container runtimes"]
fn one_container_of_several_is_shown_listed_and_forgotten() {
    let turn = turn();
    let docker = Docker::start();
    let ask = |args: &[&str]| output(&mut turn.gizmo(args));
    let recording = turn.record(&with(&docker.flags(), &[]));
    for name in ["one", "two"] {
        docker.run(name, &["sleep", "600"]);
    }
    let listed = || -> Vec<(String, u64)> {
        let runs: Value = serde_json::from_str(&ask(&["recordings", "-o", "json"])).expect("JSON");
        let recordings = runs[0]["recordings"].as_array().expect("a list").clone();
        let row = |it: &Value| {
            assert_eq!(it["runtime"], "docker");
            let name = it["name"].as_str().expect("a name").to_owned();
            (name, it["held"].as_u64().expect("a number"))
        };
        let mut rows: Vec<_> = recordings.iter().map(row).collect();
        rows.sort();
        rows
    };
    wait_until("both are listed", LIMIT, || {
        let listed = listed();
        listed.len() == 2
            && listed
                .iter()
                .all(|(name, held)| !name.is_empty() && *held > 5)
    });
    assert_eq!(names(&ask(&["snapshot", "-o", "json"])), ["one", "two"]);
    assert_eq!(
        names(&ask(&["snapshot", "-o", "json", "-c", "two"])),
        ["two"]
    );
    assert_eq!(
        names(&ask(&["snapshot", "-o", "json", "-c", "!two"])),
        ["one"]
    );
    ask(&["forget", "-c", "one"]);
    assert_eq!(listed()[0], ("one".to_owned(), 0));
    // What it waits for is no history.
    let returned = ask(&["snapshot", "-o", "json", "-F", "unfinished==false"]);
    assert_eq!(names(&returned), ["two"]);

    // A follower of one container hears its end and nothing of the others.
    let follower = turn
        .gizmo(&["snapshot", "--follow", "-o", "json", "-c", "two"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("gizmo starts");
    docker.remove("two");
    docker.remove("one");
    wait_until("nobody is recorded", LIMIT, || listed().is_empty());
    recording.stop();
    let followed = follower.wait_with_output().expect("gizmo ends");
    let followed = String::from_utf8(followed.stdout).expect("UTF-8");
    assert_eq!(names(&followed), ["two"]);
    let last: Value = serde_json::from_str(followed.lines().last().expect("events")).expect("JSON");
    // What it was doing when it was killed.
    assert!(
        last["syscall"]
            .as_str()
            .expect("a text")
            .contains("nanosleep"),
        "{last}"
    );
}
