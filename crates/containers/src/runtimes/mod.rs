//! The runtimes of this host: which there are, where their sockets are, and how each is asked.
//!
//! One file per protocol: [`docker`], [`containerd`], [`cri`], [`podman`]. All of them answer the same three questions, see
//! [`client::Client`]; nobody outside this folder knows which protocol is spoken. Everything here is async and runs on the
//! one thread of a [`crate::Collection`].

pub(crate) mod client;
pub(crate) mod containerd;
pub(crate) mod cri;
mod cri_api;
pub(crate) mod docker;
mod k8s;
pub(crate) mod podman;
pub(crate) mod transport;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::{env, ffi::OsString};

use crate::host::HostRoot;

/// A container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RuntimeKind {
    /// Docker Engine.
    Docker,
    /// containerd, with or without Kubernetes.
    Containerd,
    /// CRI-O.
    CriO,
    /// podman; its service must run (`podman system service`).
    Podman,
}

impl RuntimeKind {
    /// All that are known, in the order in which they are asked for by default.
    pub const ALL: [Self; 4] = [Self::Docker, Self::Containerd, Self::CriO, Self::Podman];

    /// The name in flags, records and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
        }
    }

    /// Where its socket is by default, as a path of the host.
    #[must_use]
    pub fn default_socket(self, protocol: Protocol) -> &'static str {
        match (self, protocol) {
            (Self::Docker, Protocol::Internal) => "/run/docker.sock",
            (Self::Docker, Protocol::Cri) => "/run/cri-dockerd.sock",
            (Self::Containerd, _) => "/run/containerd/containerd.sock",
            (Self::CriO, _) => "/run/crio/crio.sock",
            (Self::Podman, _) => "/run/podman/podman.sock",
        }
    }

    /// The environment variable that overrides the socket.
    #[must_use]
    pub fn socket_variable(self) -> &'static str {
        match self {
            Self::Docker => "INSPEKTOR_GADGET_DOCKER_SOCKETPATH",
            Self::Containerd => "INSPEKTOR_GADGET_CONTAINERD_SOCKETPATH",
            Self::CriO => "INSPEKTOR_GADGET_CRIO_SOCKETPATH",
            Self::Podman => "INSPEKTOR_GADGET_PODMAN_SOCKETPATH",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RuntimeKind {
    type Err = RuntimeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| RuntimeError::UnknownRuntime(name.to_owned()))
    }
}

/// How a runtime is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// The runtime's own.
    #[default]
    Internal,
    /// The one of Kubernetes, which shows the containers of pods only. podman does not speak it and is asked in its own.
    Cri,
}

impl FromStr for Protocol {
    type Err = RuntimeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "internal" => Ok(Self::Internal),
            "cri" => Ok(Self::Cri),
            _ => Err(RuntimeError::UnknownProtocol(name.to_owned())),
        }
    }
}

/// Why containers of runtimes cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No runtime has this name.
    #[error("unknown container runtime `{0}`; known are docker, containerd, cri-o, podman")]
    UnknownRuntime(String),
    /// No protocol has this name.
    #[error("unknown runtime protocol `{0}`; known are internal, cri")]
    UnknownProtocol(String),
    /// A runtime was asked for and has no socket. The words are those users of Inspektor Gadget know.
    #[error("runtime {:?} with non-existent socketPath {:?}", .kind.name(), .socket.display().to_string())]
    NoSocket {
        /// The runtime.
        kind: RuntimeKind,
        /// Where its socket was expected.
        socket: PathBuf,
    },
    /// The thread that talks to the runtimes could not be started.
    #[error("failed to start following container runtimes")]
    Start(#[source] std::io::Error),
}

/// Which runtimes to follow, and how.
#[derive(Debug, Clone, Default)]
pub struct RuntimeOptions {
    /// The runtimes asked for; `None` stands for all, and then one that is not there is no error.
    pub runtimes: Option<Vec<RuntimeKind>>,
    /// Sockets that were given, as paths of the host. The first of a runtime counts.
    pub sockets: Vec<(RuntimeKind, PathBuf)>,
    /// Namespaces of containerd; `None` stands for all but `moby`, where containerd keeps the containers of Docker.
    pub containerd_namespaces: Option<Vec<String>>,
    /// How to speak to the runtimes.
    pub protocol: Protocol,
    /// The host's file system.
    pub host: HostRoot,
}

