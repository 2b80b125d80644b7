//! Which container a cgroup belongs to, told from its path alone.
//!
//! The kernel shows a new container first as a cgroup. Every runtime puts the id into the path, each in its own way, and two
//! cgroup drivers spell it differently: `cgroupfs` uses plain folders (`/docker/ID`), `systemd` uses units
//! (`/system.slice/docker-ID.scope`). The paths are the same for v1 and v2.

use crate::clean::is_valid_id;
use crate::runtimes::RuntimeKind;

/// Namespace of containerd that Kubernetes uses.
pub(crate) const K8S_NAMESPACE: &str = "k8s.io";
/// Namespace of containerd that `ctr` and `nerdctl` use when told nothing.
const DEFAULT_NAMESPACE: &str = "default";

/// What a path tells about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupContainer {
    /// The container's id.
    pub id: String,
    /// The runtime, where the path names it.
    pub runtime: Option<RuntimeKind>,
    /// The namespace of containerd, where the path names it.
    pub namespace: Option<String>,
    /// The uid of the pod, where the path names it.
    pub pod_uid: Option<String>,
    /// The container's own cgroup: the path given, or a folder above it.
    pub cgroup: String,
}

impl CgroupContainer {
    /// Whether `path`, which this was told from, lies below the container's own cgroup.
    #[must_use]
    pub fn is_below(&self, path: &str) -> bool {
        path.trim_end_matches('/').len() > self.cgroup.len()
    }
}

/// Tells the container from a path below the root of a cgroup hierarchy, as `/proc/PID/cgroup` has it.
///
/// Of nested containers the outermost is told, for it is the one that the runtimes of this host know. containerd's own scheme
/// without Kubernetes is `/NAMESPACE/ID` with any text for both; only `default` is recognised here, see
/// [`identify_cgroup_in`] for others. A pod's sandbox looks like any other container.
///
/// ```
/// use gizmo_containers::{identify_cgroup, RuntimeKind};
/// let id = "5bca7848831d69b0b027b7b845a5e7610773acbb256b70c716a52aa2f711a8d9";
/// let told = identify_cgroup(&format!("/system.slice/docker-{id}.scope")).unwrap();
/// assert_eq!((told.id.as_str(), told.runtime), (id, Some(RuntimeKind::Docker)));
/// ```
#[must_use]
pub fn identify_cgroup(path: &str) -> Option<CgroupContainer> {
    identify_cgroup_in(path, &[])
}

/// Like [`identify_cgroup`] with the namespaces of containerd that are known to exist.
#[must_use]
pub fn identify_cgroup_in(path: &str, namespaces: &[String]) -> Option<CgroupContainer> {
    let mut walk = Walk::default();
    let mut end = 0;
    for component in path.split('/') {
        end += component.len();
        if !component.is_empty()
            && component != ".."
            && let Some(found) = walk.step(component, namespaces)
        {
            return Some(CgroupContainer {
                id: found.id.to_owned(),
                runtime: found.runtime,
                namespace: found.namespace.map(str::to_owned),
                pod_uid: walk.pod_uid,
                cgroup: path[..end].to_owned(),
            });
        }
        end += 1;
    }
    None
}

/// What a component alone tells.
struct Told<'a> {
    id: &'a str,
    runtime: Option<RuntimeKind>,
    namespace: Option<&'a str>,
}

#[derive(Default)]
struct Walk<'a> {
    depth: usize,
    parent: &'a str,
    is_kubernetes: bool,
    pod_uid: Option<String>,
}

