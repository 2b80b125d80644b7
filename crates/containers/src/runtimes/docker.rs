//! Docker Engine, by its HTTP API.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::models::{ContainerInspectResponse, ContainerSummary, EventMessage};
use bollard::query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, BollardRequest};
use futures_util::{StreamExt, future, stream};
use gizmo_model::container::Container;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{OnceCell, mpsc};

use super::client::{
    CALL_TIMEOUT, ClientError, EventId, Found, MAX_CONTAINERS, PARALLEL_CALLS, Signal, within,
};
use super::transport::{Connector, Socket};
use super::{RuntimeKind, k8s};
use crate::clean;

const TYPE_LABEL: &str = "io.kubernetes.docker.type";
/// Containers share few images; what is asked once is kept.
const MAX_IMAGES: usize = 1024;

pub(crate) struct Docker {
    socket: Arc<Socket>,
    /// Old and new daemons have no version of the API in common, so the version is asked for once.
    api: OnceCell<bollard::Docker>,
    /// Digests by image id.
    digests: Mutex<HashMap<String, String>>,
}

impl Docker {
    pub(crate) fn new(socket: Arc<Socket>) -> Self {
        Self {
            socket,
            api: OnceCell::new(),
            digests: Mutex::default(),
        }
    }

    pub(crate) async fn list(&self) -> Result<Vec<Found>, ClientError> {
        let api = self.api().await?;
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let list = call(api.list_containers(Some(options))).await?;
        let one = |summary| self.complete(api, summary);
        let found = stream::iter(list.into_iter().take(MAX_CONTAINERS)).map(one);
        Ok(found
            .buffered(PARALLEL_CALLS)
            .filter_map(future::ready)
            .collect()
            .await)
    }

