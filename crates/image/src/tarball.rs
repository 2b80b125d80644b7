//! Tar files with nothing but regular files: written to the byte alike each time, read with distrust.
//!
//! A reader gets the places of the members, not their content, so an archive of any size costs a few bytes per entry,
//! and an embedded archive is used in place. Everything a layout cannot need (links, devices, long names, sparse
//! files) is refused by name.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::limits::{MAX_ARCHIVE_ENTRIES, MAX_PAX_BYTES};

const BLOCK: u64 = 512;

/// A regular file inside an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Relative path without `.`, `..` or a leading slash; empty parts are gone.
    pub(crate) name: String,
    /// Where its content starts.
    pub(crate) offset: u64,
    /// How long its content is; lies within the archive.
    pub(crate) size: u64,
}

/// Why an archive is refused; `Io` is the operating system's word.
#[derive(Debug)]
pub(crate) enum Refusal {
    Io(io::Error),
    Rule(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn rule<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Rule(reason.into()))
}

/// Lists the regular files of an archive.
pub(crate) fn members(reader: &mut (impl Read + Seek)) -> Result<Vec<Member>, Refusal> {
    let end = reader.seek(SeekFrom::End(0))?;
    let mut members = Vec::new();
    let mut at = 0_u64;
    for _ in 0..MAX_ARCHIVE_ENTRIES {
        if at + BLOCK > end {
            return rule("it is truncated: the end marker is missing");
        }
        reader.seek(SeekFrom::Start(at))?;
        let mut block = [0_u8; BLOCK as usize];
        reader.read_exact(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(members);
        }
        let header = Header::parse(&block)?;
        let offset = at + BLOCK;
        if header.size > end - offset {
            return rule(format!(
                "it is truncated: entry `{}` ends after the archive",
                header.shown()
            ));
        }
        match header.kind {
            b'0' | 0 => {
                let name = clean_name(&header)?;
                if name.is_empty() || header.name.ends_with('/') {
                    return rule(format!(
                        "entry `{}` is a file with the name of a directory",
                        header.shown()
                    ));
                }
                members.push(Member {
                    name,
                    offset,
                    size: header.size,
                });
            }
            b'5' if header.size == 0 => drop(clean_name(&header)?),
            b'x' | b'g' => check_pax(reader, &header)?,
            b'1' | b'2' => return rule(format!("entry `{}` is a link", header.shown())),
            b'L' | b'K' => return rule("it has an entry with a long name, which no layout needs"),
            other => {
                return rule(format!(
                    "entry `{}` is of the unsupported type 0x{other:02x}",
                    header.shown()
                ));
            }
        }
        // Cannot overflow: the size is at most `end - offset`, and `end` is the length of a file.
        at = offset + header.size.div_ceil(BLOCK) * BLOCK;
    }
    rule(format!("it has more than {MAX_ARCHIVE_ENTRIES} entries"))
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

impl Header {
    fn parse(block: &[u8; BLOCK as usize]) -> Result<Self, Refusal> {
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(i, b)| u64::from(if (148..156).contains(&i) { b' ' } else { *b }))
            .sum();
        if number(&block[148..156]) != Some(sum) {
            return rule("it is not a tar file, or an entry has a damaged header");
        }
        let Some(size) = number(&block[124..136]) else {
            return rule("an entry has no valid size");
        };
        let mut name = text(&block[..100])?;
        // POSIX archives only: GNU's older format keeps times where POSIX keeps the prefix.
        if &block[257..263] == b"ustar\0" && block[345] != 0 {
            name = format!("{}/{name}", text(&block[345..500])?);
        }
        Ok(Self {
            name,
            size,
            kind: block[156],
        })
    }

    /// The name, safe and short enough for a message.
    fn shown(&self) -> String {
        self.name.escape_debug().take(120).collect()
    }
}

fn text(field: &[u8]) -> Result<String, Refusal> {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    match std::str::from_utf8(&field[..end]) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => rule("an entry has a name that is not UTF-8"),
    }
}

/// An octal number, or GNU's binary form for large ones.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let first = u64::from(field[0] & 0x7f);
        return field[1..]
            .iter()
            .try_fold(first, |n, b| n.checked_mul(256)?.checked_add(u64::from(*b)));
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    u64::from_str_radix(if digits.is_empty() { "0" } else { digits }, 8).ok()
}

fn clean_name(header: &Header) -> Result<String, Refusal> {
    if header.name.starts_with('/') {
        return rule(format!("entry `{}` has an absolute path", header.shown()));
    }
    let parts: Vec<&str> = header
        .name
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return rule(format!("entry `{}` leaves the archive", header.shown()));
    }
    Ok(parts.join("/"))
}

/// A pax header may say when and by whom a file was written, but not what it is called or how long it is.
fn check_pax(reader: &mut (impl Read + Seek), header: &Header) -> Result<(), Refusal> {
    if header.size > MAX_PAX_BYTES {
        return rule(format!(
            "entry `{}` is a pax header of {} bytes",
            header.shown(),
            header.size
        ));
    }
    let mut records = Vec::new();
    reader
        .by_ref()
        .take(header.size)
        .read_to_end(&mut records)?;
    let forbidden = ["path", "linkpath", "size", "GNU.sparse"];
    for record in records.split(|b| *b == b'\n') {
        let record = String::from_utf8_lossy(record);
        let key = record.split_once(' ').map_or("", |(_, pair)| pair);
        if forbidden.iter().any(|name| {
            key.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['=', '.']))
        }) {
            return rule(format!(
                "entry `{}` is a pax header that renames or resizes a file",
                header.shown()
            ));
        }
    }
    Ok(())
}

