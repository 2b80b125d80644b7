//! `gizmo image build`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use gizmo_image::inspect::describe;
use gizmo_image::{BuildSpec, Reference, build};

use crate::context::Context;
use crate::image::say;

/// Arguments of `image build`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Folder with gadget.yaml, build.yaml and sources
    path: PathBuf,
    /// Build file [default: build.yaml in the folder]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name of the image
    #[arg(short, long)]
    tag: Option<Reference>,
    /// Folder for what the tools write, kept afterwards
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Build with the tools of this machine; there is no other way yet, so the flag changes nothing
    #[arg(short, long)]
    local: bool,
    /// Further folder with headers; may be repeated
    #[arg(short = 'I', long, value_name = "DIR")]
    include: Vec<PathBuf>,
}

pub(crate) fn run(context: &Context, args: &Args) -> anyhow::Result<()> {
    let headers = tempfile::tempdir()?;
    gizmo_bundled::write_headers(headers.path())?;
    let mut spec = BuildSpec::new(&args.path);
    spec.build_file.clone_from(&args.file);
    spec.output.clone_from(&args.output);
    spec.tag.clone_from(&args.tag);
    spec.include_dirs.clone_from(&args.include);
    spec.include_dirs.push(headers.path().to_owned());
    // Other people's gadgets were written for `ig`, which takes warnings for what they are.
    spec.deny_warnings = false;
    let built = build(&spec, context.catalog.store())?;
    say(&format!(
        "Successfully built {}",
        describe(built.reference.as_ref(), &built.digest)
    ))
}
