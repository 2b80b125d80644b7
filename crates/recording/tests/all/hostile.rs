//! Files that somebody has made to do harm, with right checksums.

use gizmo_recording::{Damage, Error};
use proptest::prelude::*;

use crate::support::{file, read};

/// A block as the format describes it, written here a second time so that the reader is tested against the description.
pub fn block(kind: u8, packing: u8, body_bytes: u32, stored: &[u8]) -> Vec<u8> {
    let mut head = vec![kind, packing, 0, 0];
    head.extend((stored.len() as u32).to_le_bytes());
    head.extend(body_bytes.to_le_bytes());
    head.extend(crc32fast::hash(stored).to_le_bytes());
    head.extend(crc32fast::hash(&head).to_le_bytes());
    head.extend_from_slice(stored);
    head
}

fn plain(kind: u8, body: &[u8]) -> Vec<u8> {
    block(kind, 0, body.len() as u32, body)
}

const SCHEMA: u8 = 2;
const PACKETS: u8 = 3;

/// A file with this schema and these blocks.
fn with_schema(schema: &str, blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = file(&[]);
    bytes.extend(plain(SCHEMA, schema.as_bytes()));
    bytes.extend(blocks.concat());
    bytes
}

const TEXT: &str = r#"{"sources":[{"name":"ds","fields":[{"name":"t","kind":12}]}]}"#;

#[track_caller]
fn is_refused(bytes: &[u8], words: &str) {
    let (found, errors) = read(bytes);
    assert!(found.is_empty(), "{found:?}");
    let text = format!("{} / {:?}", errors[0], errors);
    assert!(text.contains(words), "{text}");
}

