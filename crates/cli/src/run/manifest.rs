//! Manifests: a run written down as YAML (runtime-and-cli.md 4.2).
//!
//! Read twice: as a tree, which says what is wrong by document and key, then as texts, because a parameter's value is what
//! was written (`0x10`, `1.50`), not the number that YAML takes it for.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};

use anyhow::{Context as _, anyhow, bail};
use gizmo_model::params::{Param, ParamValues};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Largest manifest. One names an image and a few dozen values; the longest list of system calls has some 6 KiB.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Parameters whose last part is a data source, which is known only when the gadget runs.
const PER_SOURCE: &str = "operator.filter.filter.";

const KEYS: [&str; 8] = [
    "apiVersion",
    "kind",
    "image",
    "id",
    "name",
    "tags",
    "nodes",
    "paramValues",
];

/// One run, as a manifest describes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spec {
    /// Where it was read, for errors.
    origin: String,
    /// The image.
    pub(super) image: String,
    /// Values by full parameter name, as they were written.
    params: BTreeMap<String, String>,
}

/// The texts of a document that has been found right.
#[derive(Deserialize)]
struct Texts {
    image: String,
    #[serde(default, rename = "paramValues")]
    params: Option<BTreeMap<String, Option<String>>>,
}

/// Reads the one run that a manifest describes; `-` is stdin.
pub(super) fn read(path: &OsStr) -> anyhow::Result<Spec> {
    let name = if path == "-" {
        "stdin".to_owned()
    } else {
        path.to_string_lossy().into_owned()
    };
    if ["http://", "https://"]
        .iter()
        .any(|scheme| name.starts_with(scheme))
    {
        bail!(
            "manifest `{name}`: gizmo does not fetch manifests; download it, and give the file or `-f -`"
        );
    }
    let bytes = if path == "-" {
        read_limited(io::stdin().lock())
    } else {
        File::open(path)
            .map_err(anyhow::Error::from)
            .and_then(read_file)
    };
    let text = bytes
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| anyhow!("it is not UTF-8")))
        .with_context(|| format!("manifest `{name}`"))?;
    one(parse(&name, &text)?, &name)
}

/// A file says how large it is before it is read; a pipe or device does not.
fn read_file(file: File) -> anyhow::Result<Vec<u8>> {
    if file.metadata()?.len() > MAX_MANIFEST_BYTES {
        return Err(too_large());
    }
    read_limited(file)
}

fn read_limited(reader: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_MANIFEST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_MANIFEST_BYTES {
        return Err(too_large());
    }
    Ok(bytes)
}

fn too_large() -> anyhow::Error {
    anyhow!("it has more than the {MAX_MANIFEST_BYTES} bytes allowed")
}

/// Upstream runs several only when it detaches from them, and there is nothing to detach from here.
fn one(mut specs: Vec<Spec>, name: &str) -> anyhow::Result<Spec> {
    match specs.len() {
        0 => bail!("no gadget instance spec found in manifest `{name}`"),
        1 => Ok(specs.remove(0)),
        several => bail!(
            "multiple gadget instance specs found in manifest `{name}` ({several}); give each a file and a `gizmo run` of its own"
        ),
    }
}

/// The documents of a manifest that are not empty.
fn parse(name: &str, text: &str) -> anyhow::Result<Vec<Spec>> {
    // As for gadget.yaml: `yes` and `off` are texts. A snippet of the file would make the error several lines.
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let wrong = || format!("manifest `{name}`");
    let trees: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options.clone()).with_context(wrong)?;
    for (index, tree) in trees.iter().enumerate() {
        check(tree).with_context(|| document(name, index))?;
    }
    let texts: Vec<Texts> =
        serde_saphyr::from_multiple_with_options(text, options).with_context(wrong)?;
    let spec = |(index, texts): (usize, Texts)| Spec {
        origin: document(name, index),
        image: texts.image,
        params: texts
            .params
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect(),
    };
    Ok(texts.into_iter().enumerate().map(spec).collect())
}

fn document(name: &str, index: usize) -> String {
    format!("manifest `{name}`, document {}", index + 1)
}

