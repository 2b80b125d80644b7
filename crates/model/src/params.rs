//! Parameters: what a person can set for a run, under which full name, and with which value.

use std::collections::BTreeMap;

use crate::config::Config;

/// A parameter that an operator, a layer or an image offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Param {
    /// Prefix of the full name, such as `operator.oci.wasm.`.
    pub prefix: String,
    /// Last part of the full name, and the command line flag.
    pub key: String,
    /// A second, hidden flag.
    pub alternative_key: String,
    /// One-letter flag.
    pub alias: String,
    /// Short name for people.
    pub title: String,
    /// What it does.
    pub description: String,
    /// Value when none is given.
    pub default_value: String,
    /// Type that values are checked against, empty for none (runtime-and-cli.md 2.3).
    pub type_hint: String,
    /// What a value means, for user interfaces.
    pub value_hint: String,
    /// The only values allowed, if any.
    pub possible_values: Vec<String>,
    /// Whether a value must be given.
    pub is_mandatory: bool,
    /// Groups and the like.
    pub tags: Vec<String>,
}

/// A value that a parameter cannot take.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamError {
    /// The value does not have the parameter's type.
    #[error("`{value}` is not a valid value for `--{key}`: expected {expected}")]
    Type {
        /// Name of the parameter.
        key: String,
        /// The value.
        value: String,
        /// Its type.
        expected: String,
    },
    /// The value is not among those allowed.
    #[error("`{value}` is not a valid value for `--{key}`: must be one of {allowed}")]
    NotPossible {
        /// Name of the parameter.
        key: String,
        /// The value.
        value: String,
        /// Values allowed, joined with commas.
        allowed: String,
    },
    /// No value was given.
    #[error("`--{0}` must be given")]
    Missing(String),
}

impl Param {
    /// The name in manifests and configuration files.
    pub fn full_name(&self) -> String {
        format!("{}{}", self.prefix, self.key)
    }

    /// Checks a value; an empty one is always right unless the parameter is mandatory.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn validate(&self, value: &str) -> Result<(), ParamError> {
        if value.is_empty() {
            return if self.is_mandatory {
                Err(ParamError::Missing(self.key.clone()))
            } else {
                Ok(())
            };
        }
        if !self.possible_values.is_empty()
            && !self.possible_values.iter().any(|allowed| allowed == value)
        {
            return Err(ParamError::NotPossible {
                key: self.key.clone(),
                value: value.to_owned(),
                allowed: self.possible_values.join(", "),
            });
        }
        if has_type(value, &self.type_hint) {
            return Ok(());
        }
        Err(ParamError::Type {
            key: self.key.clone(),
            value: value.to_owned(),
            expected: self.type_hint.clone(),
        })
    }

    /// The parameters under `path` of the metadata, such as `params.wasm`.
    pub fn from_config(config: &Config, path: &str, prefix: &str) -> Vec<Param> {
        config
            .keys(path)
            .iter()
            .filter_map(|name| Self::from_entry(config, &format!("{path}.{name}"), prefix))
            .collect()
    }

    fn from_entry(config: &Config, path: &str, prefix: &str) -> Option<Param> {
        let text = |key: &str| config.get_str(&format!("{path}.{key}")).unwrap_or_default();
        let key = text("key");
        if key.is_empty() {
            return None;
        }
        let own_prefix = text("prefix");
        let type_hint = text("typehint");
        Some(Param {
            prefix: if own_prefix.is_empty() {
                prefix.to_owned()
            } else {
                own_prefix
            },
            key,
            alternative_key: text("alternativekey"),
            alias: text("alias"),
            title: text("title"),
            description: text("description"),
            default_value: text("defaultvalue"),
            type_hint: if type_hint.is_empty() {
                text("type")
            } else {
                type_hint
            },
            value_hint: text("valuehint"),
            possible_values: config.get_list(&format!("{path}.possiblevalues")),
            is_mandatory: config.get_bool(&format!("{path}.ismandatory")),
            tags: config.get_list(&format!("{path}.tags")),
        })
    }
}

fn has_type(value: &str, hint: &str) -> bool {
    match hint {
        "bool" => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
        "int" | "int64" => value.parse::<i64>().is_ok(),
        "int8" => value.parse::<i8>().is_ok(),
        "int16" => value.parse::<i16>().is_ok(),
        "int32" => value.parse::<i32>().is_ok(),
        "uint" | "uint64" => value.parse::<u64>().is_ok(),
        "uint8" => value.parse::<u8>().is_ok(),
        "uint16" => value.parse::<u16>().is_ok(),
        "uint32" => value.parse::<u32>().is_ok(),
        "float32" | "float64" => value.parse::<f64>().is_ok(),
        "ip" => value.parse::<std::net::IpAddr>().is_ok(),
        _ => true,
    }
}

/// Values by full parameter name; names compare without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParamValues(BTreeMap<String, String>);

impl ParamValues {
    /// Sets the value of a full name.
    pub fn set(&mut self, full_name: &str, value: impl Into<String>) {
        self.0.insert(full_name.to_lowercase(), value.into());
    }

    /// The value of a full name.
    pub fn get(&self, full_name: &str) -> Option<&str> {
        self.0.get(&full_name.to_lowercase()).map(String::as_str)
    }

    /// The values whose full names start with `prefix`, with the prefix cut off.
    pub fn below(&self, prefix: &str) -> BTreeMap<String, String> {
        let prefix = prefix.to_lowercase();
        let cut = |(name, value): (&String, &String)| {
            Some((name.strip_prefix(&prefix)?.to_owned(), value.clone()))
        };
        self.0.iter().filter_map(cut).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_come_from_the_metadata() {
        let text = "params: {wasm: {x: {key: param-key, description: d, defaultValue: 7, typeHint: int, isMandatory: true, \
                    possibleValues: [7, 8]}, nokey: {description: d}}}";
        let config = Config::parse(text.as_bytes()).unwrap();
        let params = Param::from_config(&config, "params.wasm", "operator.oci.wasm.");
        assert_eq!(params.len(), 1);
        assert_eq!(params[0].full_name(), "operator.oci.wasm.param-key");
        assert_eq!(params[0].possible_values, ["7", "8"]);
        assert!(params[0].is_mandatory);
        assert!(params[0].validate("8").is_ok());
        assert_eq!(
            params[0].validate(""),
            Err(ParamError::Missing("param-key".into()))
        );
        assert!(matches!(
            params[0].validate("9"),
            Err(ParamError::NotPossible { .. })
        ));
    }

    #[test]
    fn bools_accept_only_true_and_false() {
        let param = Param {
            key: "host".into(),
            type_hint: "bool".into(),
            ..Param::default()
        };
        assert!(param.validate("TRUE").is_ok());
        assert!(param.validate("1").is_err());
        assert!(param.validate("yes").is_err());
    }

    #[test]
    fn values_are_found_below_their_prefix() {
        let mut values = ParamValues::default();
        values.set("operator.oci.wasm.syscall-filters", "openat");
        values.set("operator.filter.filter", "pid==1");
        assert_eq!(
            values
                .below("operator.oci.wasm.")
                .get("syscall-filters")
                .unwrap(),
            "openat"
        );
        assert_eq!(values.get("operator.Filter.filter"), Some("pid==1"));
    }
}