    /// Adds what the list does not have.
    async fn complete(&self, api: &bollard::Docker, summary: ContainerSummary) -> Option<Found> {
        let mut found = from_summary(&summary)?;
        if is_running(&summary) {
            // One that goes away meanwhile is not running.
            let inspected = call(api.inspect_container(&found.container.id, None)).await;
            found.container.pid = inspected.map_or(0, |it| pid(&it));
        }
        found.container.image_digest = self.digest(&found.container.image_id).await;
        Some(found)
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<Found>, ClientError> {
        let api = self.api().await?;
        let inspected = match call(api.inspect_container(id, None)).await {
            Ok(inspected) => inspected,
            Err(ClientError::Docker(bollard::errors::Error::DockerResponseServerError {
                status_code: 404,
                ..
            })) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(mut found) = from_inspect(&inspected) else {
            return Ok(None);
        };
        found.container.image_digest = self.digest(&found.container.image_id).await;
        Ok(Some(found))
    }

    pub(crate) async fn watch(&self, signals: &mpsc::Sender<Signal>) -> Result<(), ClientError> {
        let api = self.api().await?;
        let events = ["create", "start", "die", "destroy"];
        let filters = HashMap::from([("type", vec!["container"]), ("event", events.to_vec())]);
        let options = EventsOptionsBuilder::new().filters(&filters).build();
        let mut events = std::pin::pin!(api.events(Some(options)));
        let _ = signals.send(Signal::Watching).await;
        while let Some(event) = events.next().await {
            if let Some(signal) = to_signal(event?) {
                let _ = signals.send(signal).await;
            }
        }
        Err(ClientError::Ended)
    }

    async fn api(&self) -> Result<&bollard::Docker, ClientError> {
        self.api
            .get_or_try_init(|| async {
                let api = connect(&self.socket)?;
                call(api.negotiate_version()).await
            })
            .await
    }

    /// The digest that a registry knows the image by; images that were built or imported here have none.
    async fn digest(&self, image_id: &str) -> String {
        if image_id.is_empty() {
            return String::new();
        }
        let known = |it: &Self| {
            let digests = it.digests.lock().unwrap_or_else(PoisonError::into_inner);
            digests.get(image_id).cloned()
        };
        if let Some(digest) = known(self) {
            return digest;
        }
        let Ok(api) = self.api().await else {
            return String::new();
        };
        let Ok(image) = call(api.inspect_image(image_id)).await else {
            return String::new();
        };
        let digest = repo_digest(&image.repo_digests.unwrap_or_default());
        if digest.is_empty() {
            tracing::debug!(
                image = image_id,
                "the image has no digest, for it came from no registry"
            );
        }
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.len() < MAX_IMAGES {
            digests.insert(image_id.to_owned(), digest.clone());
        }
        digest
    }
}

/// A client over our own connections, which are limited. Every request has a connection of its own.
fn connect(socket: &Arc<Socket>) -> Result<bollard::Docker, ClientError> {
    let http = HttpClient::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(Connector(Arc::clone(socket)));
    let transport = move |request: BollardRequest| {
        let http = http.clone();
        async move { Ok(http.request(request).await?) }
    };
    let timeout = CALL_TIMEOUT.as_secs();
    Ok(bollard::Docker::connect_with_custom_transport(
        transport,
        Some("http://localhost"),
        timeout,
        API_DEFAULT_VERSION,
    )?)
}

async fn call<T>(
    call: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, ClientError> {
    within(CALL_TIMEOUT, async { Ok(call.await?) }).await
}

fn is_running(summary: &ContainerSummary) -> bool {
    summary
        .state
        .is_some_and(|state| ["running", "paused"].contains(&state.as_ref()))
}

fn pid(inspected: &ContainerInspectResponse) -> u32 {
    let state = inspected.state.as_ref();
    let pid = state
        .filter(|it| it.running == Some(true))
        .and_then(|it| it.pid);
    pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0)
}

fn from_summary(summary: &ContainerSummary) -> Option<Found> {
    let names = summary.names.as_deref().unwrap_or_default();
    describe(
        summary.id.as_deref()?,
        // A container that others link to has further names, with a slash inside.
        names
            .iter()
            .find(|name| !name.trim_start_matches('/').contains('/'))
            .map_or("", String::as_str),
        summary.image.as_deref().unwrap_or_default(),
        summary.image_id.as_deref().unwrap_or_default(),
        summary.labels.as_ref(),
    )
}

fn from_inspect(inspected: &ContainerInspectResponse) -> Option<Found> {
    let config = inspected.config.as_ref();
    let mut found = describe(
        inspected.id.as_deref()?,
        inspected.name.as_deref().unwrap_or_default(),
        config
            .and_then(|it| it.image.as_deref())
            .unwrap_or_default(),
        inspected.image.as_deref().unwrap_or_default(),
        config.and_then(|it| it.labels.as_ref()),
    )?;
    found.container.pid = pid(inspected);
    Some(found)
}

fn describe(
    id: &str,
    name: &str,
    image: &str,
    image_id: &str,
    labels: Option<&HashMap<String, String>>,
) -> Option<Found> {
    if !clean::is_valid_id(id) {
        return None;
    }
    let labels = labels.map(clean::labels).unwrap_or_default();
    let is_sandbox = labels
        .get(TYPE_LABEL)
        .is_some_and(|kind| kind == "podsandbox");
    Some(Found {
        container: Container {
            id: id.to_owned(),
            name: clean::text(name.trim_start_matches('/')),
            runtime_name: RuntimeKind::Docker.name().to_owned(),
            image_name: image_name(image),
            image_id: clean::text(image_id),
            k8s: k8s::identity(labels),
            ..Default::default()
        },
        is_sandbox,
    })
}

/// The name without a digest.
pub(crate) fn image_name(image: &str) -> String {
    clean::text(image.split_once('@').map_or(image, |(name, _)| name))
}

/// The digest in the first of an image's `NAME@DIGEST`.
pub(crate) fn repo_digest(repo_digests: &[String]) -> String {
    let first = repo_digests.first().and_then(|it| it.split_once('@'));
    first
        .map(|(_, digest)| clean::text(digest))
        .unwrap_or_default()
}

fn to_signal(event: EventMessage) -> Option<Signal> {
    let actor = event.actor?;
    let attribute = |key: &str| {
        actor
            .attributes
            .as_ref()
            .and_then(|it| it.get(key))
            .map(|it| clean::text(it))
    };
    event_signal(&event.action?, actor.id.as_deref()?, attribute)
}

/// The meaning of an event, whose words Docker and podman share but for one.
pub(crate) fn event_signal(
    action: &str,
    id: &str,
    attribute: impl Fn(&str) -> Option<String>,
) -> Option<Signal> {
    if !clean::is_valid_id(id) {
        return None;
    }
    let id = EventId {
        id: id.to_owned(),
        name: attribute("name").unwrap_or_default(),
        image_name: attribute("image")
            .map(|it| image_name(&it))
            .unwrap_or_default(),
        ..Default::default()
    };
    match action {
        "create" => Some(Signal::Created(id)),
        "start" => Some(Signal::Started(id)),
        "die" | "died" | "destroy" | "remove" => Some(Signal::Ended(id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(json: &str) -> Option<Found> {
        from_inspect(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_container_is_described() {
        let found = inspected(
            r#"{"Id":"0a1b","Name":"/web","Image":"sha256:77","State":{"Running":true,"Pid":42},
            "Config":{"Image":"demo:1@sha256:99","Labels":{"app":"x"}}}"#,
        )
        .unwrap();
        let it = found.container;
        assert_eq!(
            (it.name.as_str(), it.pid, it.runtime_name.as_str()),
            ("web", 42, "docker")
        );
        assert_eq!(
            (it.image_name.as_str(), it.image_id.as_str()),
            ("demo:1", "sha256:77")
        );
        assert!(!found.is_sandbox && it.k8s == Default::default());
    }

    #[test]
    fn a_pods_sandbox_is_told() {
        let found = inspected(
            r#"{"Id":"0a1b","Config":{"Labels":{"io.kubernetes.docker.type":"podsandbox","io.kubernetes.pod.name":"web"}}}"#,
        )
        .unwrap();
        assert!(found.is_sandbox);
        assert_eq!(found.container.k8s.pod_name, "web");
    }

    #[test]
    fn a_container_that_does_not_run_has_no_process() {
        for state in [
            r#"{"Running":false,"Pid":42}"#,
            r#"{"Pid":42}"#,
            r#"{"Running":true,"Pid":-1}"#,
        ] {
            assert_eq!(
                inspected(&format!(r#"{{"Id":"0a","State":{state}}}"#))
                    .unwrap()
                    .container
                    .pid,
                0
            );
        }
    }

    #[test]
    fn an_odd_id_is_no_container() {
        for id in ["", "../x", "a/b"] {
            assert!(inspected(&format!(r#"{{"Id":"{id}"}}"#)).is_none());
        }
        assert!(inspected("{}").is_none());
    }

    #[test]
    fn of_several_names_the_own_one_counts() {
        let summary = serde_json::from_str(r#"{"Id":"0a","Names":["/db/web","/web"]}"#).unwrap();
        assert_eq!(from_summary(&summary).unwrap().container.name, "web");
    }

    #[test]
    fn digests_come_from_registries() {
        assert_eq!(
            repo_digest(&["r.example/demo@sha256:99".into(), "b@sha256:1".into()]),
            "sha256:99"
        );
        assert_eq!(repo_digest(&[]), "");
        assert_eq!(repo_digest(&["<none>".into()]), "");
    }

    #[test]
    fn events_name_the_container() {
        let signal = |json: &str| to_signal(serde_json::from_str(json).unwrap());
        let started = signal(
            r#"{"Type":"container","Action":"start","Actor":{"ID":"0a","Attributes":{"name":"web","image":"demo:1"}}}"#,
        );
        let id = EventId {
            id: "0a".into(),
            name: "web".into(),
            image_name: "demo:1".into(),
            ..Default::default()
        };
        assert_eq!(started, Some(Signal::Started(id)));
        assert_eq!(
            signal(r#"{"Action":"exec_start: ls","Actor":{"ID":"0a"}}"#),
            None
        );
        assert_eq!(signal(r#"{"Action":"start","Actor":{"ID":"../x"}}"#), None);
        assert_eq!(signal("{}"), None);
    }
}
