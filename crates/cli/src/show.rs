//! `gizmo show`: a recording that a run has saved, in any form that a run could have shown it in.

mod info;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use gizmo_model::params::ParamValues;
use gizmo_runtime::{ShowOptions, SummaryBy};

use crate::run::{self, flags, settings, terminal_width};
use crate::wanted::WantedFlags;

pub(crate) const HELP: &str = "\
Where a recording was cut, because its run was killed or the disk was full, everything up to there is shown, and a warning \
says so. A damaged recording is shown as far as it can be read, and the exit code is 1 then.";

/// Arguments of `show`.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The recording; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what is in the recording instead of showing it; -o json for programs
    #[arg(long)]
    info: bool,
    #[command(flatten)]
    wanted: WantedFlags,
    /// Count the calls instead of showing them: of each container, process or thread
    #[arg(long, value_name = "BY", num_args = 0..=1, require_equals = true, default_missing_value = "container")]
    summary: Option<SummaryBy>,
    #[command(flatten)]
    output: OutputFlags,
}

/// The flags with which `run` shapes its output.
struct OutputFlags(ParamValues);

impl FromArgMatches for OutputFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = run::values(matches, &flags::output_params());
        values
            .map(Self)
            .map_err(|error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error:#}\n")))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for OutputFlags {
    fn augment_args(command: Command) -> Command {
        let mut taken_short = vec!['c', 'h', 'v'];
        let params = flags::output_params();
        let flags = params
            .iter()
            .map(|param| flags::flag(param, &mut taken_short, false));
        command.args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// `gizmo show`.
///
/// # Errors
/// The file cannot be read, is no recording or damaged, or cannot be shown as asked.
pub(crate) fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let OutputFlags(values) = &args.output;
    let input = open(&args.file)?;
    let settings = settings(values, terminal_width(io::stdout()));
    let shown = if args.info {
        let as_json = match settings.output.as_str() {
            "" => false,
            "json" => true,
            other => bail!("`--info` is a text, or JSON with `-o json`, but not `{other}`"),
        };
        info::print(input, as_json)
    } else {
        let options = ShowOptions {
            values: values.clone(),
            wanted: args.wanted.wanted(),
            summary: args.summary,
            output: settings,
            writer: Box::new(io::stdout()),
        };
        gizmo_runtime::show(input, options).map_err(anyhow::Error::from)
    };
    shown.with_context(|| format!("recording `{}`", args.file.display()))
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path);
    let file = file.with_context(|| format!("recording `{}`", path.display()))?;
    Ok(Box::new(io::BufReader::new(file)))
}
