//! containerd without Kubernetes.

use gizmo_containers::{Collection, RuntimeKind};
use gizmo_test_runtimes::{Containerd, IMAGE};

use crate::support::{LIMIT, added, assert_complete, follow, follow_with, removed};

fn follow_containerd(containerd: &Containerd) -> Collection {
    follow(&[(RuntimeKind::Containerd, containerd.socket())])
}

#[test]
#[ignore = "root: starts container runtimes"]
fn containerd_containers_of_all_namespaces_are_followed() {
    let containerd = Containerd::start();
    containerd.run("early", &["sleep", "600"]);
    let collection = follow_containerd(&containerd);
    let events = collection.subscribe(100);
    assert_eq!(collection.wait_listed(LIMIT)[0].error, None);
    let early = added(&events, "early");
    assert_complete(&early, "containerd");
    assert_eq!(
        (early.runtime_namespace.as_str(), early.image_name.as_str()),
        ("default", IMAGE)
    );
    assert!(early.image_digest.starts_with("sha256:") && early.image_digest != early.image_id);
    assert_eq!(early.cgroup_v2, "/default/early");
    assert_eq!(collection.by_pid(early.pid).unwrap(), early);

    containerd.share_image("shop");
    containerd.run_in("shop", "early", &["sleep", "600"]);
    let second = added(&events, "early");
    assert_eq!(second.runtime_namespace, "shop");
    assert_ne!(second.mntns_id, early.mntns_id);
    assert_eq!(collection.containers().len(), 2);

    containerd.remove("default", "early");
    assert_eq!(removed(&events, "early").runtime_namespace, "default");
    assert_eq!(collection.containers().len(), 1);
}

#[test]
#[ignore = "root: starts container runtimes"]
fn a_container_of_an_instant_is_told_by_containerd() {
    let containerd = Containerd::start();
    let collection = follow_containerd(&containerd);
    let events = collection.subscribe(100);
    collection.wait_listed(LIMIT);
    containerd.run("short", &["true"]);
    let container = removed(&events, "short");
    assert_eq!(
        (
            container.image_name.as_str(),
            container.runtime_name.as_str()
        ),
        (IMAGE, "containerd")
    );
}

#[test]
#[ignore = "root: starts container runtimes"]
fn containerd_may_be_restarted_while_its_containers_live_on() {
    let mut containerd = Containerd::start();
    containerd.run("web", &["sleep", "600"]);
    let collection = follow_containerd(&containerd);
    let events = collection.subscribe(100);
    let web = added(&events, "web");
    containerd.stop();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(collection.containers(), [web]);
    containerd.resume();
    containerd.run("later", &["sleep", "600"]);
    added(&events, "later");
    assert_eq!(collection.containers().len(), 2);
}

#[test]
#[ignore = "root: starts container runtimes"]
fn one_namespace_of_containerd_can_be_asked_for() {
    let containerd = Containerd::start();
    containerd.share_image("shop");
    containerd.run("web", &["sleep", "600"]);
    containerd.run_in("shop", "db", &["sleep", "600"]);
    let collection = follow_with(
        &[(RuntimeKind::Containerd, containerd.socket())],
        |options| {
            options.containerd_namespaces = Some(vec!["shop".into()]);
        },
    );
    collection.wait_listed(LIMIT);
    let names: Vec<_> = collection
        .containers()
        .iter()
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(names, ["db"]);
    assert_eq!(collection.by_cgroup_path("/shop/db").unwrap().name, "db");
}
