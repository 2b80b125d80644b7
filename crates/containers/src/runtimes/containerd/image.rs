//! From an image's name to its digests: containerd keeps the name with the manifest, and the manifest in its store.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::{GetImageRequest, ReadContentRequest};
use serde::Deserialize;
use tonic::transport::Channel;

use super::super::client::{CALL_TIMEOUT, ClientError, within};
use super::super::transport::answer_if_found;
use super::inside;
use crate::clean;

/// Containers share few images; what is asked once is kept.
const MAX_IMAGES: usize = 1024;
/// Manifests have a few kilobytes; registries refuse more than 4 MiB.
const MAX_MANIFEST_BYTES: usize = 4 << 20;
/// From a list of platforms to a manifest is one step.
const MAX_STEPS: usize = 3;

/// The digests an image is known by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Digests {
    /// Of what the name stands for, a manifest or a list of them.
    pub(super) manifest: String,
    /// Of the configuration.
    pub(super) config: String,
}

pub(super) struct Images {
    channel: Channel,
    /// By namespace and name. A name may get another image, so this lives no longer than a connection.
    known: Mutex<HashMap<(String, String), Digests>>,
}

impl Images {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel,
            known: Mutex::default(),
        }
    }

    /// What can be found out; an image may have been deleted while its container lives.
    pub(super) async fn digests(&self, namespace: &str, name: &str) -> Digests {
        if name.is_empty() {
            return Digests::default();
        }
        let key = (namespace.to_owned(), name.to_owned());
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(known) = known {
            return known;
        }
        match within(CALL_TIMEOUT, self.find(namespace, name)).await {
            Ok(digests) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() < MAX_IMAGES {
                    known.insert(key, digests.clone());
                }
                digests
            }
            Err(error) => {
                tracing::debug!(image = name, %error, "containerd does not tell the digests");
                Digests::default()
            }
        }
    }

    async fn find(&self, namespace: &str, name: &str) -> Result<Digests, ClientError> {
        let request = GetImageRequest {
            name: name.to_owned(),
        };
        let mut client = ImagesClient::new(self.channel.clone());
        let image = answer_if_found(client.get(inside(namespace, request)?)).await?;
        let Some(target) = image.and_then(|it| it.image).and_then(|it| it.target) else {
            return Ok(Digests::default());
        };
        let mut digest = target.digest.clone();
        for _ in 0..MAX_STEPS {
            match next(&self.read(namespace, &digest).await?) {
                Next::Config(config) => {
                    return Ok(Digests {
                        manifest: clean::text(&target.digest),
                        config: clean::text(&config),
                    });
                }
                Next::Manifest(manifest) => digest = manifest,
                Next::Nothing => break,
            }
        }
        Ok(Digests {
            manifest: clean::text(&target.digest),
            config: String::new(),
        })
    }

    async fn read(&self, namespace: &str, digest: &str) -> Result<Vec<u8>, ClientError> {
        let request = ReadContentRequest {
            digest: digest.to_owned(),
            ..Default::default()
        };
        let mut client = ContentClient::new(self.channel.clone());
        let mut parts = client.read(inside(namespace, request)?).await?.into_inner();
        let mut content = Vec::new();
        while let Some(part) = parts.message().await? {
            if content.len() + part.data.len() > MAX_MANIFEST_BYTES {
                return Err(ClientError::Unsupported);
            }
            content.extend_from_slice(&part.data);
        }
        Ok(content)
    }
}

/// Where a document of an image leads.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Config(String),
    Manifest(String),
    Nothing,
}

#[derive(Deserialize)]
struct Document {
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
}

fn next(document: &[u8]) -> Next {
    let Ok(document) = serde_json::from_slice::<Document>(document) else {
        return Next::Nothing;
    };
    if let Some(config) = document.config {
        return Next::Config(config.digest);
    }
    let own = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut manifests = document.manifests.unwrap_or_default();
    let fits = |it: &Descriptor| {
        it.platform
            .as_ref()
            .is_some_and(|it| it.architecture == own)
    };
    let index = manifests.iter().position(fits).unwrap_or(0);
    if index < manifests.len() {
        Next::Manifest(manifests.swap_remove(index).digest)
    } else {
        Next::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_leads_to_the_configuration() {
        assert_eq!(
            next(br#"{"config":{"digest":"sha256:1"},"layers":[]}"#),
            Next::Config("sha256:1".into())
        );
    }

    #[test]
    fn a_list_leads_to_a_manifest() {
        let own = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "amd64"
        };
        let list = format!(
            r#"{{"manifests":[{{"digest":"sha256:1","platform":{{"architecture":"s390x"}}}},
            {{"digest":"sha256:2","platform":{{"architecture":"{own}"}}}}]}}"#
        );
        assert_eq!(next(list.as_bytes()), Next::Manifest("sha256:2".into()));
        assert_eq!(
            next(br#"{"manifests":[{"digest":"sha256:3"}]}"#),
            Next::Manifest("sha256:3".into())
        );
    }

    #[test]
    fn anything_else_leads_nowhere() {
        for document in [
            "",
            "{}",
            "[]",
            r#"{"manifests":[]}"#,
            r#"{"manifests":null}"#,
            r#"{"config":7}"#,
        ] {
            assert_eq!(next(document.as_bytes()), Next::Nothing, "{document}");
        }
    }
}