impl<'a> Walk<'a> {
    fn step(&mut self, component: &'a str, namespaces: &[String]) -> Option<Told<'a>> {
        let told = told_by_unit(component).or_else(|| self.told_by_folder(component, namespaces));
        if told.is_none() {
            self.is_kubernetes |= component.starts_with("kubepods");
            if self.is_kubernetes {
                self.pod_uid = pod_uid(component).or(self.pod_uid.take());
            }
            self.depth += 1;
            self.parent = component;
        }
        told
    }

    /// Plain folders: the folder above tells what an id belongs to.
    fn told_by_folder(&self, component: &'a str, namespaces: &[String]) -> Option<Told<'a>> {
        if self.is_kubernetes {
            // Docker and containerd look alike here.
            return is_random_id(component).then_some(Told {
                id: component,
                runtime: None,
                namespace: None,
            });
        }
        let is_namespace = self.depth == 1
            && ([DEFAULT_NAMESPACE, K8S_NAMESPACE].contains(&self.parent)
                || namespaces.iter().any(|known| known == self.parent));
        if is_namespace && is_valid_id(component) {
            return Some(Told {
                id: component,
                runtime: Some(RuntimeKind::Containerd),
                namespace: Some(self.parent),
            });
        }
        // Docker's containers may be put below any folder (`--cgroup-parent`).
        is_random_id(component).then_some(Told {
            id: component,
            runtime: (self.parent == "docker").then_some(RuntimeKind::Docker),
            namespace: None,
        })
    }
}

/// `docker-ID.scope`, `cri-containerd-ID.scope`, `libpod-ID`, `SLICE:cri-containerd:ID` and the like.
fn told_by_unit(component: &str) -> Option<Told<'_>> {
    let unit = component.strip_suffix(".scope").unwrap_or(component);
    // A path meant for systemd that a runtime with the other driver took literally has colons.
    let (prefix, id) = unit
        .rsplit_once(':')
        .map(|(left, id)| (left.rsplit(':').next().unwrap_or(left), id))
        .or_else(|| unit.rsplit_once('-'))?;
    if !is_random_id(id) {
        return None;
    }
    let (runtime, namespace) = match prefix {
        "docker" => (Some(RuntimeKind::Docker), None),
        "cri-containerd" => (Some(RuntimeKind::Containerd), Some(K8S_NAMESPACE)),
        "nerdctl" => (Some(RuntimeKind::Containerd), None),
        "crio" => (Some(RuntimeKind::CriO), None),
        "libpod" | "libpod-payload" => (Some(RuntimeKind::Podman), None),
        // The monitor of a container is not in it.
        "crio-conmon" | "libpod-conmon" => return None,
        _ => (None, None),
    };
    Some(Told {
        id,
        runtime,
        namespace,
    })
}

/// The uid in `podUID` and `kubepods-burstable-podU_I_D.slice`.
fn pod_uid(component: &str) -> Option<String> {
    let name = component.strip_suffix(".slice").unwrap_or(component);
    let uid = name
        .strip_prefix("pod")
        .or_else(|| name.rsplit_once("-pod").map(|(_, uid)| uid))?;
    let uid = uid.replace('_', "-");
    is_valid_id(&uid).then_some(uid)
}

/// Ids that runtimes draw by lot: 256 bits as lower-case hexadecimal digits.
pub(crate) fn is_random_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5bca7848831d69b0b027b7b845a5e7610773acbb256b70c716a52aa2f711a8d9";
    const OTHER: &str = "d46b9d86723ab85478a842509ccf5359cff6905d332262cfc44c574a44b08c76";

    #[track_caller]
    fn told(path: &str) -> CgroupContainer {
        let told = identify_cgroup(&path.replace("ID", ID)).expect("no container was told");
        assert_eq!(told.id, ID);
        told
    }

