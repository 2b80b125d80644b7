//! Which containers are meant: the filter on names, images and labels.
//!
//! A list is `a,b,!c`: anything that hits a negated entry is out; of the others, if there are any, one must hit. Comparison
//! is exact and minds case. Digests and image ids are compared by their first digits, however they are written.

use std::collections::HashMap;

use gizmo_model::container::Container;

/// So many characters of a digest are compared; what people copy from `docker ps`.
const DIGEST_CHARS: usize = 12;

/// The texts a [`Selector`] is made of, as a command line has them. Empty texts select everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectorTexts {
    /// Kubernetes namespaces.
    pub namespace: String,
    /// Names of pods.
    pub pod: String,
    /// Names of containers in the specification of their pod.
    pub k8s_container: String,
    /// The runtimes' names of containers.
    pub container: String,
    /// Digests of the images' configurations.
    pub image_id: String,
    /// Digests of the images' manifests.
    pub image_digest: String,
    /// Labels of the pod, `key=value,…`; `!key=value` and `key=!value` negate.
    pub labels: String,
}

/// Why a selector could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// A label is not one key and one value.
    #[error("label selector `{0}` is not `key=value`")]
    Label(String),
}

/// A conjunction of conditions on a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    namespace: NameList,
    pod: NameList,
    k8s_container: NameList,
    container: NameList,
    image_id: NameList,
    image_digest: NameList,
    labels: Vec<LabelRule>,
}

impl Selector {
    /// Reads the texts.
    ///
    /// # Errors
    /// [`SelectorError::Label`] when a label does not have exactly one `=` or has no key.
    pub fn parse(texts: &SelectorTexts) -> Result<Self, SelectorError> {
        Ok(Self {
            namespace: NameList::parse(&texts.namespace, str::to_owned),
            pod: NameList::parse(&texts.pod, str::to_owned),
            k8s_container: NameList::parse(&texts.k8s_container, str::to_owned),
            container: NameList::parse(&texts.container, str::to_owned),
            image_id: NameList::parse(&texts.image_id, short_digest),
            image_digest: NameList::parse(&texts.image_digest, short_digest),
            labels: parse_labels(&texts.labels)?,
        })
    }

