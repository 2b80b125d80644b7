//! Any runtime that speaks the Container Runtime Interface of Kubernetes: CRI-O, containerd, cri-dockerd.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, future, stream};
use gizmo_model::container::{Container as Record, K8sIdentity};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::client::{ClientError, EventId, Found, MAX_CONTAINERS, PARALLEL_CALLS, Signal};
use super::cri_api::{
    CREATED_EVENT, Container, ContainerFilter, ContainerStatusRequest, CriApi, DELETED_EVENT,
    ImageSpec, ImageStatusRequest, ListContainersRequest, ListPodSandboxRequest, PodSandbox,
    PodSandboxFilter, RUNNING, STARTED_EVENT, STOPPED_EVENT,
};
use super::docker::repo_digest;
use super::transport::{Socket, answer, answer_if_found};
use super::{RuntimeKind, k8s};
use crate::clean;

/// Containers share few images; what is asked once is kept.
const MAX_IMAGES: usize = 1024;

pub(crate) struct Cri {
    kind: RuntimeKind,
    api: CriApi,
    images: Mutex<HashMap<String, ImageNames>>,
    /// A container of a pod has one first process in its life; runtimes without events are listed every second, and need
    /// not be asked for each container every time.
    pids: Mutex<HashMap<String, u32>>,
}

/// What an image is called.
#[derive(Debug, Clone, Default)]
struct ImageNames {
    name: String,
    id: String,
    digest: String,
}

impl Cri {
    pub(crate) fn new(kind: RuntimeKind, socket: Arc<Socket>) -> Self {
        Self {
            kind,
            api: CriApi::new(socket.channel()),
            images: Mutex::default(),
            pids: Mutex::default(),
        }
    }

