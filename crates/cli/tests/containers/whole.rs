//! One container: all its calls, with its names.

use gizmo_test_runtimes::{Containerd, Docker, K8S_NAMESPACE, Podman, wait_until};

use crate::support::{Call, LIMIT, Runtime, Turn, assert_whole, by_id, flags, shapes, turn, with};

const SCRIPT: [&str; 3] = ["sh", "-c", "cat /etc/hostname /no/such; echo hi"];

/// Records the script under a name, beside another container.
fn record_script(turn: &Turn, runtime: &dyn Runtime, name: &str, more: &[&str]) -> Vec<Call> {
    let own = runtime.flags();
    let mut all = with(&own, &["-c", name]);
    all.extend(more);
    let recording = turn.record(&all);
    runtime.run_to_end(&format!("other-{name}"), &SCRIPT);
    runtime.run_to_end(name, &SCRIPT);
    recording.stop().calls
}

fn assert_named(calls: &[Call], runtime: &str, name: &str) {
    for call in calls {
        assert_eq!((call.name.as_str(), call.runtime.as_str()), (name, runtime));
        assert!(
            !call.id.is_empty() && call.image.contains("gizmo-busybox"),
            "{call:?}"
        );
    }
    assert_eq!(by_id(calls).len(), 1);
}

fn check_script(turn: &Turn, runtime: &dyn Runtime) {
    let all = record_script(turn, runtime, "whole", &[]);
    assert_whole(&all);
    assert_named(&all, runtime.name(), "whole");
    assert!(all[0].parameters.contains("/sh"), "{:?}", all[0]);

    let filter = ["--syscall-filters", "openat,write"];
    let some = record_script(turn, runtime, "some", &filter);
    assert_named(&some, runtime.name(), "some");
    let is_selected = |call: &&Call| ["openat", "write"].contains(&call.syscall.as_str());
    let expected: Vec<Call> = all.iter().filter(is_selected).cloned().collect();
    assert_eq!(shapes(&some), shapes(&expected));
    let opened = |path: &str| {
        some.iter()
            .any(|call| call.syscall == "openat" && call.parameters.contains(path))
    };
    assert!(opened("/etc/hostname") && opened("/no/such"), "{some:?}");
    assert!(
        some.iter()
            .any(|call| call.syscall == "write" && call.parameters.contains("hi")),
        "{some:?}"
    );
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_container_of_docker() {
    check_script(&turn(), &Docker::start());
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_container_of_containerd() {
    check_script(&turn(), &Containerd::start());
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_container_of_a_pod() {
    let turn = turn();
    let containerd = Containerd::start();
    let mut cri = containerd.cri();
    let own = containerd.flags();
    let recording = turn.record(&with(&own, &["--k8s-podname", "shop"]));
    let mut ids = Vec::new();
    for name in ["other", "shop"] {
        let pod = cri.run_pod("market", name, &[("app", "till")]);
        ids.push(cri.run(&pod, "worker", &SCRIPT));
        wait_until("the container ends", LIMIT, || {
            let list = containerd.command(K8S_NAMESPACE, &["task", "ls"]).output();
            let list = list.expect("ctr runs").stdout;
            let list = String::from_utf8_lossy(&list).into_owned();
            !list
                .lines()
                .any(|line| line.contains(&ids[ids.len() - 1]) && line.contains("RUNNING"))
        });
    }
    let calls = recording.stop().calls;
    assert_whole(&calls);
    for call in &calls {
        assert_eq!(call.k8s, ["market", "shop", "worker"]);
        assert_eq!(call.id, ids[1]);
    }
}

#[test]
#[ignore = "root: starts container runtimes"]
fn pods_without_a_selector_show_no_sandbox() {
    let turn = turn();
    let containerd = Containerd::start();
    let mut cri = containerd.cri();
    let own = containerd.flags();
    let recording = turn.record(&with(&own, &[]));
    let pod = cri.run_pod("market", "shop", &[]);
    let id = cri.run(&pod, "worker", &SCRIPT);
    cri.remove_pod(&pod);
    let calls = recording.stop().calls;
    assert_whole(&calls);
    assert_eq!(by_id(&calls).into_keys().collect::<Vec<_>>(), [id]);
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_container_of_podman() {
    let turn = turn();
    let podman = Podman::start();
    let own = flags("podman", &podman.socket().to_string_lossy());
    let recording = turn.record(&with(&own, &["-c", "whole"]));
    podman.run("other", &SCRIPT);
    podman.run("whole", &SCRIPT);
    gizmo_test_runtimes::output(&mut podman.command(&["wait", "other", "whole"]));
    let calls = recording.stop().calls;
    assert_whole(&calls);
    assert_named(&calls, "podman", "whole");
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_container_that_runs_on_is_shown_as_far_as_it_came() {
    let turn = turn();
    let docker = Docker::start();
    let own = docker.flags();
    let recording = turn.record(&with(&own, &["-c", "on"]));
    docker.run("on", &["sh", "-c", "echo hi; exec sleep 600"]);
    wait_until("the container sleeps", LIMIT, || {
        docker.inspect("on", "{{.State.Running}}") == "true"
            && docker
                .command(&["logs", "on"])
                .output()
                .is_ok_and(|logs| logs.stdout == b"hi\n")
    });
    let calls = recording.stop().calls;
    assert_named(&calls, "docker", "on");
    assert_eq!(
        (calls[0].syscall.as_str(), calls[0].ret.as_str()),
        ("execve", "0")
    );
}
