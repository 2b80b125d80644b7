//! Importing an archive into a store: all of its images, or none.

use std::path::Path;

use crate::archive::{ArchiveFile, refused};
use crate::layout::full_reference;
use crate::store::{NewTag, Origin, Store, Writer, check_tag_name};
use crate::{Error, Reference, Result};

/// Copies every image of the archive at `path` into `store` and returns their names, sorted.
///
/// Every blob is verified on the way. The tags are added in one step after the last blob, so a failure, or a kill,
/// leaves the store's tags as they were. Tags that are no references (those of signatures) are copied, too, but not
/// returned.
///
/// # Errors
/// When the archive breaks a rule, when anything in it is damaged, or when no image has a full reference as name.
pub fn import(store: &Store, path: &Path) -> Result<Vec<Reference>> {
    let archive = ArchiveFile::open(path)?;
    let mut names: Vec<Reference> = Vec::new();
    for entry in &archive.index.manifests {
        if let Some(name) = entry.ref_name() {
            check_tag_name(path, name)?;
            if let Some(reference) = full_reference(name) {
                check_is_index(entry)?;
                if names.contains(&reference) {
                    return Err(refused(path, format!("the tag `{name}` is there twice")));
                }
                names.push(reference);
            }
        }
    }
    if names.is_empty() {
        return Err(refused(
            path,
            "it holds no image that is tagged with a full reference",
        ));
    }
    let writer = Writer::new(store)?;
    for entry in &archive.index.manifests {
        if let Err(error) = writer.copy(&archive, entry) {
            writer.abort();
            return Err(error);
        }
    }
    let tags = archive.index.manifests.iter().map(|entry| NewTag {
        name: entry.ref_name().map(str::to_owned),
        target: entry.clone(),
        origin: Origin::Imported,
    });
    writer.commit(tags.collect())?;
    names.sort();
    Ok(names
        .into_iter()
        .filter(|name| !name.tag().is_some_and(|tag| tag.ends_with(".sig")))
        .collect())
}

fn check_is_index(entry: &crate::oci::Descriptor) -> Result<()> {
    // Signatures may be tagged by a full reference as well; they are plain manifests.
    let signature = entry
        .ref_name()
        .is_some_and(|name| name.ends_with(".sig") || name.contains(":sha256-"));
    if entry.is_index() || signature {
        return Ok(());
    }
    Err(Error::NotAnIndex {
        digest: entry.digest.clone(),
        media_type: entry.media_type.clone(),
    })
}
