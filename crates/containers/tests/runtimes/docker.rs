//! Docker Engine.

use std::time::Duration;

use gizmo_containers::{Collection, ContainerEvent, RuntimeKind, Selector, SelectorTexts};
use gizmo_test_runtimes::{Docker, IMAGE};

use crate::support::{LIMIT, added, assert_complete, follow, removed};

fn follow_docker(docker: &Docker) -> Collection {
    follow(&[(RuntimeKind::Docker, docker.socket())])
}

#[test]
#[ignore = "root: starts container runtimes"]
fn docker_containers_are_found_followed_and_named() {
    let docker = Docker::start();
    let id = docker.run("early", &["sleep", "600"]);
    let collection = follow_docker(&docker);
    let events = collection.subscribe(100);
    assert_eq!(collection.wait_listed(LIMIT)[0].error, None);

    let early = collection.by_id(&id).unwrap();
    assert_complete(&early, "docker");
    assert_eq!(
        (early.name.as_str(), early.image_name.as_str()),
        ("early", IMAGE)
    );
    assert_eq!(early.image_id, docker.inspect("early", "{{.Image}}"));
    assert_eq!(
        early.pid.to_string(),
        docker.inspect("early", "{{.State.Pid}}")
    );
    assert_eq!(early.cgroup_v2, format!("/docker/{id}"));
    assert_eq!(
        early.image_digest, "",
        "an image that was imported has no digest"
    );

    // Every way to it.
    assert_eq!(collection.by_pid(early.pid).unwrap(), early);
    assert_eq!(collection.by_cgroup_path(&early.cgroup_v2).unwrap(), early);
    assert_eq!(collection.by_mntns(early.mntns_id).unwrap(), early);
    assert_eq!(
        collection.by_netns(early.netns_id),
        std::slice::from_ref(&early)
    );
    let texts = SelectorTexts {
        container: "early".into(),
        image_id: early.image_id[7..19].into(),
        ..Default::default()
    };
    assert!(Selector::parse(&texts).unwrap().matches(&early));

    let late_id = docker.run_with(&["--label", "a=b"], "late", &["sleep", "600"]);
    added(&events, "early");
    let late = added(&events, "late");
    assert_eq!(late.id, late_id);
    // What the process tells may come with a second event.
    gizmo_test_runtimes::wait_until("the record is complete", LIMIT, || {
        collection
            .by_id(&late_id)
            .is_some_and(|it| !it.image_id.is_empty() && it.mntns_id != 0)
    });
    assert_complete(&collection.by_id(&late_id).unwrap(), "docker");

    docker.remove("late");
    assert_eq!(removed(&events, "late").id, late_id);
    // It is remembered for what is read later.
    assert_eq!(collection.by_id(&late_id).unwrap().name, "late");
    assert_eq!(collection.containers().len(), 1);
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_docker_container_of_an_instant_has_a_name() {
    let docker = Docker::start();
    let collection = follow_docker(&docker);
    let events = collection.subscribe(100);
    collection.wait_listed(LIMIT);
    for round in 0..3 {
        let name = format!("short{round}");
        let id = docker.run_with(&["--rm"], &name, &["true"]);
        let container = removed(&events, &name);
        assert_eq!(
            (container.id.as_str(), container.image_name.as_str()),
            (id.as_str(), IMAGE)
        );
        assert_eq!(collection.by_id(&id).unwrap().name, name);
    }
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_docker_container_that_has_ended_can_still_be_asked_for() {
    let docker = Docker::start();
    let id = docker.run("done", &["true"]);
    gizmo_test_runtimes::wait_until("it has ended", LIMIT, || {
        docker.inspect("done", "{{.State.Running}}") == "false"
    });
    let collection = follow_docker(&docker);
    let found = collection.resolve(&id, LIMIT).unwrap();
    assert_eq!((found.name.as_str(), found.pid), ("done", 0));
    assert!(collection.containers().is_empty());
    assert!(
        collection
            .resolve(&"0".repeat(64), Duration::from_secs(5))
            .is_none()
    );
}

#[test]
#[ignore = "root: starts container runtimes"]
fn docker_may_be_restarted() {
    let mut docker = Docker::start();
    let collection = follow_docker(&docker);
    let events = collection.subscribe(100);
    docker.run("before", &["sleep", "600"]);
    added(&events, "before");
    docker.stop();
    // Its containers end with it, which shows without it.
    removed(&events, "before");
    docker.resume();
    docker.run("after", &["sleep", "600"]);
    added(&events, "after");
    assert_eq!(collection.containers().len(), 1);
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_container_is_renamed_when_docker_answers_again() {
    let docker = Docker::start();
    let id = docker.run("web", &["sleep", "600"]);
    docker.freeze(true);
    let collection = follow_docker(&docker);
    let events = collection.subscribe(100);
    // What the kernel would show of it.
    let shown = gizmo_model::container::Container {
        id: id.clone(),
        mntns_id: 1,
        ..Default::default()
    };
    let known = collection.discover(shown).unwrap();
    assert_eq!(known.name, "");
    assert!(
        collection
            .resolve(&id, Duration::from_millis(300))
            .unwrap()
            .name
            .is_empty()
    );
    docker.freeze(false);
    let ContainerEvent::Added(first) = events.recv_timeout(LIMIT).unwrap() else {
        panic!("not added")
    };
    assert_eq!(first.name, "");
    assert_eq!(added(&events, "web").id, id);
}
