//! `gizmo image …`: the commands that handle images without running them.

mod build;
mod inspect;
mod list;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use gizmo_image::Reference;
use gizmo_image::inspect::describe;

use crate::context::Context;

/// The commands below `image`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Build an image from a folder with sources
    Build(build::Args),
    /// List local and embedded images
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show what is in an image
    Inspect(inspect::Args),
    /// Give an image another name
    Tag {
        /// Image to name
        source: String,
        /// New name
        destination: String,
    },
    /// Remove an image from the local store
    #[command(visible_alias = "rm")]
    Remove {
        /// Image to remove
        image: String,
    },
    /// Write images to an archive
    Export {
        /// Images to write, then the archive's file
        #[arg(required = true, num_args = 2.., value_names = ["IMAGE", "FILE"])]
        images_and_file: Vec<String>,
    },
    /// Read images from an archive
    Import {
        /// The archive
        file: PathBuf,
        /// List of the names as `json` or `jsonpretty` instead of text
        #[arg(short, long, value_name = "MODE", value_parser = ["json", "jsonpretty"])]
        output: Option<String>,
    },
}

pub(crate) fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Build(args) => build::run(context, &args),
        Command::List(args) => list::run(context, &args),
        Command::Inspect(args) => inspect::run(context, &args),
        Command::Tag {
            source,
            destination,
        } => {
            let tag = context.catalog.tag(&source, &destination.parse()?)?;
            say(&format!(
                "Successfully tagged with {}",
                describe(tag.reference.as_ref(), &tag.digest)
            ))
        }
        Command::Remove { image } => {
            context.catalog.remove(&image)?;
            say(&format!("Successfully removed {image}"))
        }
        Command::Export { images_and_file } => export(context, &images_and_file),
        Command::Import { file, output } => {
            let names: Vec<String> = context
                .catalog
                .import(&file)?
                .iter()
                .map(Reference::to_string)
                .collect();
            print_imported(&names, output.as_deref())
        }
    }
}

fn export(context: &Context, images_and_file: &[String]) -> anyhow::Result<()> {
    // clap has seen to it that there are two at least.
    let Some((file, images)) = images_and_file.split_last() else {
        return Ok(());
    };
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    context.catalog.export(&images, file.as_ref())?;
    say(&format!("Successfully exported images to {file}"))
}

fn print_imported(names: &[String], output: Option<&str>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match output {
        Some("json") => writeln!(out, "{}", serde_json::to_string(names)?)?,
        Some(_) => writeln!(out, "{}", serde_json::to_string_pretty(names)?)?,
        None => {
            writeln!(out, "Successfully imported images:")?;
            for name in names {
                writeln!(out, "  {name}")?;
            }
        }
    }
    Ok(())
}

/// Progress goes to stderr, as upstream's does; stdout is for what was asked for.
fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stderr(), "{text}")?)
}
