//! containerd, by its own gRPC API: namespaces, containers, tasks, images and events.

mod image;

use std::collections::HashMap;
use std::sync::Arc;

use containerd_client::events::{ContainerCreate, ContainerDelete, TaskExit, TaskStart};
use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::tasks_client::TasksClient;
use containerd_client::services::v1::{
    Container as Stored, GetContainerRequest, GetRequest, ListContainersRequest,
    ListNamespacesRequest, ListTasksRequest, SubscribeRequest,
};
use containerd_client::types::Envelope;
use containerd_client::types::v1::{Process, Status};
use gizmo_model::container::Container;
use prost::Message;
use tokio::sync::mpsc;
use tonic::transport::Channel;

use self::image::Images;
use super::client::{ClientError, EventId, Found, MAX_CONTAINERS, Signal};
use super::transport::{MAX_GRPC_BYTES, Socket, answer, answer_if_found};
use super::{RuntimeKind, k8s};
use crate::clean;

/// Where Docker's containers are; Docker knows their names, containerd does not.
pub(crate) const DOCKER_NAMESPACE: &str = "moby";
const KIND_LABEL: &str = "io.cri-containerd.kind";
/// A namespace costs two calls per list.
const MAX_NAMESPACES: usize = 256;
/// A specification of a container as containerd keeps it.
const MAX_SPEC_BYTES: usize = 16 << 20;

pub(crate) struct Containerd {
    channel: Channel,
    namespaces: Option<Vec<String>>,
    images: Images,
}

impl Containerd {
    pub(crate) fn new(socket: Arc<Socket>, namespaces: Option<Vec<String>>) -> Self {
        let channel = socket.channel();
        Self {
            images: Images::new(channel.clone()),
            channel,
            namespaces,
        }
    }

    pub(crate) async fn list(&self) -> Result<Vec<Found>, ClientError> {
        let mut found = Vec::new();
        for namespace in self.namespaces().await? {
            self.list_namespace(&namespace, &mut found).await?;
        }
        Ok(found)
    }

    async fn list_namespace(
        &self,
        namespace: &str,
        found: &mut Vec<Found>,
    ) -> Result<(), ClientError> {
        let list = ListContainersRequest::default();
        let containers = answer(self.containers().list(inside(namespace, list)?))
            .await?
            .containers;
        let tasks = ListTasksRequest::default();
        let tasks = answer(self.tasks().list(inside(namespace, tasks)?))
            .await?
            .tasks;
        // Which of the two fields names the container has changed between versions; the first process is named like it.
        let pids: HashMap<&str, u32> = tasks.iter().map(|it| (task_name(it), pid(it))).collect();
        for stored in containers
            .into_iter()
            .take(MAX_CONTAINERS.saturating_sub(found.len()))
        {
            let pid = pids.get(stored.id.as_str()).copied().unwrap_or(0);
            found.extend(self.describe(namespace, stored, pid).await);
        }
        Ok(())
    }

    pub(crate) async fn get(
        &self,
        namespace: &str,
        id: &str,
    ) -> Result<Option<Found>, ClientError> {
        let namespaces = if namespace.is_empty() {
            self.namespaces().await?
        } else if self.follows(namespace) {
            vec![namespace.to_owned()]
        } else {
            Vec::new()
        };
        for namespace in namespaces {
            let request = GetContainerRequest { id: id.to_owned() };
            let stored =
                answer_if_found(self.containers().get(inside(&namespace, request)?)).await?;
            if let Some(stored) = stored.and_then(|it| it.container) {
                let request = GetRequest {
                    container_id: id.to_owned(),
                    ..Default::default()
                };
                let task = answer_if_found(self.tasks().get(inside(&namespace, request)?)).await?;
                let pid = task.and_then(|it| it.process).as_ref().map_or(0, pid);
                return Ok(self.describe(&namespace, stored, pid).await);
            }
        }
        Ok(None)
    }

