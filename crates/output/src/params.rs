//! The parameters that output and filter offer, described for the data sources of a gadget.

use std::fmt::Write;
use std::sync::Arc;

use gizmo_model::params::Param;
use gizmo_model::{DataSource, Field};

use crate::columns::cell;
use crate::{fields, mode};

/// The parameters `output`, `fields` and `filter` for these data sources. None has a default value: an empty value means
/// the defaults that the help names.
pub fn params(sources: &[Arc<DataSource>]) -> Vec<Param> {
    let cli = |key: &str| Param {
        prefix: "operator.cli.".to_owned(),
        key: key.to_owned(),
        ..Param::default()
    };
    let mut params = vec![
        Param {
            alias: "o".to_owned(),
            title: "Output mode".to_owned(),
            description: output_help(sources),
            ..cli("output")
        },
        Param {
            title: "Fields".to_owned(),
            description: fields_help(sources),
            ..cli("fields")
        },
    ];
    params.extend(filter_params(sources));
    params
}

fn filter_params(sources: &[Arc<DataSource>]) -> Vec<Param> {
    let filter = |key: String, alias: &str, description: String| Param {
        prefix: "operator.filter.".to_owned(),
        key,
        alias: alias.to_owned(),
        title: "Filter".to_owned(),
        description,
        ..Param::default()
    };
    let rules = "\
Rules have the form <field><operator><value>, are joined with commas, and must all hold; write `\\,` for a comma in a value.
  ==  !=         equal, not equal
  <  <=  >  >=   less, greater (numbers and strings)
  ~  !~          the string matches, does not match a regular expression
Example: proc.comm==cat,proc.pid>100";
    let mut params = Vec::new();
    if let [_] = sources {
        let text = format!("Show only events that hold these rules.\n{rules}");
        params.push(filter("filter".to_owned(), "F", text));
    }
    for source in sources {
        let name = source.name();
        let text =
            format!("Show only events of data source `{name}` that hold these rules.\n{rules}");
        params.push(filter(format!("filter.{name}"), "", text));
    }
    params
}

fn output_help(sources: &[Arc<DataSource>]) -> String {
    let mut text = "How events are printed: <mode> for all data sources, or <data source>:<mode>, joined with commas."
        .to_owned();
    for source in sources {
        let default = mode::default_mode(source);
        let modes: Vec<String> = mode::supported(source)
            .into_iter()
            .map(|mode| {
                if mode == default {
                    format!("{mode} (default)")
                } else {
                    mode
                }
            })
            .collect();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}: {}", source.name(), modes.join(", "));
    }
    text
}

fn fields_help(sources: &[Arc<DataSource>]) -> String {
    let mut text = "\
Columns to print, joined with commas; `+field` adds to those shown by default and `-field` removes from them. For several \
data sources: <data source>:<fields>, joined with semicolons. Other output modes show all fields."
        .to_owned();
    for source in sources {
        let shown = fields::default_list(source);
        let _ = write!(text, "\nFields of {} (* shown by default):", source.name());
        for field in source
            .fields()
            .iter()
            .filter(|field| fields::is_column(field))
        {
            let default = shown.iter().any(|other| other.index() == field.index());
            text.push_str(&field_help(field, default));
        }
    }
    text
}

fn field_help(field: &Field, default: bool) -> String {
    let mark = if default { '*' } else { ' ' };
    let annotation = |key: &str| {
        let text = field.annotation(key).filter(|text| !text.is_empty())?;
        Some(harmless(&text))
    };
    let mut line = format!("\n {mark} {}", harmless(field.full_name()));
    if let Some(description) = annotation("description") {
        let _ = write!(line, "  {description}");
    }
    if let Some(values) = annotation("value.one-of") {
        let _ = write!(line, " [{values}]");
    }
    line
}

/// Names and descriptions come from images and end up on terminals.
fn harmless(text: &str) -> String {
    let mut out = String::new();
    cell::escape(text.as_bytes(), &mut out);
    out
}
