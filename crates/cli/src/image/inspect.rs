//! `gizmo image inspect`.

use std::io::{self, Write};

use anyhow::{Context as _, bail};
use clap::Args as ClapArgs;
use gizmo_runtime::{InfoEntry, OpenGadget, inspect};
use serde_json::{Map, Value, json};

use crate::context::Context;

/// Arguments of `image inspect`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Image to look into
    image: String,
    /// Show only this piece, as it is, e.g. oci.metadata
    #[arg(long, value_name = "KEY", conflicts_with = "show_datasources")]
    extra_info: Option<String>,
    /// Show only the data sources with their fields
    #[arg(long)]
    show_datasources: bool,
    /// Form of the output
    #[arg(short, long, value_name = "MODE", default_value = "jsonpretty", value_parser = ["json", "jsonpretty"])]
    output: String,
}

pub(crate) fn run(context: &Context, args: &Args) -> anyhow::Result<()> {
    let image = context.catalog.find_verified(&args.image)?;
    let compiled = image
        .wasm()
        .and_then(|layer| gizmo_bundled::compiled_code(&layer.digest));
    let named = || format!("image `{}`", args.image);
    let gadget = OpenGadget::open(&image, &context.engine()?, compiled).with_context(named)?;
    let entries = inspect(&image, &args.image, gadget).with_context(named)?;
    let wanted = if args.show_datasources {
        Some("datasources")
    } else {
        args.extra_info.as_deref()
    };
    let mut out = io::stdout().lock();
    let Some(key) = wanted else {
        return Ok(writeln!(out, "{}", form(&all(&entries), &args.output)?)?);
    };
    let Some(entry) = entries.iter().find(|entry| entry.key == key) else {
        let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        bail!(
            "there is no information `{key}`; there are {}",
            keys.join(", ")
        );
    };
    match serde_json::from_str::<Value>(&entry.content) {
        Ok(value) if entry.content_type == "application/json" => {
            writeln!(out, "{}", form(&value, &args.output)?)?
        }
        _ => writeln!(out, "{}", entry.content.trim_end())?,
    }
    Ok(())
}

/// `key → {contentType, content}`, with JSON content inlined as structure.
fn all(entries: &[InfoEntry]) -> Value {
    let mut object = Map::new();
    for entry in entries {
        let content = match entry.content_type.as_str() {
            "application/json" => serde_json::from_str::<Value>(&entry.content)
                .unwrap_or_else(|_| entry.content.clone().into()),
            _ => entry.content.clone().into(),
        };
        object.insert(
            entry.key.clone(),
            json!({"contentType": entry.content_type, "content": content}),
        );
    }
    object.into()
}

fn form(value: &Value, mode: &str) -> anyhow::Result<String> {
    Ok(if mode == "json" {
        serde_json::to_string(value)?
    } else {
        serde_json::to_string_pretty(value)?
    })
}
