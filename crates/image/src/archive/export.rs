//! Writing an archive: the same images give the same bytes, whatever store they come from.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::blobs::{Blobs, Role, walk};
use crate::oci::{ANNOTATION_ORIGIN, ANNOTATION_REF_NAME, Descriptor, Index};
use crate::store::{INDEX_FILE, LAYOUT_CONTENT, LAYOUT_FILE};
use crate::{Digest, Error, Reference, Result, json, tarball};

/// An image to export: where it is, what it is, and the name it gets.
pub(crate) struct Exported<'b> {
    pub(crate) blobs: &'b dyn Blobs,
    pub(crate) root: Descriptor,
    pub(crate) name: Reference,
}

/// Writes images into a new archive; a file at `path` appears only when it is complete.
pub(crate) fn write(path: &Path, images: &[Exported<'_>]) -> Result<()> {
    // A pipe or a terminal is written to, not replaced.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(Error::io("open", path))?;
        return stream(&file, images, path);
    }
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // An archive is for giving away: as readable as the umask allows.
    builder
        .prefix(".gizmo-export-")
        .permissions(Permissions::from_mode(0o666));
    let temp = builder
        .tempfile_in(dir)
        .map_err(Error::io("create a file in", dir))?;
    stream(temp.as_file(), images, path)?;
    temp.as_file()
        .sync_all()
        .map_err(Error::io("flush", path))?;
    temp.persist(path)
        .map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}

fn stream(file: &File, images: &[Exported<'_>], path: &Path) -> Result<()> {
    let mut out = BufWriter::new(file);
    write_members(&mut out, images, path)?;
    out.flush().map_err(Error::io("write", path))
}

fn write_members(out: &mut dyn Write, images: &[Exported<'_>], path: &Path) -> Result<()> {
    // First the order (by digest), then the content one by one: memory holds one blob, not all.
    let mut blobs: BTreeMap<Digest, (usize, Descriptor, Role)> = BTreeMap::new();
    for (at, image) in images.iter().enumerate() {
        walk(image.blobs, &image.root, &mut |descriptor, role, _| {
            blobs
                .entry(descriptor.digest.clone())
                .or_insert_with(|| (at, descriptor.clone(), role));
            Ok(())
        })?;
    }
    for (digest, (at, descriptor, role)) in &blobs {
        let bytes = images[*at].blobs.read(descriptor, *role)?;
        let name = format!("blobs/sha256/{}", digest.sha256_hex()?);
        tarball::append(out, &name, 0o444, &bytes).map_err(Error::io("write", path))?;
    }
    let index = json::to_vec(&index_of(images));
    tarball::append(out, INDEX_FILE, 0o600, &index)
        .and_then(|()| tarball::append(out, LAYOUT_FILE, 0o644, LAYOUT_CONTENT))
        .and_then(|()| tarball::finish(out))
        .map_err(Error::io("write", path))
}

fn index_of(images: &[Exported<'_>]) -> Index {
    let mut manifests: Vec<Descriptor> = images
        .iter()
        .map(|image| {
            let mut root = image.root.clone();
            root.annotations.remove(ANNOTATION_ORIGIN);
            root.annotations
                .insert(ANNOTATION_REF_NAME.to_owned(), image.name.to_string());
            root
        })
        .collect();
    manifests.sort_by(|a, b| (&a.digest, a.ref_name()).cmp(&(&b.digest, b.ref_name())));
    manifests.dedup();
    Index {
        manifests,
        ..Index::default()
    }
}
