//! Several runtimes at once.

use gizmo_containers::RuntimeKind;
use gizmo_test_runtimes::{Containerd, Docker, Podman};

use crate::support::{LIMIT, added, follow, follow_with};

#[test]
#[ignore = "root: starts container runtimes"]
fn all_runtimes_are_followed_at_once_and_one_that_hangs_delays_none() {
    let (docker, containerd, podman) = (Docker::start(), Containerd::start(), Podman::start());
    docker.run("d1", &["sleep", "600"]);
    containerd.run("c1", &["sleep", "600"]);
    podman.run("p1", &["sleep", "600"]);
    let sockets = [
        (RuntimeKind::Docker, docker.socket()),
        (RuntimeKind::Containerd, containerd.socket()),
        (RuntimeKind::Podman, podman.socket()),
    ];
    let collection = follow(&sockets);
    collection.wait_listed(LIMIT);
    let names = |it: &gizmo_containers::Collection| -> Vec<String> {
        it.containers()
            .iter()
            .map(|it| format!("{}/{}", it.runtime_name, it.name))
            .collect()
    };
    assert_eq!(
        names(&collection),
        ["containerd/c1", "docker/d1", "podman/p1"]
    );

    docker.freeze(true);
    let collection = follow(&sockets);
    let events = collection.subscribe(100);
    for name in ["c2", "p2"] {
        if name == "c2" {
            containerd.run(name, &["sleep", "600"]);
        } else {
            podman.run(name, &["sleep", "600"]);
        }
        added(&events, name);
    }
    docker.freeze(false);
    added(&events, "d1");
}

#[test]
#[ignore = "root: starts container runtimes"]
fn containers_of_docker_are_not_told_twice() {
    let docker = Docker::start();
    let id = docker.run("web", &["sleep", "600"]);
    let below = docker.containerd_socket();
    let both = [
        (RuntimeKind::Docker, docker.socket()),
        (RuntimeKind::Containerd, below.clone()),
    ];
    let moby = |options: &mut gizmo_containers::RuntimeOptions| {
        options.containerd_namespaces = Some(vec!["moby".into()])
    };

    for collection in [follow(&both), follow_with(&both, moby)] {
        collection.wait_listed(LIMIT);
        let containers = collection.containers();
        assert_eq!(containers.len(), 1, "{containers:?}");
        assert_eq!(
            (
                containers[0].name.as_str(),
                containers[0].runtime_name.as_str()
            ),
            ("web", "docker")
        );
    }

    let collection = follow(&[(RuntimeKind::Containerd, below.clone())]);
    collection.wait_listed(LIMIT);
    assert!(collection.containers().is_empty());
    let collection = follow_with(&[(RuntimeKind::Containerd, below)], moby);
    collection.wait_listed(LIMIT);
    assert_eq!(collection.by_id(&id).unwrap().runtime_name, "containerd");
}
