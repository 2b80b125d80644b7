//! `gizmo list-containers`: which containers there are, now or as they come and go (runtime-and-cli.md 4.4).

mod columns;
mod flags;
mod inbox;
mod json;
mod watch;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use gizmo_containers::{Collection, CollectionOptions, RuntimeStatus};
use tracing::warn;

use self::columns::Columns;
use crate::table;

/// How long runtimes have to tell what runs.
const LIMIT: Duration = Duration::from_secs(2);

/// Arguments of `list-containers`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Form of the list: columns, columns=NAME,… or json; by default columns
    #[arg(short, long, value_name = "MODE", default_value = "", hide_default_value = true, value_parser = parse_mode)]
    output: Mode,
    /// Go on and show containers that are created and deleted, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    /// End watching after so many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true
    )]
    timeout: u64,
    #[command(flatten)]
    flags: flags::ContainerFlags,
}

/// How containers are printed.
#[derive(Debug, Clone, PartialEq)]
enum Mode {
    /// A table; of these columns, if they were named.
    Columns(Option<String>),
    /// JSON.
    Json,
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    match text.split_once('=') {
        Some(("columns", names)) => Ok(Mode::Columns(Some(names.to_owned()))),
        None if text.is_empty() || text == "columns" => Ok(Mode::Columns(None)),
        None if text == "json" => Ok(Mode::Json),
        _ => Err("known are columns, columns=NAME,… and json".to_owned()),
    }
}

/// Lists, and watches if that was asked for.
///
/// # Errors
/// An unknown runtime or column, a socket that was given and is not there, an output that cannot be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let began = Instant::now();
    let options = args.flags.options()?;
    let columns = match &args.output {
        Mode::Columns(names) => Some(Columns::new(names.as_deref(), args.watch)?),
        Mode::Json => None,
    };
    // Containers that do not run any more are nobody's interest here.
    let collection = Collection::start(&CollectionOptions {
        runtimes: options.runtimes,
        ..CollectionOptions::default()
    })?;
    if args.watch {
        // A timeout too large for the clock is none.
        let deadline = (args.timeout > 0)
            .then(|| began.checked_add(Duration::from_secs(args.timeout)))
            .flatten();
        return watch::run(&collection, &options.selector, columns.as_ref(), deadline);
    }
    wait_listed(&collection, LIMIT);
    let mut containers = collection.containers();
    containers.retain(|it| options.selector.matches(it));
    let text = match columns {
        Some(columns) => {
            let rows: Vec<_> = containers.iter().map(|it| columns.row(it, None)).collect();
            table::render(&columns.header(), &rows)
        }
        None => json::list(&containers)?,
    };
    write(&text)
}

/// Waits for the runtimes and names those that are silent. Those that fail are named by whoever follows them.
fn wait_listed(collection: &Collection, limit: Duration) {
    let silent = |it: &RuntimeStatus| !it.is_asked;
    for status in collection.wait_listed(limit).into_iter().filter(silent) {
        let (runtime, limit) = (status.kind, format!("{} s", limit.as_secs_f32().ceil()));
        warn!(%runtime, limit, "the container runtime has not answered in time; its containers are missing");
    }
}

/// One write, so that whoever reads a pipe sees whole records.
fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_few() {
        for (text, mode) in [
            ("", Mode::Columns(None)),
            ("columns", Mode::Columns(None)),
            ("columns=a,b", Mode::Columns(Some("a,b".into()))),
            ("json", Mode::Json),
        ] {
            assert_eq!(parse_mode(text), Ok(mode), "{text}");
        }
        for text in ["yaml", "json=x", "column=a"] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }
}
