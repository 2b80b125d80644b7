//! The part of the Container Runtime Interface v1 that is spoken here, as messages by hand.
//!
//! The generated interface is large, brings a server, and needs a web framework to build; this is a tenth of its messages.
//! Fields that are not declared are skipped by protobuf. That tags and types are right is tested against the generated one.

use std::collections::HashMap;

use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::transport::MAX_GRPC_BYTES;

pub(crate) const RUNNING: i32 = 1;
pub(crate) const CREATED_EVENT: i32 = 0;
pub(crate) const STARTED_EVENT: i32 = 1;
pub(crate) const STOPPED_EVENT: i32 = 2;
pub(crate) const DELETED_EVENT: i32 = 3;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerMetadata {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint32, tag = "2")]
    pub(crate) attempt: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ImageSpec {
    #[prost(string, tag = "1")]
    pub(crate) image: String,
    #[prost(string, tag = "18")]
    pub(crate) user_specified_image: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Empty {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Container {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) pod_sandbox_id: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "4")]
    pub(crate) image: Option<ImageSpec>,
    #[prost(string, tag = "5")]
    pub(crate) image_ref: String,
    #[prost(int32, tag = "6")]
    pub(crate) state: i32,
    #[prost(map = "string, string", tag = "8")]
    pub(crate) labels: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerFilter {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListContainersRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) filter: Option<ContainerFilter>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) containers: Vec<Container>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerStatusRequest {
    #[prost(string, tag = "1")]
    pub(crate) container_id: String,
    #[prost(bool, tag = "2")]
    pub(crate) verbose: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerStatusResponse {
    /// With `verbose`, what the runtime wants to add; JSON in the key `info`.
    #[prost(map = "string, string", tag = "2")]
    pub(crate) info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) uid: String,
    #[prost(string, tag = "3")]
    pub(crate) namespace: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodSandbox {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) metadata: Option<PodSandboxMetadata>,
    #[prost(map = "string, string", tag = "5")]
    pub(crate) labels: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodSandboxFilter {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) filter: Option<PodSandboxFilter>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListPodSandboxResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) items: Vec<PodSandbox>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ImageStatusRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) image: Option<ImageSpec>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ImageStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Image {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) repo_tags: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) repo_digests: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerEventResponse {
    #[prost(string, tag = "1")]
    pub(crate) container_id: String,
    #[prost(int32, tag = "2")]
    pub(crate) container_event_type: i32,
}

/// The calls that are made.
#[derive(Clone)]
pub(crate) struct CriApi {
    grpc: Grpc<Channel>,
}

impl CriApi {
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            grpc: Grpc::new(channel).max_decoding_message_size(MAX_GRPC_BYTES),
        }
    }

    pub(crate) async fn list_containers(
        &self,
        request: ListContainersRequest,
    ) -> Result<Response<ListContainersResponse>, Status> {
        self.unary("/runtime.v1.RuntimeService/ListContainers", request)
            .await
    }

    pub(crate) async fn container_status(
        &self,
        request: ContainerStatusRequest,
    ) -> Result<Response<ContainerStatusResponse>, Status> {
        self.unary("/runtime.v1.RuntimeService/ContainerStatus", request)
            .await
    }

    pub(crate) async fn list_pod_sandboxes(
        &self,
        request: ListPodSandboxRequest,
    ) -> Result<Response<ListPodSandboxResponse>, Status> {
        self.unary("/runtime.v1.RuntimeService/ListPodSandbox", request)
            .await
    }

    pub(crate) async fn image_status(
        &self,
        request: ImageStatusRequest,
    ) -> Result<Response<ImageStatusResponse>, Status> {
        self.unary("/runtime.v1.ImageService/ImageStatus", request)
            .await
    }

    pub(crate) async fn container_events(
        &self,
    ) -> Result<Streaming<ContainerEventResponse>, Status> {
        let mut grpc = self.ready().await?;
        let path = PathAndQuery::from_static("/runtime.v1.RuntimeService/GetContainerEvents");
        let answer = grpc
            .server_streaming(Request::new(Empty {}), path, ProstCodec::default())
            .await?;
        Ok(answer.into_inner())
    }

    async fn unary<Q, A>(&self, path: &'static str, request: Q) -> Result<Response<A>, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.ready().await?;
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        grpc.unary(
            Request::new(request),
            PathAndQuery::from_static(path),
            codec,
        )
        .await
    }

    async fn ready(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(grpc)
    }
}

#[cfg(test)]
mod tests {
    use k8s_cri::v1;

    use super::*;

    fn labels() -> HashMap<String, String> {
        HashMap::from([("k".to_owned(), "v".to_owned())])
    }