#[test]
fn the_description_of_blocks_is_true() {
    // One run of the data source 0 with one packet; a column of 3 bytes: a new text of 1 byte.
    let packets = plain(PACKETS, &[1, 0, 1, 3, 0, 1, b'x']);
    let (found, errors) = read(&with_schema(TEXT, &[packets, plain(4, b"{}")]));
    assert_eq!(format!("{found:?}"), r#"[("ds", [[Bytes([120])]])]"#);
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn blocks_of_later_versions_are_passed_over() {
    let packets = plain(PACKETS, &[1, 0, 1, 3, 0, 1, b'x']);
    let unknown = block(77, 9, 5, b"what?");
    let (found, errors) = read(&with_schema(
        TEXT,
        &[unknown, packets, plain(4, b"{\"new\":1}")],
    ));
    assert_eq!((found.len(), errors.len()), (1, 0), "{errors:?}");
}

#[test]
fn schemas_that_cannot_be_are_refused() {
    for (fields, words) in [
        (
            r#"[{"name":"a","kind":12},{"name":"a","kind":12}]"#,
            "already has a field",
        ),
        (r#"[{"name":"a","kind":99}]"#, "unknown kind"),
        (
            r#"[{"name":"a","kind":12,"parent":0}]"#,
            "below a later one",
        ),
        (
            r#"[{"name":"a","kind":12,"parent":18446744073709551615}]"#,
            "below a later one",
        ),
        (
            r#"[{"name":"a","kind":12,"is_derived":true},{"name":"b","kind":12,"parent":0}]"#,
            "has no place",
        ),
        (r#"[{"name":"a","kind":-1}]"#, "not readable"),
        (r#"{}"#, "not readable"),
    ] {
        let schema = format!(r#"{{"sources":[{{"name":"ds","fields":{fields}}}]}}"#);
        is_refused(&with_schema(&schema, &[]), words);
    }
    let deep: Vec<String> = (0..40)
        .map(|n: usize| match n.checked_sub(1) {
            None => r#"{"name":"x","is_empty":true}"#.to_owned(),
            Some(parent) => format!(r#"{{"name":"x","is_empty":true,"parent":{parent}}}"#),
        })
        .collect();
    let deep = format!(
        r#"{{"sources":[{{"name":"ds","fields":[{}]}}]}}"#,
        deep.join(",")
    );
    is_refused(&with_schema(&deep, &[]), "too deep");
    let nested = "[".repeat(100_000);
    is_refused(&with_schema(&nested, &[]), "not readable");
    let twice = r#"{"sources":[{"name":"ds"},{"name":"ds"}]}"#;
    is_refused(&with_schema(twice, &[]), "two of this name");
}

#[test]
fn a_later_schema_may_only_add() {
    for later in [
        r#"{"sources":[]}"#,
        r#"{"sources":[{"name":"ds"}]}"#,
        r#"{"sources":[{"name":"ds","fields":[{"name":"t","kind":5}]}]}"#,
        r#"{"sources":[{"name":"ds","is_array":true,"fields":[{"name":"t","kind":12}]}]}"#,
    ] {
        is_refused(
            &with_schema(TEXT, &[plain(SCHEMA, later.as_bytes())]),
            "contradicts",
        );
    }
}

#[test]
fn packets_that_cannot_be_are_refused() {
    for (body, words) in [
        (&[][..], "list of packets"),
        (&[1, 1, 1, 3, 0, 1, b'x'], "of no data source"),
        (&[1, 0, 0], "run has no packets"),
        (&[1, 0, 0xff, 0xff, 0xff, 0x7f], "too many packets"),
        (&[1, 0, 1], "within its columns"),
        (&[1, 0, 1, 9, 0, 1, b'x'], "within its columns"),
        (&[1, 0, 1, 3, 0, 1, b'x', 0], "longer than its columns"),
        (&[1, 0, 1, 3, 0, 9, b'x'], "a column makes no sense"),
        (&[1, 0, 1, 1, 2], "a column makes no sense"),
        (&[1, 0, 1, 0], "a column makes no sense"),
    ] {
        is_refused(&with_schema(TEXT, &[plain(PACKETS, body)]), words);
    }
    let (found, errors) = read(&with_schema(
        TEXT,
        &[plain(PACKETS, &[1, 0, 1, 4, 0, 1, b'x', 1])],
    ));
    assert_eq!(found.len(), 1);
    assert!(
        errors[0].to_string().contains("longer than its packets"),
        "{errors:?}"
    );
}

/// A few bytes that would mean gigabytes.
#[test]
fn a_text_that_comes_again_and_again_has_an_end() {
    let long = vec![b'x'; 1 << 20];
    let mut column = vec![0, 0x80, 0x80, 0x40];
    column.extend(&long);
    column.resize(column.len() + 65_000, 1);
    let mut body = vec![1, 0, 0xe9, 0xfb, 3];
    let len = column.len() as u32;
    body.extend([
        len as u8 | 0x80,
        (len >> 7) as u8 | 0x80,
        (len >> 14) as u8 | 0x80,
        (len >> 21) as u8,
    ]);
    body.extend(column);
    let (found, errors) = read(&with_schema(TEXT, &[plain(PACKETS, &body)]));
    assert!((20..30).contains(&found.len()), "{}", found.len());
    assert!(
        errors[0].to_string().contains("larger than allowed"),
        "{errors:?}"
    );
}

#[test]
fn a_list_of_nothing_has_an_end() {
    let schema = r#"{"sources":[{"name":"ds","is_array":true}]}"#;
    let mut body = vec![1, 0, 1];
    body.extend([0xff; 9]);
    body.push(1);
    is_refused(
        &with_schema(schema, &[plain(PACKETS, &body)]),
        "larger than allowed",
    );
}

#[test]
fn blocks_that_would_unpack_to_more_than_they_say_are_refused() {
    let zeros = zstd::bulk::compress(&vec![0; 1 << 20], 3).unwrap();
    for len in [
        0,
        1,
        zeros.len() as u32,
        (1 << 20) - 1,
        (1 << 20) + 1,
        32 << 20,
    ] {
        let (_, errors) = read(&with_schema(TEXT, &[block(PACKETS, 1, len, &zeros)]));
        let refused = matches!(
            &errors[0],
            Error::Damaged {
                damage: Damage::Packing | Damage::TooLarge,
                ..
            }
        );
        assert!(refused, "{len}: {errors:?}");
    }
    let (_, errors) = read(&with_schema(TEXT, &[block(PACKETS, 1, u32::MAX, &zeros)]));
    assert!(
        matches!(
            &errors[0],
            Error::Damaged {
                damage: Damage::TooLarge,
                ..
            }
        ),
        "{errors:?}"
    );
}

proptest! {
    /// Any bytes as the body of a block, also where they are nearly right.
    #[test]
    fn no_body_makes_the_reader_panic(kind in 0..6u8, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&with_schema(TEXT, &[plain(kind, &body)]));
    }

    #[test]
    fn no_list_of_packets_makes_the_reader_panic(body in proptest::collection::vec(0..6u8, 0..60)) {
        read(&with_schema(TEXT, &[plain(PACKETS, &body)]));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
    }
}
