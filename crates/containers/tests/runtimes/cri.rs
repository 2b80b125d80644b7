//! Pods of Kubernetes, by containerd's own protocol and by that of Kubernetes.

use gizmo_containers::{Protocol, RuntimeKind};
use gizmo_model::container::Container;
use gizmo_test_runtimes::{Containerd, IMAGE};

use crate::support::{LIMIT, added, assert_complete, follow, follow_with, removed};

#[track_caller]
fn assert_named_by_the_pod(container: &Container, sandbox_id: &str) {
    assert_complete(container, "containerd");
    assert_eq!(container.runtime_namespace, "k8s.io");
    assert_eq!(
        (container.name.as_str(), container.image_name.as_str()),
        ("main", IMAGE)
    );
    assert_eq!(container.sandbox_id, sandbox_id);
    let k8s = &container.k8s;
    assert_eq!(
        [
            &k8s.namespace,
            &k8s.pod_name,
            &k8s.container_name,
            &k8s.pod_uid
        ],
        ["shop", "web", "main", "uid-web"]
    );
}

#[test]
#[ignore = "root: starts container runtimes"]
fn containers_of_pods_are_named_by_kubernetes() {
    let containerd = Containerd::start();
    let mut cri = containerd.cri();
    let pod = cri.run_pod("shop", "web", &[("app", "x")]);
    let id = cri.run(&pod, "main", &["sleep", "600"]);
    let collection = follow(&[(RuntimeKind::Containerd, containerd.socket())]);
    let events = collection.subscribe(100);
    collection.wait_listed(LIMIT);
    let main = collection.by_id(&id).unwrap();
    assert_named_by_the_pod(&main, &pod.sandbox_id);
    assert_eq!(main.cgroup_v2, format!("/k8s.io/{id}"));
    // The sandbox is not a container.
    assert_eq!(collection.containers().len(), 1);
    assert!(collection.by_id(&pod.sandbox_id).is_none());
    let shown = Container {
        id: pod.sandbox_id.clone(),
        mntns_id: 1,
        ..Default::default()
    };
    assert!(collection.discover(shown).is_none());

    let second = cri.run_pod("shop", "db", &[]);
    let id = cri.run(&second, "side", &["sleep", "600"]);
    added(&events, "main");
    assert_eq!(added(&events, "side").id, id);
    cri.remove_pod(&pod);
    removed(&events, "main");
    assert_eq!(collection.containers().len(), 1);
}

#[test]
#[ignore = "root: starts container runtimes"]
fn the_protocol_of_kubernetes_tells_the_labels_of_pods() {
    let containerd = Containerd::start();
    // Not a pod's, and so not seen by this protocol.
    containerd.run("other", &["sleep", "600"]);
    let mut cri = containerd.cri();
    let pod = cri.run_pod("shop", "web", &[("app", "x")]);
    let id = cri.run(&pod, "main", &["sleep", "600"]);
    let collection = follow_with(
        &[(RuntimeKind::Containerd, containerd.socket())],
        |options| {
            options.protocol = Protocol::Cri;
        },
    );
    let events = collection.subscribe(100);
    let main = added(&events, "main");
    assert_named_by_the_pod(&main, &pod.sandbox_id);
    assert_eq!(main.id, id);
    assert_eq!(
        main.k8s.pod_labels,
        [("app".to_owned(), "x".to_owned())].into()
    );
    assert_eq!(collection.containers().len(), 1);
    // This version has no events: it is polled.
    let id = cri.run(&pod, "side", &["sleep", "600"]);
    assert_eq!(added(&events, "side").id, id);
    cri.remove_pod(&pod);
    removed(&events, "side");
}

#[test]
#[ignore = "root: starts container runtimes"]
fn the_composed_name_is_that_of_cri_o() {
    let containerd = Containerd::start();
    let mut cri = containerd.cri();
    let pod = cri.run_pod("shop", "web", &[]);
    cri.run(&pod, "main", &["sleep", "600"]);
    // CRI-O speaks the same protocol; only its names differ.
    let collection = follow(&[(RuntimeKind::CriO, containerd.socket())]);
    let events = collection.subscribe(100);
    let main = added(&events, "k8s_main_web_shop_uid-web_0");
    assert_complete(&main, "cri-o");
}
