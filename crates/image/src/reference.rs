//! Image references: parsing, normalisation to the full form, and telling a reference from a path.
//!
//! A bare name belongs to the default registry's gadget folder; what has a registry domain is left as it is. After
//! that the grammar is the one of Docker's distribution. A [`Reference`] is always in full form.

use std::fmt;
use std::str::FromStr;

use crate::{Digest, Error, Result};

/// Registry of names without a domain.
pub const DEFAULT_DOMAIN: &str = "ghcr.io";
/// Folder of names without a slash, in the default registry.
pub const DEFAULT_FOLDER: &str = "inspektor-gadget/gadget/";
/// Tag of references with neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";

const DEFAULT_PREFIX: &str = "ghcr.io/inspektor-gadget/gadget/";
/// Docker's limit for domain and path together.
const MAX_NAME_BYTES: usize = 255;
/// Docker's limit for a tag.
const MAX_TAG_BYTES: usize = 128;

/// A normalised reference: repository with its domain, and a tag, a digest, or both.
///
/// ```
/// # fn main() -> Result<(), gizmo_image::Error> {
/// let reference: gizmo_image::Reference = "trace_exec".parse()?;
/// assert_eq!(reference.to_string(), "ghcr.io/inspektor-gadget/gadget/trace_exec:latest");
/// assert_eq!(reference.short(), "trace_exec:latest");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Parses and normalises `text`.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] or [`Error::InvalidDigest`] when it does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |reason| Error::InvalidReference {
            reference: text.chars().take(300).collect(),
            reason,
        };
        let (domain, remainder) = split_domain(text);
        let (name, digest) = match remainder.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (remainder, None),
        };
        let (path, tag) = match name.split_once(':') {
            Some((path, tag)) => (path, Some(tag.to_owned())),
            None => (name, None),
        };
        if path.is_empty() {
            return Err(invalid("the name is empty"));
        }
        let path = match domain {
            DEFAULT_DOMAIN if !path.contains('/') => format!("{DEFAULT_FOLDER}{path}"),
            "docker.io" if !path.contains('/') => format!("library/{path}"),
            _ => path.to_owned(),
        };
        check_domain(domain).map_err(invalid)?;
        check_path(&path).map_err(invalid)?;
        let repository = format!("{domain}/{path}");
        if repository.len() > MAX_NAME_BYTES {
            return Err(invalid("the name is longer than 255 bytes"));
        }
        if let Some(tag) = &tag {
            check_tag(tag).map_err(invalid)?;
        }
        let tag = tag.or_else(|| digest.is_none().then(|| DEFAULT_TAG.to_owned()));
        Ok(Self {
            repository,
            tag,
            digest,
        })
    }

    /// Domain and path, such as `ghcr.io/inspektor-gadget/gadget/trace_exec`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The registry host with its port.
    pub fn domain(&self) -> &str {
        self.repository
            .split_once('/')
            .map_or("", |(domain, _)| domain)
    }

    /// The tag; absent only when there is a digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the index, if the reference pins one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The repository as people write it: without the default registry and folder.
    pub fn short_repository(&self) -> &str {
        // A nested name keeps its prefix, since `a/b` alone would mean another repository.
        match self.repository.strip_prefix(DEFAULT_PREFIX) {
            Some(rest) if !rest.contains('/') => rest,
            _ => &self.repository,
        }
    }

    /// The familiar form, `trace_exec:latest`; parsing it gives this reference again.
    pub fn short(&self) -> String {
        self.join(self.short_repository())
    }

    fn join(&self, repository: &str) -> String {
        let mut text = repository.to_owned();
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.join(&self.repository))
    }
}

/// Whether an image argument is a path (of a layout directory or an archive) and not a reference.
///
/// A path starts with `/`, `./` or `../` (or is `.` or `..`), or ends with `.tar`; so `org/foo` stays a reference
/// whatever the current directory holds.
pub fn is_path(arg: &str) -> bool {
    ["/", "./", "../"]
        .iter()
        .any(|prefix| arg.starts_with(prefix))
        || arg == "."
        || arg == ".."
        || arg.ends_with(".tar")
}

/// Whether an argument is a bare image name: no registry, no folder.
pub fn is_bare(arg: &str) -> bool {
    !arg.contains('/')
}

fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || has_upper_case(first) =>
        {
            (
                if first == "index.docker.io" {
                    "docker.io"
                } else {
                    first
                },
                rest,
            )
        }
        _ => (DEFAULT_DOMAIN, text),
    }
}

fn has_upper_case(text: &str) -> bool {
    text.chars().any(char::is_uppercase)
}

