//! The binary `gizmo`: arguments, configuration, exit codes, and nothing else.
//!
//! One file per command. Arguments become plain values first; what runs is in `gizmo-runtime`.

#![forbid(unsafe_code)]

mod bench;
mod containers;
mod context;
mod diff;
mod doctor;
mod image;
mod logging;
mod look;
mod run;
mod show;
mod syscalls;
mod table;
mod view;
mod wanted;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};

use crate::context::{Context, GlobalArgs};

const EXAMPLES: &str = "\
Examples:
  gizmo run traceloop -- ls /tmp   Record the system calls of a command
  gizmo run traceloop --help       Show the flags and fields of a gadget
  gizmo snapshot                   Show what a run has recorded so far
  gizmo image list                 List the gadgets that are there
  gizmo doctor                     See whether this host can run them";

/// Runs eBPF gadget images.
#[derive(Parser)]
#[command(
    name = "gizmo",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = EXAMPLES
)]
struct Arguments {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a gadget and show what it reports
    #[command(disable_help_flag = true)]
    Run(run::RawArgs),
    /// Build, list, inspect and move images
    #[command(subcommand, arg_required_else_help = true)]
    Image(image::Command),
    /// Say what this host offers, and what to do about what is missing
    #[command(after_help = "Ends with exit code 0 when traceloop can run here, 1 when not")]
    Doctor(doctor::Args),
    /// Show what a run has saved with --save
    #[command(after_help = show::HELP)]
    Show(show::ShowArgs),
    /// Show what a run has recorded so far, and let it go on
    #[command(after_help = look::RUN_HELP)]
    Snapshot(look::SnapshotArgs),
    /// List the runs that go on, and what they record
    #[command(after_help = look::FOLDER_HELP)]
    Recordings(look::RecordingsArgs),
    /// Drop what a run has recorded so far, and let it go on
    #[command(after_help = look::RUN_HELP)]
    Forget(look::ForgetArgs),
    /// Show or change which system calls a run records
    #[command(subcommand, arg_required_else_help = true)]
    Filter(look::FilterCommand),
    /// Say what differs between two recordings, or two containers of one
    #[command(after_help = diff::HELP)]
    Diff(diff::DiffArgs),
    /// Go through a recording on the whole terminal: scroll, search, filter
    #[command(after_help = view::HELP)]
    View(view::ViewArgs),
    /// List system calls: numbers, classes and parameters
    #[command(after_help = syscalls::LANGUAGE_HELP)]
    Syscalls(syscalls::Args),
    /// Say what a filter selects, and which part of it is tested where
    #[command(after_help = syscalls::LANGUAGE_HELP)]
    Explain(syscalls::ExplainArgs),
    /// List and watch the containers of this host
    ListContainers(containers::Args),
    /// Measure what Gizmo costs on this host
    #[command(subcommand, arg_required_else_help = true)]
    Bench(bench::Command),
    /// Print the version
    Version,
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments
        .get(1)
        .is_some_and(|name| name == gizmo_containers::LAUNCH_COMMAND)
    {
        let (code, error) = gizmo_containers::launch(&arguments[2..]);
        let command = arguments
            .get(2)
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default();
        show_error(&format!("command `{command}` cannot be executed: {error}"));
        return code.into();
    }
    if arguments
        .get(1)
        .is_some_and(|name| name == bench::WORKLOAD_COMMAND)
    {
        return end(bench::run_workload(&arguments[2..]).map(|()| ExitCode::SUCCESS));
    }
    let arguments = keep_dashes(arguments);
    let parsed = Arguments::try_parse_from(&arguments)
        .unwrap_or_else(|error| hint_at_run(error, &arguments).exit());
    end(dispatch(parsed))
}

fn end(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            show_error(&format!("{error:#}"));
            exit_code(&error)
        }
    }
}

/// `gizmo run -- COMMAND` lacks an image. clap would take the dashes away and the command for the image.
fn keep_dashes(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let run = arguments.iter().position(|word| word == "run");
    if let Some(after) = run
        .map(|run| run + 1)
        .filter(|&after| arguments.get(after).is_some_and(|word| word == "--"))
    {
        arguments.insert(after, "--".into());
    }
    arguments
}

/// `gizmo traceloop` lacks `run`, as what is no command is mostly meant to be a gadget.
fn hint_at_run(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let is_first = |wrong: &str| {
        let mut before = arguments.iter().take_while(|word| *word != wrong);
        before.all(|word| word != "image")
    };
    if let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidSubcommand)
        && is_first(wrong)
        && error.get(ContextKind::SuggestedSubcommand).is_none()
    {
        let hint = format!("to run a gadget: gizmo run {}", logging::escape(wrong));
        let hint = ContextValue::StyledStrs(vec![hint.into()]);
        error.insert(ContextKind::Suggested, hint);
    }
    error
}

fn dispatch(mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Command::Run(raw) = &arguments.command {
        run::read_global(raw, &mut arguments.global);
    }
    let verbose = arguments.global.verbose;
    logging::init(verbose);
    // Images, and a place for them, are made ready only where they are needed.
    let context = || Context::new(&arguments.global);
    match arguments.command {
        Command::Run(raw) => run::run(&context()?, raw),
        Command::Image(command) => image::run(&context()?, command).map(|()| ExitCode::SUCCESS),
        Command::Doctor(args) => doctor::run(&args),
        Command::Show(args) => show::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Snapshot(args) => look::snapshot(&args, verbose).map(|()| ExitCode::SUCCESS),
        Command::Recordings(args) => look::recordings(&args, verbose).map(|()| ExitCode::SUCCESS),
        Command::Forget(args) => look::forget(&args, verbose).map(|()| ExitCode::SUCCESS),
        Command::Filter(command) => look::filter(&command, verbose).map(|()| ExitCode::SUCCESS),
        Command::Diff(args) => diff::run(&args).map(|()| ExitCode::SUCCESS),
        Command::View(args) => view::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Syscalls(args) => syscalls::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Explain(args) => syscalls::explain(&args).map(|()| ExitCode::SUCCESS),
        Command::ListContainers(args) => containers::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Bench(command) => {
            bench::run(&context()?, &arguments.global, &command).map(|()| ExitCode::SUCCESS)
        }
        Command::Version => {
            writeln!(io::stdout(), "v{}", env!("CARGO_PKG_VERSION"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Names in errors were given by images and people, and end up on terminals.
fn show_error(text: &str) {
    let _ = writeln!(io::stderr(), "Error: {}", logging::escape(text));
}

/// A reader that has seen enough is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(is_pipe)
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let runtime = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<gizmo_runtime::Error>());
    let command = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<gizmo_containers::CommandError>());
    let code = runtime
        .map(gizmo_runtime::Error::exit_code)
        .or(command.map(gizmo_containers::CommandError::exit_code));
    ExitCode::from(code.unwrap_or(1))
}
