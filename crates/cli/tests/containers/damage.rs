//! What goes wrong: gizmo is killed, a runtime hangs, flags are wrong. Containers never suffer.

use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use gizmo_test_runtimes::Docker;
use rustix::process::Signal;

use crate::support::{LIMIT, Runtime, assert_whole, flags, turn, with};

/// A container that takes longer is held up by somebody.
const QUICK: Duration = Duration::from_secs(20);

#[test]
#[ignore = "root: starts container runtimes"]
fn killing_gizmo_holds_up_no_container() {
    let turn = turn();
    let docker = Docker::start();
    let own = docker.flags();
    for round in 0..10u64 {
        let recording = turn.record(&with(&own, &[]));
        thread::scope(|scope| {
            for index in 0..3 {
                let docker = &docker;
                scope.spawn(move || {
                    let began = Instant::now();
                    let name = format!("k{round}-{index}");
                    let status = docker
                        .container(&name, &["sh", "-c", "echo a; exit 3"])
                        .output()
                        .expect("docker runs");
                    assert_eq!(status.status.code(), Some(3), "{name}");
                    assert_eq!(status.stdout, b"a\n", "{name}");
                    assert!(began.elapsed() < QUICK, "{name}: {:?}", began.elapsed());
                });
            }
            // The moments are the subject: nothing is waited for.
            thread::sleep(Duration::from_millis(round * 120));
            recording.signal(Signal::KILL);
        });
    }
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_runtime_that_hangs_delays_nothing() {
    let turn = turn();
    let docker = Docker::start();
    let socket = turn.dir.path().join("hung.sock");
    let _listener = UnixListener::bind(&socket).expect("a socket can be made");
    let own = flags("docker", &socket.to_string_lossy());

    let began = Instant::now();
    let recording = turn.record(&with(&own, &["-c", "seen", "--timeout", "3"]));
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    docker.run_to_end("seen", &["true"]);
    let recorded = recording.finish(LIMIT);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert!(recorded.calls.is_empty(), "{:?}", recorded.calls);
    let warned = recorded.stderr.contains("left out");
    assert!(warned, "{}", recorded.stderr);

    let began = Instant::now();
    let recording = turn.record(&with(&own, &["--timeout", "3"]));
    docker.run_to_end("again", &["true"]);
    let id = docker.inspect("again", "{{.Id}}");
    let recorded = recording.finish(LIMIT);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert_whole(&recorded.calls);
    for call in &recorded.calls {
        assert_eq!((call.name.as_str(), call.id.as_str()), ("", id.as_str()));
    }
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_runtime_that_wakes_up_in_time_gives_the_name() {
    let turn = turn();
    let docker = Docker::start();
    let own = docker.flags();
    docker.run("early", &["sleep", "600"]);
    docker.freeze(true);
    let recording = turn.record(&with(&own, &["-c", "late"]));
    docker.freeze(false);
    docker.run_to_end("late", &["true"]);
    let calls = recording.stop().calls;
    assert_whole(&calls);
    assert!(calls.iter().all(|call| call.name == "late"));
}

#[test]
#[ignore = "root: starts container runtimes"]
fn wrong_flags_are_errors() {
    let turn = turn();
    for (flags, word) in [
        (&["-r", "dokcer"][..], "dokcer"),
        (
            &["-r", "docker", "--docker-socketpath", "/no/such"],
            "/no/such",
        ),
    ] {
        let ran = turn
            .gizmo(&["run", "traceloop", "--timeout", "5"])
            .args(flags)
            .output()
            .expect("gizmo starts");
        let text = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{text}");
        assert!(text.contains("Error: ") && text.contains(word), "{text}");
        assert!(ran.stdout.is_empty());
    }
}
