//! The parser for `gizmo run`: its own flags and those of the image.

use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, ValueHint, builder::ValueParser};
use gizmo_image::Image;
use gizmo_model::params::Param;
use gizmo_runtime::OpenGadget;

use super::sources_for_help;
use crate::context::Context;

/// Flags that select and shape output, for any gadget; their full help needs the data sources and comes with `--help`.
pub(crate) fn output_params() -> Vec<Param> {
    gizmo_output::params(&[])
        .into_iter()
        .chain([Param {
            prefix: "operator.filter.".into(),
            key: "filter".into(),
            alias: "F".into(),
            description: "Show only events that hold these rules: <field><operator><value>, joined with commas; \
                          operators == != < <= > >= ~ !~ (the last two match a regular expression)"
                .into(),
            ..Param::default()
        }, Param {
            prefix: "operator.sort.".into(),
            key: "sort".into(),
            description: "Order of lists, such as statistics: fields joined with commas; - in front of one is descending".into(),
            ..Param::default()
        }])
        .map(|mut param| {
            match param.key.as_str() {
                "output" => param.description = "How events are printed: columns, json, jsonpretty, yaml or none".into(),
                "fields" => {
                    param.description =
                        "Columns to print, joined with commas; +field adds to the default ones, -field removes".into();
                }
                _ => {}
            }
            param
        })
        .collect()
}

/// Long flags of `run` itself.
const OWN_FLAGS: [&str; 9] = [
    "help",
    "file",
    "timeout",
    "every",
    "follow",
    "output-file",
    "save",
    "verbose",
    "store",
];

/// The parser; with a gadget it knows its name and description.
pub(super) fn command(params: &[Param], gadget: Option<&OpenGadget>) -> Command {
    let about = match gadget.and_then(|gadget| gadget.config().get_str("description")) {
        Some(text) if !text.is_empty() => printable(&text),
        _ => "Run a gadget and show what it reports; `gizmo run IMAGE --help` shows the gadget's own flags, too".to_owned(),
    };
    let mut command = Command::new("gizmo run")
        .about(about)
        .override_usage(
            "gizmo run [FLAGS] IMAGE [FLAGS] [-- COMMAND [ARGS]...]\n       gizmo run [FLAGS] -f FILE [-- COMMAND [ARGS]...]",
        )
        .arg(Arg::new("image").value_name("IMAGE").help(
            "Name of an image (a local tag, else an embedded image), or path of a folder or archive (/…, ./… or ….tar)",
        ))
        .arg(
            Arg::new("ignored").num_args(0..).hide(true), // Upstream ignores further words before `--`, and so do scripts.
        )
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .help("Command to record, with its arguments; its exit code becomes that of gizmo")
                .num_args(0..)
                .last(true)
                .value_hint(ValueHint::CommandWithArguments)
                .value_parser(ValueParser::os_string()),
        )
        .arg(
            Arg::new("file")
                .short('f')
                .long("file")
                .value_name("FILE")
                .help("Read image and values from a manifest instead; - is stdin")
                .value_hint(ValueHint::FilePath)
                .value_parser(ValueParser::os_string()),
        )
        .arg(
            Arg::new("timeout")
                .short('t')
                .long("timeout")
                .value_name("SECONDS")
                .help("End the recording after so many seconds; a command runs on")
                .value_parser(seconds),
        )
        .arg(
            Arg::new("every")
                .long("every")
                .value_name("TIME")
                .help("Show what is held again and again while the recording goes on; TIME is 10s, 2m, … (SIGUSR1 shows it once)")
                .value_parser(interval),
        )
        .arg(
            Arg::new("follow")
                .long("follow")
                .help("Show what is recorded as it comes, instead of at the end")
                .action(ArgAction::SetTrue)
                .conflicts_with("every"),
        )
        .arg(
            Arg::new("output-file")
                .long("output-file")
                .value_name("FILE")
                .help("Write events to a file instead of stdout, or of stderr when a command is recorded")
                .value_hint(ValueHint::FilePath)
                .value_parser(ValueParser::os_string()),
        )
        .arg(
            Arg::new("save")
                .long("save")
                .value_name("FILE")
                .help("Keep everything in a file, too, whatever is filtered from the output; gizmo show FILE shows it")
                .value_hint(ValueHint::FilePath)
                .value_parser(ValueParser::os_string()),
        )
        .arg(Arg::new("verbose").short('v').long("verbose").action(ArgAction::SetTrue).help("Show debug messages on stderr"))
        .arg(
            Arg::new("store")
                .long("store")
                .value_name("DIR")
                .env("GIZMO_STORE")
                .hide_env_values(true)
                .help("Folder of the local images")
                .value_parser(ValueParser::os_string()),
        );
    let mut taken: Vec<String> = OWN_FLAGS.map(str::to_owned).to_vec();
    let mut taken_short = vec!['h', 'f', 't', 'v'];
    let is_flag = |name: &str| !name.is_empty() && !name.starts_with('-');
    let mut offered: Vec<&Param> = Vec::new();
    for param in params {
        if is_flag(&param.key) && !taken.contains(&param.key) {
            taken.push(param.key.clone());
            offered.push(param);
        }
    }
    // Second names come after all first ones, so that an image cannot hide a flag behind another.
    for param in offered {
        let mut arg = flag(param, &mut taken_short, gadget.is_some());
        if is_flag(&param.alternative_key) && !taken.contains(&param.alternative_key) {
            taken.push(param.alternative_key.clone());
            arg = arg.alias(param.alternative_key.clone());
        }
        command = command.arg(arg);
    }
    command
}