/// Appends one file: mode as given, owner 0, time 0.
pub(crate) fn append(out: &mut dyn Write, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut block = [0_u8; BLOCK as usize];
    let mut put =
        |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    assert!(name.len() <= 100, "names in a layout have at most 76 bytes");
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", content.len()));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    put(329, "0000000");
    put(337, "0000000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.write_all(&block)?;
    out.write_all(content)?;
    let padding = content.len().next_multiple_of(BLOCK as usize) - content.len();
    out.write_all(&[0; BLOCK as usize][..padding])
}

/// Writes the end marker.
pub(crate) fn finish(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK as usize])
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Member>, String> {
        members(&mut Cursor::new(bytes)).map_err(|refusal| match refusal {
            Refusal::Io(error) => error.to_string(),
            Refusal::Rule(reason) => reason,
        })
    }

    /// An archive with one entry made by the `tar` crate, which lets us set what we never write.
    fn foreign(name: &[u8], kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, content).expect("memory");
        builder.into_inner().expect("memory")
    }

    #[test]
    fn another_implementation_reads_what_we_write() {
        let mut bytes = Vec::new();
        append(&mut bytes, "a/b", 0o444, b"hello").expect("memory");
        append(&mut bytes, "c", 0o600, &[7; 1024]).expect("memory");
        finish(&mut bytes).expect("memory");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().expect("valid") {
            let mut entry = entry.expect("valid");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("memory");
            let header = entry.header();
            assert_eq!(
                (header.mtime().expect("valid"), header.uid().expect("valid")),
                (0, 0)
            );
            seen.push((
                entry.path().expect("valid").display().to_string(),
                header.mode().expect("valid"),
                content,
            ));
        }
        assert_eq!(
            seen,
            [
                ("a/b".into(), 0o444, b"hello".to_vec()),
                ("c".into(), 0o600, vec![7; 1024])
            ]
        );
        let ours = read(&bytes).expect("valid");
        assert_eq!(
            ours[1],
            Member {
                name: "c".into(),
                offset: 1536,
                size: 1024
            }
        );
    }

    #[test]
    fn hostile_entries_are_refused_by_name() {
        use tar::EntryType as T;
        for (bytes, expected) in [
            (foreign(b"/etc/passwd", T::Regular, b""), "absolute"),
            (
                foreign(b"blobs/../../x", T::Regular, b""),
                "leaves the archive",
            ),
            (foreign(b"..", T::Directory, b""), "leaves the archive"),
            (foreign(b"x", T::Symlink, b""), "is a link"),
            (foreign(b"x", T::Link, b""), "is a link"),
            (foreign(b"x", T::Char, b""), "unsupported type"),
            (foreign(b"x", T::Fifo, b""), "unsupported type"),
            (foreign(b"x", T::GNUSparse, b""), "unsupported type"),
            (foreign(b"x", T::GNULongName, b"y"), "long name"),
            (foreign(b"x/", T::Regular, b""), "name of a directory"),
            (foreign(b"\xff", T::Regular, b""), "UTF-8"),
            (foreign(b"x", T::XHeader, b"11 path=/x\n"), "renames"),
            (foreign(b"x", T::XGlobalHeader, b"9 size=9\n"), "renames"),
            (foreign(b"x", T::XHeader, &[b' '; 70_000]), "pax header of"),
            (vec![1; 1024], "damaged header"),
            (Vec::new(), "truncated"),
        ] {
            let reason = read(&bytes).expect_err(expected);
            assert!(reason.contains(expected), "{reason} lacks {expected}");
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        let bytes = foreign(b"./a", tar::EntryType::Regular, &[1; 700]);
        assert_eq!(read(&bytes).expect("valid")[0].name, "a");
        // The first block of the end marker is enough; before it, nothing is.
        for len in 0..512 + 1024 + 512 {
            assert!(read(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn a_size_beyond_the_archive_is_refused() {
        let mut bytes = foreign(b"a", tar::EntryType::Regular, b"x");
        let mut header = tar::Header::from_byte_slice(&bytes[..512]).clone();
        for size in [1 << 20, u64::MAX / 2, u64::MAX] {
            header.set_size(size);
            header.set_cksum();
            bytes[..512].copy_from_slice(header.as_bytes());
            let reason = read(&bytes).expect_err("too large");
            assert!(
                reason.contains("ends after") || reason.contains("size"),
                "{reason}"
            );
        }
    }

    proptest! {
        #[test]
        fn damaged_headers_never_panic(at in 0_usize..512, byte in any::<u8>(), fix in any::<bool>()) {
            let mut bytes = foreign(b"blobs/sha256/x", tar::EntryType::Regular, b"content");
            bytes[at] = byte;
            if fix {
                let sum: u64 = (0..512).map(|i| u64::from(if (148..156).contains(&i) { b' ' } else { bytes[i] })).sum();
                bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
            if let Ok(members) = read(&bytes) {
                for member in members {
                    prop_assert!(member.offset + member.size <= bytes.len() as u64);
                }
            }
        }
    }
}
