//! Flags that say which containers are recorded, as in `ig` (runtime-and-cli.md 2.6).

use std::path::PathBuf;

use anyhow::Context as _;
use gizmo_containers::{RuntimeKind, RuntimeOptions, Selector, SelectorTexts};
use gizmo_model::params::{Param, ParamValues};
use gizmo_runtime::ContainerOptions;

const PREFIX: &str = "operator.LocalManager.";

/// Name, letter, second name, description.
type Row = (&'static str, &'static str, &'static str, &'static str);

const ROWS: [Row; 15] = [
    (
        "containername",
        "c",
        "runtime-containername",
        "Only containers with these names: a,b; !a leaves one out",
    ),
    (
        "runtimes",
        "r",
        "",
        "Only containers of these runtimes: docker, containerd, cri-o, podman",
    ),
    ("host", "", "", "Record the host, too"),
    ("k8s-namespace", "", "", "Only pods of these namespaces"),
    ("k8s-podname", "", "", "Only pods with these names"),
    (
        "k8s-containername",
        "",
        "",
        "Only containers with these names in their pod",
    ),
    (
        "k8s-selector",
        "",
        "",
        "Only pods with these labels: key=value,…",
    ),
    (
        "runtime-containerimage-id",
        "",
        "containerimage-id",
        "Only containers of images with these ids",
    ),
    (
        "runtime-containerimage-digest",
        "",
        "containerimage-digest",
        "Only containers of images with these digests",
    ),
    ("docker-socketpath", "", "", "Socket of Docker"),
    ("containerd-socketpath", "", "", "Socket of containerd"),
    ("crio-socketpath", "", "", "Socket of CRI-O"),
    ("podman-socketpath", "", "", "Socket of podman"),
    (
        "containerd-namespace",
        "",
        "",
        "Namespaces of containerd; by default all but Docker's",
    ),
    (
        "runtime-protocol",
        "",
        "",
        "How to ask the runtimes: internal or cri",
    ),
];

/// The flags.
pub(crate) fn params() -> Vec<Param> {
    ROWS.iter()
        .map(|(key, letter, second, description)| Param {
            prefix: PREFIX.into(),
            key: (*key).into(),
            alias: (*letter).into(),
            alternative_key: (*second).into(),
            description: (*description).into(),
            type_hint: if *key == "host" {
                "bool".into()
            } else {
                String::new()
            },
            ..Param::default()
        })
        .collect()
}

/// What the values say.
///
/// # Errors
/// An unknown runtime or protocol, a malformed label.
pub(crate) fn options(values: &ParamValues) -> anyhow::Result<ContainerOptions> {
    let value = |key: &str| values.get(&format!("{PREFIX}{key}")).unwrap_or_default();
    let mut runtimes = RuntimeOptions::from_env();
    runtimes
        .set_runtimes(value("runtimes"))
        .context("flag `--runtimes`")?;
    for (kind, key) in [
        (RuntimeKind::Docker, "docker-socketpath"),
        (RuntimeKind::Containerd, "containerd-socketpath"),
        (RuntimeKind::CriO, "crio-socketpath"),
        (RuntimeKind::Podman, "podman-socketpath"),
    ] {
        if !value(key).is_empty() {
            runtimes.sockets.push((kind, PathBuf::from(value(key))));
        }
    }
    let namespaces = value("containerd-namespace");
    if !namespaces.is_empty() {
        runtimes.containerd_namespaces = Some(namespaces.split(',').map(str::to_owned).collect());
    }
    if !value("runtime-protocol").is_empty() {
        runtimes.protocol = value("runtime-protocol")
            .parse()
            .context("flag `--runtime-protocol`")?;
    }
    let selector = Selector::parse(&SelectorTexts {
        namespace: value("k8s-namespace").to_owned(),
        pod: value("k8s-podname").to_owned(),
        k8s_container: value("k8s-containername").to_owned(),
        container: value("containername").to_owned(),
        image_id: value("runtime-containerimage-id").to_owned(),
        image_digest: value("runtime-containerimage-digest").to_owned(),
        labels: value("k8s-selector").to_owned(),
    })
    .context("flag `--k8s-selector`")?;
    let host = value("host");
    Ok(ContainerOptions {
        only: runtimes.runtimes.clone().unwrap_or_default(),
        runtimes,
        selector,
        host: match host {
            "" => false,
            text => text
                .parse()
                .with_context(|| format!("flag `--host`: `{text}` is neither true nor false"))?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> anyhow::Result<ContainerOptions> {
        let mut values = ParamValues::default();
        for (key, value) in pairs {
            values.set(&format!("{PREFIX}{key}"), (*value).to_owned());
        }
        options(&values)
    }

    #[test]
    fn without_flags_all_containers_are_meant_and_not_the_host() {
        let options = read(&[]).unwrap();
        assert!(options.selector.is_empty() && options.only.is_empty() && !options.host);
    }

    #[test]
    fn flags_select() {
        let options = read(&[
            ("runtimes", "docker,containerd"),
            ("containername", "a,!b"),
            ("docker-socketpath", "/tmp/d.sock"),
            ("host", "true"),
        ])
        .unwrap();
        assert_eq!(options.only, [RuntimeKind::Docker, RuntimeKind::Containerd]);
        assert!(!options.selector.is_empty() && options.host);
        assert_eq!(options.runtimes.sockets.len(), 1);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |pairs| format!("{:#}", read(pairs).unwrap_err());
        assert!(error(&[("runtimes", "dokcer")]).contains("`dokcer`"));
        assert!(error(&[("runtime-protocol", "x")]).contains("`x`"));
        assert!(error(&[("k8s-selector", "a")]).contains("--k8s-selector"));
        assert!(error(&[("host", "perhaps")]).contains("`perhaps`"));
    }
}