fn seconds(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "give a whole number of seconds")
}

/// A dump takes its time, and nobody reads ten a second.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// A time with a unit, or a number of seconds.
fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map(Duration::from_secs).ok();
    let with_unit = || text.parse::<jiff::SignedDuration>().ok()?.try_into().ok();
    match seconds.or_else(with_unit) {
        Some(interval) if interval >= SHORTEST_INTERVAL => Ok(interval),
        Some(_) => Err("give at least 100ms".to_owned()),
        None => Err("give a time, such as 10s or 2m".to_owned()),
    }
}

/// In front of the value that a flag stands for when it is given without one.
const BARE_TAG: &str = "bare:";

/// The flag of a parameter; its letter is taken if it is free.
pub(crate) fn flag(param: &Param, taken_short: &mut Vec<char>, has_gadget: bool) -> Arg {
    let is_about_containers = param.prefix.starts_with("operator.LocalManager.");
    let is_own = ["operator.cli.", "operator.filter.", "operator.sort."]
        .iter()
        .any(|prefix| param.prefix.starts_with(prefix));
    let mut help = printable(&param.description);
    if !param.possible_values.is_empty() {
        help.push_str(&format!(
            " [{}]",
            printable(&param.possible_values.join(", "))
        ));
    }
    if !param.default_value.is_empty() {
        help.push_str(&format!(" [default: {}]", printable(&param.default_value)));
    }
    let mut arg = Arg::new(param.full_name())
        .long(param.key.clone())
        .help(help)
        .value_name("VALUE")
        .action(ArgAction::Set);
    if is_about_containers {
        arg = arg.help_heading("Which containers");
    } else if has_gadget && !is_own {
        arg = arg.help_heading("Flags of the gadget");
    }
    let bare = param.tags.iter().find_map(|tag| tag.strip_prefix(BARE_TAG));
    let bare = bare.or((param.type_hint == "bool").then_some("true"));
    if let Some(value) = bare {
        arg = arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(value.to_owned());
    } else {
        // `--syscall-filters ""` and values that begin with a dash are values.
        arg = arg.allow_hyphen_values(true);
    }
    let mut letters = param.alias.chars();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && !taken_short.contains(&letter)
        && letter.is_ascii_alphanumeric()
    {
        taken_short.push(letter);
        arg = arg.short(letter);
    }
    arg
}

