//! Output modes: what data sources support, and the grammar of `-o` (runtime-and-cli.md 1.9).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gizmo_model::DataSource;

use crate::Error;
use crate::fields::unknown_source;

const DEFAULT_MODES: [&str; 5] = ["columns", "json", "jsonpretty", "none", "yaml"];

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
            "none" => Mode::None,
            "pcap-ng" => return Err(Error::NotYet("output mode `pcap-ng`".to_owned())),
            other => Mode::Raw(other.to_owned()),
        })
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
    if names.is_empty() {
        return DEFAULT_MODES.map(str::to_owned).to_vec();
    }
    names.into_iter().collect()
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
    let somewhere = if sources.is_empty() {
        DEFAULT_MODES.contains(&mode)
    } else {
        sources.iter().any(|source| supports(&source))
    };
    if !somewhere {
        let mut supported: BTreeSet<String> = sources
            .iter()
            .flat_map(|source| supported(source))
            .collect();
        if sources.is_empty() {
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
