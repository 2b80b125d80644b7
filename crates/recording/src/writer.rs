//! Blocks become a file.

use std::io::Write;

use crate::frame::{self, Kind};
use crate::packer::json_block;
use crate::{Block, Error, Header};

/// A file that grows by blocks.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Writes the beginning.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(mut out: W, header: &Header) -> Result<Self, Error> {
        let header = json_block(Kind::Header, header);
        frame::write_start(&mut out)
            .and_then(|()| frame::write_block(&mut out, &header))
            .and_then(|()| out.flush())
            .map_err(Error::Write)?;
        Ok(Self { out })
    }

    /// Appends a block, in one piece.
    ///
    /// # Errors
    /// It cannot be written, or only a part of it; nothing should be written after it then.
    pub fn write(&mut self, block: &Block) -> Result<(), Error> {
        frame::write_block(&mut self.out, block)
            .and_then(|()| self.out.flush())
            .map_err(Error::Write)
    }
}
