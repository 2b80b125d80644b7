//! The gadget images built at compile time and embedded in the binary.
//!
//! `build.rs` builds them from `gadgets/`; this file only hands them out. An embedded image needs no store, no registry
//! and, with its guest compiled for the host's architecture, no compiler when it is run.

#![forbid(unsafe_code)]

use std::path::Path;
use std::{fs, io};

use gizmo_image::{Digest, EmbeddedImage, Result};

static TRACELOOP_ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/traceloop.tar"));
static TRACELOOP_CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/traceloop.code"));

/// The embedded images.
///
/// # Errors
/// The binary is damaged.
pub fn images() -> Result<Vec<EmbeddedImage>> {
    Ok(vec![EmbeddedImage::from_archive(TRACELOOP_ARCHIVE)?])
}

/// Compiled code of an embedded guest, by the digest of its WASM layer.
pub fn compiled_code(layer: &Digest) -> Option<&'static [u8]> {
    let images = images().ok()?;
    let is_ours = |image: &EmbeddedImage| {
        image
            .load()
            .is_ok_and(|image| image.wasm().is_some_and(|wasm| wasm.digest == *layer))
    };
    images.iter().any(is_ours).then_some(TRACELOOP_CODE)
}

/// Headers that eBPF sources may include: Gizmo's own and libbpf's, by path.
static HEADERS: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/headers.rs"));

/// Writes the headers below a folder that can be given to the compiler.
///
/// # Errors
/// The folder cannot be written.
pub fn write_headers(folder: &Path) -> io::Result<()> {
    for (path, content) in HEADERS {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_image_is_whole() {
        for image in images().unwrap() {
            image.verify().unwrap();
            let loaded = image.load().unwrap();
            assert!(loaded.ebpf().is_some());
            assert!(compiled_code(&loaded.wasm().unwrap().digest).is_some());
        }
    }

    #[test]
    fn headers_are_there_for_authors() {
        let folder = std::env::temp_dir().join(format!("gizmo-headers-{}", std::process::id()));
        write_headers(&folder).unwrap();
        let found =
            ["gizmo/recorder.h", "bpf/bpf_helpers.h"].map(|path| folder.join(path).exists());
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, [true, true]);
    }

    #[test]
    fn code_belongs_to_its_own_layer_only() {
        assert!(compiled_code(&Digest::of(b"another module")).is_none());
    }
}
