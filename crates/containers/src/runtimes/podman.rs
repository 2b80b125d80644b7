//! podman, by the API of its service.
//!
//! Its own API is used, not the one it shares with Docker: only here a pod's infrastructure container is told from others.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gizmo_model::container::Container;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tonic::codegen::http::{Response, Uri};

use super::client::{CALL_TIMEOUT, ClientError, Found, MAX_CONTAINERS, Signal, within};
use super::docker::{event_signal, image_name};
use super::transport::{Connector, Socket};
use super::{RuntimeKind, k8s};
use crate::clean;

/// Every podman since 2021 has this version of the API.
const API: &str = "http://localhost/v4.0.0/libpod";
/// `{"type":["container"],"event":["create","start","died","remove"]}`, percent-encoded.
const EVENTS: &str = "events?stream=true&filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C%22died%22%2C%22remove%22%5D%7D";
/// One event has about 400 bytes and the labels of the container.
const MAX_EVENT_BYTES: usize = 1 << 20;

pub(crate) struct Podman {
    http: HttpClient<Connector, Empty<Bytes>>,
}

impl Podman {
    pub(crate) fn new(socket: Arc<Socket>) -> Self {
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(Connector(socket));
        Self { http }
    }

    pub(crate) async fn list(&self) -> Result<Vec<Found>, ClientError> {
        let list: Option<Vec<Listed>> = self.get_json("containers/json?all=true").await?;
        let list = list.unwrap_or_default().into_iter().take(MAX_CONTAINERS);
        Ok(list.filter_map(Listed::into_found).collect())
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<Found>, ClientError> {
        match self
            .get_json::<Inspected>(&format!("containers/{id}/json"))
            .await
        {
            Ok(inspected) => Ok(inspected.into_found()),
            Err(ClientError::Status(404)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn watch(&self, signals: &mpsc::Sender<Signal>) -> Result<(), ClientError> {
        // No time limit: the answer may begin with the first event.
        let mut body = self.request(EVENTS).await?.into_body();
        let _ = signals.send(Signal::Watching).await;
        let mut lines = Lines::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| ClientError::Http(error.into()))?;
            let Some(bytes) = frame.data_ref() else {
                continue;
            };
            for line in lines.add(bytes)? {
                if let Some(signal) = to_signal(&line) {
                    let _ = signals.send(signal).await;
                }
            }
        }
        Err(ClientError::Ended)
    }

    async fn get_json<T: DeserializeOwned>(&self, what: &str) -> Result<T, ClientError> {
        within(CALL_TIMEOUT, async {
            let answer = self.request(what).await?;
            // Its length is limited by the connection.
            let body = answer.into_body().collect().await;
            let body = body.map_err(|error| ClientError::Http(error.into()))?;
            Ok(serde_json::from_slice(&body.to_bytes())?)
        })
        .await
    }

    async fn request(&self, what: &str) -> Result<Response<Incoming>, ClientError> {
        let uri: Uri = format!("{API}/{what}")
            .parse()
            .map_err(|error| ClientError::Http(Box::new(error)))?;
        let answer = self.http.get(uri).await;
        let answer = answer.map_err(|error| ClientError::Http(error.into()))?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(ClientError::Status(answer.status().as_u16()))
        }
    }
}

/// Complete lines of a stream.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, ClientError> {
        self.rest.extend_from_slice(bytes);
        let mut lines = Vec::new();
        if let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.rest.split_off(end + 1);
            let complete = std::mem::replace(&mut self.rest, rest);
            lines = complete
                .split(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
        }
        if self.rest.len() > MAX_EVENT_BYTES {
            return Err(ClientError::Ended);
        }
        Ok(lines)
    }
}

/// A map that may be `null`.
type Labels = Option<BTreeMap<String, String>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    image: String,
    #[serde(default, rename = "ImageID")]
    image_id: String,
    #[serde(default)]
    is_infra: bool,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    pid: i64,
    #[serde(default)]
    state: String,
}

