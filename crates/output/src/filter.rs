//! The output filter: rules on fields, and elements that do not hold them are discarded (runtime-and-cli.md 2.11).
//!
//! A rule is a field, an operator and a value, such as `proc.comm==cat` or `error!~^E`. Rules are joined with commas and
//! must all hold; `\,` is a comma that belongs to a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field, Flow, Kind, Payload, Subscription};
use regex::bytes::{Regex, RegexBuilder};

use crate::error::Error;
use crate::fields::{is_column, unknown_field, unknown_source};
use crate::{notice, value};

/// Priority of the subscriptions: after everything that fills fields, before everything that prints them.
pub const PRIORITY: i32 = 9_000;

/// Memory of a compiled expression at most; the default of the library, said here because filters come from manifests.
const MAX_REGEX_BYTES: usize = 10 << 20;

/// Subscribes the rules. `values` holds rules by name of data source; those under the empty name apply to every data
/// source, except for notices. All rules are checked before the first subscription.
///
/// # Errors
/// A rule cannot be read, names a field or data source that is not there, or compares what cannot be compared.
pub fn attach(sources: &[Arc<DataSource>], values: &BTreeMap<String, String>) -> Result<(), Error> {
    for (source, rules) in sources.iter().zip(rules_of(sources, values)?) {
        if !rules.0.is_empty() {
            subscribe(source, rules)?;
        }
    }
    Ok(())
}

/// The rules of a data source.
#[derive(Debug)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    /// Whether an element holds all of them.
    pub(crate) fn hold(&self, element: &Element) -> bool {
        self.0.iter().all(|rule| rule.holds(element))
    }
}

/// The rules of each data source.
pub(crate) fn rules_of(
    sources: &[Arc<DataSource>],
    values: &BTreeMap<String, String>,
) -> Result<Vec<Rules>, Error> {
    let mut all_rules: Vec<Vec<Rule>> = sources.iter().map(|_| Vec::new()).collect();
    for (name, text) in values {
        if !name.is_empty() && !sources.iter().any(|source| source.name() == name) {
            return Err(unknown_source(name, sources));
        }
        for (source, rules) in sources.iter().zip(&mut all_rules) {
            let is_general = name.is_empty() && notice::text_field(source).is_none();
            if is_general || source.name() == name {
                rules.extend(parse(text, source)?);
            }
        }
    }
    Ok(all_rules.into_iter().map(Rules).collect())
}

/// Refuses values of the parameter `filter-expr`, whose language Gizmo does not have yet.
///
/// # Errors
/// [`Error::NotYet`] when there is any value that is not empty.
pub fn refuse_expressions(values: &BTreeMap<String, String>) -> Result<(), Error> {
    if values.values().all(|value| value.trim().is_empty()) {
        return Ok(());
    }
    Err(Error::NotYet("`filter-expr`".to_owned()))
}

fn subscribe(source: &Arc<DataSource>, rules: Rules) -> Result<(), Error> {
    source
        .subscribe(
            Subscription::Element,
            PRIORITY,
            move |_, payload| match payload {
                Payload::Element(element) if !rules.hold(element) => Flow::Discard,
                _ => Flow::Continue,
            },
        )
        .map_err(Error::data_source(source.name()))
}

