//! Output modes: what data sources support, and the grammar of `-o` (runtime-and-cli.md 1.9).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gizmo_model::DataSource;

use crate::fields::unknown_source;
use crate::{Error, calls, notice};

const DEFAULT_MODES: [&str; 5] = ["columns", "json", "jsonpretty", "none", "yaml"];

/// What system calls can be shown as, and what is said about them, beside that.
const CALL_MODES: [&str; 3] = ["html", "perfetto", "strace"];

/// How a data source is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// A table.
    Columns,
    /// One line per packet.
    Json,
    /// Indented JSON.
    JsonPretty,
    /// YAML documents.
    Yaml,
    /// System calls as strace writes them.
    Strace,
    /// System calls as a trace for Perfetto.
    Perfetto,
    /// System calls as a page for a browser.
    Html,
    /// Not at all.
    None,
    /// The text of the fields as it is; the name is the one that the data source lists.
    Raw(String),
}

impl Mode {
    fn parse(name: &str) -> Result<Mode, Error> {
        Ok(match name {
            "columns" => Mode::Columns,
            "json" => Mode::Json,
            "jsonpretty" => Mode::JsonPretty,
            "yaml" => Mode::Yaml,
            "strace" => Mode::Strace,
            "perfetto" => Mode::Perfetto,
            "html" => Mode::Html,
            "none" => Mode::None,
            "pcap-ng" => return Err(Error::NotYet("output mode `pcap-ng`".to_owned())),
            other => Mode::Raw(other.to_owned()),
        })
    }

    /// Whether a person can read it on a terminal.
    pub(crate) fn is_legible(&self) -> bool {
        !matches!(self, Mode::Perfetto | Mode::Html)
    }

    /// Its name, as `-o` has it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Mode::Columns => "columns",
            Mode::Json => "json",
            Mode::JsonPretty => "jsonpretty",
            Mode::Yaml => "yaml",
            Mode::Strace => "strace",
            Mode::Perfetto => "perfetto",
            Mode::Html => "html",
            Mode::None => "none",
            Mode::Raw(name) => name,
        }
    }
}

/// The modes that a data source supports, sorted.
pub(crate) fn supported(source: &DataSource) -> Vec<String> {
    let listed = source
        .annotation("cli.supported-output-modes")
        .unwrap_or_default();
    let names: BTreeSet<String> = listed
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if !names.is_empty() {
        return names.into_iter().collect();
    }
    let mut modes = DEFAULT_MODES.map(str::to_owned).to_vec();
    if calls::Fields::find(source).is_some() || notice::text_field(source).is_some() {
        modes.extend(CALL_MODES.map(str::to_owned));
        modes.sort();
    }
    modes
}

/// The mode of a data source that nothing is said about.
pub(crate) fn default_mode(source: &DataSource) -> String {
    let annotated = source.annotation("cli.default-output-mode");
    if let Some(mode) = annotated.filter(|mode| !mode.is_empty()) {
        return mode;
    }
    let supported = supported(source);
    let first = supported
        .iter()
        .find(|mode| *mode == "columns")
        .or(supported.first());
    first.map_or_else(|| "columns".to_owned(), Clone::clone)
}

/// Whether a data source is shown when nobody says how.
pub fn is_shown(source: &DataSource) -> bool {
    default_mode(source) != "none"
}

/// The mode of each data source, and what was passed over on the way.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) modes: Vec<Mode>,
    pub(crate) warnings: Vec<String>,
}

/// Reads `-o`.
pub(crate) fn choose(text: &str, sources: &[Arc<DataSource>]) -> Result<Choice, Error> {
    let request = parse(text)?;
    let names: Vec<String> = match &request {
        Request::Defaults => sources.iter().map(|source| default_mode(source)).collect(),
        Request::All(mode) => return for_all(mode, sources),
        Request::Each(modes) => {
            check_each(modes, sources)?;
            sources
                .iter()
                .map(|source| match modes.get(source.name()) {
                    Some(mode) => mode.clone(),
                    None => default_mode(source),
                })
                .collect()
        }
    };
    Ok(Choice {
        modes: names
            .iter()
            .map(|name| Mode::parse(name))
            .collect::<Result<_, _>>()?,
        warnings: Vec::new(),
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Defaults,
    All(String),
    Each(BTreeMap<String, String>),
}

fn parse(text: &str) -> Result<Request, Error> {
    let fail = |reason| Error::Modes {
        text: text.to_owned(),
        reason,
    };
    if text.trim().is_empty() {
        return Ok(Request::Defaults);
    }
    let mut all = None;
    let mut each = BTreeMap::new();
    for part in text.split(',').map(str::trim) {
        let (source, mode) = match part.split_once(':') {
            Some((source, mode)) => (Some(source.trim()), mode.trim()),
            None => (None, part),
        };
        if mode.is_empty() || source.is_some_and(str::is_empty) {
            return Err(fail("a mode or a data source has no name"));
        }
        let known = match source {
            Some(source) => each.insert(source.to_owned(), mode.to_owned()).is_some(),
            None => all.replace(mode.to_owned()).is_some(),
        };
        if known {
            return Err(fail("there are two modes for the same data source"));
        }
    }
    match (all, each.is_empty()) {
        (Some(_), false) => Err(Error::MixedModes(text.to_owned())),
        (Some(mode), true) => Ok(Request::All(mode)),
        (None, _) => Ok(Request::Each(each)),
    }
}

fn for_all(mode: &str, sources: &[Arc<DataSource>]) -> Result<Choice, Error> {
    let supports = |source: &&Arc<DataSource>| supported(source).iter().any(|name| name == mode);
    // What is only said about events is nothing without them.
    let is_notice = |source: &&Arc<DataSource>| notice::text_field(source).is_some();
    let somewhere = if sources.iter().all(|source| is_notice(&source)) {
        DEFAULT_MODES.contains(&mode)
    } else {
        let mut events = sources.iter().filter(|source| !is_notice(source));
        events.any(|source| supports(&source))
    };
    if !somewhere {
        let mut supported: BTreeSet<String> = sources
            .iter()
            .filter(|source| !is_notice(source))
            .flat_map(|source| supported(source))
            .collect();
        if supported.is_empty() {
            supported.extend(DEFAULT_MODES.map(str::to_owned));
        }
        return Err(Error::UnknownMode {
            mode: mode.to_owned(),
            supported: supported.into_iter().collect(),
        });
    }
    let chosen = Mode::parse(mode)?;
    let mut warnings = Vec::new();
    let modes = sources
        .iter()
        .map(|source| {
            if supports(&source) {
                return chosen.clone();
            }
            warnings.push(format!(
                "output mode `{mode}` is not supported by data source `{}`; it is not printed",
                source.name()
            ));
            Mode::None
        })
        .collect();
    Ok(Choice { modes, warnings })
}

fn check_each(modes: &BTreeMap<String, String>, sources: &[Arc<DataSource>]) -> Result<(), Error> {
    for (name, mode) in modes {
        let Some(source) = sources.iter().find(|source| source.name() == name) else {
            return Err(unknown_source(name, sources));
        };
        let supported = supported(source);
        if !supported.contains(mode) {
            return Err(Error::UnsupportedMode {
                mode: mode.clone(),
                source_name: name.clone(),
                supported,
            });
        }
    }
    Ok(())
}
