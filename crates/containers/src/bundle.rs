//! The OCI bundle of a container: where it is, its `config.json`, and the names that runtimes write into its annotations.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use gizmo_model::container::Container;
use serde::Deserialize;
use serde_json::Value;

use crate::clean;
use crate::host::HostRoot;
use crate::process;

const CONFIG_NAME: &str = "config.json";
/// Real ones have some tens of kilobytes; long environments and many mounts make more.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// A bundle that was found and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bundle {
    pub(crate) folder: String,
    pub(crate) config: String,
}

/// Looks for the bundle of a container where its first process' parent says: conmon is told the folder, containerd's shim
/// stands in it, or in that of another container of the same pod.
pub(crate) fn find(host: &HostRoot, parent: u32, id: &str) -> io::Result<Bundle> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for folder in candidates(host, parent, id) {
        match read(host, &folder) {
            Ok(bundle) => return Ok(bundle),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Reads the bundle in a folder.
pub(crate) fn read(host: &HostRoot, folder: &Path) -> io::Result<Bundle> {
    let bytes = host.read(&folder.join(CONFIG_NAME), MAX_CONFIG_BYTES)?;
    let config = String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not text"))?;
    Ok(Bundle {
        folder: folder.to_string_lossy().into_owned(),
        config,
    })
}

fn candidates(host: &HostRoot, parent: u32, id: &str) -> Vec<PathBuf> {
    let arguments = process::arguments(host, parent).unwrap_or_default();
    if let Some(folder) = conmon_bundle(&arguments) {
        return vec![folder];
    }
    let Ok(folder) = process::current_folder(host, parent) else {
        return Vec::new();
    };
    // A folder of another name is the shim's first container, or no bundle at all.
    if folder.file_name() == Some(OsStr::new(id)) {
        return vec![folder];
    }
    folder
        .parent()
        .map(|above| vec![above.join(id)])
        .unwrap_or_default()
}

/// conmon(8) is started with `-b FOLDER` or `--bundle FOLDER`.
fn conmon_bundle(arguments: &[std::ffi::OsString]) -> Option<PathBuf> {
    let program = Path::new(arguments.first()?).file_name()?;
    if program != "conmon" {
        return None;
    }
    let flag = arguments
        .iter()
        .position(|it| it == "-b" || it == "--bundle")?;
    arguments.get(flag + 1).map(PathBuf::from)
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    annotations: Option<serde_json::Map<String, Value>>,
}

/// What the annotations say a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContainerType {
    Ordinary,
    /// Only holds the namespaces of a pod.
    Sandbox,
}

/// Fills what is still empty from the annotations of the container's `config`.
pub(crate) fn name_by_annotations(container: &mut Container) -> ContainerType {
    let Ok(Config {
        annotations: Some(annotations),
    }) = serde_json::from_str(&container.config)
    else {
        return ContainerType::Ordinary;
    };
    let get = |key: &str| {
        annotations
            .get(key)
            .and_then(Value::as_str)
            .map(clean::text)
    };
    let scheme = match get("io.container.manager").as_deref() {
        Some("cri-o") => &CRI_O,
        Some("libpod") => {
            fill(&mut container.runtime_name, Some("podman".into()));
            return ContainerType::Ordinary;
        }
        _ if annotations
            .keys()
            .any(|key| key.starts_with("io.kubernetes.cri.")) =>
        {
            &CONTAINERD
        }
        _ => return ContainerType::Ordinary,
    };
    fill(&mut container.runtime_name, Some(scheme.runtime.into()));
    fill(&mut container.image_name, get(scheme.image));
    fill(
        &mut container.sandbox_id,
        get(scheme.sandbox).filter(|id| clean::is_valid_id(id)),
    );
    let k8s = &mut container.k8s;
    fill(&mut k8s.container_name, get(scheme.container));
    fill(&mut k8s.pod_name, get(scheme.pod));
    fill(&mut k8s.namespace, get(scheme.namespace));
    fill(&mut k8s.pod_uid, get(scheme.uid));
    if get(scheme.container_type).as_deref() == Some("sandbox") {
        ContainerType::Sandbox
    } else {
        ContainerType::Ordinary
    }
}

/// Keeps what is known.
pub(crate) fn fill(field: &mut String, value: Option<String>) {
    if field.is_empty() {
        *field = value.unwrap_or_default();
    }
}

/// The keys that a runtime writes for Kubernetes.
struct Scheme {
    runtime: &'static str,
    container: &'static str,
    container_type: &'static str,
    pod: &'static str,
    namespace: &'static str,
    uid: &'static str,
    sandbox: &'static str,
    image: &'static str,
}

static CONTAINERD: Scheme = Scheme {
    runtime: "containerd",
    container: "io.kubernetes.cri.container-name",
    container_type: "io.kubernetes.cri.container-type",
    pod: "io.kubernetes.cri.sandbox-name",
    namespace: "io.kubernetes.cri.sandbox-namespace",
    uid: "io.kubernetes.cri.sandbox-uid",
    sandbox: "io.kubernetes.cri.sandbox-id",
    image: "io.kubernetes.cri.image-name",
};

static CRI_O: Scheme = Scheme {
    runtime: "cri-o",
    container: "io.kubernetes.container.name",
    container_type: "io.kubernetes.cri-o.ContainerType",
    pod: "io.kubernetes.pod.name",
    namespace: "io.kubernetes.pod.namespace",
    uid: "io.kubernetes.pod.uid",
    sandbox: "io.kubernetes.cri-o.SandboxID",
    image: "io.kubernetes.cri-o.ImageName",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn named(annotations: &str) -> (Container, ContainerType) {
        let mut container = Container {
            config: format!(r#"{{"ociVersion":"1.0.2","annotations":{annotations}}}"#),
            ..Default::default()
        };
        let kind = name_by_annotations(&mut container);
        (container, kind)
    }

    #[test]
    fn containerd_names_a_pod() {
        let (container, kind) = named(
            r#"{"io.kubernetes.cri.container-name":"main","io.kubernetes.cri.container-type":"container",
            "io.kubernetes.cri.sandbox-name":"web","io.kubernetes.cri.sandbox-namespace":"shop",
            "io.kubernetes.cri.sandbox-uid":"u-1","io.kubernetes.cri.sandbox-id":"5b","io.kubernetes.cri.image-name":"demo:1"}"#,
        );
        assert_eq!(kind, ContainerType::Ordinary);
        assert_eq!(
            (
                container.runtime_name.as_str(),
                container.image_name.as_str()
            ),
            ("containerd", "demo:1")
        );
        assert_eq!(container.sandbox_id, "5b");
        let k8s = &container.k8s;
        assert_eq!(
            [
                &k8s.container_name,
                &k8s.pod_name,
                &k8s.namespace,
                &k8s.pod_uid
            ],
            ["main", "web", "shop", "u-1"]
        );
    }

    #[test]
    fn cri_o_names_a_pod_and_tells_its_sandbox() {
        let (container, kind) = named(
            r#"{"io.container.manager":"cri-o","io.kubernetes.container.name":"POD","io.kubernetes.pod.name":"web",
            "io.kubernetes.pod.namespace":"shop","io.kubernetes.cri-o.ContainerType":"sandbox"}"#,
        );
        assert_eq!(kind, ContainerType::Sandbox);
        assert_eq!(
            (
                container.runtime_name.as_str(),
                container.k8s.pod_name.as_str()
            ),
            ("cri-o", "web")
        );
    }

    #[test]
    fn podman_names_itself() {
        assert_eq!(
            named(r#"{"io.container.manager":"libpod"}"#).0.runtime_name,
            "podman"
        );
    }

    #[test]
    fn odd_annotations_are_no_names() {
        for odd in [
            "null",
            "{}",
            "[]",
            "7",
            r#"{"io.container.manager":7}"#,
            r#"{"a":"b"}"#,
        ] {
            let (container, kind) = named(odd);
            assert_eq!(
                (container.runtime_name.as_str(), kind),
                ("", ContainerType::Ordinary)
            );
        }
        let (container, _) = named(r#"{"io.kubernetes.cri.sandbox-id":"../../etc"}"#);
        assert_eq!(container.sandbox_id, "");
    }

    #[test]
    fn what_is_known_stays() {
        let mut container = Container {
            config: r#"{"annotations":{"io.kubernetes.cri.sandbox-name":"new"}}"#.into(),
            ..Default::default()
        };
        container.k8s.pod_name = "old".into();
        name_by_annotations(&mut container);
        assert_eq!(container.k8s.pod_name, "old");
    }

    #[test]
    fn conmon_is_told_its_bundle() {
        let arguments = |list: &[&str]| list.iter().map(Into::into).collect::<Vec<_>>();
        let told = conmon_bundle(&arguments(&[
            "/usr/bin/conmon",
            "-c",
            "5b",
            "-b",
            "/run/x",
            "-n",
            "web",
        ]));
        assert_eq!(told, Some("/run/x".into()));
        assert_eq!(conmon_bundle(&arguments(&["/usr/bin/conmon", "-b"])), None);
        assert_eq!(
            conmon_bundle(&arguments(&["/bin/shim", "-b", "/run/x"])),
            None
        );
        assert_eq!(conmon_bundle(&[]), None);
    }

    #[test]
    fn the_bundle_is_where_the_parent_stands() {
        let folder = tempfile::tempdir().unwrap();
        for (id, content) in [("c1", "{}"), ("c2", "{\"x\":1}")] {
            std::fs::create_dir(folder.path().join(id)).unwrap();
            std::fs::write(folder.path().join(id).join(CONFIG_NAME), content).unwrap();
        }
        let mut shim = std::process::Command::new("sleep")
            .arg("60")
            .current_dir(folder.path().join("c1"))
            .spawn()
            .unwrap();
        let host = HostRoot::default();
        let found = [
            find(&host, shim.id(), "c1"),
            find(&host, shim.id(), "c2"),
            find(&host, shim.id(), "c3"),
        ];
        shim.kill().unwrap();
        shim.wait().unwrap();
        let [own, other, none] = found;
        assert_eq!(own.unwrap().config, "{}");
        assert_eq!(other.unwrap().config, "{\"x\":1}");
        assert!(none.is_err());
        assert!(find(&host, shim.id(), "c1").is_err());
    }
}
