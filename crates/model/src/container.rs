//! Who is recorded: the identity of a container.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// A container, or a command that is treated as one.
///
/// Fields are filled as they become known: a container that the kernel has shown has an id and a mount namespace long before
/// its runtime has told its name. Unknown texts are empty and unknown numbers are 0.
///
/// Serialised, it is the object that `list-containers` prints: empty values are left out, except the two objects `runtime` and
/// `k8s`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// The runtime's id; unique for a command's recording.
    pub id: String,
    /// The runtime's name for it, or the command's.
    pub name: String,
    /// Inode number of the mount namespace.
    pub mntns_id: u64,
    /// Id of the cgroup in the v2 hierarchy, 0 when unknown.
    pub cgroup_id: u64,
    /// The OCI runtime specification as JSON, empty when there is none.
    pub config: String,
    /// Which runtime: `docker`, `containerd`, `cri-o`, `podman`; empty for a command.
    pub runtime_name: String,
    /// The runtime's own namespace that the id is unique in (containerd); empty for runtimes that have none.
    pub runtime_namespace: String,
    /// Process id of the first process, as the host sees it.
    pub pid: u32,
    /// Name of the image, as the runtime keeps it.
    pub image_name: String,
    /// Digest of the image's configuration, with `sha256:`.
    pub image_id: String,
    /// Digest of the image's manifest, with `sha256:`; empty for images that came from no registry.
    pub image_digest: String,
    /// When the first process started, in nanoseconds since 1970.
    pub started_at_ns: i64,
    /// What Kubernetes calls it.
    pub k8s: K8sIdentity,
    /// The folder that holds the OCI runtime specification.
    pub bundle: String,
    /// Id of the pod's sandbox.
    pub sandbox_id: String,
    /// Inode number of the network namespace.
    pub netns_id: u64,
    /// Whether it is in the network namespace of the host.
    pub host_network: bool,
    /// The folder of its cgroup, as the host sees it.
    pub cgroup_path: String,
    /// Path of its cgroup below the root of the v1 hierarchy `name=systemd`.
    pub cgroup_v1: String,
    /// Path of its cgroup below the root of the v2 hierarchy.
    pub cgroup_v2: String,
}

/// What Kubernetes calls a container; all empty where there is no Kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct K8sIdentity {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod_name: String,
    /// The pod's labels.
    pub pod_labels: BTreeMap<String, String>,
    /// The container's name in the pod's specification.
    pub container_name: String,
    /// The pod's uid.
    pub pod_uid: String,
}

impl K8sIdentity {
    /// Whether pod and container are known by name.
    pub fn is_complete(&self) -> bool {
        !self.namespace.is_empty() && !self.pod_name.is_empty() && !self.container_name.is_empty()
    }
}

/// Writes the entries that are not empty.
macro_rules! fields {
    ($serializer:expr, $name:literal, { $($key:literal: $value:expr, $given:expr;)* }) => {{
        let count = [$($given),*].into_iter().filter(|given| *given).count();
        let mut object = $serializer.serialize_struct($name, count)?;
        $(if $given { object.serialize_field($key, &$value)?; } else { object.skip_field($key)?; })*
        object.end()
    }};
}

/// The object `runtime` of a container.
struct Runtime<'a>(&'a Container);

impl Serialize for Runtime<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let it = self.0;
        fields!(serializer, "runtime", {
            "runtimeName": it.runtime_name, !it.runtime_name.is_empty();
            "containerId": it.id, !it.id.is_empty();
            "containerName": it.name, !it.name.is_empty();
            "containerPid": it.pid, it.pid != 0;
            "containerImageName": it.image_name, !it.image_name.is_empty();
            "containerImageId": it.image_id, !it.image_id.is_empty();
            "containerImageDigest": it.image_digest, !it.image_digest.is_empty();
            "containerStartedAt": it.started_at_ns, it.started_at_ns != 0;
        })
    }
}

impl Serialize for K8sIdentity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields!(serializer, "k8s", {
            "namespace": self.namespace, !self.namespace.is_empty();
            "podName": self.pod_name, !self.pod_name.is_empty();
            "podLabels": self.pod_labels, !self.pod_labels.is_empty();
            "containerName": self.container_name, !self.container_name.is_empty();
            "podUID": self.pod_uid, !self.pod_uid.is_empty();
        })
    }
}

impl Serialize for Container {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields!(serializer, "container", {
            "runtime": Runtime(self), true;
            "k8s": self.k8s, true;
            "ociConfig": self.config, !self.config.is_empty();
            "bundle": self.bundle, !self.bundle.is_empty();
            "sandboxId": self.sandbox_id, !self.sandbox_id.is_empty();
            "mntns": self.mntns_id, self.mntns_id != 0;
            "netns": self.netns_id, self.netns_id != 0;
            "hostNetwork": self.host_network, self.host_network;
            "cgroupPath": self.cgroup_path, !self.cgroup_path.is_empty();
            "cgroupID": self.cgroup_id, self.cgroup_id != 0;
            "cgroupV1": self.cgroup_v1, !self.cgroup_v1.is_empty();
            "cgroupV2": self.cgroup_v2, !self.cgroup_v2.is_empty();
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_values_are_left_out_but_the_two_objects_stay() {
        let text = serde_json::to_string(&Container::default()).unwrap();
        assert_eq!(text, r#"{"runtime":{},"k8s":{}}"#);
    }

    #[test]
    fn a_full_record_has_the_promised_keys_in_order() {
        let container = Container {
            id: "0a1b".into(),
            name: "c1".into(),
            mntns_id: 1,
            cgroup_id: 3,
            config: "{}".into(),
            runtime_name: "docker".into(),
            runtime_namespace: "not shown".into(),
            pid: 42,
            image_name: "demo:1".into(),
            image_id: "sha256:aa".into(),
            image_digest: "sha256:bb".into(),
            started_at_ns: 1_700_000_000_000_000_000,
            k8s: K8sIdentity {
                namespace: "ns".into(),
                pod_name: "pod".into(),
                pod_labels: BTreeMap::from([("app".into(), "x".into())]),
                container_name: "main".into(),
                pod_uid: "u-1".into(),
            },
            bundle: "/run/b".into(),
            sandbox_id: "5b".into(),
            netns_id: 2,
            host_network: true,
            cgroup_path: "/sys/fs/cgroup/docker/0a1b".into(),
            cgroup_v1: "/docker/0a1b".into(),
            cgroup_v2: "/docker/0a1b".into(),
        };
        let text = serde_json::to_string(&container).unwrap();
        let promised = concat!(
            r#"{"runtime":{"runtimeName":"docker","containerId":"0a1b","containerName":"c1","containerPid":42,"#,
            r#""containerImageName":"demo:1","containerImageId":"sha256:aa","containerImageDigest":"sha256:bb","#,
            r#""containerStartedAt":1700000000000000000},"#,
            r#""k8s":{"namespace":"ns","podName":"pod","podLabels":{"app":"x"},"containerName":"main","podUID":"u-1"},"#,
            r#""ociConfig":"{}","bundle":"/run/b","sandboxId":"5b","mntns":1,"netns":2,"hostNetwork":true,"#,
            r#""cgroupPath":"/sys/fs/cgroup/docker/0a1b","cgroupID":3,"cgroupV1":"/docker/0a1b","cgroupV2":"/docker/0a1b"}"#
        );
        assert_eq!(text, promised);
    }
}
