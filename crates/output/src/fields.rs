//! Which columns a data source shows: the default list and the grammar of `--fields`.
//!
//! `f1,f2` or `ds1:f1,f2;ds2:g1`. `+f` adds to the visible columns and `-f` removes from them; as soon as there is one
//! plain name, only the plain names are the start. Names and aliases compare without regard to case.

use std::collections::BTreeMap;
use std::sync::Arc;

use gizmo_model::{DataSource, Field, Kind};

use crate::Error;
use crate::error::near;

/// One entry of a list of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Plain(String),
    Add(String),
    Remove(String),
}

/// A parsed `--fields`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// For data sources without an entry of their own.
    pub(crate) general: Option<Vec<Item>>,
    pub(crate) by_source: BTreeMap<String, Vec<Item>>,
}

/// Reads `--fields`; `None` when it is empty.
pub(crate) fn parse(text: &str) -> Result<Option<Request>, Error> {
    let fail = |reason| Error::Fields {
        text: text.to_owned(),
        reason,
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut request = Request::default();
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let Some((source, list)) = part.split_once(':') else {
            if request
                .general
                .replace(items(part).map_err(fail)?)
                .is_some()
            {
                return Err(fail("there are two lists without a data source"));
            }
            continue;
        };
        let list = items(list).map_err(fail)?;
        let source = source.trim().to_owned();
        if request.by_source.insert(source, list).is_some() {
            return Err(fail("a data source is named twice"));
        }
    }
    Ok(Some(request))
}

fn items(list: &str) -> Result<Vec<Item>, &'static str> {
    list.split(',')
        .map(|item| {
            let item = item.trim();
            let (make, name): (fn(String) -> Item, &str) = match item.as_bytes() {
                [b'+', ..] => (Item::Add, &item[1..]),
                [b'-', ..] => (Item::Remove, &item[1..]),
                _ => (Item::Plain, item),
            };
            if name.is_empty() {
                return Err("a field has no name");
            }
            Ok(make(name.to_owned()))
        })
        .collect()
}

/// Checks that all data sources named exist.
pub(crate) fn check_sources(request: &Request, sources: &[Arc<DataSource>]) -> Result<(), Error> {
    let exists = |name: &str| sources.iter().any(|source| source.name() == name);
    match request.by_source.keys().find(|name| !exists(name)) {
        None => Ok(()),
        Some(name) => Err(unknown_source(name, sources)),
    }
}

pub(crate) fn unknown_source(name: &str, sources: &[Arc<DataSource>]) -> Error {
    Error::UnknownSource {
        name: name.to_owned(),
        known: sources
            .iter()
            .map(|source| source.name().to_owned())
            .collect(),
    }
}

/// The columns that a list asks for.
pub(crate) fn resolve(items: &[Item], source: &DataSource) -> Result<Vec<Arc<Field>>, Error> {
    let all = source.fields();
    let find = |name: &str| {
        lookup(name, &all)
            .ok_or_else(|| unknown_field(name, source.name(), all.iter().filter(|f| is_column(f))))
    };
    let mut shown = if items.iter().any(|item| matches!(item, Item::Plain(_))) {
        Vec::new()
    } else {
        visible(&all)
    };
    let position =
        |shown: &[Arc<Field>], field: &Field| shown.iter().position(|f| f.index() == field.index());
    for item in items {
        if let Item::Plain(name) | Item::Add(name) = item {
            let field = find(name)?;
            if position(&shown, &field).is_none() {
                shown.push(field);
            }
        }
    }
    for item in items {
        if let Item::Remove(name) = item {
            let field = find(name)?;
            if let Some(at) = position(&shown, &field) {
                shown.remove(at);
            }
        }
    }
    Ok(shown)
}

/// An error for a field that is not among the candidates.
pub(crate) fn unknown_field<'f>(
    name: &str,
    source_name: &str,
    candidates: impl Iterator<Item = &'f Arc<Field>>,
) -> Error {
    Error::UnknownField {
        field: name.to_owned(),
        source_name: source_name.to_owned(),
        near: near(name, candidates.map(|field| field.full_name().to_owned())),
    }
}

fn lookup(name: &str, all: &[Arc<Field>]) -> Option<Arc<Field>> {
    let columns = || all.iter().filter(|field| is_column(field));
    let lower = name.to_lowercase();
    columns()
        .find(|field| field.full_name() == name)
        .or_else(|| columns().find(|field| field.full_name().to_lowercase() == lower))
        .or_else(|| {
            columns().find(|field| {
                field
                    .annotation("columns.alias")
                    .is_some_and(|alias| alias.to_lowercase() == lower)
            })
        })
        .cloned()
}

/// Whether a field can be asked for as a column.
pub(crate) fn is_column(field: &Field) -> bool {
    !field.is_empty() && !field.meta().unreferenced
}

/// The columns that are shown unless hidden, in the order of their indices.
fn visible(all: &[Arc<Field>]) -> Vec<Arc<Field>> {
    let mut parents = vec![false; all.len()];
    for parent in all.iter().filter_map(|field| field.parent()) {
        if let Some(flag) = parents.get_mut(parent) {
            *flag = true;
        }
    }
    all.iter()
        .filter(|field| {
            let meta = field.meta();
            let embedded = meta
                .annotations
                .get("json.embed")
                .is_some_and(|v| v == "true");
            // The bytes of a whole struct say nothing next to its members, unless another field stands in for it.
            let blob = field.kind() == Kind::Invalid
                && parents[field.index()]
                && !meta.annotations.contains_key("columns.replace");
            !field.is_empty() && !meta.unreferenced && !meta.hidden && !embedded && !blob
        })
        .cloned()
        .collect()
}

/// The columns that are shown when nothing is asked for.
pub(crate) fn default_list(source: &DataSource) -> Vec<Arc<Field>> {
    let mut shown = visible(&source.fields());
    shown.sort_by_key(|field| field.meta().order);
    shown
}

/// The columns of a data source that has no entry in a request that has entries for others.
pub(crate) fn without_entry(source: &DataSource) -> Vec<Arc<Field>> {
    visible(&source.fields())
}
