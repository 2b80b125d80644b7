//! Blocks of a recording taken apart and put together again, so that a target gets behind checksums and compression.

/// Bytes before the first block.
const START: usize = 12;

/// Bytes of a block's head: kind, packing, two zeros, stored length, unpacked length, checksum of the body, checksum of the head.
const HEAD: usize = 20;

/// Where the heads of blocks are, and how long their bodies, as far as they are whole.
fn blocks(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = START;
    while let Some(head) = bytes.get(at..at + HEAD) {
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let len = len.min(bytes.len() - at - HEAD);
        found.push((at, len));
        at += HEAD + len;
    }
    found
}

/// Gives every block the checksums of what it is now.
pub fn mend(bytes: &mut [u8]) {
    for (at, len) in blocks(bytes) {
        let body = at + HEAD;
        let crc = crc32fast::hash(&bytes[body..body + len]);
        bytes[at + 12..at + 16].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[at..at + 16]);
        bytes[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
    }
}

/// The same recording without compression.
pub fn unpack(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes[..START].to_vec();
    for (at, len) in blocks(bytes) {
        let stored = &bytes[at + HEAD..at + HEAD + len];
        let body = match bytes[at + 1] {
            1 => zstd::bulk::decompress(stored, 1 << 20).expect("it was packed so"),
            _ => stored.to_vec(),
        };
        let len = u32::try_from(body.len()).expect("it is small").to_le_bytes();
        out.extend([bytes[at], 0, 0, 0]);
        out.extend(len);
        out.extend(len);
        out.extend([0; 8]);
        out.extend(body);
    }
    mend(&mut out);
    out
}
