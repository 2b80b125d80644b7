//! `gizmo image list`.

use std::io::{self, IsTerminal, Write};

use clap::Args as ClapArgs;
use gizmo_image::{DEFAULT_TAG, Listed, ListedSource, Origin};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::context::Context;
use crate::table;

/// Arguments of `image list`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Form of the list
    #[arg(short, long, value_name = "MODE", default_value = "columns", value_parser = ["columns", "json", "jsonpretty"])]
    output: String,
    /// Show whole digests and dates on a terminal, too
    #[arg(long)]
    no_trunc: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> anyhow::Result<()> {
    let images = context.catalog.list()?;
    let mut out = io::stdout().lock();
    match args.output.as_str() {
        "json" => write!(out, "{}", serde_json::to_string(&to_json(&images))?)?,
        "jsonpretty" => write!(out, "{}", serde_json::to_string_pretty(&to_json(&images))?)?,
        _ => {
            let short = !args.no_trunc && io::stdout().is_terminal();
            let rows: Vec<[String; 5]> = images
                .iter()
                .map(|image| row(image, short).map(|text| table::cell(&text)))
                .collect();
            let header = ["REPOSITORY", "TAG", "DIGEST", "CREATED", "SOURCE"];
            write!(out, "{}", table::render(&header, &rows))?;
        }
    }
    Ok(())
}

fn to_json(images: &[Listed]) -> Value {
    let entry = |image: &Listed| {
        let [repository, tag, digest, created, source] = row(image, false);
        json!({"Repository": repository, "Tag": tag, "Digest": digest, "Created": created, "Source": source})
    };
    images.iter().map(entry).collect::<Vec<_>>().into()
}

fn row(image: &Listed, short: bool) -> [String; 5] {
    let (repository, tag) = match &image.reference {
        Some(name) => (
            name.short_repository().to_owned(),
            name.tag().unwrap_or(DEFAULT_TAG).to_owned(),
        ),
        None => ("<none>".to_owned(), "<none>".to_owned()),
    };
    let digest = if short {
        image.digest.short().to_owned()
    } else {
        image.digest.to_string()
    };
    let created = if short {
        age(&image.created)
    } else {
        image.created.clone()
    };
    [repository, tag, digest, created, source(image).to_owned()]
}

fn source(image: &Listed) -> &'static str {
    match image.source {
        ListedSource::Embedded { shadowed: false } => "embedded",
        ListedSource::Embedded { shadowed: true } => "embedded (hidden by a local tag)",
        ListedSource::Store(origin) => match origin {
            Origin::Built => "built",
            Origin::Imported => "imported",
            Origin::Pulled => "pulled",
            Origin::Tagged => "tagged",
            _ => "local",
        },
        _ => "local",
    }
}

/// How long ago, in the largest unit that fits; the text itself when it is no date.
fn age(created: &str) -> String {
    let Ok(then) = created.parse::<Timestamp>() else {
        return created.to_owned();
    };
    if then == Timestamp::UNIX_EPOCH {
        return "n/a".to_owned();
    }
    let seconds = Timestamp::now().duration_since(then).as_secs().max(0);
    let units = [
        (31_536_000, "year"),
        (2_592_000, "month"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    for (length, name) in units {
        let count = seconds / length;
        if count > 0 {
            return format!("{count} {name}{} ago", if count == 1 { "" } else { "s" });
        }
    }
    "now".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_the_largest_unit() {
        assert_eq!(age("1970-01-01T00:00:00Z"), "n/a");
        assert_eq!(age("no date"), "no date");
        let hours = Timestamp::now() - jiff::Span::new().hours(3);
        assert_eq!(age(&hours.to_string()), "3 hours ago");
    }
}
