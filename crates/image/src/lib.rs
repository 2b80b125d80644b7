//! Gadget images: references, local store, build, export and import.
//!
//! This crate turns what a user types (`traceloop`, `org/gadget:v1`, `./layout`, `image.tar`) into an [`Image`] in
//! memory, verified down to the last byte, and makes images out of source directories. It does not know how a gadget
//! runs. Start reading at [`Catalog`], which knows the order in which places are searched.
//!
//! The idea to keep in mind: a descriptor (digest and size) is the only right to read something. All places that hold
//! blobs (store, layout, archive, binary) implement one small trait which checks bytes against their descriptor, and
//! everything else, loading, copying, exporting, is written once on top of it.
//!
//! Registries and signatures are still to come: they add a source of blobs and a check after a tag is resolved.

#![forbid(unsafe_code)]

pub mod archive;
mod blobs;
pub mod build;
mod catalog;
mod digest;
mod embedded;
mod error;
mod image;
pub mod inspect;
mod json;
mod layout;
pub mod limits;
pub mod oci;
mod reference;
mod store;
mod tarball;

pub use build::{BuildSpec, Built, build, build_to_archive};
pub use catalog::{Catalog, Listed, ListedSource};
pub use digest::Digest;
pub use embedded::EmbeddedImage;
pub use error::{Error, ErrorKind, Result};
pub use image::{Image, Layer, Source};
pub use oci::host_arch;
pub use reference::{DEFAULT_DOMAIN, DEFAULT_FOLDER, DEFAULT_TAG, Reference, is_bare, is_path};
pub use store::{Collected, Origin, Store, Tag};