    fn pids(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_pids_of(&self, ids: HashSet<String>) {
        self.pids().retain(|id, _| ids.contains(id));
    }

    pub(crate) async fn list(&self) -> Result<Vec<Found>, ClientError> {
        let sandboxes = answer(
            self.api
                .list_pod_sandboxes(ListPodSandboxRequest::default()),
        )
        .await?;
        let sandboxes: HashMap<String, PodSandbox> = sandboxes
            .items
            .into_iter()
            .map(|it| (it.id.clone(), it))
            .collect();
        let containers = answer(self.api.list_containers(ListContainersRequest::default())).await?;
        let containers = containers.containers.into_iter().take(MAX_CONTAINERS);
        self.keep_pids_of(containers.clone().map(|it| it.id).collect());
        let one = async |container: Container| {
            let sandbox = sandboxes.get(&container.pod_sandbox_id);
            self.describe(&container, sandbox).await
        };
        let found = stream::iter(containers).map(one).buffered(PARALLEL_CALLS);
        let mut found: Vec<Found> = found.filter_map(future::ready).collect().await;
        // Sandboxes are no containers in this protocol, but the kernel takes them for such.
        found.extend(
            sandboxes
                .into_keys()
                .take(MAX_CONTAINERS)
                .filter_map(|id| self.sandbox(id)),
        );
        Ok(found)
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<Found>, ClientError> {
        let filter = Some(ContainerFilter { id: id.to_owned() });
        let list = answer(self.api.list_containers(ListContainersRequest { filter })).await?;
        // Runtimes also accept the beginning of an id.
        let Some(container) = list.containers.into_iter().find(|it| it.id == id) else {
            let sandbox = self.pod_sandbox(id).await?;
            return Ok(sandbox.and_then(|it| self.sandbox(it.id)));
        };
        let sandbox = self.pod_sandbox(&container.pod_sandbox_id).await?;
        Ok(self.describe(&container, sandbox.as_ref()).await)
    }

    pub(crate) async fn watch(&self, signals: &mpsc::Sender<Signal>) -> Result<(), ClientError> {
        let mut events = self.api.container_events().await?;
        let _ = signals.send(Signal::Watching).await;
        while let Some(event) = events.message().await? {
            if !clean::is_valid_id(&event.container_id) {
                continue;
            }
            let id = EventId {
                id: event.container_id,
                ..Default::default()
            };
            let signal = match event.container_event_type {
                CREATED_EVENT => Signal::Created(id),
                STARTED_EVENT => Signal::Started(id),
                STOPPED_EVENT | DELETED_EVENT => Signal::Ended(id),
                _ => continue,
            };
            let _ = signals.send(signal).await;
        }
        Err(ClientError::Ended)
    }

    async fn pod_sandbox(&self, id: &str) -> Result<Option<PodSandbox>, ClientError> {
        let filter = Some(PodSandboxFilter { id: id.to_owned() });
        let list = answer(
            self.api
                .list_pod_sandboxes(ListPodSandboxRequest { filter }),
        )
        .await?;
        Ok(list.items.into_iter().find(|it| it.id == id))
    }

    fn sandbox(&self, id: String) -> Option<Found> {
        clean::is_valid_id(&id).then(|| Found {
            container: Record {
                id,
                runtime_name: self.kind.name().to_owned(),
                ..Default::default()
            },
            is_sandbox: true,
        })
    }

    async fn describe(&self, container: &Container, sandbox: Option<&PodSandbox>) -> Option<Found> {
        let mut record = describe(self.kind, container, sandbox)?;
        if container.state == RUNNING {
            self.add_status(&mut record).await;
        }
        let image = self
            .image(&container.image_ref, container.image.as_ref())
            .await;
        record.image_name = image.name;
        record.image_id = image.id;
        record.image_digest = image.digest;
        Some(Found {
            container: record,
            is_sandbox: false,
        })
    }

    /// What is said in detail only: the process id and the specification.
    async fn add_status(&self, record: &mut Record) {
        let known = self.pids().get(&record.id).copied();
        if let Some(pid) = known {
            record.pid = pid;
            return;
        }
        let request = ContainerStatusRequest {
            container_id: record.id.clone(),
            verbose: true,
        };
        let status = match answer_if_found(self.api.container_status(request)).await {
            Ok(Some(status)) => status,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(runtime = %self.kind, container = record.id, %error, "no process id is told");
                return;
            }
        };
        let info = status
            .info
            .get("info")
            .and_then(|it| serde_json::from_str::<Info>(it).ok());
        let info = info.unwrap_or_default();
        record.pid = info.pid;
        let mut pids = self.pids();
        if info.pid != 0 && pids.len() < MAX_CONTAINERS {
            pids.insert(record.id.clone(), info.pid);
        }
        drop(pids);
        record.config = info
            .runtime_spec
            .map(|it| it.get().to_owned())
            .unwrap_or_default();
    }

    async fn image(&self, reference: &str, spec: Option<&ImageSpec>) -> ImageNames {
        let given = spec.map(given_name).unwrap_or_default();
        let mut names = self.known_image(reference).await;
        if !given.is_empty() && !given.starts_with("sha256:") {
            names.name = given;
        }
        names
    }

    async fn known_image(&self, reference: &str) -> ImageNames {
        if reference.is_empty() {
            return ImageNames::default();
        }
        let known = self
            .images
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(reference)
            .cloned();
        if let Some(known) = known {
            return known;
        }
        let image = Some(ImageSpec {
            image: reference.to_owned(),
            ..Default::default()
        });
        let Ok(status) = answer(self.api.image_status(ImageStatusRequest { image })).await else {
            return ImageNames::default();
        };
        let image = status.image.unwrap_or_default();
        let names = ImageNames {
            name: image
                .repo_tags
                .first()
                .map(|it| clean::text(it))
                .unwrap_or_default(),
            id: clean::text(&image.id),
            digest: repo_digest(&image.repo_digests),
        };
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if images.len() < MAX_IMAGES {
            images.insert(reference.to_owned(), names.clone());
        }
        names
    }
}

/// The answer to "verbose", which no standard describes; CRI-O and containerd agree on these.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Info {
    pid: u32,
    runtime_spec: Option<Box<serde_json::value::RawValue>>,
}

fn given_name(spec: &ImageSpec) -> String {
    let given = if spec.user_specified_image.is_empty() {
        &spec.image
    } else {
        &spec.user_specified_image
    };
    clean::text(given)
}

fn describe(
    kind: RuntimeKind,
    container: &Container,
    sandbox: Option<&PodSandbox>,
) -> Option<Record> {
    if !clean::is_valid_id(&container.id) {
        return None;
    }
    let metadata = container.metadata.clone().unwrap_or_default();
    let mut k8s = k8s::identity(clean::labels(&container.labels));
    // What the pod says counts more than labels that anybody may have written.
    k8s.container_name = clean::text(&metadata.name);
    k8s.pod_labels.clear();
    if let Some(sandbox) = sandbox {
        add_sandbox(&mut k8s, sandbox);
    }
    let name = match kind {
        RuntimeKind::Containerd => k8s.container_name.clone(),
        _ => k8s::composed_name(&k8s, metadata.attempt),
    };
    // The kind is that of the runtime, and only Kubernetes' namespace of containerd speaks this protocol.
    let namespace = if kind == RuntimeKind::Containerd {
        crate::cgroup_path::K8S_NAMESPACE
    } else {
        ""
    };
    Some(Record {
        id: container.id.clone(),
        name,
        runtime_name: kind.name().to_owned(),
        runtime_namespace: namespace.to_owned(),
        sandbox_id: Some(&container.pod_sandbox_id)
            .filter(|id| clean::is_valid_id(id))
            .cloned()
            .unwrap_or_default(),
        k8s,
        ..Default::default()
    })
}

