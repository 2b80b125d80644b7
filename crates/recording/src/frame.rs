//! Blocks: a head with lengths and checksums, and a body that is mostly compressed.

use std::io::{ErrorKind, Read, Write};

use crate::limits::{MAX_BODY_BYTES, MAX_TEXT_BODY_BYTES};
use crate::{Damage, Error};

/// Version of the format.
pub(crate) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"\x89GZR\r\n\x1a\n";

const HEAD_BYTES: usize = 20;

/// The library's own default: a thread beside the run compresses, and keeps up with a dump.
const LEVEL: i32 = 3;

const STORED: u8 = 0;
const ZSTD: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Header = 1,
    Schema = 2,
    Packets = 3,
    End = 4,
}

impl Kind {
    fn from_number(number: u8) -> Option<Kind> {
        [Kind::Header, Kind::Schema, Kind::Packets, Kind::End]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }

    fn max_bytes(self) -> usize {
        match self {
            Kind::Packets => MAX_BODY_BYTES,
            _ => MAX_TEXT_BODY_BYTES,
        }
    }
}

/// A part of a recording that stands for itself, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub(crate) kind: Kind,
    pub(crate) body: Vec<u8>,
}

impl Block {
    /// Bytes before compression.
    pub fn size(&self) -> usize {
        self.body.len()
    }
}

pub(crate) fn write_start(out: &mut impl Write) -> std::io::Result<()> {
    let mut start = MAGIC.to_vec();
    start.extend(VERSION.to_le_bytes());
    out.write_all(&start)
}

/// Writes a block in one go.
pub(crate) fn write_block(out: &mut impl Write, block: &Block) -> std::io::Result<()> {
    let packed = zstd::bulk::compress(&block.body, LEVEL)?;
    let (packing, stored) = if packed.len() < block.body.len() {
        (ZSTD, packed.as_slice())
    } else {
        (STORED, block.body.as_slice())
    };
    let len = |bytes: &[u8]| {
        u32::try_from(bytes.len()).map_err(|_| std::io::Error::from(ErrorKind::FileTooLarge))
    };
    let mut frame = Vec::with_capacity(HEAD_BYTES + stored.len());
    frame.extend([block.kind as u8, packing, 0, 0]);
    frame.extend(len(stored)?.to_le_bytes());
    frame.extend(len(&block.body)?.to_le_bytes());
    frame.extend(crc32fast::hash(stored).to_le_bytes());
    frame.extend(crc32fast::hash(&frame).to_le_bytes());
    frame.extend_from_slice(stored);
    out.write_all(&frame)
}

/// Reads blocks and knows where it is.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    input: R,
    at: u64,
    stored: Vec<u8>,
    body: Vec<u8>,
}

impl<R: Read> Frames<R> {
    /// Reads the first bytes.
    pub(crate) fn open(input: R) -> Result<Self, Error> {
        let mut frames = Self {
            input,
            at: 0,
            stored: Vec::new(),
            body: Vec::new(),
        };
        let mut start = [0; MAGIC.len() + 4];
        let read = frames.fill(&mut start)?;
        let (magic, version) = start.split_at(MAGIC.len());
        let known = read.min(MAGIC.len());
        if read == 0 || magic.get(..known) != MAGIC.get(..known) {
            let converted = magic.starts_with(b"\x89GZR") || magic.starts_with(b"\xc2\x89GZR");
            return Err(if converted {
                Error::Converted
            } else {
                Error::NotARecording
            });
        }
        if read < start.len() {
            return Err(Error::Cut { at: frames.at });
        }
        match number(version) {
            VERSION => Ok(frames),
            newer => Err(Error::TooNew(newer)),
        }
    }

    /// How many bytes have been read.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The body of the block that was read last.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Reads the next block; `None` at the end of the input, and the kind is `None` if it is unknown.
    pub(crate) fn next(&mut self) -> Result<Option<Option<Kind>>, Error> {
        let begin = self.at;
        let damaged = |damage| Error::Damaged { at: begin, damage };
        let mut head = [0; HEAD_BYTES];
        match self.fill(&mut head)? {
            0 => return Ok(None),
            HEAD_BYTES => {}
            _ => return Err(Error::Cut { at: self.at }),
        }
        let (fields, checksum) = head.split_at(HEAD_BYTES - 4);
        if crc32fast::hash(fields) != number(checksum) {
            return Err(damaged(Damage::Head));
        }
        let [kind, packing, _, _, lengths @ .., a, b, c, d] = fields else {
            return Err(damaged(Damage::Head));
        };
        let (stored_bytes, body_bytes) = lengths.split_at(lengths.len() / 2);
        let (stored_bytes, body_bytes) = (number(stored_bytes), number(body_bytes));
        let kind = Kind::from_number(*kind);
        let limit = kind.map_or(MAX_BODY_BYTES, Kind::max_bytes) as u64;
        // What cannot be packed is stored as it is, so nothing grows.
        if u64::from(body_bytes) > limit || stored_bytes > body_bytes {
            self.skip(stored_bytes.into())?;
            return Err(damaged(Damage::TooLarge));
        }
        self.read_stored(stored_bytes.into())?;
        if crc32fast::hash(&self.stored) != number(&[*a, *b, *c, *d]) {
            return Err(damaged(Damage::Checksum));
        }
        if kind.is_some() {
            self.unpack(*packing, body_bytes as usize)
                .map_err(damaged)?;
        }
        Ok(Some(kind))
    }

    /// Memory grows with what is there, not with what a head says.
    fn read_stored(&mut self, len: u64) -> Result<(), Error> {
        self.stored.clear();
        let input = Read::by_ref(&mut self.input);
        let read = input.take(len).read_to_end(&mut self.stored);
        self.at += self.stored.len() as u64;
        read.map_err(Error::Read)?;
        if (self.stored.len() as u64) < len {
            return Err(Error::Cut { at: self.at });
        }
        Ok(())
    }

    fn skip(&mut self, len: u64) -> Result<(), Error> {
        let input = Read::by_ref(&mut self.input);
        let skipped = std::io::copy(&mut input.take(len), &mut std::io::sink());
        let skipped = skipped.map_err(Error::Read)?;
        self.at += skipped;
        if skipped < len {
            return Err(Error::Cut { at: self.at });
        }
        Ok(())
    }

    fn unpack(&mut self, packing: u8, len: usize) -> Result<(), Damage> {
        self.body.clear();
        let unpacked = match packing {
            STORED => {
                self.body.extend_from_slice(&self.stored);
                self.body.len()
            }
            ZSTD => {
                self.body.resize(len, 0);
                zstd::bulk::decompress_to_buffer(&self.stored, self.body.as_mut_slice())
                    .map_err(|_| Damage::Packing)?
            }
            _ => return Err(Damage::Packing),
        };
        if unpacked == len {
            Ok(())
        } else {
            Err(Damage::Packing)
        }
    }

    /// Reads as much as there is, up to the length of the buffer.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Read(error)),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }
}

/// Up to four bytes, the lowest first.
fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u32::from(byte))
}