    pub(crate) async fn watch(&self, signals: &mpsc::Sender<Signal>) -> Result<(), ClientError> {
        let topics = [
            "/containers/create",
            "/tasks/start",
            "/tasks/exit",
            "/containers/delete",
        ];
        let filters = topics
            .iter()
            .map(|topic| format!("topic==\"{topic}\""))
            .collect();
        let mut events = EventsClient::new(self.channel.clone());
        // No time limit: containerd answers with its first event.
        let mut events = events
            .subscribe(SubscribeRequest { filters })
            .await?
            .into_inner();
        let _ = signals.send(Signal::Watching).await;
        while let Some(envelope) = events.message().await? {
            if self.follows(&envelope.namespace)
                && let Some(signal) = to_signal(envelope)
            {
                let _ = signals.send(signal).await;
            }
        }
        Err(ClientError::Ended)
    }

    fn follows(&self, namespace: &str) -> bool {
        match &self.namespaces {
            Some(followed) => followed.iter().any(|it| it == namespace),
            None => namespace != DOCKER_NAMESPACE,
        }
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClientError> {
        if let Some(namespaces) = &self.namespaces {
            return Ok(namespaces.clone());
        }
        let mut client = NamespacesClient::new(self.channel.clone());
        let list = answer(client.list(ListNamespacesRequest::default()))
            .await?
            .namespaces;
        let names = list.into_iter().map(|it| it.name);
        Ok(names
            .filter(|it| clean::is_valid_id(it) && self.follows(it))
            .take(MAX_NAMESPACES)
            .collect())
    }

    fn containers(&self) -> ContainersClient<Channel> {
        ContainersClient::new(self.channel.clone()).max_decoding_message_size(MAX_GRPC_BYTES)
    }

    fn tasks(&self) -> TasksClient<Channel> {
        TasksClient::new(self.channel.clone()).max_decoding_message_size(MAX_GRPC_BYTES)
    }

    async fn describe(&self, namespace: &str, stored: Stored, pid: u32) -> Option<Found> {
        let mut found = describe(namespace, stored, pid)?;
        let container = &mut found.container;
        let image = self.images.digests(namespace, &container.image_name).await;
        container.image_digest = image.manifest;
        container.image_id = image.config;
        Some(found)
    }
}

/// A request about one namespace.
fn inside<T>(namespace: &str, request: T) -> Result<tonic::Request<T>, ClientError> {
    let mut request = tonic::Request::new(request);
    let value = namespace.parse().map_err(|_| ClientError::Unsupported)?;
    request.metadata_mut().insert("containerd-namespace", value);
    Ok(request)
}

fn task_name(task: &Process) -> &str {
    if task.container_id.is_empty() {
        &task.id
    } else {
        &task.container_id
    }
}

fn pid(task: &Process) -> u32 {
    let has_process = matches!(
        task.status(),
        Status::Running | Status::Paused | Status::Pausing
    );
    if has_process { task.pid } else { 0 }
}

fn describe(namespace: &str, stored: Stored, pid: u32) -> Option<Found> {
    if !clean::is_valid_id(&stored.id) {
        return None;
    }
    let labels = clean::labels(&stored.labels);
    let is_sandbox = labels.get(KIND_LABEL).is_some_and(|kind| kind == "sandbox");
    let k8s = k8s::identity(labels);
    let name = if k8s.container_name.is_empty() {
        stored.id.clone()
    } else {
        k8s.container_name.clone()
    };
    let config = stored
        .spec
        .filter(|spec| spec.value.len() <= MAX_SPEC_BYTES)
        .and_then(|spec| String::from_utf8(spec.value).ok())
        .unwrap_or_default();
    Some(Found {
        container: Container {
            id: stored.id,
            name,
            runtime_name: RuntimeKind::Containerd.name().to_owned(),
            runtime_namespace: namespace.to_owned(),
            image_name: clean::text(&stored.image),
            pid,
            k8s,
            config,
            ..Default::default()
        },
        is_sandbox,
    })
}

fn to_signal(envelope: Envelope) -> Option<Signal> {
    let bytes = envelope.event?.value;
    let id = |id: String, image: &str, pid: u32| {
        clean::is_valid_id(&id).then(|| EventId {
            id,
            namespace: envelope.namespace.clone(),
            image_name: clean::text(image),
            pid,
            ..Default::default()
        })
    };
    match envelope.topic.as_str() {
        "/containers/create" => {
            let event = ContainerCreate::decode(bytes.as_slice()).ok()?;
            Some(Signal::Created(id(event.id, &event.image, 0)?))
        }
        "/tasks/start" => {
            let event = TaskStart::decode(bytes.as_slice()).ok()?;
            Some(Signal::Started(id(event.container_id, "", event.pid)?))
        }
        "/tasks/exit" => {
            let event = TaskExit::decode(bytes.as_slice()).ok()?;
            // Further processes in the container have ids of their own.
            let is_first = event.id.is_empty() || event.id == event.container_id;
            is_first.then_some(Signal::Ended(id(event.container_id, "", event.pid)?))
        }
        "/containers/delete" => {
            let event = ContainerDelete::decode(bytes.as_slice()).ok()?;
            Some(Signal::Ended(id(event.id, "", 0)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(id: &str, labels: &[(&str, &str)]) -> Stored {
        Stored {
            id: id.into(),
            labels: labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            image: "docker.io/library/demo:1".into(),
            spec: Some(prost_types::Any {
                type_url: String::new(),
                value: b"{}".to_vec(),
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_container_without_a_pod_is_named_by_its_id() {
        let found = describe("default", stored("web", &[]), 7).unwrap();
        let it = found.container;
        assert_eq!(
            (it.name.as_str(), it.runtime_namespace.as_str(), it.pid),
            ("web", "default", 7)
        );
        assert_eq!(
            (it.image_name.as_str(), it.config.as_str()),
            ("docker.io/library/demo:1", "{}")
        );
        assert!(!found.is_sandbox);
    }

    #[test]
    fn a_container_of_a_pod_is_named_by_kubernetes() {
        let labels = [
            ("io.kubernetes.container.name", "main"),
            ("io.kubernetes.pod.name", "web"),
            (KIND_LABEL, "container"),
        ];
        let found = describe("k8s.io", stored("0a", &labels), 0).unwrap();
        assert_eq!(found.container.name, "main");
        assert_eq!(found.container.k8s.pod_name, "web");
        assert!(
            describe("k8s.io", stored("0a", &[(KIND_LABEL, "sandbox")]), 0)
                .unwrap()
                .is_sandbox
        );
    }

    #[test]
    fn an_odd_id_is_no_container() {
        assert!(describe("x", stored("../x", &[]), 0).is_none());
    }

    #[test]
    fn only_the_end_of_the_first_process_is_the_end() {
        let envelope = |topic: &str, event: Vec<u8>| Envelope {
            namespace: "default".into(),
            topic: topic.into(),
            event: Some(prost_types::Any {
                type_url: String::new(),
                value: event,
            }),
            ..Default::default()
        };
        let exit = |id: &str| {
            let event = TaskExit {
                container_id: "web".into(),
                id: id.into(),
                ..Default::default()
            };
            to_signal(envelope("/tasks/exit", event.encode_to_vec()))
        };
        assert!(
            matches!(exit("web"), Some(Signal::Ended(id)) if id.id == "web" && id.namespace == "default")
        );
        assert_eq!(exit("exec-1"), None);
        assert_eq!(to_signal(envelope("/tasks/start", vec![0xff; 9])), None);
        assert_eq!(to_signal(envelope("/tasks/oom", Vec::new())), None);
    }

    #[test]
    fn the_containers_of_docker_are_left_to_docker() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _guard = runtime.enter();
        let socket = Arc::new(Socket::new(crate::HostRoot::default(), "/none".into()));
        let all = Containerd::new(Arc::clone(&socket), None);
        assert!(all.follows("k8s.io") && !all.follows("moby"));
        let named = Containerd::new(socket, Some(vec!["moby".into()]));
        assert!(named.follows("moby") && !named.follows("k8s.io"));
    }
}