fn add_sandbox(k8s: &mut K8sIdentity, sandbox: &PodSandbox) {
    let metadata = sandbox.metadata.clone().unwrap_or_default();
    for (field, value) in [
        (&mut k8s.pod_name, &metadata.name),
        (&mut k8s.namespace, &metadata.namespace),
        (&mut k8s.pod_uid, &metadata.uid),
    ] {
        if !value.is_empty() {
            *field = clean::text(value);
        }
    }
    let mut labels = clean::labels(&sandbox.labels);
    labels.retain(|key, _| !key.starts_with("io.kubernetes."));
    k8s.pod_labels = labels;
}

#[cfg(test)]
mod tests {
    use super::super::cri_api::{ContainerMetadata, PodSandboxMetadata};
    use super::*;

    fn pair() -> (Container, PodSandbox) {
        let container = Container {
            id: "0a".into(),
            pod_sandbox_id: "5b".into(),
            metadata: Some(ContainerMetadata {
                name: "main".into(),
                attempt: 1,
            }),
            labels: [
                ("io.kubernetes.pod.name".into(), "label".into()),
                ("own".into(), "x".into()),
            ]
            .into(),
            ..Default::default()
        };
        let sandbox = PodSandbox {
            id: "5b".into(),
            metadata: Some(PodSandboxMetadata {
                name: "web".into(),
                uid: "u".into(),
                namespace: "shop".into(),
            }),
            labels: [
                ("app".into(), "web".into()),
                ("io.kubernetes.pod.uid".into(), "u".into()),
            ]
            .into(),
        };
        (container, sandbox)
    }

    #[test]
    fn the_pod_names_its_containers() {
        let (container, sandbox) = pair();
        let record = describe(RuntimeKind::CriO, &container, Some(&sandbox)).unwrap();
        assert_eq!(record.name, "k8s_main_web_shop_u_1");
        assert_eq!(record.k8s.pod_name, "web");
        assert_eq!(record.k8s.pod_labels, [("app".into(), "web".into())].into());
        assert_eq!(
            (
                record.sandbox_id.as_str(),
                record.runtime_namespace.as_str()
            ),
            ("5b", "")
        );
        let record = describe(RuntimeKind::Containerd, &container, Some(&sandbox)).unwrap();
        assert_eq!(
            (record.name.as_str(), record.runtime_namespace.as_str()),
            ("main", "k8s.io")
        );
    }

    #[test]
    fn labels_name_a_container_whose_pod_is_gone() {
        let (container, _) = pair();
        let record = describe(RuntimeKind::Containerd, &container, None).unwrap();
        assert_eq!(record.k8s.pod_name, "label");
        assert!(record.k8s.pod_labels.is_empty());
    }

    #[test]
    fn odd_ids_are_left_out() {
        let (mut container, sandbox) = pair();
        container.pod_sandbox_id = "../x".into();
        assert_eq!(
            describe(RuntimeKind::CriO, &container, Some(&sandbox))
                .unwrap()
                .sandbox_id,
            ""
        );
        container.id = "a/b".into();
        assert!(describe(RuntimeKind::CriO, &container, Some(&sandbox)).is_none());
    }

    #[test]
    fn details_may_be_anything() {
        let info = |text: &str| serde_json::from_str::<Info>(text).unwrap_or_default();
        let full = info(r#"{"pid":42,"runtimeSpec":{"ociVersion":"1.0"},"sandboxID":"5b"}"#);
        assert_eq!(
            (full.pid, full.runtime_spec.unwrap().get()),
            (42, r#"{"ociVersion":"1.0"}"#)
        );
        for text in ["", "{}", "[]", r#"{"pid":-1}"#, r#"{"pid":"x"}"#] {
            assert_eq!(info(text).pid, 0);
        }
    }
}
