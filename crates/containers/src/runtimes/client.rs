//! The questions every runtime is asked, whatever its protocol.

use std::sync::Arc;
use std::time::Duration;

use gizmo_model::container::Container;
use tokio::sync::mpsc;

use super::{
    Protocol, RuntimeKind, SourceConfig, containerd, cri, docker, podman, transport::Socket,
};

/// How long one call may take.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a list may take that needs several calls.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// More containers than a host can run; a longer list is a lie, and cut.
pub(crate) const MAX_CONTAINERS: usize = 16_384;

/// Calls that a list needs besides, at a time.
pub(crate) const PARALLEL_CALLS: usize = 16;

/// Why a runtime did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("the call failed")]
    Docker(#[from] bollard::errors::Error),
    #[error("the call failed")]
    Grpc(#[from] Box<tonic::Status>),
    #[error("the call failed")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer has HTTP status {0}")]
    Status(u16),
    #[error("the answer makes no sense")]
    Json(#[from] serde_json::Error),
    #[error("the runtime cannot do this")]
    Unsupported,
    #[error("the events ended")]
    Ended,
}

impl From<tonic::Status> for ClientError {
    fn from(status: tonic::Status) -> Self {
        if status.code() == tonic::Code::Unimplemented {
            Self::Unsupported
        } else {
            Self::Grpc(Box::new(status))
        }
    }
}

/// A container as a runtime describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// With the process id only while it runs.
    pub(crate) container: Container,
    /// Only holds the namespaces of a pod and is nobody's interest.
    pub(crate) is_sandbox: bool,
}

/// What a runtime's event stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The stream is there: what happens from now on is seen.
    Watching,
    /// It exists; its name can be asked for before it starts.
    Created(EventId),
    /// Its first process runs or has run.
    Started(EventId),
    /// Its first process has ended, or it is gone altogether.
    Ended(EventId),
}

/// The container of an event, with what the event itself tells; a short-lived one may be gone when it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) id: String,
    /// Of containerd.
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) image_name: String,
    pub(crate) pid: u32,
}

/// A connection to one runtime.
pub(crate) enum Client {
    Docker(docker::Docker),
    Containerd(containerd::Containerd),
    Cri(cri::Cri),
    Podman(podman::Podman),
}

impl Client {
    /// Prepares a connection; nothing is sent.
    pub(crate) fn new(config: &SourceConfig) -> Self {
        let socket = Arc::new(Socket::new(config.host.clone(), config.socket.clone()));
        match (config.kind, config.protocol) {
            (RuntimeKind::Podman, _) => Self::Podman(podman::Podman::new(socket)),
            (RuntimeKind::CriO, _) | (_, Protocol::Cri) => {
                Self::Cri(cri::Cri::new(config.kind, socket))
            }
            (RuntimeKind::Docker, _) => Self::Docker(docker::Docker::new(socket)),
            (RuntimeKind::Containerd, _) => Self::Containerd(containerd::Containerd::new(
                socket,
                config.containerd_namespaces.clone(),
            )),
        }
    }

    /// All containers, running or not.
    pub(crate) async fn list(&self) -> Result<Vec<Found>, ClientError> {
        let list = async {
            match self {
                Self::Docker(it) => it.list().await,
                Self::Containerd(it) => it.list().await,
                Self::Cri(it) => it.list().await,
                Self::Podman(it) => it.list().await,
            }
        };
        within(LIST_TIMEOUT, list).await
    }

    /// One container, running or not; an empty namespace stands for any.
    pub(crate) async fn get(
        &self,
        namespace: &str,
        id: &str,
    ) -> Result<Option<Found>, ClientError> {
        let get = async {
            match self {
                Self::Docker(it) => it.get(id).await,
                Self::Containerd(it) => it.get(namespace, id).await,
                Self::Cri(it) => it.get(id).await,
                Self::Podman(it) => it.get(id).await,
            }
        };
        within(CALL_TIMEOUT * 2, get).await
    }

    /// Reports events until something goes wrong.
    pub(crate) async fn watch(&self, signals: &mpsc::Sender<Signal>) -> Result<(), ClientError> {
        match self {
            Self::Docker(it) => it.watch(signals).await,
            Self::Containerd(it) => it.watch(signals).await,
            Self::Cri(it) => it.watch(signals).await,
            Self::Podman(it) => it.watch(signals).await,
        }
    }
}

/// A call with a limit of time.
pub(crate) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(limit, call)
        .await
        .unwrap_or(Err(ClientError::Timeout(limit)))
}

/// An error with all its causes, for one field of a log line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    crate::clean::text(&text)
}