    /// Whether every container is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a container is selected by what is known of it now. A name may arrive later and change the answer.
    #[must_use]
    pub fn matches(&self, container: &Container) -> bool {
        let k8s = &container.k8s;
        self.namespace.allows(&k8s.namespace)
            && self.pod.allows(&k8s.pod_name)
            && self.k8s_container.allows(&k8s.container_name)
            && self.container.allows(&container.name)
            && self.image_id.allows_digest(&container.image_id)
            && self.image_digest.allows_digest(&container.image_digest)
            && self
                .labels
                .iter()
                .all(|rule| rule.allows(k8s.pod_labels.get(&rule.key).map(String::as_str)))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct NameList {
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

impl NameList {
    /// Empty entries say nothing, so that a trailing comma does no harm.
    fn parse(text: &str, normalise: impl Fn(&str) -> String) -> Self {
        let mut list = Self::default();
        for entry in text.split(',').filter(|entry| !entry.is_empty()) {
            match entry.strip_prefix('!') {
                Some(entry) => list.unwanted.push(normalise(entry)),
                None => list.wanted.push(normalise(entry)),
            }
        }
        list
    }

    fn allows(&self, name: &str) -> bool {
        let has = |list: &[String]| list.iter().any(|entry| entry == name);
        !has(&self.unwanted) && (self.wanted.is_empty() || has(&self.wanted))
    }

    fn allows_digest(&self, digest: &str) -> bool {
        (self.wanted.is_empty() && self.unwanted.is_empty()) || self.allows(&short_digest(digest))
    }
}

/// The first digits of a digest, without the algorithm.
fn short_digest(digest: &str) -> String {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    digits.chars().take(DIGEST_CHARS).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LabelRule {
    key: String,
    value: String,
    is: Condition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Equal,
    /// `!key=value`: not this value; no label is fine.
    NotEqual,
    /// `key=!value`: there must be a label, of another value.
    Other,
}

impl LabelRule {
    fn allows(&self, value: Option<&str>) -> bool {
        match self.is {
            Condition::Equal => value == Some(&self.value),
            Condition::NotEqual => value != Some(&self.value),
            Condition::Other => value.is_some_and(|value| value != self.value),
        }
    }
}

fn parse_labels(text: &str) -> Result<Vec<LabelRule>, SelectorError> {
    // Of a key that is given twice the last counts; `k` and `!k` are two keys.
    let mut last: HashMap<&str, usize> = HashMap::new();
    let mut rules: Vec<LabelRule> = Vec::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let malformed = || SelectorError::Label(pair.to_owned());
        let (given, value) = pair.split_once('=').ok_or_else(malformed)?;
        let (key, value, is) = match (given.strip_prefix('!'), value.strip_prefix('!')) {
            (Some(key), _) => (key, value, Condition::NotEqual),
            (None, Some(value)) => (given, value, Condition::Other),
            (None, None) => (given, value, Condition::Equal),
        };
        if key.is_empty() || value.contains('=') {
            return Err(malformed());
        }
        let rule = LabelRule {
            key: key.to_owned(),
            value: value.to_owned(),
            is,
        };
        match last.get(given).and_then(|index| rules.get_mut(*index)) {
            Some(earlier) => *earlier = rule,
            None => {
                last.insert(given, rules.len());
                rules.push(rule);
            }
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use gizmo_model::container::K8sIdentity;
    use proptest::prelude::*;

    use super::*;

    fn container() -> Container {
        Container {
            name: "c1".into(),
            image_id: "sha256:0123456789abcdef0123".into(),
            image_digest: "sha256:fedcba98765432100000".into(),
            k8s: K8sIdentity {
                namespace: "shop".into(),
                pod_name: "web".into(),
                container_name: "main".into(),
                pod_labels: [
                    ("app".into(), "web".into()),
                    ("tier".into(), "front".into()),
                ]
                .into(),
                ..Default::default()
            },
            ..Default::default()
        }
    }

    #[track_caller]
    fn selects(texts: SelectorTexts) -> bool {
        Selector::parse(&texts).unwrap().matches(&container())
    }

    fn by_container(text: &str) -> bool {
        selects(SelectorTexts {
            container: text.into(),
            ..Default::default()
        })
    }

    fn by_labels(text: &str) -> bool {
        selects(SelectorTexts {
            labels: text.into(),
            ..Default::default()
        })
    }

    #[test]
    fn lists_know_alternatives_and_negation() {
        for (text, expected) in [
            ("", true),
            ("c1", true),
            ("c2", false),
            ("c2,c1", true),
            ("C1", false),
            ("c", false),
            ("c*", false),
            ("!c1", false),
            ("!c2", true),
            ("c1,!c1", false),
            ("c2,!c3", false),
            ("!c2,!c3", true),
            ("c1,", true),
        ] {
            assert_eq!(by_container(text), expected, "{text}");
        }
    }

    #[test]
    fn every_condition_must_hold() {
        let texts = SelectorTexts {
            namespace: "shop".into(),
            pod: "web,db".into(),
            k8s_container: "main".into(),
            container: "!c2".into(),
            image_id: "0123456789ab".into(),
            image_digest: "sha256:fedcba987654".into(),
            labels: "app=web".into(),
        };
        assert!(selects(texts.clone()));
        let set: [fn(&mut SelectorTexts); 7] = [
            |t| t.namespace = "x".into(),
            |t| t.pod = "x".into(),
            |t| t.k8s_container = "x".into(),
            |t| t.container = "x".into(),
            |t| t.image_id = "x".into(),
            |t| t.image_digest = "x".into(),
            |t| t.labels = "app=x".into(),
        ];
        for change in set {
            let mut texts = texts.clone();
            change(&mut texts);
            assert!(!selects(texts));
        }
    }

    #[test]
    fn digests_are_compared_by_their_first_digits() {
        for (text, expected) in [
            ("sha256:fedcba98765432100000", true),
            ("fedcba98765432100000", true),
            ("fedcba987654", true),
            ("sha256:fedcba987654ffff", true),
            ("fedcba98765", false),
            ("!fedcba987654", false),
            ("!abc", true),
        ] {
            let texts = SelectorTexts {
                image_digest: text.into(),
                ..Default::default()
            };
            assert_eq!(selects(texts), expected, "{text}");
        }
    }

    #[test]
    fn labels_know_three_conditions() {
        for (text, expected) in [
            ("app=web", true),
            ("app=db", false),
            ("app=web,tier=front", true),
            ("app=web,tier=back", false),
            ("!app=web", false),
            ("!app=db", true),
            ("!none=x", true),
            ("app=!web", false),
            ("app=!db", true),
            ("none=!x", false),
            ("none=", false),
            ("app=db,app=web", true),
            ("app=web,app=db", false),
            ("app=web,!app=db", true),
        ] {
            assert_eq!(by_labels(text), expected, "{text}");
        }
    }

    #[test]
    fn malformed_labels_are_refused() {
        for text in ["app", "app=web,tier", "a=b=c", "=x", "!=x", "app=!a=b"] {
            let texts = SelectorTexts {
                labels: text.into(),
                ..Default::default()
            };
            assert!(
                matches!(Selector::parse(&texts), Err(SelectorError::Label(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        let selector = Selector::parse(&SelectorTexts::default()).unwrap();
        assert!(selector.is_empty() && selector.matches(&Container::default()));
    }

    proptest! {
        #[test]
        fn a_list_is_its_definition(list in prop::collection::vec("!?[ab]{1,2}", 0..5), name in "[ab]{1,2}") {
            let texts = SelectorTexts { container: list.join(","), ..Default::default() };
            let container = Container { name: name.clone(), ..Default::default() };
            let excluded = list.contains(&format!("!{name}"));
            let positive: Vec<_> = list.iter().filter(|entry| !entry.starts_with('!')).collect();
            let expected = !excluded && (positive.is_empty() || positive.contains(&&name));
            prop_assert_eq!(Selector::parse(&texts).unwrap().matches(&container), expected);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", label in "[!=,a-z]{0,20}") {
            let texts = SelectorTexts { image_id: text.clone(), pod: text, labels: label, ..Default::default() };
            if let Ok(selector) = Selector::parse(&texts) {
                let _ = selector.matches(&container());
            }
        }
    }
}
