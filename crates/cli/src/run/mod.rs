//! `gizmo run`: which image, which values, which command.
//!
//! A gadget's own flags are known only when its image is. So the arguments are read twice: `scan` finds the image among
//! flags that nobody knows yet, then `flags` builds the real parser from the image's parameters. With `-f` image and values
//! come from a `manifest`, and the flags are those of any run.

pub(crate) mod containers;
pub(crate) mod flags;
mod fresh_file;
mod manifest;
mod scan;

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgMatches, Args};
use gizmo_containers::resolve;
use gizmo_image::Image;
use gizmo_model::params::{Param, ParamValues};
use gizmo_output::Settings;
use gizmo_runtime::live::{LiveOptions, default_folder};
use gizmo_runtime::{Ending, OpenGadget, RunOptions, SaveOptions};
use tracing::{debug, warn};

use self::fresh_file::FreshFile;
use crate::context::{Context, GlobalArgs};

/// The arguments after `run`, still unread.
#[derive(Args, Debug)]
pub(crate) struct RawArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

/// Reads the flags of all commands from arguments that clap has not looked at.
pub(crate) fn read_global(raw: &RawArgs, global: &mut GlobalArgs) {
    let own = raw.rest.iter().take_while(|arg| *arg != "--");
    global.verbose |= own.clone().any(|arg| arg == "-v" || arg == "--verbose");
    if let Some(store) = scan::value_of(&raw.rest, "--store") {
        global.store = Some(store.into());
    }
}

pub(crate) fn run(context: &Context, raw: RawArgs) -> anyhow::Result<ExitCode> {
    if scan::names_manifest(&raw.rest) {
        return run_manifest(context, &raw);
    }
    let Some(name) = scan::image_name(&raw.rest) else {
        let asked = raw.rest.iter().any(|arg| arg == "--help" || arg == "-h");
        flags::command(&[], None).print_help()?;
        return if asked {
            Ok(ExitCode::SUCCESS)
        } else {
            bail!("no image named; for example: gizmo run traceloop -- ls /tmp")
        };
    };
    let (image, open) = open(context, &name)?;
    let params = params(&open);
    let parser = flags::command(&params, Some(&open));
    let matches = match parser.try_get_matches_from(line(&raw)) {
        Ok(matches) => matches,
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {
            let help = flags::help(context, &image, &name)?;
            write!(io::stdout(), "{}", error.render())?;
            write!(io::stdout(), "{help}")?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => flags::hint_at_dashes(error, raw.rest.iter().any(|word| word == "--")).exit(),
    };
    hint_at_command(&matches, &name);
    require_rights("gizmo run")?;
    let options = options(&matches, values(&matches, &params)?, &name, &image)?;
    finish(gizmo_runtime::run(open, options).map_err(|error| name_image(error, &name))?)
}

/// A run that is written down. The flags of gadgets are not known here, as upstream has it: each value has one place.
fn run_manifest(context: &Context, raw: &RawArgs) -> anyhow::Result<ExitCode> {
    let parsed = flags::command(&[], None).try_get_matches_from(line(raw));
    let matches = parsed.unwrap_or_else(|error| flags::hint_at_manifest(error).exit());
    if matches.contains_id("image") {
        bail!("please only specify an image OR manifest");
    }
    let file = matches.get_one::<OsString>("file");
    let spec = manifest::read(file.context("no manifest named")?)?;
    let (image, open) = open(context, &spec.image).with_context(|| spec.origin().to_owned())?;
    let values = spec.values(&params(&open))?;
    require_rights("gizmo run")?;
    let options = options(&matches, values, &spec.image, &image)?;
    let ending = gizmo_runtime::run(open, options);
    finish(ending.map_err(|error| name_image(error, &spec.image))?)
}

/// Words after the image are passed over, as upstream has it; mostly they were meant to be recorded.
fn hint_at_command(matches: &ArgMatches, name: &str) {
    let ignored: Vec<&str> = matches
        .get_many::<String>("ignored")
        .map(|words| words.map(String::as_str).collect())
        .unwrap_or_default();
    if !ignored.is_empty() {
        let words = ignored.join(" ");
        warn!("`{words}` is ignored; to record a command: gizmo run {name} -- {words}");
    }
}

fn line(raw: &RawArgs) -> impl Iterator<Item = OsString> {
    std::iter::once(OsString::from("gizmo run")).chain(raw.rest.iter().cloned())
}

fn open(context: &Context, name: &str) -> anyhow::Result<(Image, OpenGadget)> {
    let image = context.catalog.find(name)?;
    debug!(image = %name, source = %image.source, digest = %image.index_digest, "image found");
    let open = open_layers(context, &image).with_context(|| format!("image `{name}`"))?;
    Ok((image, open))
}

fn open_layers(context: &Context, image: &Image) -> anyhow::Result<OpenGadget> {
    let compiled = image
        .wasm()
        .and_then(|layer| gizmo_bundled::compiled_code(&layer.digest));
    Ok(OpenGadget::open(image, &context.engine()?, compiled)?)
}

/// Everything that a run of this gadget can be told.
fn params(open: &OpenGadget) -> Vec<Param> {
    let mut params = open.params();
    params.extend(flags::output_params());
    params.extend(containers::params());
    params
}

/// The names of the flags with which an image can be run.
pub(crate) fn flag_names(context: &Context, image: &str) -> anyhow::Result<HashSet<String>> {
    let (_, open) = open(context, image)?;
    Ok(params(&open).into_iter().map(|param| param.key).collect())
}

fn finish(ending: Ending) -> anyhow::Result<ExitCode> {
    let code = ending.command.map_or(0, gizmo_containers::Ended::exit_code);
    // What was to be saved and is not is a failure, but the command's own says more.
    let code = code.max(u8::from(!ending.is_saved));
    Ok(ExitCode::from(code))
}

/// What is wrong with an image's layers says which image it is.
fn name_image(error: gizmo_runtime::Error, name: &str) -> anyhow::Error {
    use gizmo_runtime::Error::{Ebpf, Wasm};
    let is_about_a_layer = matches!(error, Ebpf(_) | Wasm(_));
    let error = anyhow::Error::from(error);
    if is_about_a_layer {
        error.context(format!("image `{name}`"))
    } else {
        error
    }
}

fn options(
    matches: &ArgMatches,
    values: ParamValues,
    name: &str,
    image: &Image,
) -> anyhow::Result<RunOptions> {
    let command: Vec<OsString> = matches
        .get_many::<OsString>("command")
        .map(|words| words.cloned().collect())
        .unwrap_or_default();
    let command = if command.is_empty() {
        None
    } else {
        Some(resolve(&command)?)
    };
    let file = matches.get_one::<OsString>("output-file").map(Path::new);
    let (writer, terminal_width) = destination(file, command.is_some())?;
    let output = settings(&values, terminal_width);
    let timeout = matches
        .get_one::<u64>("timeout")
        .copied()
        .filter(|&seconds| seconds > 0);
    Ok(RunOptions {
        containers: containers::options(&values)?,
        values,
        command,
        timeout: timeout.map(Duration::from_secs),
        output,
        writer,
        save: save(matches, image)?,
        live: LiveOptions {
            image: name.to_owned(),
            every: matches.get_one::<Duration>("every").copied(),
            follow: matches.get_flag("follow"),
            folder: default_folder(),
            log: Arc::new(crate::logging::for_asker),
        },
    })
}

/// How events are printed.
pub(crate) fn settings(values: &ParamValues, terminal_width: Option<u16>) -> Settings {
    let value = |key: &str| {
        let name = format!("operator.cli.{key}");
        values.get(&name).unwrap_or_default().to_owned()
    };
    Settings {
        output: value("output"),
        fields: value("fields"),
        terminal_width,
    }
}

/// Where the run is saved.
fn save(matches: &ArgMatches, image: &Image) -> anyhow::Result<Option<SaveOptions>> {
    let Some(path) = matches.get_one::<OsString>("save").map(Path::new) else {
        return Ok(None);
    };
    let file = FreshFile::open_private(path);
    let file = file.with_context(|| format!("recording `{}`", path.display()))?;
    Ok(Some(SaveOptions {
        writer: Box::new(file),
        digest: image.index_digest.to_string(),
    }))
}

/// The values that were given, by full name.
pub(crate) fn values(matches: &ArgMatches, params: &[Param]) -> anyhow::Result<ParamValues> {
    let mut values = ParamValues::default();
    for param in params {
        let given = matches
            .try_get_one::<String>(&param.full_name())
            .ok()
            .flatten();
        let Some(text) = given else { continue };
        let value = match text.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("value of `--{}`: `{path}`", param.key))?,
            None => text.clone(),
        };
        values.set(&param.full_name(), value);
    }
    Ok(values)
}

