//! Patterns with wildcards, as shells have them.

/// Any text that looks like this: `*` stands for any characters, `?` for one, and a backslash makes the next one literal.
///
/// Both are bytes: what a traced program passes need not be text. `*` stands for slashes, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Byte(u8),
    One,
    Any,
}

impl Glob {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Self {
        let mut parts = Vec::with_capacity(pattern.len());
        let mut bytes = pattern.bytes();
        while let Some(byte) = bytes.next() {
            parts.push(match byte {
                b'*' => Part::Any,
                b'?' => Part::One,
                b'\\' => Part::Byte(bytes.next().unwrap_or(b'\\')),
                byte => Part::Byte(byte),
            });
        }
        // Neighbours are one, so that matching is not slow.
        parts.dedup_by(|next, last| *next == Part::Any && *last == Part::Any);
        Self(parts)
    }

    /// A pattern that only this text matches.
    pub fn literal(text: &str) -> Self {
        Self(text.bytes().map(Part::Byte).collect())
    }

    /// The bytes with which every match begins, and whether anything may follow; `None` if it is more than that.
    pub fn as_prefix(&self) -> Option<(Vec<u8>, bool)> {
        let (parts, is_open) = match self.0.split_last() {
            Some((Part::Any, parts)) => (parts, true),
            _ => (&self.0[..], false),
        };
        let bytes = parts.iter().map(|part| match part {
            Part::Byte(byte) => Some(*byte),
            Part::One | Part::Any => None,
        });
        Some((bytes.collect::<Option<Vec<u8>>>()?, is_open))
    }

    /// Whether the whole text matches. Takes time by the product of both lengths at most.
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut at, mut part) = (0, 0);
        // Where to go on if what follows the last `*` turns out not to match.
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(part) {
                Some(Part::Any) => {
                    part += 1;
                    retry = Some((at, part));
                    continue;
                }
                Some(Part::One) => {}
                Some(Part::Byte(byte)) if *byte == text[at] => {}
                _ => {
                    let Some((from, after_any)) = retry else {
                        return false;
                    };
                    retry = Some((from + 1, after_any));
                    (at, part) = (from + 1, after_any);
                    continue;
                }
            }
            at += 1;
            part += 1;
        }
        self.0[part..].iter().all(|part| *part == Part::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn assert_matches(pattern: &str, texts: &[&str], others: &[&str]) {
        let glob = Glob::new(pattern);
        for text in texts {
            assert!(glob.matches(text.as_bytes()), "{pattern} {text}");
        }
        for text in others {
            assert!(!glob.matches(text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn wildcards_stand_for_characters() {
        assert_matches("/etc/*", &["/etc/", "/etc/a/b"], &["/etc", "x/etc/"]);
        assert_matches("*.so*", &["a.so", "b.so.6"], &["a.s"]);
        assert_matches("a?c", &["abc", "a*c"], &["ac", "abbc"]);
        assert_matches(r"a\*", &["a*"], &["ab", r"a\*"]);
        assert_matches("", &[""], &["a"]);
        assert_matches("**", &["", "abc"], &[]);
        assert_matches("a*b*c", &["abc", "aXbYbZc"], &["acb"]);
    }

    #[test]
    fn what_a_match_begins_with_is_known() {
        assert_eq!(
            Glob::new("nginx*").as_prefix(),
            Some((b"nginx".to_vec(), true))
        );
        assert_eq!(
            Glob::literal("a*").as_prefix(),
            Some((b"a*".to_vec(), false))
        );
        assert_eq!(Glob::new("a*b").as_prefix(), None);
        assert_eq!(Glob::new("a?").as_prefix(), None);
    }

    #[test]
    fn a_hostile_pattern_takes_no_long_time() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!Glob::new(&pattern).matches(&[b'a'; 4096]));
    }

    /// The definition, written down plainly.
    fn plainly(parts: &[Part], text: &[u8]) -> bool {
        match (parts.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some((Part::Any, rest)), None) => plainly(rest, text),
            (Some((Part::Any, rest)), Some((_, tail))) => {
                plainly(rest, text) || plainly(parts, tail)
            }
            (Some((Part::One, rest)), Some((_, tail))) => plainly(rest, tail),
            (Some((Part::Byte(byte), rest)), Some((first, tail))) => {
                byte == first && plainly(rest, tail)
            }
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let glob = Glob::new(&pattern);
            prop_assert_eq!(glob.matches(text.as_bytes()), plainly(&glob.0, text.as_bytes()));
        }

        #[test]
        fn a_literal_matches_itself(text in "\\PC{0,20}") {
            prop_assert!(Glob::literal(&text).matches(text.as_bytes()));
        }
    }
}
