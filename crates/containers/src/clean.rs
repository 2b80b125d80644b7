//! What is taken from a runtime: nothing without a limit.
//!
//! Ids become parts of file names and map keys, names are printed. A runtime that is broken, or a name that a stranger chose,
//! must not be able to do more than look odd.

use std::collections::BTreeMap;

/// Docker and CRI ids have 64 characters, containerd allows 76; sandboxes and snapshots add prefixes.
pub(crate) const MAX_ID_BYTES: usize = 128;
/// Names, namespaces, uids, digests, image names.
const MAX_TEXT_BYTES: usize = 1024;
/// Kubernetes allows 63 bytes per value; annotations that come as labels may be longer.
const MAX_LABEL_BYTES: usize = 4096;
const MAX_LABELS: usize = 256;

/// Whether a text can be a container's id: not empty, harmless as a file name, of sane length.
#[must_use]
pub fn is_valid_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_ID_BYTES
        && id != "."
        && id != ".."
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte))
}

/// A text without control characters, cut at its limit.
pub(crate) fn text(text: &str) -> String {
    cut(text, MAX_TEXT_BYTES)
}

/// Labels, as many and as long as a sane runtime has.
pub(crate) fn labels<'a>(
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> BTreeMap<String, String> {
    labels
        .into_iter()
        .filter(|(key, _)| key.len() <= MAX_TEXT_BYTES)
        .take(MAX_LABELS)
        .map(|(key, value)| (text(key), cut(value, MAX_LABEL_BYTES)))
        .collect()
}

fn cut(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_file_names_and_nothing_else() {
        for id in ["a", "0a1b", "web-1", "x_y+z.1"] {
            assert!(is_valid_id(id), "{id}");
        }
        let long = "a".repeat(MAX_ID_BYTES + 1);
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "a\n",
            "ü",
            "a:b",
            long.as_str(),
        ] {
            assert!(!is_valid_id(id), "{id}");
        }
    }

    #[test]
    fn texts_are_cut_at_characters_and_lose_controls() {
        assert_eq!(text("a\u{1b}[31mb\n"), "a[31mb");
        let long = "ü".repeat(1000);
        assert_eq!(text(&long).len(), 1024);
    }

    #[test]
    fn labels_are_limited() {
        let many: BTreeMap<String, String> = (0..1000)
            .map(|n| (n.to_string(), "v".repeat(9000)))
            .collect();
        let taken = labels(&many);
        assert_eq!(taken.len(), MAX_LABELS);
        assert!(taken.values().all(|value| value.len() == MAX_LABEL_BYTES));
    }
}
