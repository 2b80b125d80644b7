//! `gizmo view`: a recording on the whole terminal, to go back and forth in.

mod keys;
mod prompt;
mod screen;
mod state;

use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use gizmo_runtime::{Calls, Wanted};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tracing::subscriber::{NoSubscriber, with_default};

use state::View;

use crate::wanted::WantedFlags;

pub(crate) const HELP: &str = "\
Keys: arrows, PgUp, PgDn, Home and End move; Enter shows a call with all its arguments; / searches, n and N find the next and the one \
before; f asks for a filter; e and E go to the next error and the one before, s and S to slow calls; ? lists the keys; q ends.";

/// Arguments of `view`.
#[derive(Args)]
pub(crate) struct ViewArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    wanted: WantedFlags,
}

/// `gizmo view`.
///
/// # Errors
/// There is no terminal, the file cannot be read or is no recording of calls.
pub(crate) fn run(args: &ViewArgs) -> anyhow::Result<()> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!("`gizmo view` needs a terminal; `gizmo show` prints a recording");
    }
    let mut wanted = args.wanted.wanted();
    let calls = load(&args.file, &wanted)?;
    let mut view = View::new(&args.file.to_string_lossy(), &wanted.calls, calls);
    // Whoever ends us shall find his terminal as it was. In raw mode Ctrl-C is a key.
    gizmo_runtime::on_end_signal(|signal| {
        ratatui::restore();
        std::process::exit(128 + signal);
    })?;
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let outcome = interact(&mut terminal, &mut view, &mut wanted, &args.file);
    let restored = ratatui::try_restore().context("the terminal cannot be left");
    outcome.and(restored)
}

fn interact(
    terminal: &mut DefaultTerminal,
    view: &mut View,
    wanted: &mut Wanted,
    file: &Path,
) -> anyhow::Result<()> {
    while !view.is_done() {
        terminal.draw(|frame| screen::draw(frame, view))?;
        if let Some(filter) = view.take_request() {
            let next = Wanted {
                calls: filter.clone(),
                ..wanted.clone()
            };
            // What is to be said about the file was said before the terminal was taken.
            match with_default(NoSubscriber::new(), || load(file, &next)) {
                Ok(calls) => {
                    view.show(&filter, calls);
                    *wanted = next;
                }
                Err(error) => view.complain(&error),
            }
            continue;
        }
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            view.press(key);
        }
    }
    Ok(())
}

fn load(file: &Path, wanted: &Wanted) -> anyhow::Result<Calls> {
    let name = || format!("recording `{}`", file.display());
    let input = File::open(file).with_context(name)?;
    Calls::load(BufReader::new(input), wanted).with_context(name)
}
