//! What `image inspect` says about an image itself; what is in its eBPF object or module, others say.

use crate::{DEFAULT_TAG, Digest, Image, Reference, json};

/// One piece of extra information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its key, such as `oci.manifest`.
    pub key: &'static str,
    /// The type of its content, such as `application/json`.
    pub content_type: &'static str,
    /// The content.
    pub content: Vec<u8>,
}

/// The `oci.*` entries of an image, in the order of their description.
///
/// `given` is the reference as the user typed it: repository and tag are taken from it as it is, as `ig` does. Also
/// as there, `oci.digest` is the digest of the *config*.
pub fn oci_entries(image: &Image, given: &str) -> Vec<Info> {
    let (repository, tag) = split_given(given);
    let entry = |key, content_type, content: &[u8]| Info {
        key,
        content_type,
        content: content.to_vec(),
    };
    vec![
        entry(
            "oci.manifest",
            "application/json",
            &json::to_vec(&image.manifest),
        ),
        entry("oci.metadata", "text/yaml", &image.metadata),
        entry("oci.repository", "text/plain", repository.as_bytes()),
        entry("oci.tag", "text/plain", tag.as_bytes()),
        entry(
            "oci.digest",
            "text/plain",
            image.manifest.config.digest.as_str().as_bytes(),
        ),
        entry("oci.created", "text/plain", image.created.as_bytes()),
    ]
}

/// The form that messages give an image in: `repository:tag@digest`, or `@digest` without a name.
pub fn describe(reference: Option<&Reference>, digest: &Digest) -> String {
    let name = reference.map(|r| {
        format!(
            "{}:{}",
            r.short_repository(),
            r.tag().unwrap_or(DEFAULT_TAG)
        )
    });
    format!("{}@{digest}", name.unwrap_or_default())
}

fn split_given(given: &str) -> (&str, &str) {
    let name = given.split_once('@').map_or(given, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, DEFAULT_TAG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_and_tag_are_those_of_the_text_given() {
        assert_eq!(split_given("trace_exec"), ("trace_exec", "latest"));
        assert_eq!(
            split_given("localhost:5000/a/b"),
            ("localhost:5000/a/b", "latest")
        );
        assert_eq!(
            split_given("localhost:5000/a:v1@sha256:00"),
            ("localhost:5000/a", "v1")
        );
    }
}