    /// What the generated interface encodes must be read here.
    fn read<A: Message + Default>(theirs: &impl Message) -> A {
        A::decode(theirs.encode_to_vec().as_slice()).unwrap()
    }

    #[test]
    fn lists_of_containers_are_read() {
        let theirs = v1::ListContainersResponse {
            containers: vec![v1::Container {
                id: "0a".into(),
                pod_sandbox_id: "5b".into(),
                metadata: Some(v1::ContainerMetadata {
                    name: "main".into(),
                    attempt: 3,
                }),
                image: Some(v1::ImageSpec {
                    image: "i".into(),
                    user_specified_image: "u".into(),
                    ..Default::default()
                }),
                image_ref: "ref".into(),
                state: v1::ContainerState::ContainerRunning.into(),
                created_at: 7,
                labels: labels(),
                annotations: labels(),
                ..Default::default()
            }],
        };
        let ours: ListContainersResponse = read(&theirs);
        let expected = Container {
            id: "0a".into(),
            pod_sandbox_id: "5b".into(),
            metadata: Some(ContainerMetadata {
                name: "main".into(),
                attempt: 3,
            }),
            image: Some(ImageSpec {
                image: "i".into(),
                user_specified_image: "u".into(),
            }),
            image_ref: "ref".into(),
            state: RUNNING,
            labels: labels(),
        };
        assert_eq!(ours.containers, [expected]);
    }

    #[test]
    fn states_of_containers_and_sandboxes_are_read() {
        let theirs = v1::ContainerStatusResponse {
            info: labels(),
            ..Default::default()
        };
        assert_eq!(read::<ContainerStatusResponse>(&theirs).info, labels());
        let metadata = v1::PodSandboxMetadata {
            name: "n".into(),
            uid: "u".into(),
            namespace: "ns".into(),
            attempt: 1,
        };
        let theirs = v1::ListPodSandboxResponse {
            items: vec![v1::PodSandbox {
                id: "5b".into(),
                metadata: Some(metadata),
                labels: labels(),
                ..Default::default()
            }],
        };
        let metadata = PodSandboxMetadata {
            name: "n".into(),
            uid: "u".into(),
            namespace: "ns".into(),
        };
        let expected = PodSandbox {
            id: "5b".into(),
            metadata: Some(metadata),
            labels: labels(),
        };
        assert_eq!(read::<ListPodSandboxResponse>(&theirs).items, [expected]);
    }

    #[test]
    fn images_and_events_are_read() {
        let theirs = v1::ImageStatusResponse {
            image: Some(v1::Image {
                id: "sha256:1".into(),
                repo_tags: vec!["t".into()],
                repo_digests: vec!["d".into()],
                ..Default::default()
            }),
            ..Default::default()
        };
        let expected = Image {
            id: "sha256:1".into(),
            repo_tags: vec!["t".into()],
            repo_digests: vec!["d".into()],
        };
        assert_eq!(read::<ImageStatusResponse>(&theirs).image, Some(expected));
        for (theirs, ours) in [
            (v1::ContainerEventType::ContainerCreatedEvent, CREATED_EVENT),
            (v1::ContainerEventType::ContainerStartedEvent, STARTED_EVENT),
            (v1::ContainerEventType::ContainerStoppedEvent, STOPPED_EVENT),
            (v1::ContainerEventType::ContainerDeletedEvent, DELETED_EVENT),
        ] {
            let theirs = v1::ContainerEventResponse {
                container_id: "0a".into(),
                container_event_type: theirs.into(),
                ..Default::default()
            };
            let expected = ContainerEventResponse {
                container_id: "0a".into(),
                container_event_type: ours,
            };
            assert_eq!(read::<ContainerEventResponse>(&theirs), expected);
        }
    }

    #[test]
    fn requests_are_understood() {
        let status: v1::ContainerStatusRequest = read(&ContainerStatusRequest {
            container_id: "0a".into(),
            verbose: true,
        });
        assert!(status.verbose && status.container_id == "0a");
        let list: v1::ListContainersRequest = read(&ListContainersRequest {
            filter: Some(ContainerFilter { id: "0a".into() }),
        });
        assert_eq!(list.filter.unwrap().id, "0a");
        let list: v1::ListPodSandboxRequest = read(&ListPodSandboxRequest {
            filter: Some(PodSandboxFilter { id: "5b".into() }),
        });
        assert_eq!(list.filter.unwrap().id, "5b");
        let spec = ImageSpec {
            image: "i".into(),
            ..Default::default()
        };
        let image: v1::ImageStatusRequest = read(&ImageStatusRequest { image: Some(spec) });
        assert_eq!(image.image.unwrap().image, "i");
    }
}