/// Where events go: the command owns stdout, as with strace.
fn destination(
    file: Option<&Path>,
    has_command: bool,
) -> anyhow::Result<(Box<dyn Write + Send>, Option<u16>)> {
    if let Some(path) = file {
        let file = FreshFile::open(path);
        let file = file.with_context(|| format!("output file `{}`", path.display()))?;
        return Ok((Box::new(file), None));
    }
    Ok(if has_command {
        (Box::new(io::stderr()), terminal_width(io::stderr()))
    } else {
        (Box::new(io::stdout()), terminal_width(io::stdout()))
    })
}

/// Columns of the terminal that a stream is; `None` if it is none. A terminal that does not know its size, as on serial
/// lines, is taken for one of 80: it is one all the same, and must not get what a terminal acts on.
pub(crate) fn terminal_width(stream: impl AsFd + IsTerminal) -> Option<u16> {
    if !stream.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stream).ok();
    let columns = size.map(|size| size.ws_col);
    columns.filter(|&columns| columns > 0).or(Some(80))
}

/// Says early and in one sentence what the kernel would say late and in many.
pub(crate) fn require_rights(command: &str) -> anyhow::Result<()> {
    use rustix::thread::CapabilitySet;
    let effective = rustix::thread::capabilities(None)
        .map(|sets| sets.effective)
        .unwrap_or(CapabilitySet::empty());
    // CAP_SYS_ADMIN includes the two others; namespaces and the look-up of inner maps need it in any case.
    let enough = effective.contains(CapabilitySet::SYS_ADMIN);
    if !enough {
        bail!("`{command}` must be run as root (it needs the capability CAP_SYS_ADMIN)");
    }
    Ok(())
}

/// The data sources of a gadget that is to be described, not to be run.
fn sources_for_help(
    context: &Context,
    image: &Image,
) -> anyhow::Result<Vec<Arc<gizmo_model::DataSource>>> {
    Ok(gizmo_runtime::sources_to_show(open_layers(
        context, image,
    )?)?)
}
