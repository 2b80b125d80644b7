//! The order of lists: `field` ascending, `-field` descending, the first of several fields counts most (runtime-and-cli.md 2.12).

use std::cmp::Ordering;
use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field, Flow, Kind, Payload, Shape, Subscription};

use crate::error::Error;
use crate::fields::{is_column, unknown_field, unknown_source};
use crate::value;

/// Priority of the subscriptions: when lists are complete, and filtered.
pub const PRIORITY: i32 = 9_500;

/// Subscribes what `value` says: fields joined with commas, for all data sources with lists that have them; or
/// `source:fields`, joined with semicolons.
///
/// # Errors
/// A field or data source is not there, or has no lists.
pub fn attach(sources: &[Arc<DataSource>], value: &str) -> Result<(), Error> {
    for part in value
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match part.split_once(':') {
            Some((name, keys)) => {
                let source = sources
                    .iter()
                    .find(|source| source.name() == name)
                    .ok_or_else(|| unknown_source(name, sources))?;
                if source.shape() != Shape::Array {
                    return Err(Error::NotSortable(name.to_owned()));
                }
                subscribe(source, parse(keys, source)?)?;
            }
            None => attach_everywhere(sources, part)?,
        }
    }
    Ok(())
}

fn attach_everywhere(sources: &[Arc<DataSource>], keys: &str) -> Result<(), Error> {
    let lists: Vec<_> = sources
        .iter()
        .filter(|source| source.shape() == Shape::Array)
        .collect();
    let mut failed = None;
    let mut is_done = false;
    for source in &lists {
        match parse(keys, source) {
            Ok(keys) => {
                subscribe(source, keys)?;
                is_done = true;
            }
            Err(error) => failed = Some(error),
        }
    }
    match (is_done, failed) {
        (true, _) => Ok(()),
        (false, Some(error)) => Err(error),
        (false, None) => Err(Error::NotSortable(
            sources
                .iter()
                .map(|source| source.name())
                .collect::<Vec<_>>()
                .join("`, `"),
        )),
    }
}

struct Key {
    field: Arc<Field>,
    is_descending: bool,
}

fn parse(keys: &str, source: &DataSource) -> Result<Vec<Key>, Error> {
    keys.split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(|key| {
            let (name, is_descending) = match key.strip_prefix('-') {
                Some(name) => (name, true),
                None => (key, false),
            };
            let field = find(name, source)?;
            Ok(Key {
                field,
                is_descending,
            })
        })
        .collect()
}

/// The field, or the number that its text is made from.
fn find(name: &str, source: &DataSource) -> Result<Arc<Field>, Error> {
    let visible = |name: &str| {
        source
            .field(name)
            .filter(|field| !field.meta().unreferenced && !field.is_array())
    };
    let is_number = |field: &Arc<Field>| !value::is_text(field.kind());
    let number = visible(&format!("{name}_raw")).filter(is_number);
    number.or_else(|| visible(name)).ok_or_else(|| {
        let all = source.fields();
        let columns = all.iter().filter(|field| is_column(field));
        unknown_field(name, source.name(), columns)
    })
}

fn subscribe(source: &Arc<DataSource>, keys: Vec<Key>) -> Result<(), Error> {
    let order = move |one: &Element, other: &Element| {
        let orders = keys.iter().map(|key| {
            let order = compare(&key.field, one, other);
            if key.is_descending {
                order.reverse()
            } else {
                order
            }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    };
    source
        .subscribe(Subscription::Array, PRIORITY, move |_, payload| {
            if let Payload::Array(elements) = payload {
                elements.sort_by(&order);
            }
            Flow::Continue
        })
        .map_err(Error::data_source(source.name()))
}

fn compare(field: &Field, one: &Element, other: &Element) -> Ordering {
    let bits = |element| value::bits(field, element);
    match field.kind() {
        kind if value::is_text(kind) => value::text(field, one).cmp(value::text(field, other)),
        Kind::Float32 => value::float32(bits(one)).total_cmp(&value::float32(bits(other))),
        Kind::Float64 => f64::from_bits(bits(one)).total_cmp(&f64::from_bits(bits(other))),
        kind if kind.is_signed() => (bits(one) as i64).cmp(&(bits(other) as i64)),
        Kind::Bytes => value::bytes(field, one).cmp(value::bytes(field, other)),
        _ => bits(one).cmp(&bits(other)),
    }
}
