//! Compiled code with a header that tells damage: length and checksum.
//!
//! The checksum finds truncated and corrupted files, nothing more: whoever can write the file can make one. Who may
//! write it is checked by `cache.rs`.

/// First bytes; the last one is the version of this format.
const MAGIC: [u8; 8] = *b"gizmowa\x01";

/// Magic, length, checksum.
const HEADER_BYTES: usize = 24;

/// Puts the header before compiled code.
pub(crate) fn seal(code: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(HEADER_BYTES + code.len());
    sealed.extend_from_slice(&MAGIC);
    sealed.extend_from_slice(&(code.len() as u64).to_le_bytes());
    sealed.extend_from_slice(&checksum(code).to_le_bytes());
    sealed.extend_from_slice(code);
    sealed
}

/// The compiled code, if the bytes are as they were sealed.
pub(crate) fn open(sealed: &[u8]) -> Option<&[u8]> {
    let (header, code) = sealed.split_at_checked(HEADER_BYTES)?;
    let word = |at: usize| Some(u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?));
    let intact =
        header.starts_with(&MAGIC) && word(8)? == code.len() as u64 && word(16)? == checksum(code);
    intact.then_some(code)
}

/// FNV-1a over words instead of bytes, with a rotation so that high bits reach low ones; some GB per second.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    for word in words {
        sum = (sum ^ u64::from_le_bytes(*word))
            .wrapping_mul(PRIME)
            .rotate_left(29);
    }
    for &byte in rest {
        sum = (sum ^ u64::from(byte)).wrapping_mul(PRIME).rotate_left(29);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_code_comes_back_and_damage_is_found() {
        let code: Vec<u8> = (0..1000u32).map(|n| n as u8).collect();
        let sealed = seal(&code);
        assert_eq!(open(&sealed), Some(code.as_slice()));
        assert_eq!(open(&sealed[..sealed.len() - 1]), None);
        assert_eq!(open(b"short"), None);
        for at in [0, 8, 16, HEADER_BYTES, sealed.len() - 1] {
            let mut damaged = sealed.clone();
            damaged[at] ^= 0x10;
            assert_eq!(open(&damaged), None, "byte {at}");
        }
    }
}