    #[test]
    fn runtimes_are_told_with_either_driver() {
        use RuntimeKind::{Containerd, CriO, Docker, Podman};
        for (path, runtime, namespace) in [
            ("/docker/ID", Some(Docker), None),
            ("/system.slice/docker-ID.scope", Some(Docker), None),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
                Some(Docker),
                None,
            ),
            ("/default/ID", Some(Containerd), Some("default")),
            ("/k8s.io/ID", Some(Containerd), Some("k8s.io")),
            ("/system.slice/nerdctl-ID.scope", Some(Containerd), None),
            ("/libpod_parent/libpod-ID", Some(Podman), None),
            ("/machine.slice/libpod-ID.scope", Some(Podman), None),
            (
                "/machine.slice/libpod-ID.scope/container",
                Some(Podman),
                None,
            ),
            (
                "/user.slice/user-0.slice/session-1.scope/libpod-payload-ID",
                Some(Podman),
                None,
            ),
            (
                "/kubepods/besteffort/pod0d206349-0faf-445c-8c3f-2d2153784f15/ID",
                None,
                None,
            ),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-ID.scope",
                Some(Containerd),
                Some("k8s.io"),
            ),
            (
                "/kubepods.slice/kubepods-pod1.slice/crio-ID.scope",
                Some(CriO),
                None,
            ),
            ("/kubepods/burstable/pod1/crio-ID", Some(CriO), None),
            (
                "/kubepods.slice/kubepods-pod1.slice/docker-ID.scope",
                Some(Docker),
                None,
            ),
            (
                "/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:ID",
                Some(Containerd),
                Some("k8s.io"),
            ),
            ("/actions_job/ID", None, None),
            ("/../../docker/ID", Some(Docker), None),
        ] {
            let told = told(path);
            assert_eq!(
                (told.runtime, told.namespace.as_deref()),
                (runtime, namespace),
                "{path}"
            );
        }
    }

    #[test]
    fn the_pod_is_told_with_either_driver() {
        let uid = "0d206349-0faf-445c-8c3f-2d2153784f15";
        for path in [
            format!("/kubepods/besteffort/pod{uid}/ID"),
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/crio-ID.scope",
                uid.replace('-', "_")
            ),
            format!(
                "/kubepods.slice/kubepods-pod{}.slice/docker-ID.scope",
                uid.replace('-', "_")
            ),
            format!("/kubelet/kubepods/pod{uid}/ID"),
        ] {
            assert_eq!(told(&path).pod_uid.as_deref(), Some(uid), "{path}");
        }
        assert_eq!(told("/docker/ID").pod_uid, None);
    }

    #[test]
    fn names_that_people_chose_count_in_known_namespaces_only() {
        let told = identify_cgroup("/default/web-1").unwrap();
        assert_eq!(
            (told.id.as_str(), told.namespace.as_deref()),
            ("web-1", Some("default"))
        );
        assert_eq!(identify_cgroup("/shop/web-1"), None);
        let told = identify_cgroup_in("/shop/web-1", &["shop".into()]).unwrap();
        assert_eq!(told.namespace.as_deref(), Some("shop"));
        assert_eq!(identify_cgroup("/x/default/web-1"), None);
    }

    #[test]
    fn of_nested_containers_the_outermost_is_told() {
        let path = format!("/docker/{ID}/kubelet/kubepods/pod1/{OTHER}");
        let told = told(&path);
        assert_eq!(told.cgroup, format!("/docker/{ID}"));
        assert!(told.is_below(&path));
        assert!(!told.is_below(&told.cgroup));
        assert!(!told.is_below(&format!("/docker/{ID}/")));
    }

    #[test]
    fn other_cgroups_are_nobodys() {
        for path in [
            "",
            "/",
            "/user.slice/user-0.slice/session-1.scope",
            "/system.slice/docker.service",
            "/docker",
            "/docker/buildkit/abc",
            "/default",
            "/init.scope",
            "/process_api/5ec550ed8f74eafc81806cca9852db73",
            "/libpod_parent/conmon",
            "/kubepods/besteffort/pod1",
            "/lxc.payload.c1",
        ] {
            assert_eq!(identify_cgroup(path), None, "{path}");
        }
        for path in [
            "/machine.slice/libpod-conmon-ID.scope",
            "/x.slice/crio-conmon-ID.scope",
            "/docker/ID0",
        ] {
            assert_eq!(identify_cgroup(&path.replace("ID", ID)), None, "{path}");
        }
        assert_eq!(
            identify_cgroup(&format!("/docker/{}", ID.to_uppercase())),
            None
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_told_is_a_valid_id_within_the_path(path in "(/|[a-z0-9.:_-]{0,9}|default|docker-?|[0-9a-f]{64}|\\.scope|ü){0,12}") {
            if let Some(told) = identify_cgroup(&path) {
                assert!(is_valid_id(&told.id));
                assert!(path.starts_with(&told.cgroup) && told.cgroup.contains(&told.id));
            }
        }
    }
}
