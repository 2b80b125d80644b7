//! What can be wrong with a request for output, and the near matches that help a person to mend it.

/// Why output cannot be made as asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field that the data source does not have.
    #[error("field `{field}` not found in data source `{source_name}`{}", hint(.near))]
    UnknownField {
        /// The name as given.
        field: String,
        /// The data source.
        source_name: String,
        /// Names that are close to it, best first.
        near: Vec<String>,
    },
    /// A data source that the gadget does not have.
    #[error("there is no data source `{name}`; there {}", listing(.known))]
    UnknownSource {
        /// The name as given.
        name: String,
        /// The data sources that exist.
        known: Vec<String>,
    },
    /// Single events come in the order in which they happened.
    #[error("sort can only be used on data sources with lists, which `{0}` has not")]
    NotSortable(String),
    /// `--fields` that cannot be read.
    #[error("cannot read the list of fields `{text}`: {reason}")]
    Fields {
        /// The value as given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `-o` that names data sources in some of its parts only.
    #[error("`{0}` mixes output modes with and without a data source")]
    MixedModes(String),
    /// `-o` that cannot be read.
    #[error("cannot read the output modes `{text}`: {reason}")]
    Modes {
        /// The value as given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No data source supports the mode.
    #[error("output mode `{mode}` is not supported; supported: {}", .supported.join(", "))]
    UnknownMode {
        /// The mode as given.
        mode: String,
        /// The modes that can be chosen.
        supported: Vec<String>,
    },
    /// The data source does not support the mode asked of it.
    #[error("output mode `{mode}` is not supported by data source `{source_name}`; supported: {}", .supported.join(", "))]
    UnsupportedMode {
        /// The mode as given.
        mode: String,
        /// The data source.
        source_name: String,
        /// The modes that can be chosen.
        supported: Vec<String>,
    },
    /// A form that no terminal can show.
    #[error(
        "output mode `{0}` is nothing for a terminal: write it to a file, with `> FILE` or, where a gadget runs, `--output-file FILE`"
    )]
    NotForTerminal(String),
    /// Something that Inspektor Gadget has and Gizmo does not have yet.
    #[error("{0} is not supported yet")]
    NotYet(String),
    /// A filter rule without an operator or a value.
    #[error(
        "incomplete filter rule `{0}`: expected a field, one of == != < <= > >= ~ !~ and a value"
    )]
    IncompleteRule(String),
    /// Operator characters that are no operator.
    #[error("unknown operator `{operator}` in filter rule `{rule}`")]
    UnknownOperator {
        /// The rule.
        rule: String,
        /// The characters.
        operator: String,
    },
    /// A field whose kind cannot be compared like this.
    #[error(
        "unsupported field type for comparison: `{field}` is a {kind} and cannot be compared with `{operator}`"
    )]
    NotComparable {
        /// Full name of the field.
        field: String,
        /// Its kind.
        kind: String,
        /// The operator.
        operator: String,
    },
    /// A value that the field cannot hold.
    #[error("`{value}` in filter rule `{rule}` is not a valid {kind}")]
    BadValue {
        /// The rule.
        rule: String,
        /// The value.
        value: String,
        /// Kind of the field.
        kind: String,
    },
    /// A regular expression that is wrong or too large.
    #[error("bad regular expression in filter rule `{rule}`")]
    Regex {
        /// The rule.
        rule: String,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// A data source refused a field or a subscription.
    #[error("cannot prepare data source `{source_name}` for output")]
    DataSource {
        /// The data source.
        source_name: String,
        /// Why.
        #[source]
        source: Box<gizmo_model::datasource::Error>,
    },
    /// Bytes could not be written.
    #[error("cannot write the output")]
    Write(#[source] std::io::Error),
}

impl Error {
    pub(crate) fn data_source(
        source_name: &str,
    ) -> impl Fn(gizmo_model::datasource::Error) -> Error {
        move |source| Error::DataSource {
            source_name: source_name.to_owned(),
            source: Box::new(source),
        }
    }
}

fn hint(near: &[String]) -> String {
    match near {
        [] => String::new(),
        [one] => format!("; did you mean `{one}`?"),
        [rest @ .., last] => format!("; did you mean `{}` or `{last}`?", rest.join("`, `")),
    }
}

fn listing(names: &[String]) -> String {
    match names {
        [] => "are none".to_owned(),
        [one] => format!("is only `{one}`"),
        names => format!("are `{}`", names.join("`, `")),
    }
}

/// At most three candidates that a person may have meant, best first.
pub(crate) fn near(wanted: &str, candidates: impl Iterator<Item = String>) -> Vec<String> {
    // Nobody types names this long, and the comparison takes time quadratic in the length.
    const MAX_CHARS: usize = 128;
    let wanted: String = wanted.chars().take(MAX_CHARS).collect();
    let wanted = wanted.to_lowercase();
    let score = |candidate: &str| {
        let lower = candidate.to_lowercase();
        let last = lower.rsplit('.').next().unwrap_or(&lower);
        if last == wanted {
            return 2.0;
        }
        strsim::normalized_damerau_levenshtein(&wanted, &lower)
            .max(strsim::normalized_damerau_levenshtein(&wanted, last))
    };
    let mut scored: Vec<(f64, String)> = candidates
        .filter(|candidate| candidate.len() <= MAX_CHARS)
        .map(|candidate| (score(&candidate), candidate))
        .filter(|(score, _)| *score >= 0.6)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.truncate(3);
    scored.into_iter().map(|(_, name)| name).collect()
}
