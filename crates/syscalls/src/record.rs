//! The binary form in which the host API hands a declaration to a guest (`getSyscallDeclaration`).
//!
//! This file owns the layout: name (32 bytes), number of parameters (1), padding (3), then six entries of a name (32)
//! and flags (4, little endian). Everything unused is zero.

use crate::Parameter;

/// Bytes of the record.
pub const RECORD_BYTES: usize = 252;

const NAME_BYTES: usize = 32;
const COUNT_OFFSET: usize = 32;
const ENTRIES_OFFSET: usize = 36;
const ENTRY_BYTES: usize = 36;
const MAX_ENTRIES: usize = 6;
const FLAG_POINTER: u32 = 1;

const _: () = assert!(ENTRIES_OFFSET + MAX_ENTRIES * ENTRY_BYTES == RECORD_BYTES);

/// The record for a call. Names longer than 32 bytes are cut, without a terminator, and parameters after the sixth
/// are left out. `name` is the one the guest asked for.
pub fn declaration_record(name: &str, parameters: &[Parameter]) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    put_name(&mut record[..NAME_BYTES], name);
    let parameters = &parameters[..parameters.len().min(MAX_ENTRIES)];
    record[COUNT_OFFSET] = parameters.len() as u8;
    let entries = record[ENTRIES_OFFSET..].chunks_exact_mut(ENTRY_BYTES);
    for (entry, parameter) in entries.zip(parameters) {
        let (name, flags) = entry.split_at_mut(NAME_BYTES);
        put_name(name, &parameter.name);
        let value = if parameter.is_pointer() {
            FLAG_POINTER
        } else {
            0
        };
        flags.copy_from_slice(&value.to_le_bytes());
    }
    record
}

fn put_name(target: &mut [u8], name: &str) {
    let length = name.len().min(target.len());
    target[..length].copy_from_slice(&name.as_bytes()[..length]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Abi, fallback};

    #[test]
    fn openat_is_laid_out_as_specified() {
        let openat = fallback::declaration(Abi::X86_64, "openat").unwrap();
        let record = declaration_record("openat", &openat.parameters);
        let mut expected = [0u8; 252];
        expected[..6].copy_from_slice(b"openat");
        expected[32] = 4;
        expected[36..39].copy_from_slice(b"dfd");
        expected[72..80].copy_from_slice(b"filename");
        expected[104] = 1;
        expected[108..113].copy_from_slice(b"flags");
        expected[144..148].copy_from_slice(b"mode");
        assert_eq!(record, expected);
    }

    #[test]
    fn long_names_are_cut_without_a_terminator_and_a_seventh_parameter_is_left_out() {
        let parameter = Parameter {
            name: "p".repeat(40).into(),
            ctype: "void *".into(),
        };
        let record = declaration_record(&"ö".repeat(40), &vec![parameter; 7]);
        assert_eq!(record[..32], *"ö".repeat(16).as_bytes());
        assert_eq!(record[32..36], [6, 0, 0, 0]);
        for entry in record[36..].chunks(36) {
            assert_eq!(entry[..32], [b'p'; 32]);
            assert_eq!(entry[32..], [1, 0, 0, 0]);
        }
    }

    #[test]
    fn no_parameters_leave_the_rest_zero() {
        let record = declaration_record("fork", &[]);
        assert_eq!(record[..4], *b"fork");
        assert!(record[4..].iter().all(|byte| *byte == 0));
    }
}
