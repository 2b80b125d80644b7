//! What the tests of all runtimes need.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use gizmo_containers::{
    Collection, CollectionOptions, ContainerEvent, RuntimeKind, RuntimeOptions,
};
use gizmo_model::container::Container;

/// Machines are shared; what takes longer does not work.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A collection of these runtimes only.
#[track_caller]
pub fn follow(sockets: &[(RuntimeKind, PathBuf)]) -> Collection {
    follow_with(sockets, |_| {})
}

#[track_caller]
pub fn follow_with(
    sockets: &[(RuntimeKind, PathBuf)],
    change: impl FnOnce(&mut RuntimeOptions),
) -> Collection {
    let mut runtimes = RuntimeOptions {
        runtimes: Some(sockets.iter().map(|(kind, _)| *kind).collect()),
        sockets: sockets.to_vec(),
        ..Default::default()
    };
    change(&mut runtimes);
    let options = CollectionOptions {
        runtimes,
        ..Default::default()
    };
    Collection::start(&options).expect("the collection starts")
}

/// The next event that is about this container.
#[track_caller]
pub fn next_about(
    events: &Receiver<ContainerEvent>,
    is_it: impl Fn(&Container) -> bool,
) -> ContainerEvent {
    let end = Instant::now() + LIMIT;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let event = events
            .recv_timeout(left)
            .expect("an event about the container");
        if record(&event).is_some_and(|it| is_it(it)) {
            return event;
        }
    }
}

/// Waits for a container to be added.
#[track_caller]
pub fn added(events: &Receiver<ContainerEvent>, name: &str) -> Arc<Container> {
    match next_about(events, |it| it.name == name) {
        ContainerEvent::Added(container) | ContainerEvent::Named(container) => container,
        other => panic!("{name} was not added: {other:?}"),
    }
}

/// Waits for a container to be removed.
#[track_caller]
pub fn removed(events: &Receiver<ContainerEvent>, name: &str) -> Arc<Container> {
    loop {
        if let ContainerEvent::Removed(container) = next_about(events, |it| it.name == name) {
            return container;
        }
    }
}

pub fn record(event: &ContainerEvent) -> Option<&Arc<Container>> {
    match event {
        ContainerEvent::Added(it) | ContainerEvent::Named(it) | ContainerEvent::Removed(it) => {
            Some(it)
        }
        _ => None,
    }
}

/// What must be true of any running container of this host, whatever its runtime.
#[track_caller]
pub fn assert_complete(container: &Container, runtime: &str) {
    use std::os::unix::fs::MetadataExt;
    assert_eq!(container.runtime_name, runtime);
    assert_ne!(container.pid, 0);
    let mntns = std::fs::metadata(format!("/proc/{}/ns/mnt", container.pid))
        .expect("the process is there")
        .ino();
    assert_eq!(container.mntns_id, mntns);
    assert_ne!(
        container.mntns_id,
        std::fs::metadata("/proc/self/ns/mnt")
            .expect("we are here")
            .ino()
    );
    assert!(container.host_network && container.netns_id != 0);
    assert!(
        container.cgroup_path.ends_with(&container.cgroup_v2) && !container.cgroup_v2.is_empty()
    );
    assert_eq!(
        container.cgroup_id,
        std::fs::metadata(&container.cgroup_path)
            .expect("the cgroup is there")
            .ino()
    );
    let age = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos()
        .abs_diff(container.started_at_ns.unsigned_abs().into());
    assert!(age < 120_000_000_000, "started {age} ns ago");
    assert!(
        container.config.contains("ociVersion"),
        "no configuration: {}",
        container.config
    );
    assert!(
        std::path::Path::new(&container.bundle)
            .join("config.json")
            .is_file()
    );
    assert!(
        container.image_name.contains("gizmo-busybox"),
        "{}",
        container.image_name
    );
    assert!(
        container.image_id.starts_with("sha256:") && container.image_id.len() == 71,
        "{}",
        container.image_id
    );
}
