//! From objects, module and metadata to the documents of an image, to the byte as `ig` writes them.

use jiff::{Timestamp, Zoned};
use serde_json::Map;

use crate::blobs::MemoryBlobs;
use crate::build::ebpf::TARGETS;
use crate::build::{BuildSpec, Parts, file};
use crate::oci::{
    ANNOTATION_BUILDER, ANNOTATION_CREATED, ARTIFACT_GADGET, Annotations, Descriptor, Index,
    MEDIA_CONFIG, MEDIA_EBPF, MEDIA_EMPTY, MEDIA_INDEX, MEDIA_MANIFEST, MEDIA_WASM, Manifest,
    Platform,
};
use crate::{Result, json};

/// Annotations that come from keys of the metadata.
const FROM_METADATA: [(&str, &str); 5] = [
    ("org.opencontainers.image.title", "name"),
    ("org.opencontainers.image.description", "description"),
    ("org.opencontainers.image.url", "homepageURL"),
    ("org.opencontainers.image.documentation", "documentationURL"),
    ("org.opencontainers.image.source", "sourceURL"),
];

/// The creation date in RFC 3339: in UTC when it is prescribed, else now with the local offset.
pub(super) fn creation_date(spec: &BuildSpec) -> Result<String> {
    let prescribed = match spec.source_date_epoch {
        Some(seconds) => Some(seconds.to_string()),
        None => std::env::var("SOURCE_DATE_EPOCH")
            .ok()
            .filter(|text| !text.is_empty()),
    };
    let Some(text) = prescribed else {
        return Ok(rfc3339(&Zoned::now()));
    };
    let timestamp = text
        .parse()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    let invalid = || {
        file::invalid(
            &spec.dir,
            format!("`SOURCE_DATE_EPOCH` is `{text}`, not a number of seconds"),
        )
    };
    Ok(timestamp.ok_or_else(invalid)?.to_string())
}

fn rfc3339(now: &Zoned) -> String {
    let format = if now.offset().seconds() == 0 {
        "%Y-%m-%dT%H:%M:%SZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%:z"
    };
    now.strftime(format).to_string()
}

/// Writes config, manifests and index, and returns the descriptor of the index.
pub(super) fn assemble(
    parts: &Parts,
    builder_version: &str,
    created: &str,
) -> (MemoryBlobs, Descriptor) {
    let mut blobs = MemoryBlobs::default();
    let annotations = annotations(parts, builder_version, created);
    let config = match &parts.metadata {
        Some((text, _)) => blobs.add(MEDIA_CONFIG, text.clone()),
        None => Descriptor {
            data: Some("e30=".to_owned()),
            ..blobs.add(MEDIA_EMPTY, b"{}".to_vec())
        },
    };
    let config = Descriptor {
        annotations: annotations.clone(),
        ..config
    };
    let wasm = parts
        .wasm
        .as_ref()
        .map(|module| blobs.add(MEDIA_WASM, module.clone()));

    let mut manifests = Vec::new();
    for (at, target) in TARGETS.iter().enumerate() {
        let ebpf = parts
            .ebpf
            .get(at)
            .map(|object| blobs.add(MEDIA_EBPF, object.clone()));
        let manifest = Manifest {
            schema_version: 2,
            // Absent in every image by `ig`; a builder that adds it makes other digests of the same sources.
            media_type: None,
            artifact_type: Some(ARTIFACT_GADGET.to_owned()),
            config: config.clone(),
            layers: ebpf.into_iter().chain(wasm.clone()).collect(),
            annotations: annotations.clone(),
            extra: Map::new(),
        };
        let platform = Platform {
            architecture: target.arch.to_owned(),
            os: "linux".to_owned(),
            extra: Map::new(),
        };
        let descriptor = blobs.add(MEDIA_MANIFEST, json::to_vec(&manifest));
        manifests.push(Descriptor {
            annotations: annotations.clone(),
            platform: Some(platform),
            ..descriptor
        });
    }
    let index = Index {
        media_type: Some(MEDIA_INDEX.to_owned()),
        manifests,
        annotations: annotations.clone(),
        ..Index::default()
    };
    let root = blobs.add(MEDIA_INDEX, json::to_vec(&index));
    (
        blobs,
        Descriptor {
            annotations,
            ..root
        },
    )
}

