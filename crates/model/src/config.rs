//! The gadget's configuration tree: the parsed `gadget.yaml`, looked up without regard to case.
//!
//! All map keys are lower-cased when the text is parsed, values stay as they are. A path such as `a.b.c` matches nested
//! maps as well as flat keys that contain dots (gadget-image.md 3.1).

use serde_json::{Map, Value};

/// Larger texts are refused before they are parsed; the largest official `gadget.yaml` has about 20 KiB.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;

/// Deeper nesting is refused, so that walking the tree cannot exhaust the stack.
const MAX_DEPTH: usize = 64;

/// A configuration tree with lower-cased keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    root: Map<String, Value>,
}

/// Why a text is not a configuration tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text exceeds [`MAX_CONFIG_BYTES`].
    #[error("the metadata has {0} bytes, more than the {MAX_CONFIG_BYTES} allowed")]
    TooLarge(usize),
    /// The text is not YAML.
    #[error("the metadata is not valid YAML")]
    Yaml(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The document is a list or a scalar.
    #[error("the metadata is not a map of keys to values but {0}")]
    NotAMap(&'static str),
    /// A key holds something other than what it must hold.
    #[error("`{path}` in the metadata must be {expected}, not {found}")]
    WrongType {
        /// Dotted path of the key.
        path: String,
        /// What the key must hold.
        expected: &'static str,
        /// What it holds.
        found: &'static str,
    },
    /// Maps and lists are nested too deeply.
    #[error("the metadata is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// A path for [`Config::set`] is empty or has an empty part.
    #[error("`{0}` is no configuration key")]
    BadKey(String),
}

impl Config {
    /// Parses a YAML text; an empty text and `{}` give an empty tree.
    ///
    /// # Errors
    /// Text too large, not YAML, nested too deeply, or not a map.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        if text.len() > MAX_CONFIG_BYTES {
            return Err(ConfigError::TooLarge(text.len()));
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        // YAML 1.2: `yes`, `off` and `n` are texts, as upstream reads them.
        let options = serde_saphyr::options! { strict_booleans: true };
        let value: Value = serde_saphyr::from_slice_with_options(text, options)
            .map_err(|error| ConfigError::Yaml(Box::new(error)))?;
        match lower_keys(value, 0)? {
            Value::Object(root) => Ok(Self { root }),
            Value::Null => Ok(Self::default()),
            other => Err(ConfigError::NotAMap(kind_of(&other))),
        }
    }

    /// The value at a dotted path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let path = path.to_lowercase();
        find(&self.root, &path)
    }

    /// The scalar at a path as text; booleans and numbers are rendered as in YAML.
    pub fn get_str(&self, path: &str) -> Option<String> {
        self.get(path).and_then(scalar_text)
    }

    /// Whether the scalar at a path is `true`.
    pub fn get_bool(&self, path: &str) -> bool {
        self.get_str(path)
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The entries of the map at a path whose values are scalars, in the order of the text.
    pub fn get_map(&self, path: &str) -> Vec<(String, String)> {
        let Some(Value::Object(map)) = self.get(path) else {
            return Vec::new();
        };
        map.iter()
            .filter_map(|(key, value)| Some((key.clone(), scalar_text(value)?)))
            .collect()
    }

    /// The keys of the map at a path, in the order of the text.
    pub fn keys(&self, path: &str) -> Vec<String> {
        match self.get(path) {
            Some(Value::Object(map)) => map.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// A list of texts: a YAML list of scalars, or one text split at white space.
    pub fn get_list(&self, path: &str) -> Vec<String> {
        match self.get(path) {
            Some(Value::Array(items)) => items.iter().filter_map(scalar_text).collect(),
            Some(other) => scalar_text(other)
                .map(|text| text.split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// Sets the text at a dotted path, creating the maps on the way.
    ///
    /// # Errors
    /// [`ConfigError::BadKey`] when the path is empty, has an empty part, or runs through a value that is no map.
    pub fn set(&mut self, path: &str, value: &str) -> Result<(), ConfigError> {
        let bad = || ConfigError::BadKey(path.to_owned());
        let lower = path.to_lowercase();
        let parts: Vec<&str> = lower.split('.').collect();
        let (last, parents) = parts.split_last().ok_or_else(bad)?;
        if parts.len() > MAX_DEPTH || parts.iter().any(|part| part.is_empty()) {
            return Err(bad());
        }
        let mut map = &mut self.root;
        for part in parents {
            let entry = map
                .entry((*part).to_owned())
                .or_insert_with(|| Value::Object(Map::new()));
            map = entry.as_object_mut().ok_or_else(bad)?;
        }
        map.insert((*last).to_owned(), Value::String(value.to_owned()));
        Ok(())
    }

    /// Fails unless each given path is absent or holds a map.
    ///
    /// # Errors
    /// [`ConfigError::WrongType`] naming the first path that holds something else.
    pub fn expect_maps(&self, paths: &[&str]) -> Result<(), ConfigError> {
        for path in paths {
            match self.get(path) {
                None | Some(Value::Object(_) | Value::Null) => {}
                Some(other) => return Err(wrong_type(path, "a map", other)),
            }
        }
        Ok(())
    }

    /// Fails unless each given path is absent or holds a scalar.
    ///
    /// # Errors
    /// [`ConfigError::WrongType`] naming the first path that holds something else.
    pub fn expect_scalars(&self, paths: &[&str]) -> Result<(), ConfigError> {
        for path in paths {
            if let Some(value @ (Value::Object(_) | Value::Array(_))) = self.get(path) {
                return Err(wrong_type(path, "a text", value));
            }
        }
        Ok(())
    }

    /// The map at a path as a tree of its own, empty when there is none.
    pub fn from_subtree(tree: &Config, path: &str) -> Config {
        match tree.get(path) {
            Some(Value::Object(map)) => Config { root: map.clone() },
            _ => Config::default(),
        }
    }

    /// The whole tree.
    pub fn root(&self) -> &Map<String, Value> {
        &self.root
    }
}

fn wrong_type(path: &str, expected: &'static str, found: &Value) -> ConfigError {
    ConfigError::WrongType {
        path: path.to_owned(),
        expected,
        found: kind_of(found),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn lower_keys(value: Value, depth: usize) -> Result<Value, ConfigError> {
    if depth > MAX_DEPTH {
        return Err(ConfigError::TooDeep);
    }
    Ok(match value {
        Value::Object(map) => {
            let mut lowered = Map::new();
            for (key, value) in map {
                lowered.insert(key.to_lowercase(), lower_keys(value, depth + 1)?);
            }
            Value::Object(lowered)
        }
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| lower_keys(item, depth + 1))
                .collect::<Result<_, _>>()?,
        ),
        other => other,
    })
}

/// Looks for the flat key first, then splits the path at each dot, the longest first part winning.
fn find<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = map.get(path) {
        return Some(value);
    }
    path.rmatch_indices('.')
        .find_map(|(dot, _)| match map.get(&path[..dot])? {
            Value::Object(inner) => find(inner, &path[dot + 1..]),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parse(text: &str) -> Config {
        Config::parse(text.as_bytes()).expect("valid text")
    }

    #[test]
    fn keys_are_found_without_regard_to_case() {
        let config = parse(
            "dataSources:\n  Exec:\n    Fields: {proc.Comm: {annotations: {columns.maxWidth: 16}}}\n",
        );
        assert_eq!(
            config
                .get_str("datasources.exec.fields.proc.comm.annotations.columns.maxwidth")
                .unwrap(),
            "16"
        );
    }

    #[test]
    fn flat_and_nested_keys_are_the_same() {
        let nested = parse("a: {b: {c: x}}");
        let flat = parse("a.b.c: x");
        let mixed = parse("a: {b.c: x}");
        for config in [nested, flat, mixed] {
            assert_eq!(config.get_str("A.b.C").unwrap(), "x");
        }
    }

    #[test]
    fn scalars_are_rendered_as_text() {
        let config = parse("t: true\nn: 49\ns: yes it is\n");
        assert!(config.get_bool("t"));
        assert_eq!(config.get_str("n").unwrap(), "49");
        assert_eq!(config.get_list("s"), ["yes", "it", "is"]);
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        let config = parse("name: n\nother: off\nthird: Yes\n");
        assert_eq!(config.get_str("name").unwrap(), "n");
        assert_eq!(config.get_str("other").unwrap(), "off");
        assert_eq!(config.get_str("third").unwrap(), "Yes");
    }

    #[test]
    fn empty_texts_are_empty_trees() {
        assert_eq!(parse(""), Config::default());
        assert_eq!(parse("{}"), Config::default());
        assert_eq!(parse("# nothing\n"), Config::default());
    }

    #[test]
    fn lists_scalars_and_rubbish_are_refused() {
        assert!(matches!(
            Config::parse(b"[1, 2]"),
            Err(ConfigError::NotAMap("a list"))
        ));
        assert!(matches!(Config::parse(b"a: [1"), Err(ConfigError::Yaml(_))));
        assert!(matches!(
            Config::parse(b"\xff\xfe\x00"),
            Err(ConfigError::Yaml(_))
        ));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = "[".repeat(5000);
        assert!(Config::parse(text.as_bytes()).is_err());
        let mut deep = String::new();
        for depth in 0..100 {
            deep.push_str(&format!("{}a:\n", " ".repeat(depth)));
        }
        assert!(Config::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn set_creates_the_maps_on_the_way() {
        let mut config = Config::default();
        config.set("foo.Bar.zas", "myvalue").unwrap();
        assert_eq!(config.get_str("foo.bar.zas").unwrap(), "myvalue");
        assert!(config.set("foo.bar.zas.more", "x").is_err());
        assert!(config.set("foo..zas", "x").is_err());
    }

    #[test]
    fn wrong_types_name_the_key() {
        let config = parse("params: [1]\nname: {a: b}\n");
        let error = config.expect_maps(&["datasources", "params"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`params` in the metadata must be a map, not a list"
        );
        assert!(config.expect_scalars(&["name"]).is_err());
    }
}