impl Listed {
    fn into_found(self) -> Option<Found> {
        let is_running = self.state == "running" || self.state == "paused";
        let name = self
            .names
            .and_then(|names| names.into_iter().next())
            .unwrap_or_default();
        describe(Description {
            id: self.id,
            name,
            image: self.image,
            image_id: self.image_id,
            image_digest: String::new(),
            is_infra: self.is_infra,
            labels: self.labels,
            pid: if is_running { self.pid } else { 0 },
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    image_name: String,
    #[serde(default)]
    image: String,
    #[serde(default)]
    image_digest: String,
    #[serde(default)]
    is_infra: bool,
    #[serde(default)]
    config: InspectedConfig,
    #[serde(default)]
    state: InspectedState,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct InspectedConfig {
    labels: Labels,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct InspectedState {
    running: bool,
    pid: i64,
}

impl Inspected {
    fn into_found(self) -> Option<Found> {
        describe(Description {
            id: self.id,
            name: self.name,
            image: self.image_name,
            image_id: self.image,
            image_digest: self.image_digest,
            is_infra: self.is_infra,
            labels: self.config.labels,
            pid: if self.state.running {
                self.state.pid
            } else {
                0
            },
        })
    }
}

struct Description {
    id: String,
    name: String,
    image: String,
    image_id: String,
    image_digest: String,
    is_infra: bool,
    labels: Labels,
    pid: i64,
}

fn describe(it: Description) -> Option<Found> {
    if !clean::is_valid_id(&it.id) {
        return None;
    }
    // podman leaves the algorithm out, other runtimes do not.
    let image_id = match it.image_id.as_str() {
        "" => String::new(),
        id if id.contains(':') => clean::text(id),
        id => clean::text(&format!("sha256:{id}")),
    };
    let labels = it.labels.as_ref().map(clean::labels).unwrap_or_default();
    Some(Found {
        container: Container {
            id: it.id,
            name: clean::text(&it.name),
            runtime_name: RuntimeKind::Podman.name().to_owned(),
            image_name: image_name(&it.image),
            image_id,
            image_digest: clean::text(&it.image_digest),
            pid: u32::try_from(it.pid).unwrap_or(0),
            k8s: k8s::identity(labels),
            ..Default::default()
        },
        is_sandbox: it.is_infra,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    actor: Actor,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: Labels,
}

fn to_signal(line: &[u8]) -> Option<Signal> {
    let event: Event = serde_json::from_slice(line).ok()?;
    let attribute = |key: &str| {
        event
            .actor
            .attributes
            .as_ref()?
            .get(key)
            .map(|it| clean::text(it))
    };
    event_signal(&event.action, &event.actor.id, attribute)
}

#[cfg(test)]
mod tests {
    use super::super::client::EventId;
    use super::*;

    #[test]
    fn a_listed_container_is_described() {
        let listed: Vec<Listed> = serde_json::from_str(
            r#"[{"Id":"0a","Names":["web"],"Image":"localhost/demo:1","ImageID":"77","IsInfra":false,"Labels":null,"Pid":42,"State":"running"},
            {"Id":"0b","Names":null,"IsInfra":true,"Pid":43,"State":"exited"},{"Id":"../0c"}]"#,
        )
        .unwrap();
        let found: Vec<_> = listed.into_iter().filter_map(Listed::into_found).collect();
        assert_eq!(found.len(), 2);
        let it = &found[0].container;
        assert_eq!(
            (it.name.as_str(), it.pid, it.image_id.as_str()),
            ("web", 42, "sha256:77")
        );
        assert!(found[1].is_sandbox);
        assert_eq!(found[1].container.pid, 0);
    }

    #[test]
    fn an_inspected_container_is_described() {
        let inspected: Inspected = serde_json::from_str(
            r#"{"Id":"0a","Name":"web","Image":"77","ImageName":"localhost/demo:1","ImageDigest":"sha256:99",
            "State":{"Running":true,"Pid":42},"Config":{"Labels":{"a":"b"}}}"#,
        )
        .unwrap();
        let it = inspected.into_found().unwrap().container;
        assert_eq!(
            (it.name.as_str(), it.pid, it.image_digest.as_str()),
            ("web", 42, "sha256:99")
        );
    }

    #[test]
    fn lines_come_in_pieces() {
        let mut lines = Lines::default();
        assert!(lines.add(b"ab").unwrap().is_empty());
        let complete = lines.add(b"c\nde\nf").unwrap();
        assert_eq!(complete[..2], [b"abc".to_vec(), b"de".to_vec()]);
        assert_eq!(lines.rest, b"f");
        assert!(lines.add(&vec![b'x'; MAX_EVENT_BYTES]).is_err());
    }

    #[test]
    fn events_name_the_container() {
        let line = br#"{"status":"died","id":"0a","Type":"container","Action":"died","Actor":{"ID":"0a","Attributes":{"name":"web"}}}"#;
        let id = EventId {
            id: "0a".into(),
            name: "web".into(),
            ..Default::default()
        };
        assert_eq!(to_signal(line), Some(Signal::Ended(id)));
        assert_eq!(to_signal(b"garbage"), None);
    }
}