#[derive(Debug)]
struct Rule {
    field: Arc<Field>,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// 128 bits hold signed and unsigned values alike.
    Integer(Operator, i128),
    Float(Operator, f64),
    Bool(Operator, bool),
    Text(Operator, Vec<u8>),
    Matches {
        regex: Regex,
        expected: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    fn parse(text: &str) -> Option<Operator> {
        Some(match text {
            "=" | "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
            Operator::Less => left < right,
            Operator::LessOrEqual => left <= right,
            Operator::Greater => left > right,
            Operator::GreaterOrEqual => left >= right,
        }
    }

    fn orders(self) -> bool {
        !matches!(self, Operator::Equal | Operator::NotEqual)
    }
}

impl Rule {
    fn holds(&self, element: &Element) -> bool {
        let bits = || value::bits(&self.field, element);
        match &self.test {
            Test::Integer(operator, wanted) => {
                let found = if self.field.kind().is_signed() {
                    i128::from(bits() as i64)
                } else {
                    i128::from(bits())
                };
                operator.holds(&found, wanted)
            }
            Test::Float(operator, wanted) => {
                let found = if self.field.kind() == Kind::Float32 {
                    f64::from(value::float32(bits()))
                } else {
                    f64::from_bits(bits())
                };
                operator.holds(&found, wanted)
            }
            Test::Bool(operator, wanted) => operator.holds(&(bits() == 1), wanted),
            Test::Text(operator, wanted) => {
                operator.holds(value::text(&self.field, element), wanted.as_slice())
            }
            Test::Matches { regex, expected } => {
                regex.is_match(value::text(&self.field, element)) == *expected
            }
        }
    }
}

fn parse(text: &str, source: &DataSource) -> Result<Vec<Rule>, Error> {
    split(text)
        .iter()
        .filter(|rule| !rule.trim().is_empty())
        .map(|rule| parse_rule(rule, source))
        .collect()
}

/// Splits at commas; a backslash keeps the comma after it, and only then is taken away.
fn split(text: &str) -> Vec<String> {
    let mut rules = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let last = rules.len() - 1;
        match character {
            '\\' if characters.peek() == Some(&',') => {
                characters.next();
                rules[last].push(',');
            }
            ',' => rules.push(String::new()),
            other => rules[last].push(other),
        }
    }
    rules
}

fn parse_rule(rule: &str, source: &DataSource) -> Result<Rule, Error> {
    let is_operator = |character: char| matches!(character, '!' | '~' | '>' | '<' | '=');
    let incomplete = || Error::IncompleteRule(rule.to_owned());
    let start = rule.find(is_operator).ok_or_else(incomplete)?;
    let (name, rest) = rule.split_at(start);
    let end = rest
        .find(|character| !is_operator(character))
        .ok_or_else(incomplete)?;
    let (operator, wanted) = rest.split_at(end);
    let name = name.trim();
    if name.is_empty() {
        return Err(incomplete());
    }
    let field = source
        .field(name)
        .filter(|field| !field.meta().unreferenced)
        .ok_or_else(|| {
            let all = source.fields();
            unknown_field(
                name,
                source.name(),
                all.iter().filter(|field| is_column(field)),
            )
        })?;
    let test = parse_test(rule, &field, operator, wanted)?;
    Ok(Rule { field, test })
}

fn parse_test(rule: &str, field: &Field, operator: &str, wanted: &str) -> Result<Test, Error> {
    let kind = field.kind();
    let not_comparable = || Error::NotComparable {
        field: field.full_name().to_owned(),
        kind: if field.is_array() {
            format!("list of {}", kind.name())
        } else {
            kind.name()
        },
        operator: operator.to_owned(),
    };
    let bad_value = || Error::BadValue {
        rule: rule.to_owned(),
        value: wanted.to_owned(),
        kind: kind.name(),
    };
    let texts = value::is_text(kind) && !field.is_array();
    if matches!(operator, "~" | "!~") {
        if !texts {
            return Err(not_comparable());
        }
        return Ok(Test::Matches {
            regex: regex(rule, wanted)?,
            expected: operator == "~",
        });
    }
    let compare = Operator::parse(operator).ok_or_else(|| Error::UnknownOperator {
        rule: rule.to_owned(),
        operator: operator.to_owned(),
    })?;
    Ok(match kind {
        _ if field.is_array() => return Err(not_comparable()),
        _ if texts => Test::Text(compare, wanted.as_bytes().to_vec()),
        kind if kind.is_integer() => {
            let number = wanted.parse().ok().filter(|number| fits(kind, *number));
            Test::Integer(compare, number.ok_or_else(bad_value)?)
        }
        Kind::Float32 | Kind::Float64 => {
            Test::Float(compare, wanted.parse().map_err(|_| bad_value())?)
        }
        Kind::Bool if !compare.orders() => match wanted {
            "true" | "1" => Test::Bool(compare, true),
            "false" | "0" => Test::Bool(compare, false),
            _ => return Err(bad_value()),
        },
        _ => return Err(not_comparable()),
    })
}

fn fits(kind: Kind, number: i128) -> bool {
    let bits = 8 * kind.width().unwrap_or(0);
    if kind.is_signed() {
        let limit = 1i128 << (bits - 1);
        (-limit..limit).contains(&number)
    } else {
        (0..1i128 << bits).contains(&number)
    }
}

fn regex(rule: &str, pattern: &str) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_REGEX_BYTES)
        .dfa_size_limit(MAX_REGEX_BYTES)
        .build()
        .map_err(|source| Error::Regex {
            rule: rule.to_owned(),
            source: Box::new(source),
        })
}
