//! Calls in flight when the recording of containers ends.

use gizmo_test_runtimes::{Docker, wait_until};

use crate::support::{Call, LIMIT, Runtime, turn, with};

/// What a container is in at the end: the call, whether it began before the recording, and who says so.
fn unfinished(calls: &[Call], name: &str) -> Vec<(String, bool, String)> {
    let own = calls
        .iter()
        .filter(|call| call.name == name && call.ret == "unfinished");
    own.map(|call| (call.syscall.clone(), call.is_at_least, call.comm.clone()))
        .collect()
}

#[test]
#[ignore = "root: starts container runtimes"]
fn what_containers_wait_for_is_shown() {
    let turn = turn();
    let docker = Docker::start();
    let own = docker.flags();
    docker.run("early", &["sleep", "600"]);
    docker.run("other", &["sleep", "600"]);
    let asleep = |name: &str| {
        let pid = docker.inspect(name, "{{.State.Pid}}");
        let call = std::fs::read_to_string(format!("/proc/{pid}/syscall"));
        // nanosleep and clock_nanosleep of x86-64 and arm64.
        let is_sleep = |text: String| {
            let number = text.split(' ').next().map(str::to_owned);
            ["35", "230", "101", "115"].contains(&number.unwrap_or_default().as_str())
        };
        call.is_ok_and(is_sleep)
    };
    wait_until("the container sleeps", LIMIT, || asleep("early"));
    let recording = turn.record(&with(&own, &["-c", "early,late,over"]));
    docker.run("late", &["sleep", "600"]);
    docker.run_to_end("over", &["sleep", "0"]);
    wait_until("the new container sleeps", LIMIT, || asleep("late"));
    let calls = recording.stop().calls;
    for (name, is_before) in [("early", true), ("late", false)] {
        let shown = unfinished(&calls, name);
        let [(syscall, is_at_least, comm)] = &shown[..] else {
            panic!("{name}: {shown:?}");
        };
        assert!(syscall.ends_with("nanosleep"), "{name}: {shown:?}");
        assert_eq!(
            (*is_at_least, comm.as_str()),
            (is_before, "sleep"),
            "{name}"
        );
        assert_eq!(
            calls
                .iter()
                .rfind(|call| call.name == name)
                .map(|call| call.ret.as_str()),
            Some("unfinished")
        );
    }
    assert_eq!(unfinished(&calls, "over"), []);
    assert!(calls.iter().all(|call| call.name != "other"));
}
