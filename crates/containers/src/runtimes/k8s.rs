//! The labels by which Kubernetes names what it runs.

use std::collections::BTreeMap;

use gizmo_model::container::K8sIdentity;

const CONTAINER: &str = "io.kubernetes.container.name";
const POD: &str = "io.kubernetes.pod.name";
const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const UID: &str = "io.kubernetes.pod.uid";

/// Takes the names out of a container's labels. What remains are labels of the pod, if there is one; labels that runtimes
/// write for themselves are not.
pub(crate) fn identity(mut labels: BTreeMap<String, String>) -> K8sIdentity {
    let mut take = |key: &str| labels.remove(key).unwrap_or_default();
    let mut identity = K8sIdentity {
        container_name: take(CONTAINER),
        pod_name: take(POD),
        namespace: take(NAMESPACE),
        pod_uid: take(UID),
        ..Default::default()
    };
    if !identity.pod_name.is_empty() {
        labels.retain(|key, _| {
            !["io.kubernetes.", "io.cri-containerd.", "annotation."]
                .iter()
                .any(|it| key.starts_with(it))
        });
        identity.pod_labels = labels;
    }
    identity
}

/// The name that Docker and CRI-O give to containers of pods.
pub(crate) fn composed_name(identity: &K8sIdentity, attempt: u32) -> String {
    let K8sIdentity {
        namespace,
        pod_name,
        container_name,
        pod_uid,
        ..
    } = identity;
    format!("k8s_{container_name}_{pod_name}_{namespace}_{pod_uid}_{attempt}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn names_are_taken_out_of_the_labels() {
        let identity = identity(labels(&[
            (CONTAINER, "main"),
            (POD, "web"),
            (NAMESPACE, "shop"),
            (UID, "u"),
            ("app", "x"),
            ("io.cri-containerd.kind", "container"),
            ("io.kubernetes.docker.type", "container"),
        ]));
        assert!(identity.is_complete());
        assert_eq!(identity.pod_uid, "u");
        assert_eq!(identity.pod_labels, labels(&[("app", "x")]));
        assert_eq!(composed_name(&identity, 2), "k8s_main_web_shop_u_2");
    }

    #[test]
    fn labels_without_a_pod_are_not_a_pods() {
        assert_eq!(
            identity(labels(&[("com.docker.compose.project", "x")])),
            K8sIdentity::default()
        );
    }
}
