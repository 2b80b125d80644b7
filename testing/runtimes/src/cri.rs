//! Pods, as the kubelet makes them: by the Container Runtime Interface.

use std::collections::HashMap;
use std::path::PathBuf;

use k8s_cri::v1;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use tonic::transport::Channel;

use crate::image::IMAGE;

/// A connection to a runtime's part for Kubernetes.
#[derive(Debug)]
pub struct Cri {
    runtime: tokio::runtime::Runtime,
    client: RuntimeServiceClient<Channel>,
}

/// A pod that runs; it is removed when its [`Cri`] is told so, or with its runtime.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Id of the sandbox.
    pub sandbox_id: String,
    config: v1::PodSandboxConfig,
}

impl Cri {
    #[track_caller]
    pub(crate) fn connect(socket: PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime can be made");
        let channel = runtime.block_on(containerd_client::connect(socket));
        Self {
            client: RuntimeServiceClient::new(channel.expect("the runtime takes connections")),
            runtime,
        }
    }

    /// Runs a pod in the network of the host.
    ///
    /// # Panics
    /// The runtime refuses.
    #[track_caller]
    pub fn run_pod(&mut self, namespace: &str, name: &str, labels: &[(&str, &str)]) -> Pod {
        let uid = format!("uid-{name}");
        let config = v1::PodSandboxConfig {
            metadata: Some(v1::PodSandboxMetadata {
                name: name.into(),
                uid: uid.clone(),
                namespace: namespace.into(),
                attempt: 0,
            }),
            log_directory: std::env::temp_dir().to_string_lossy().into_owned(),
            labels: with_names(
                labels,
                &[
                    ("pod.name", name),
                    ("pod.namespace", namespace),
                    ("pod.uid", &uid),
                ],
            ),
            linux: Some(v1::LinuxPodSandboxConfig {
                security_context: Some(v1::LinuxSandboxSecurityContext {
                    namespace_options: Some(host_network()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let request = v1::RunPodSandboxRequest {
            config: Some(config.clone()),
            runtime_handler: String::new(),
        };
        let answer = self.runtime.block_on(self.client.run_pod_sandbox(request));
        let sandbox_id = answer
            .expect("a pod can be run")
            .into_inner()
            .pod_sandbox_id;
        Pod { sandbox_id, config }
    }

    /// Runs a container in a pod and returns its id.
    ///
    /// # Panics
    /// The runtime refuses.
    #[track_caller]
    pub fn run(&mut self, pod: &Pod, name: &str, args: &[&str]) -> String {
        let metadata = pod.config.metadata.clone().unwrap_or_default();
        let names = [
            ("container.name", name),
            ("pod.name", &metadata.name),
            ("pod.namespace", &metadata.namespace),
            ("pod.uid", &metadata.uid),
        ];
        let config = v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata {
                name: name.into(),
                attempt: 0,
            }),
            image: Some(v1::ImageSpec {
                image: IMAGE.into(),
                ..Default::default()
            }),
            command: args.iter().map(|it| (*it).to_owned()).collect(),
            labels: with_names(&[], &names),
            log_path: format!("gizmo-{name}.log"),
            linux: Some(v1::LinuxContainerConfig {
                security_context: Some(v1::LinuxContainerSecurityContext {
                    namespace_options: Some(host_network()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let request = v1::CreateContainerRequest {
            pod_sandbox_id: pod.sandbox_id.clone(),
            config: Some(config),
            sandbox_config: Some(pod.config.clone()),
        };
        let answer = self.runtime.block_on(self.client.create_container(request));
        let container_id = answer
            .expect("a container can be made")
            .into_inner()
            .container_id;
        let request = v1::StartContainerRequest {
            container_id: container_id.clone(),
        };
        self.runtime
            .block_on(self.client.start_container(request))
            .expect("a container can be started");
        container_id
    }

    /// Ends a pod with its containers.
    ///
    /// # Panics
    /// The runtime refuses.
    #[track_caller]
    pub fn remove_pod(&mut self, pod: &Pod) {
        let request = v1::StopPodSandboxRequest {
            pod_sandbox_id: pod.sandbox_id.clone(),
        };
        self.runtime
            .block_on(self.client.stop_pod_sandbox(request))
            .expect("a pod can be stopped");
        let request = v1::RemovePodSandboxRequest {
            pod_sandbox_id: pod.sandbox_id.clone(),
        };
        self.runtime
            .block_on(self.client.remove_pod_sandbox(request))
            .expect("a pod can be removed");
    }
}

fn host_network() -> v1::NamespaceOption {
    let mut options = v1::NamespaceOption::default();
    options.set_network(v1::NamespaceMode::Node);
    options
}

fn with_names(labels: &[(&str, &str)], names: &[(&str, &str)]) -> HashMap<String, String> {
    let names = names
        .iter()
        .map(|(key, value)| (format!("io.kubernetes.{key}"), (*value).to_owned()));
    labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .chain(names)
        .collect()
}
