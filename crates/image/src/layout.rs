//! OCI layouts that are not our store: a directory named on the command line, and the choice of the one image in it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::blobs::{Blobs, Role, read_from_layout};
use crate::oci::{Descriptor, Index};
use crate::store::{check_layout, read_index};
use crate::{Error, Reference, Result};

/// A directory with an OCI layout, read only.
#[derive(Debug)]
pub(crate) struct LayoutDir {
    root: PathBuf,
    pub(crate) index: Index,
}

impl LayoutDir {
    pub(crate) fn open(root: &Path) -> Result<Self> {
        check_layout(root)?;
        Ok(Self {
            root: root.to_path_buf(),
            index: read_index(root)?,
        })
    }
}

impl Blobs for LayoutDir {
    fn read(&self, descriptor: &Descriptor, role: Role) -> Result<Cow<'static, [u8]>> {
        read_from_layout(&self.root, descriptor, role).map(Cow::Owned)
    }
}

/// The one image of a layout. Nameless entries count only where nothing has a name: `ig` lists parts of images so.
pub(crate) fn only_image<'i>(
    index: &'i Index,
    path: &Path,
) -> Result<(&'i Descriptor, Option<Reference>)> {
    let images: Vec<&Descriptor> = index.manifests.iter().filter(|d| d.is_index()).collect();
    let named: Vec<&Descriptor> = images
        .iter()
        .copied()
        .filter(|d| d.ref_name().is_some())
        .collect();
    let candidates = if named.is_empty() { images } else { named };
    let Some(first) = candidates.first() else {
        return match index.manifests.first() {
            Some(other) => Err(Error::NotAnIndex {
                digest: other.digest.clone(),
                media_type: other.media_type.clone(),
            }),
            None => Err(Error::NoImage {
                path: path.to_path_buf(),
            }),
        };
    };
    if candidates.iter().any(|d| d.digest != first.digest) {
        let mut tags: Vec<String> = candidates
            .iter()
            .map(|d| {
                format!(
                    "`{}`",
                    d.ref_name().unwrap_or(d.digest.as_str()).escape_debug()
                )
            })
            .collect();
        tags.sort();
        return Err(Error::Ambiguous {
            path: path.to_path_buf(),
            tags: tags.join(", "),
        });
    }
    Ok((first, first.ref_name().and_then(full_reference)))
}

/// A tag that is a reference in full form.
pub(crate) fn full_reference(name: &str) -> Option<Reference> {
    name.parse::<Reference>()
        .ok()
        .filter(|reference| reference.to_string() == name)
}