fn annotations(parts: &Parts, builder_version: &str, created: &str) -> Annotations {
    let mut annotations = Annotations::new();
    if let Some((_, config)) = &parts.metadata {
        for (annotation, key) in FROM_METADATA {
            annotations.insert(
                annotation.to_owned(),
                config.get_str(key).unwrap_or_default(),
            );
        }
        annotations.insert(ANNOTATION_BUILDER.to_owned(), builder_version.to_owned());
        annotations.extend(config.get_map("annotations"));
    }
    // Last: no metadata may claim another date.
    annotations.insert(ANNOTATION_CREATED.to_owned(), created.to_owned());
    annotations
}

#[cfg(test)]
mod tests {
    use gizmo_model::config::Config;

    use super::*;
    use crate::blobs::{Blobs as _, Role};

    fn text(blobs: &MemoryBlobs, descriptor: &Descriptor, role: Role) -> String {
        String::from_utf8(blobs.read(descriptor, role).expect("there").into_owned()).expect("UTF-8")
    }

    #[test]
    fn the_documents_have_the_shape_and_order_of_the_format() {
        let yaml =
            b"name: g1\nannotations:\n  a: b\n  org.opencontainers.image.created: never\n".to_vec();
        let config = Config::parse(&yaml).expect("valid");
        let digest = crate::Digest::of(&yaml);
        let parts = Parts {
            metadata: Some((yaml, config)),
            ebpf: vec![b"x".into(), b"y".into()],
            ..Parts::default()
        };
        let (blobs, root) = assemble(&parts, "v1", "2020-01-01T00:00:00Z");
        let index =
            Index::parse(text(&blobs, &root, Role::Index).as_bytes(), "index", "t").expect("valid");
        let annotations = concat!(
            r#"{"a":"b","io.inspektor-gadget.builder.version":"v1","org.opencontainers.image.created":"2020-01-01T00:00:00Z","#,
            r#""org.opencontainers.image.description":"","org.opencontainers.image.documentation":"","#,
            r#""org.opencontainers.image.source":"","org.opencontainers.image.title":"g1","org.opencontainers.image.url":""}"#
        );
        let layer = crate::Digest::of(b"x");
        let expected = format!(
            r#"{{"schemaVersion":2,"artifactType":"{ARTIFACT_GADGET}","config":{{"mediaType":"{MEDIA_CONFIG}","digest":"{digest}","size":71,"annotations":{annotations}}},"layers":[{{"mediaType":"{MEDIA_EBPF}","digest":"{layer}","size":1}}],"annotations":{annotations}}}"#
        );
        assert_eq!(text(&blobs, &index.manifests[0], Role::Manifest), expected);
        let manifest = |at: usize, arch: &str| {
            let Descriptor { digest, size, .. } = &index.manifests[at];
            format!(
                r#"{{"mediaType":"{MEDIA_MANIFEST}","digest":"{digest}","size":{size},"annotations":{annotations},"platform":{{"architecture":"{arch}","os":"linux"}}}}"#
            )
        };
        let expected = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MEDIA_INDEX}","manifests":[{},{}],"annotations":{annotations}}}"#,
            manifest(0, "amd64"),
            manifest(1, "arm64")
        );
        assert_eq!(text(&blobs, &root, Role::Index), expected);
    }

    #[test]
    fn without_metadata_the_config_is_the_inlined_empty_one() {
        let parts = Parts {
            wasm: Some(b"\0asm".to_vec()),
            ..Parts::default()
        };
        let (blobs, root) = assemble(&parts, "v1", "2020-01-01T00:00:00Z");
        let index =
            Index::parse(text(&blobs, &root, Role::Index).as_bytes(), "index", "t").expect("valid");
        assert_eq!(index.manifests[0].digest, index.manifests[1].digest);
        let manifest = text(&blobs, &index.manifests[0], Role::Manifest);
        let config = concat!(
            r#""config":{"mediaType":"application/vnd.oci.empty.v1+json","#,
            r#""digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"#,
            r#""annotations":{"org.opencontainers.image.created":"2020-01-01T00:00:00Z"},"data":"e30="}"#
        );
        assert!(manifest.contains(config), "{manifest}");
    }

    #[test]
    fn the_date_is_utc_when_prescribed() {
        let spec = BuildSpec {
            source_date_epoch: Some(86_400),
            ..BuildSpec::new("/x")
        };
        assert_eq!(creation_date(&spec).expect("valid"), "1970-01-02T00:00:00Z");
        let berlin = Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(2)));
        assert_eq!(rfc3339(&berlin), "1970-01-01T02:00:00+02:00");
    }
}
