//! One container, described from several sides.

use gizmo_model::container::Container;

use crate::bundle::fill;
use crate::cgroup_path::is_random_id;
use crate::runtimes::containerd::DOCKER_NAMESPACE;

/// Whether two descriptions with one id are of one container.
///
/// Ids that runtimes draw by lot occur once in the world: Docker's containers are also containerd's. Ids that people choose
/// occur once per namespace.
pub(super) fn is_same_container(one: &Container, other: &Container) -> bool {
    let agree = |one: &str, other: &str| one.is_empty() || other.is_empty() || one == other;
    one.id == other.id
        && (is_random_id(&one.id)
            || (agree(&one.runtime_name, &other.runtime_name)
                && agree(&one.runtime_namespace, &other.runtime_namespace)))
}

/// Adds what `new` tells to what is known; whether that changed anything.
///
/// A runtime may correct itself: containers are renamed. Docker corrects containerd, which knows Docker's containers by id
/// only. Otherwise what is known stays.
pub(super) fn merge(known: &mut Container, new: Container) -> bool {
    let before = known.clone();
    let is_docker_below = |it: &Container| it.runtime_namespace == DOCKER_NAMESPACE;
    let is_authority = known.runtime_name.is_empty()
        || (known.runtime_name == new.runtime_name && !new.runtime_name.is_empty())
        || (is_docker_below(known) && new.runtime_name == "docker");
    if is_docker_below(known) && new.runtime_name == "docker" {
        known.runtime_name.clear();
        known.runtime_namespace.clear();
    }
    let is_below_docker = is_docker_below(&new) && known.runtime_name == "docker";
    if !is_below_docker {
        fill(&mut known.runtime_name, Some(new.runtime_name));
        fill(&mut known.runtime_namespace, Some(new.runtime_namespace));
    }
    for (known, new) in [
        (&mut known.name, new.name),
        (&mut known.image_name, new.image_name),
        (&mut known.image_id, new.image_id),
        (&mut known.image_digest, new.image_digest),
    ] {
        if is_authority && !new.is_empty() {
            *known = new;
        } else {
            fill(known, Some(new));
        }
    }
    for (known, new) in [
        (&mut known.k8s.namespace, new.k8s.namespace),
        (&mut known.k8s.pod_name, new.k8s.pod_name),
        (&mut known.k8s.container_name, new.k8s.container_name),
        (&mut known.k8s.pod_uid, new.k8s.pod_uid),
        (&mut known.config, new.config),
        (&mut known.bundle, new.bundle),
        (&mut known.sandbox_id, new.sandbox_id),
        (&mut known.cgroup_path, new.cgroup_path),
        (&mut known.cgroup_v1, new.cgroup_v1),
        (&mut known.cgroup_v2, new.cgroup_v2),
    ] {
        fill(known, Some(new));
    }
    if known.k8s.pod_labels.is_empty() {
        known.k8s.pod_labels = new.k8s.pod_labels;
    }
    for (known, new) in [
        (&mut known.mntns_id, new.mntns_id),
        (&mut known.netns_id, new.netns_id),
        (&mut known.cgroup_id, new.cgroup_id),
    ] {
        if *known == 0 {
            *known = new;
        }
    }
    if known.pid == 0 {
        known.pid = new.pid;
    }
    if known.started_at_ns == 0 {
        known.started_at_ns = new.started_at_ns;
    }
    known.host_network |= new.host_network;
    *known != before
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5bca7848831d69b0b027b7b845a5e7610773acbb256b70c716a52aa2f711a8d9";

    fn of(id: &str, runtime: &str, namespace: &str, name: &str) -> Container {
        Container {
            id: id.into(),
            runtime_name: runtime.into(),
            runtime_namespace: namespace.into(),
            name: name.into(),
            ..Default::default()
        }
    }

    #[test]
    fn ids_that_people_choose_are_unique_in_their_namespace() {
        let web = of("web", "containerd", "default", "");
        assert!(is_same_container(
            &web,
            &of("web", "containerd", "default", "")
        ));
        assert!(is_same_container(&web, &of("web", "", "", "")));
        assert!(!is_same_container(
            &web,
            &of("web", "containerd", "shop", "")
        ));
        assert!(!is_same_container(&web, &of("db", "", "", "")));
        assert!(is_same_container(
            &of(ID, "docker", "", ""),
            &of(ID, "containerd", "moby", "")
        ));
    }

    #[test]
    fn docker_wins_over_containerd_in_either_order() {
        let (docker, below) = (
            of(ID, "docker", "", "web"),
            of(ID, "containerd", "moby", ID),
        );
        for order in [[docker.clone(), below.clone()], [below, docker.clone()]] {
            let [mut known, new] = order;
            merge(&mut known, new);
            assert_eq!(known, docker);
        }
    }

    #[test]
    fn a_runtime_may_rename_and_others_may_not() {
        let mut known = of(ID, "docker", "", "old");
        assert!(merge(&mut known, of(ID, "docker", "", "new")));
        assert!(!merge(&mut known, of(ID, "docker", "", "")));
        assert!(!merge(&mut known, of(ID, "podman", "", "other")));
        assert_eq!(known.name, "new");
    }

    #[test]
    fn what_the_kernel_showed_is_named_later() {
        let mut known = Container {
            id: ID.into(),
            mntns_id: 7,
            ..Default::default()
        };
        assert!(merge(
            &mut known,
            Container {
                mntns_id: 8,
                ..of(ID, "docker", "", "web")
            }
        ));
        assert_eq!((known.name.as_str(), known.mntns_id), ("web", 7));
    }
}