impl RuntimeOptions {
    /// All runtimes of the host that the environment describes.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            host: HostRoot::from_env(),
            ..Self::default()
        }
    }

    /// Takes a comma list of runtimes, as a flag has it; an empty one means all.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownRuntime`].
    pub fn set_runtimes(&mut self, list: &str) -> Result<(), RuntimeError> {
        let names = list
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let kinds = names
            .map(str::parse)
            .collect::<Result<Vec<RuntimeKind>, _>>()?;
        self.runtimes = (!kinds.is_empty()).then_some(kinds);
        Ok(())
    }

    /// Decides on the runtimes to follow.
    pub(crate) fn sources(&self) -> Result<Vec<SourceConfig>, RuntimeError> {
        self.sources_with(|variable| env::var_os(variable))
    }

    fn sources_with(
        &self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Vec<SourceConfig>, RuntimeError> {
        let mut kinds = self
            .runtimes
            .clone()
            .unwrap_or_else(|| RuntimeKind::ALL.to_vec());
        kinds.sort_unstable();
        kinds.dedup();
        kinds
            .into_iter()
            .map(|kind| self.source(kind, &variable))
            .collect()
    }

    fn source(
        &self,
        kind: RuntimeKind,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<SourceConfig, RuntimeError> {
        let given = self
            .sockets
            .iter()
            .find(|(of, _)| *of == kind)
            .map(|(_, path)| path.clone());
        let is_explicit = given.is_some() || self.runtimes.is_some();
        let socket = given
            .or_else(|| {
                variable(kind.socket_variable())
                    .filter(|it| !it.is_empty())
                    .map(PathBuf::from)
            })
            .unwrap_or_else(|| kind.default_socket(self.protocol).into());
        // A path that names its scheme is as good as one that does not.
        let socket = socket
            .to_str()
            .and_then(|text| text.strip_prefix("unix://"))
            .map(PathBuf::from)
            .unwrap_or(socket);
        if !self.host.exists(&socket) {
            if is_explicit {
                return Err(RuntimeError::NoSocket { kind, socket });
            }
            tracing::debug!(runtime = %kind, socket = %socket.display(), "no such socket for now");
        }
        Ok(SourceConfig {
            kind,
            socket,
            is_explicit,
            protocol: self.protocol,
            containerd_namespaces: self.containerd_namespaces.clone(),
            host: self.host.clone(),
        })
    }
}

/// One runtime to follow.
#[derive(Debug, Clone)]
pub(crate) struct SourceConfig {
    pub(crate) kind: RuntimeKind,
    pub(crate) socket: PathBuf,
    /// Whether somebody asked for it, so that its absence is worth a warning.
    pub(crate) is_explicit: bool,
    pub(crate) protocol: Protocol,
    pub(crate) containerd_namespaces: Option<Vec<String>>,
    pub(crate) host: HostRoot,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<OsString> {
        None
    }

    /// A host that has nothing but these sockets.
    fn host_with(sockets: &[&str]) -> (tempfile::TempDir, RuntimeOptions) {
        let folder = tempfile::tempdir().unwrap();
        for socket in sockets {
            let path = folder.path().join(socket.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let host = HostRoot::new(folder.path());
        (
            folder,
            RuntimeOptions {
                host,
                ..Default::default()
            },
        )
    }

    #[test]
    fn an_unknown_runtime_is_refused_with_the_known_ones() {
        let mut options = RuntimeOptions::default();
        let error = options.set_runtimes("docker,rkt").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown container runtime `rkt`; known are docker, containerd, cri-o, podman"
        );
        options.set_runtimes("podman, cri-o,podman").unwrap();
        assert_eq!(
            options.runtimes,
            Some(vec![
                RuntimeKind::Podman,
                RuntimeKind::CriO,
                RuntimeKind::Podman
            ])
        );
        options.set_runtimes("").unwrap();
        assert_eq!(options.runtimes, None);
        assert!("CRI".parse::<Protocol>().is_err());
    }

    #[test]
    fn by_default_all_runtimes_are_followed_and_none_must_be_there() {
        let (_folder, options) = host_with(&[]);
        let sources = options.sources_with(none).unwrap();
        assert_eq!(
            sources.iter().map(|it| it.kind).collect::<Vec<_>>(),
            RuntimeKind::ALL
        );
        assert!(sources.iter().all(|it| !it.is_explicit));
    }

    #[test]
    fn a_runtime_that_was_asked_for_must_be_there() {
        let (_folder, mut options) = host_with(&["/run/docker.sock"]);
        options.set_runtimes("docker").unwrap();
        assert_eq!(options.sources_with(none).unwrap().len(), 1);
        options.set_runtimes("docker,podman").unwrap();
        let error = options.sources_with(none).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"runtime "podman" with non-existent socketPath "/run/podman/podman.sock""#
        );
    }

    #[test]
    fn a_socket_that_was_given_must_be_there() {
        let (_folder, mut options) = host_with(&["/x/d.sock"]);
        options.sockets = vec![(RuntimeKind::Docker, "unix:///x/d.sock".into())];
        let sources = options.sources_with(none).unwrap();
        assert_eq!(
            (sources[0].socket.as_path(), sources[0].is_explicit),
            ("/x/d.sock".as_ref(), true)
        );
        assert!(!sources[1].is_explicit);
        options.sockets = vec![(RuntimeKind::CriO, "/x/none.sock".into())];
        assert!(matches!(
            options.sources_with(none),
            Err(RuntimeError::NoSocket {
                kind: RuntimeKind::CriO,
                ..
            })
        ));
    }

    #[test]
    fn a_variable_overrides_the_default_but_not_what_was_given() {
        let (_folder, mut options) = host_with(&["/given", "/var"]);
        let variable =
            |name: &str| (name == "INSPEKTOR_GADGET_DOCKER_SOCKETPATH").then(|| "/var".into());
        assert_eq!(
            options.sources_with(variable).unwrap()[0].socket,
            PathBuf::from("/var")
        );
        options.sockets = vec![(RuntimeKind::Docker, "/given".into())];
        assert_eq!(
            options.sources_with(variable).unwrap()[0].socket,
            PathBuf::from("/given")
        );
    }

    #[test]
    fn the_protocol_of_kubernetes_has_another_socket_for_docker() {
        assert_eq!(
            RuntimeKind::Docker.default_socket(Protocol::Cri),
            "/run/cri-dockerd.sock"
        );
        assert_eq!(
            RuntimeKind::Containerd.default_socket(Protocol::Cri),
            "/run/containerd/containerd.sock"
        );
    }
}
