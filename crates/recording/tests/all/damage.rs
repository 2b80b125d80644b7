//! Files that were cut or changed: what is read was written, and what is missing is said.

use gizmo_recording::{Damage, Error, Recording};

use crate::support::{Seen, read, small};

/// Whether the first are the beginning of the others.
fn is_start(found: &[Seen], expected: &[Seen]) -> bool {
    expected.starts_with(found)
}

/// Whether all are among the others, in the same order.
fn is_part(found: &[Seen], expected: &[Seen]) -> bool {
    let mut rest = expected.iter();
    found.iter().all(|seen| rest.any(|other| other == seen))
}

#[test]
fn every_cut_file_opens_up_to_the_cut() {
    let (bytes, expected) = small();
    let mut most = 0;
    for end in 0..bytes.len() {
        let (found, errors) = read(&bytes[..end]);
        assert!(is_start(&found, &expected), "cut at {end}");
        // The more is there, the more is read.
        assert!(found.len() >= most, "cut at {end}");
        most = found.len();
        match errors.as_slice() {
            [Error::NotARecording] => assert_eq!(end, 0),
            [Error::Cut { at }] => assert_eq!(*at, end as u64),
            other => panic!("cut at {end}: {other:?}"),
        }
    }
    assert_eq!(most, expected.len());
}

#[test]
fn no_changed_bit_makes_another_packet() {
    let (bytes, expected) = small();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            let (found, errors) = read(&changed);
            assert!(is_part(&found, &expected), "bit {bit} of byte {position}");
            assert!(
                !errors.is_empty(),
                "bit {bit} of byte {position} is not noticed"
            );
        }
    }
}

#[test]
fn no_byte_set_to_anything_makes_another_packet() {
    let (bytes, expected) = small();
    for position in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            if std::mem::replace(&mut changed[position], value) == value {
                continue;
            }
            let (found, errors) = read(&changed);
            assert!(
                is_part(&found, &expected) && !errors.is_empty(),
                "{value} as byte {position}"
            );
        }
    }
}

/// What stands after a damaged block is shown all the same.
#[test]
fn one_damaged_block_is_passed_over() {
    let (bytes, expected) = small();
    let (mut whole, mut found) = (bytes.clone(), Vec::new());
    let mut errors = Vec::new();
    // The last packets are in a block of their own, before the end of the file.
    for position in (0..bytes.len()).rev() {
        whole.clone_from(&bytes);
        whole[position] ^= 0xff;
        (found, errors) = read(&whole);
        if found.len() < expected.len() && errors.len() == 1 {
            break;
        }
    }
    let damaged = matches!(errors[..], [Error::Damaged { damage: Damage::Checksum, at }] if at > 0);
    assert!(damaged, "{errors:?}");
    assert_eq!(found, expected[..6]);
}

#[test]
fn other_files_are_told_apart() {
    let kind = |bytes: &[u8]| Recording::open(bytes).unwrap_err();
    for other in [
        &b""[..],
        b"\n",
        b"{\"a\": 1}",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0",
        &[0; 64],
    ] {
        assert!(matches!(kind(other), Error::NotARecording), "{other:?}");
    }
    let (bytes, _) = small();
    let mut newer = bytes.clone();
    newer[8] = 2;
    assert!(matches!(kind(&newer), Error::TooNew(2)));
    let text = bytes.iter().flat_map(|&byte| match byte {
        b'\r' => vec![],
        byte => vec![byte],
    });
    assert!(matches!(kind(&text.collect::<Vec<_>>()), Error::Converted));
}