/// What a document must have, must not have, and of which type.
fn check(tree: &Value) -> anyhow::Result<()> {
    let Value::Object(map) = tree else {
        bail!("it must be a map of keys to values, not {}", kind_of(tree));
    };
    if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        bail!("unknown key `{key}`; there are {}", KEYS.join(", "));
    }
    match required(map, "apiVersion")? {
        Value::Number(version) if version.as_u64() == Some(1) => {}
        other => bail!("`apiVersion` must be 1, not {}", shown(other)),
    }
    match required(map, "kind")? {
        Value::String(kind) if kind == "instance-spec" => {}
        other => bail!("`kind` must be `instance-spec`, not {}", shown(other)),
    }
    match required(map, "image")? {
        Value::String(image) if !image.is_empty() => {}
        other => bail!("`image` must be the name of an image, not {}", shown(other)),
    }
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_id = |id: &str| id.is_empty() || (id.len() == 32 && id.bytes().all(is_hex));
    text(
        map,
        "id",
        "empty or 32 lower-case hexadecimal digits",
        is_id,
    )?;
    let in_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let is_name = |name: &str| name.len() <= 32 && name.bytes().all(in_name);
    let rule = "up to 32 lower-case letters, digits, `-` and `_`";
    text(map, "name", rule, is_name)?;
    texts(map, "tags", "a list of texts without commas", |tag| {
        !tag.contains(',')
    })?;
    texts(map, "nodes", "a list of texts", |_| true)?;
    params(map)
}

fn required<'a>(map: &'a Map<String, Value>, key: &str) -> anyhow::Result<&'a Value> {
    let value = map.get(key).filter(|value| !value.is_null());
    value.ok_or_else(|| anyhow!("`{key}` is missing"))
}

fn text(
    map: &Map<String, Value>,
    key: &str,
    rule: &str,
    is_right: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(()),
        Some(value) if scalar(value).is_some_and(|text| is_right(&text)) => Ok(()),
        Some(other) => bail!("`{key}` must be {rule}, not {}", shown(other)),
    }
}

fn texts(
    map: &Map<String, Value>,
    key: &str,
    rule: &str,
    is_right: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    let items = match map.get(key) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(items)) => items,
        Some(other) => bail!("`{key}` must be {rule}, not {}", shown(other)),
    };
    let wrong = |item: &&Value| !scalar(item).is_some_and(|text| is_right(&text));
    match items.iter().find(wrong) {
        None => Ok(()),
        Some(item) => bail!("`{key}` must be {rule}; {} is in it", shown(item)),
    }
}

fn params(map: &Map<String, Value>) -> anyhow::Result<()> {
    let params = match map.get("paramValues") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(params)) => params,
        Some(other) => bail!(
            "`paramValues` must be a map of parameters to values, not {}",
            kind_of(other)
        ),
    };
    for (key, value) in params {
        if !value.is_null() && scalar(value).is_none() {
            bail!(
                "`{key}` in `paramValues` must be a text, not {}; the values of a list are joined with commas",
                kind_of(value)
            );
        }
    }
    Ok(())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        other => kind_of(other).to_owned(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

impl Spec {
    /// The document, for errors about what it asks for.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The values under the names that the run knows. Upstream passes over names it does not know; a filter that is misspelt
    /// would then record everything, so here they are errors.
    pub(super) fn values(&self, offered: &[Param]) -> anyhow::Result<ParamValues> {
        let mut values = ParamValues::default();
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for (key, value) in &self.params {
            let (name, param) = find(key, offered).ok_or_else(|| self.unknown(key, offered))?;
            if let Some(param) = param {
                param
                    .validate(value)
                    .with_context(|| format!("{}, `{key}` in `paramValues`", self.origin))?;
            }
            if let Some(other) = names.insert(name.to_lowercase(), key) {
                bail!(
                    "{}: `{other}` and `{key}` in `paramValues` are the same parameter",
                    self.origin
                );
            }
            values.set(&name, value.clone());
        }
        Ok(values)
    }

    fn unknown(&self, key: &str, offered: &[Param]) -> anyhow::Error {
        let names: Vec<String> = offered.iter().map(Param::full_name).collect();
        anyhow!(
            "{}: unknown parameter `{key}` in `paramValues`; there are {}",
            self.origin,
            names.join(", ")
        )
    }
}

/// A parameter's first name, by its first or second one. Names compare without regard to case, as the values do.
fn find<'a>(key: &str, offered: &'a [Param]) -> Option<(String, Option<&'a Param>)> {
    let is_named = |param: &&Param| {
        let second = format!("{}{}", param.prefix, param.alternative_key);
        param.full_name().eq_ignore_ascii_case(key)
            || (!param.alternative_key.is_empty() && second.eq_ignore_ascii_case(key))
    };
    if let Some(param) = offered.iter().find(is_named) {
        return Some((param.full_name(), Some(param)));
    }
    let source = key
        .get(..PER_SOURCE.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PER_SOURCE));
    (source && key.len() > PER_SOURCE.len()).then(|| (key.to_owned(), None))
}

#[cfg(test)]
mod tests;
