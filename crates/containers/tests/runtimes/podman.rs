//! podman, by its service.

use gizmo_containers::RuntimeKind;
use gizmo_test_runtimes::{IMAGE, Podman};

use crate::support::{LIMIT, added, assert_complete, follow, removed};

#[test]
#[ignore = "root: starts container runtimes"]
fn podman_containers_are_found_followed_and_named() {
    let podman = Podman::start();
    let id = podman.run("early", &["sleep", "600"]);
    let collection = follow(&[(RuntimeKind::Podman, podman.socket())]);
    let events = collection.subscribe(100);
    assert_eq!(collection.wait_listed(LIMIT)[0].error, None);
    let early = added(&events, "early");
    assert_complete(&early, "podman");
    assert_eq!(
        (early.id.as_str(), early.image_name.as_str()),
        (id.as_str(), IMAGE)
    );
    assert_eq!(early.cgroup_v2, format!("/libpod_parent/libpod-{id}"));
    assert_eq!(collection.by_pid(early.pid).unwrap(), early);

    let late = podman.run("late", &["sleep", "600"]);
    assert_eq!(added(&events, "late").id, late);
    podman.remove("late");
    assert_eq!(removed(&events, "late").id, late);

    let short = podman.run_with(&["--rm"], "short", &["true"]);
    assert_eq!(removed(&events, "short").id, short);
    assert_eq!(collection.containers().len(), 1);
    assert_eq!(collection.resolve(&short, LIMIT).unwrap().name, "short");
}
