//! `gizmo snapshot`: what the rings of a run hold, and on request what comes after.

use std::io::{self, Seek, Write};

use clap::Args;
use gizmo_runtime::live::{Ask, Piece, Run};
use tempfile::SpooledTempFile;

use super::{Target, advise, find, log, request};
use crate::run::terminal_width;

/// Bytes of a snapshot that are kept in memory until it is complete; more go to a file without a name.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// Arguments of `snapshot`.
#[derive(Args)]
pub(crate) struct SnapshotArgs {
    #[command(flatten)]
    target: Target,
    /// Go on with what is recorded from now on, until the run ends or Ctrl-C
    #[arg(long)]
    follow: bool,
    /// How events are printed: columns, json, jsonpretty, yaml or none
    #[arg(
        short,
        long,
        value_name = "MODE",
        default_value = "",
        hide_default_value = true
    )]
    output: String,
    /// Columns to print, joined with commas; +field adds to the default ones, -field removes
    #[arg(
        long,
        value_name = "FIELDS",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    fields: String,
    #[arg(
        short = 'F',
        long,
        value_name = "RULES",
        help = "Of what the run shows, only events that hold these rules: <field><operator><value>, joined with commas"
    )]
    filter: Option<String>,
}

/// `gizmo snapshot`.
///
/// # Errors
/// There is no such run, it refuses, or the output cannot be written.
pub(crate) fn snapshot(args: &SnapshotArgs, verbose: bool) -> anyhow::Result<()> {
    let run = find(args.target.run.as_deref())?;
    let ask = if args.follow {
        Ask::Follow
    } else {
        Ask::Snapshot
    };
    let mut request = request(ask, &args.target.only.containers, verbose);
    request.form.output.clone_from(&args.output);
    request.form.fields.clone_from(&args.fields);
    let filters = args
        .filter
        .iter()
        .map(|rules| (String::new(), rules.clone()));
    request.form.filters = filters.collect();
    request.form.terminal_width = terminal_width(io::stdout());
    if args.follow {
        return follow(run, &request);
    }
    // Whoever reads our output may take his time, the run must not wait for him.
    let mut kept = SpooledTempFile::new(MAX_KEPT_BYTES);
    let answer = run.ask(&request, |piece| match piece {
        Piece::Output(bytes) => kept.write_all(bytes),
        Piece::Log(lines) => log(lines),
    });
    // Half a snapshot is better than none.
    kept.rewind()?;
    io::copy(&mut kept, &mut io::stdout().lock())?;
    io::stdout().flush()?;
    answer.map_err(advise)?;
    Ok(())
}

fn follow(run: Run, request: &gizmo_runtime::live::Request) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let answer = run.ask(request, |piece| match piece {
        Piece::Output(bytes) => out.write_all(bytes).and_then(|()| out.flush()),
        Piece::Log(lines) => log(lines),
    });
    answer.map_err(advise)?;
    Ok(())
}
