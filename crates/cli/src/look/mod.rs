//! Commands that look at a run from outside: `snapshot`, `recordings`, `forget` and `filter`.
//!
//! The run does the work and prints in the form that is wanted here; what comes through its socket goes to stdout and stderr.

mod recordings;
mod snapshot;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use gizmo_runtime::live::{
    Answer, Ask, Form, LogForm, LookError, Piece, Request, Run, choose, default_folder,
};

pub(crate) use self::recordings::{RecordingsArgs, recordings};
pub(crate) use self::snapshot::{SnapshotArgs, snapshot};
use crate::wanted::ContainersFlag;

/// Where RUN comes from.
pub(crate) const RUN_HELP: &str = "RUN is the name or process id that `gizmo recordings` shows; it can be left out when there is only one run";

/// Where runs are found.
pub(crate) const FOLDER_HELP: &str = "Runs are found by their sockets: in the folder GIZMO_RUN_DIR, else in /run/gizmo for root, else in \
                                       `gizmo` below XDG_RUNTIME_DIR. Only the owner of a run can look at it";

/// The parameter that `filter` is about.
const FILTERS: &str = "syscall-filters";

/// Which run, and which of its containers.
#[derive(Args)]
pub(crate) struct Target {
    /// The run
    #[arg(value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    only: ContainersFlag,
}

/// Arguments of `forget`.
#[derive(Args)]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    target: Target,
}

/// What can be done with the filter of a run.
#[derive(Subcommand)]
pub(crate) enum FilterCommand {
    /// Print the filter of a run
    #[command(after_help = RUN_HELP)]
    Show {
        /// The run
        #[arg(value_name = "RUN")]
        run: Option<String>,
    },
    /// Change the filter of a run that was started with one
    #[command(after_help = RUN_HELP, allow_missing_positional = true)]
    Set {
        /// The run
        #[arg(value_name = "RUN")]
        run: Option<String>,
        /// What it is to record: names, numbers and ABI:name, as in `--syscall-filters`
        #[arg(value_name = "FILTER", allow_hyphen_values = true)]
        filter: String,
    },
}

/// `gizmo forget`.
///
/// # Errors
/// There is no such run, or it refuses.
pub(crate) fn forget(args: &ForgetArgs, verbose: bool) -> anyhow::Result<()> {
    let request = request(Ask::Forget, &args.target.only.containers, verbose);
    ask(find(args.target.run.as_deref())?, &request)?;
    Ok(())
}

/// `gizmo filter`.
///
/// # Errors
/// There is no such run, it has no filter, or it refuses.
pub(crate) fn filter(command: &FilterCommand, verbose: bool) -> anyhow::Result<()> {
    match command {
        FilterCommand::Show { run } => {
            let answer = ask(
                find(run.as_deref())?,
                &request(Ask::Recordings, "", verbose),
            )?;
            let filter = answer.params.get(FILTERS);
            let filter = filter.with_context(|| {
                format!("gadget `{}` has no filter of system calls", answer.gadget)
            })?;
            writeln!(io::stdout(), "{}", crate::logging::escape(filter))?;
        }
        FilterCommand::Set { run, filter } => {
            let values = [(FILTERS.to_owned(), filter.clone())].into();
            ask(
                find(run.as_deref())?,
                &request(Ask::SetParams(values), "", verbose),
            )?;
        }
    }
    Ok(())
}

/// A request whose log lines suit this process's stderr.
fn request(ask: Ask, containers: &str, is_verbose: bool) -> Request {
    Request {
        ask,
        containers: containers.to_owned(),
        form: Form {
            log: LogForm {
                is_terminal: io::stderr().is_terminal(),
                is_verbose,
            },
            ..Form::default()
        },
    }
}

fn folder() -> anyhow::Result<PathBuf> {
    default_folder().context("there is no folder for sockets of runs; name one with GIZMO_RUN_DIR")
}

/// The run that is meant.
fn find(run: Option<&str>) -> anyhow::Result<Run> {
    choose(&folder()?, run).map_err(advise)
}

/// Errors that a person can do something about say what.
fn advise(error: LookError) -> anyhow::Error {
    let advice = match &error {
        LookError::NoRuns => "start one with: gizmo run traceloop",
        LookError::Denied(_) => "become that user, or root",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}; {advice}")
}

/// Asks a run that answers with log lines alone.
fn ask(run: Run, request: &Request) -> anyhow::Result<Answer> {
    let answer = run.ask(request, |piece| match piece {
        Piece::Output(_) => Ok(()),
        Piece::Log(lines) => log(lines),
    });
    answer.map_err(advise)
}

fn log(lines: &[u8]) -> io::Result<()> {
    io::stderr().write_all(lines)
}
