//! What data sources look like: from live ones into a file, and from a file into new ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use gizmo_model::field::{FieldMeta, FieldSpec};
use gizmo_model::{DataSource, Field, Kind, Shape};
use serde::{Deserialize, Serialize};

use crate::column::Storage;
use crate::limits::{MAX_FIELDS, MAX_LEVELS, MAX_NAME_BYTES, MAX_SOURCES};

/// The data sources of a recording.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Schema {
    pub(crate) sources: Vec<SourceSchema>,
}

/// A data source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SourceSchema {
    pub(crate) name: String,
    /// Emits lists instead of single elements.
    pub(crate) is_array: bool,
    tags: Vec<String>,
    annotations: BTreeMap<String, String>,
    /// In the order of their indices.
    pub(crate) fields: Vec<FieldSchema>,
}

/// A field. `kind` has the numbers of the host API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FieldSchema {
    name: String,
    kind: u32,
    parent: Option<usize>,
    is_array: bool,
    /// Only groups others.
    is_empty: bool,
    /// A formatter makes the value.
    is_derived: bool,
    is_hidden: bool,
    is_unreferenced: bool,
    order: i32,
    tags: Vec<String>,
    annotations: BTreeMap<String, String>,
}

impl Schema {
    /// Checks what the model does not: sizes, and that nothing lies below itself or too deep.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        let fail = |source: &SourceSchema, reason: &str| Err((source.name.clone(), reason.into()));
        let mut fields = 0;
        for (position, source) in self.sources.iter().enumerate() {
            fields += source.fields.len();
            if position >= MAX_SOURCES || fields > MAX_FIELDS {
                return fail(source, "there are too many data sources or fields");
            }
            if source.name.len() > MAX_NAME_BYTES {
                return fail(source, "its name is too long");
            }
            let before = self.sources.iter().take(position);
            if before.clone().any(|other| other.name == source.name) {
                return fail(source, "there are two of this name");
            }
            if let Err(reason) = source.check() {
                return fail(source, reason);
            }
        }
        Ok(())
    }
}

impl SourceSchema {
    /// Describes a live data source as it is now.
    pub(crate) fn of(source: &DataSource) -> Self {
        Self {
            name: source.name().to_owned(),
            is_array: source.shape() == Shape::Array,
            tags: source.tags(),
            annotations: source.annotations(),
            fields: source
                .fields()
                .iter()
                .map(|field| FieldSchema::of(field))
                .collect(),
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        let mut levels: Vec<usize> = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            if field.name.len() > MAX_NAME_BYTES {
                return Err("the name of a field is too long");
            }
            if Kind::from_number(field.kind).is_none() {
                return Err("a field is of an unknown kind");
            }
            let level = match field.parent {
                None => 0,
                Some(parent) => levels.get(parent).ok_or("a field lies below a later one")? + 1,
            };
            if level > MAX_LEVELS {
                return Err("fields lie too deep below each other");
            }
            levels.push(level);
        }
        Ok(())
    }

    /// A data source like this one, without fields.
    pub(crate) fn make(&self) -> DataSource {
        let shape = if self.is_array {
            Shape::Array
        } else {
            Shape::Single
        };
        let annotations = self.annotations.clone();
        DataSource::described(&self.name, shape, self.tags.clone(), annotations)
    }

    /// Whether another describes the same data source, maybe with more fields.
    pub(crate) fn is_continued_by(&self, later: &SourceSchema) -> bool {
        let same = |(own, later): (&FieldSchema, &FieldSchema)| own.is_same(later);
        self.name == later.name
            && self.is_array == later.is_array
            && self.fields.len() <= later.fields.len()
            && self.fields.iter().zip(&later.fields).all(same)
    }
}

impl FieldSchema {
    fn of(field: &Field) -> Self {
        let meta = field.meta();
        Self {
            name: field.name().to_owned(),
            kind: field.kind() as u32,
            parent: field.parent(),
            is_array: field.is_array(),
            is_empty: field.is_empty(),
            is_derived: meta.derived,
            is_hidden: meta.hidden,
            is_unreferenced: meta.unreferenced,
            order: meta.order,
            tags: meta.tags.clone(),
            annotations: meta.annotations.clone(),
        }
    }

    /// How values are kept; `None` when there are none.
    pub(crate) fn storage(&self) -> Option<Storage> {
        let kind = Kind::from_number(self.kind)?;
        Storage::of(kind, self.is_array, self.is_empty || self.is_derived)
    }

    fn is_same(&self, other: &FieldSchema) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.parent == other.parent
            && self.storage() == other.storage()
    }

    /// Adds a field like this one; `others` are those before it. Derived fields are left to formatters.
    pub(crate) fn add_to(
        &self,
        source: &DataSource,
        others: &[Option<Arc<Field>>],
    ) -> Result<Option<Arc<Field>>, String> {
        if self.is_derived {
            return Ok(None);
        }
        let parent = match self.parent {
            None => None,
            Some(parent) => Some(
                others
                    .get(parent)
                    .and_then(Clone::clone)
                    .ok_or("a field lies below one that has no place")?,
            ),
        };
        let spec = FieldSpec {
            parent,
            array: self.is_array,
            empty: self.is_empty,
            ..FieldSpec::new(
                self.name.clone(),
                Kind::from_number(self.kind).unwrap_or(Kind::Invalid),
            )
        };
        let field = source.add_field(spec).map_err(|error| error.to_string())?;
        self.describe(&field);
        if self.is_unreferenced {
            source.unreference_field(&field);
        }
        Ok(Some(field))
    }

    /// Says of a field what was said of the recorded one.
    fn describe(&self, field: &Field) {
        field.update_meta(|meta| {
            *meta = FieldMeta {
                hidden: self.is_hidden,
                unreferenced: self.is_unreferenced,
                derived: self.is_derived,
                tags: self.tags.clone(),
                annotations: self.annotations.clone(),
                order: self.order,
            }
        });
    }
}

impl SourceSchema {
    /// Says of derived fields what was said of the recorded ones, for those that a formatter has made.
    pub(crate) fn describe_derived(&self, source: &DataSource) {
        let all = source.fields();
        for (position, schema) in self.fields.iter().enumerate() {
            if !schema.is_derived {
                continue;
            }
            let name = self.full_name(position);
            let made = all
                .iter()
                .find(|field| field.meta().derived && field.full_name() == name);
            if let Some(field) = made {
                schema.describe(field);
            }
        }
    }

    fn full_name(&self, position: usize) -> String {
        let mut parts = Vec::new();
        let mut at = Some(position);
        // Parents come before their children, so this ends.
        while let Some(field) = at.and_then(|at| self.fields.get(at)) {
            parts.push(field.name.as_str());
            at = field.parent;
        }
        parts.reverse();
        parts.join(".")
    }
}