fn check_domain(domain: &str) -> Result<(), &'static str> {
    const BAD: &str = "the registry is not a host name with an optional port";
    let (host, port) = match domain
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, port)) => {
            let valid =
                !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            (None, if valid { port } else { return Err(BAD) })
        }
        None => match domain.find(':') {
            Some(colon) => (Some(&domain[..colon]), &domain[colon..]),
            None => (Some(domain), ""),
        },
    };
    let label_ok = |label: &str| {
        let bytes = label.as_bytes();
        !label.is_empty()
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
    };
    let port_ok = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    if port_ok && host.is_none_or(|host| host.split('.').all(label_ok)) {
        Ok(())
    } else {
        Err(BAD)
    }
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if has_upper_case(path) {
        return Err("the repository must be lower case");
    }
    if path.split('/').all(component_ok) {
        Ok(())
    } else {
        Err(
            "the repository must be made of lower-case letters and digits, joined by `.`, `_`, `__`, `-` and `/`",
        )
    }
}

/// `[a-z0-9]+` joined by one `.`, one or two `_`, or any number of `-`.
fn component_ok(component: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let edges_ok =
        bytes.first().is_some_and(alphanumeric) && bytes.last().is_some_and(alphanumeric);
    edges_ok
        && bytes.split(alphanumeric).all(|joint| {
            matches!(joint, b"" | b"." | b"_" | b"__") || joint.iter().all(|b| *b == b'-')
        })
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let valid = tag.len() <= MAX_TAG_BYTES
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-');
    if valid {
        Ok(())
    } else {
        Err(
            "the tag must be 1 to 128 letters, digits, `_`, `.` and `-`, and not start with `.` or `-`",
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full(text: &str) -> String {
        Reference::parse(text)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .to_string()
    }

    #[test]
    fn the_table_of_the_specification_holds() {
        let hex = "a".repeat(64);
        for (input, expected) in [
            (
                "trace_exec",
                "ghcr.io/inspektor-gadget/gadget/trace_exec:latest",
            ),
            (
                "trace_exec:v0.50.0",
                "ghcr.io/inspektor-gadget/gadget/trace_exec:v0.50.0",
            ),
            ("ghcr.io/foo", "ghcr.io/inspektor-gadget/gadget/foo:latest"),
            ("org/foo", "ghcr.io/org/foo:latest"),
            ("localhost/foo", "localhost/foo:latest"),
            ("localhost:5000/foo:v1", "localhost:5000/foo:v1"),
            ("docker.io/foo", "docker.io/library/foo:latest"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("Org/foo", "Org/foo:latest"),
            ("[::1]:5000/foo", "[::1]:5000/foo:latest"),
        ] {
            assert_eq!(full(input), expected, "{input}");
        }
        let pinned = format!("trace_exec@sha256:{hex}");
        assert_eq!(
            full(&pinned),
            format!("ghcr.io/inspektor-gadget/gadget/{pinned}")
        );
        let both = format!("org/foo:v1@sha256:{hex}");
        assert_eq!(full(&both), format!("ghcr.io/{both}"));
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        let long = "a".repeat(256);
        let long_tag = format!("foo:{}", "a".repeat(129));
        for input in [
            "",
            "/",
            "/foo",
            "foo/",
            "a//b",
            "Foo",
            "ghcr.io/Foo",
            "foo:",
            "foo:-a",
            "foo@",
            "foo@sha256:12",
            "a___b",
            "a..b",
            "-a",
            "a-",
            "foo:v1/bar",
            "a b",
            "-x.io/foo",
            "x.io:port/foo",
            "[]/foo:v1",
            "é",
            "foo:v1:v2",
            long.as_str(),
            long_tag.as_str(),
        ] {
            assert!(Reference::parse(input).is_err(), "{input}");
        }
    }

    #[test]
    fn parts_and_familiar_form() {
        let reference = Reference::parse("trace_exec:v1").expect("valid");
        assert_eq!(
            reference.repository(),
            "ghcr.io/inspektor-gadget/gadget/trace_exec"
        );
        assert_eq!(
            (reference.domain(), reference.tag(), reference.digest()),
            ("ghcr.io", Some("v1"), None)
        );
        assert_eq!(reference.short(), "trace_exec:v1");
        let nested = Reference::parse("ghcr.io/inspektor-gadget/gadget/a/b").expect("valid");
        assert_eq!(nested.short(), nested.to_string());
    }

    #[test]
    fn paths_are_told_from_references_by_their_look_alone() {
        for path in ["/x", "./x", "../x", ".", "..", "x.tar", "a/b.tar"] {
            assert!(is_path(path), "{path}");
        }
        for reference in ["x", "org/foo", "x.tar:v1", "localhost:5000/x", "..x"] {
            assert!(!is_path(reference), "{reference}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            let _ = Reference::parse(&text);
            let _ = is_path(&text);
        }

        #[test]
        fn normalising_twice_changes_nothing(text in "([A-Za-z0-9.\\[\\]-]{0,6}(:[0-9]{0,4})?/)?[a-z0-9._/-]{0,12}(:[a-zA-Z0-9._-]{0,5})?") {
            if let Ok(reference) = Reference::parse(&text) {
                let again = Reference::parse(&reference.to_string()).expect("a full form is valid");
                prop_assert_eq!(&again, &reference);
                let familiar = Reference::parse(&reference.short()).expect("a familiar form is valid");
                prop_assert_eq!(&familiar, &reference);
            }
        }
    }
}