/// What `--help` adds for an image: data sources, fields and modes.
pub(super) fn help(context: &Context, image: &Image, name: &str) -> anyhow::Result<String> {
    let sources = sources_for_help(context, image)?;
    let mut text = String::new();
    for param in gizmo_output::params(&sources) {
        if matches!(param.key.as_str(), "output" | "fields") {
            text.push_str(&format!("\n--{}: {}\n", param.key, param.description));
        }
    }
    text.push_str(&format!(
        "\nMore about the image: gizmo image inspect {name}\n"
    ));
    Ok(text)
}

/// A flag that is unknown: clap advises to put dashes before it alone, where a whole command may have been meant.
pub(super) fn hint_at_dashes(mut error: clap::Error, has_dashes: bool) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument {
        error.remove(ContextKind::Suggested);
        if !has_dashes && error.get(ContextKind::SuggestedArg).is_none() {
            let hint = "a command to record stands after `--`: gizmo run IMAGE -- COMMAND";
            let hint = ContextValue::StyledStrs(vec![hint.into()]);
            error.insert(ContextKind::Suggested, hint);
        }
    }
    error
}

/// A flag that is unknown beside `-f` is mostly one of the gadget's.
pub(super) fn hint_at_manifest(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument {
        let hint = "with -f, what gadgets are told stands in the manifest, under paramValues; see docs/manifest.md";
        let hint = ContextValue::StyledStrs(vec![hint.into()]);
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, hint);
    }
    error
}

/// Texts of images end up on terminals.
fn printable(text: &str) -> String {
    crate::logging::escape(&text.replace(['\n', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn param(key: &str, alias: &str) -> Param {
        Param {
            prefix: "operator.oci.wasm.".into(),
            key: key.into(),
            alias: alias.into(),
            ..Param::default()
        }
    }

    fn matches(params: &[Param], line: &str) -> clap::ArgMatches {
        let words = ["gizmo run"]
            .into_iter()
            .chain(line.split_whitespace())
            .map(OsString::from);
        command(params, None).try_get_matches_from(words).unwrap()
    }

    #[test]
    fn the_parser_has_no_clashes() {
        command(&output_params(), None).debug_assert();
        let clashing = [
            param("timeout", "t"),
            param("verbose", "v"),
            param("x", "h"),
            param("x", ""),
            param("", ""),
        ];
        command(&clashing, None).debug_assert();
    }

    #[test]
    fn flags_and_words_may_be_mixed() {
        let params = [param("syscall-filters", "")];
        for line in [
            "traceloop --syscall-filters openat -- ls -l",
            "--syscall-filters=openat traceloop -- ls -l",
        ] {
            let matches = matches(&params, line);
            let value: &String = matches
                .get_one("operator.oci.wasm.syscall-filters")
                .unwrap();
            assert_eq!(value, "openat");
            let command: Vec<_> = matches.get_many::<OsString>("command").unwrap().collect();
            assert_eq!(command, ["ls", "-l"]);
        }
    }

    #[test]
    fn intervals_are_seconds_or_have_a_unit() {
        for (text, millis) in [
            ("10", 10_000),
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
        ] {
            assert_eq!(interval(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "0", "10ms", "-5s", "often", "99999999999999999999"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_tag_says_what_a_flag_without_a_value_stands_for() {
        let summary = Param {
            tags: vec!["bare:container".into()],
            ..param("summary", "")
        };
        let value = |line: &str| -> String {
            let matches = matches(std::slice::from_ref(&summary), line);
            let value = matches.get_one::<String>("operator.oci.wasm.summary");
            value.unwrap().clone()
        };
        assert_eq!(value("--summary traceloop"), "container");
        assert_eq!(value("--summary=thread traceloop"), "thread");
    }

    #[test]
    fn booleans_need_no_value() {
        let host = Param {
            type_hint: "bool".into(),
            ..param("host", "")
        };
        let matches = matches(&[host], "--host trace_exec");
        assert_eq!(
            matches.get_one::<String>("operator.oci.wasm.host").unwrap(),
            "true"
        );
        assert_eq!(matches.get_one::<String>("image").unwrap(), "trace_exec");
    }
}
