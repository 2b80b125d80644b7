//! Small gadgets: folders to build, and layouts made by hand for what no build would make.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::Gizmo;

pub const WASM: &str = "application/vnd.gadget.wasm.program.v1+binary";
pub const EBPF: &str = "application/vnd.gadget.ebpf.program.v1+binary";
const CONFIG: &str = "application/vnd.gadget.config.v1+yaml";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A guest that does nothing, for this version of the API.
pub fn guest(version: u64) -> Vec<u8> {
    let text = format!(
        "(module (memory (export \"memory\") 1)
        (func (export \"gadgetAPIVersion\") (result i64) (i64.const {version})))"
    );
    wat::parse_str(text).expect("a module")
}

/// Metadata with a name.
pub fn metadata(name: &str) -> String {
    format!("name: {name}\ndescription: gadget {name}\n")
}

/// Writes a gadget of metadata and a compiled guest into the folder `name`; returns the folder.
#[track_caller]
pub fn folder(gizmo: &Gizmo, name: &str, yaml: &str, wasm: &[u8]) -> String {
    gizmo.write(&format!("{name}/gadget.yaml"), yaml);
    gizmo.write(&format!("{name}/guest.wasm"), wasm);
    gizmo.write(&format!("{name}/build.yaml"), "wasm: guest.wasm\n");
    gizmo.name(name)
}

/// Builds a small gadget; the tag is its name, too.
#[track_caller]
pub fn build(gizmo: &Gizmo, tag: &str) {
    let folder = folder(gizmo, tag, &metadata(tag), &guest(1));
    gizmo.ok(["image", "build", &folder, "-t", tag]);
}

/// Writes an OCI layout of one image for this machine into the folder `name`; returns the folder.
#[track_caller]
pub fn layout(gizmo: &Gizmo, name: &str, yaml: &str, layers: &[(&str, &[u8])]) -> String {
    let put = |media_type: &str, bytes: &[u8]| -> Value {
        let digest: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        gizmo.write(&format!("{name}/blobs/sha256/{digest}"), bytes);
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    };
    let layers: Vec<Value> = layers
        .iter()
        .map(|(kind, bytes)| put(kind, bytes))
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": put(CONFIG, yaml.as_bytes()),
        "layers": layers});
    let mut manifest = put(MANIFEST, manifest.to_string().as_bytes());
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    manifest["platform"] = json!({"architecture": arch, "os": "linux"});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]});
    let mut root = put(INDEX, index.to_string().as_bytes());
    root["annotations"] =
        json!({"org.opencontainers.image.ref.name": format!("localhost/{name}:v1")});
    let top = json!({"schemaVersion": 2, "manifests": [root]});
    gizmo.write(&format!("{name}/index.json"), top.to_string());
    gizmo.write(
        &format!("{name}/oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    );
    gizmo.name(name)
}

/// A copy of the store as a layout folder, which the store is.
#[track_caller]
pub fn copy_of_store(gizmo: &Gizmo, name: &str) -> String {
    let blobs = gizmo.store().join("blobs/sha256");
    for entry in fs::read_dir(blobs).expect("blobs") {
        let path = entry.expect("readable").path();
        let blob = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        gizmo.write(
            &format!("{name}/blobs/sha256/{blob}"),
            fs::read(&path).expect("readable"),
        );
    }
    for file in ["index.json", "oci-layout"] {
        let content = fs::read(gizmo.store().join(file)).expect("readable");
        gizmo.write(&format!("{name}/{file}"), content);
    }
    gizmo.name(name)
}
