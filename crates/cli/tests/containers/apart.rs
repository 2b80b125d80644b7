//! Containers do not get into each other's history.

use gizmo_test_runtimes::{Docker, output};

use crate::support::{Runtime, assert_whole, by_id, shapes, turn, with};

#[test]
#[ignore = "root: starts container runtimes"]
fn two_of_one_name_are_two() {
    let turn = turn();
    let docker = Docker::start();
    let own = docker.flags();
    let recording = turn.record(&with(&own, &["-c", "twin"]));
    for text in ["first", "second"] {
        docker.run_to_end("twin", &["echo", text]);
        docker.remove("twin");
    }
    let recorded = by_id(&recording.stop().calls);
    let histories: Vec<_> = recorded.into_values().collect();
    assert_eq!(histories.len(), 2);
    for calls in &histories {
        assert_whole(calls);
        assert!(calls.iter().all(|call| call.name == "twin"));
    }
    // The same program with a text of another length.
    let count = |calls: &[_]| shapes(calls).concat().len();
    assert_eq!(count(&histories[0]), count(&histories[1]));
    for text in ["first", "second"] {
        let with_text = histories.iter().filter(|calls| {
            calls
                .iter()
                .any(|call| call.syscall == "write" && call.parameters.contains(text))
        });
        assert_eq!(with_text.count(), 1, "{text}");
    }
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_flood_drowns_nobody_else() {
    let turn = turn();
    let docker = Docker::start();
    let own = docker.flags();
    let recording = turn.record(&with(&own, &[]));
    let copy = "dd if=/dev/zero of=/dev/null bs=1 count=300000 2>/dev/null; echo done";
    let mut flood = docker.container("flood", &["busybox", "sh", "-c", &with_busybox(copy)]);
    let flood = flood
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("docker runs");
    for index in 0..3 {
        docker.run_to_end(
            &format!("quiet{index}"),
            &["sh", "-c", "echo a; cat /etc/hostname"],
        );
    }
    let flood = flood.wait_with_output().expect("docker ends");
    assert_eq!(flood.stdout, b"done\n");
    let recorded = recording.stop();
    let mut quiet = Vec::new();
    for calls in by_id(&recorded.calls).into_values() {
        if calls[0].name == "flood" {
            assert_eq!(calls.last().expect("a call").syscall, "exit_group");
        } else {
            assert_whole(&calls);
            quiet.push(shapes(&calls));
        }
    }
    assert_eq!(quiet.len(), 3);
    assert!(quiet.windows(2).all(|pair| pair[0] == pair[1]), "{quiet:?}");
    let overwritten: Vec<_> = recorded
        .stderr
        .lines()
        .filter(|line| line.contains("overwritten"))
        .collect();
    assert_eq!(overwritten.len(), 1, "{overwritten:?}");
    assert!(overwritten[0].contains("`flood`"), "{overwritten:?}");
}

/// The image has no links for all of busybox's names.
fn with_busybox(script: &str) -> String {
    script.replace("dd ", "busybox dd ")
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_second_process_in_a_container_belongs_to_it() {
    let turn = turn();
    let docker = Docker::start();
    let own = docker.flags();
    let recording = turn.record(&with(&own, &["-c", "host"]));
    docker.run("host", &["sleep", "600"]);
    output(&mut docker.command(&["exec", "host", "echo", "inside"]));
    let calls = recording.stop().calls;
    let inside = calls
        .iter()
        .find(|call| call.syscall == "write" && call.parameters.contains("inside"));
    assert!(inside.is_some_and(|call| call.comm == "echo"), "{calls:?}");
    assert_eq!(by_id(&calls).len(), 1);
}
