//! Recordings as files: what data sources have emitted, kept to be shown later and elsewhere.
//!
//! The crate turns packets into blocks of bytes and back, and knows neither where packets come from nor who shows them. What
//! is kept are values as the gadget made them; texts that a formatter makes of them are made again when a file is shown.
//! [`Packer`] makes [`Block`]s, [`Writer`] writes them, [`Recording`] reads them, and [`Header`] says what a file is a
//! recording of.
//!
//! # The format
//!
//! A file is written from its beginning to its end and read in the same way; nothing is ever changed. All numbers are little
//! endian. It begins with 12 bytes:
//!
//! | bytes | |
//! | --- | --- |
//! | 8 | `89 47 5a 52 0d 0a 1a 0a`: a byte that is no text, `GZR`, and line ends that show whether somebody has converted them |
//! | 4 | version of the format, now 1; a reader refuses higher ones |
//!
//! Blocks follow. Each stands for itself, so that a damaged one can be passed over:
//!
//! | bytes | |
//! | --- | --- |
//! | 1 | kind: 1 header, 2 schema, 3 packets, 4 end; a reader passes over kinds that it does not know |
//! | 1 | how the body is stored: 0 as it is, 1 compressed by Zstandard (RFC 8878) |
//! | 2 | zero |
//! | 4 | bytes of the body in the file |
//! | 4 | bytes of the body when it is unpacked, at most 32 MiB |
//! | 4 | CRC-32 (IEEE) of the body in the file |
//! | 4 | CRC-32 of the 16 bytes before |
//! | … | the body |
//!
//! The first block is the **header**, the second a **schema**. Both are JSON: [`Header`], and the list of data sources with
//! their fields, tags and annotations. Members that a reader does not know are passed over. Fields that appear while a
//! recording is made come with a new schema, which holds everything again and may only add fields at the end of lists. Fields
//! marked `derived` have no values: a formatter makes them.
//!
//! **Packets**: how many runs there are, and for each run the position of a data source in the schema and how many packets it
//! has emitted in a row; so the order among data sources is kept. Then, for each data source that occurs, in the order of the
//! schema: for data sources that emit lists, the length of each; and for each field with values, in the order of the schema, how many
//! bytes its column has, and the column. Numbers here are LEB128. A column of scalars holds the difference to the value
//! before (zero before the first), modulo 2⁶⁴ and with its sign in the lowest bit (zigzag), of the value extended to 64 bits.
//! A column of anything else holds 0 and a new text (its length and bytes), or 1 for the text before (empty before the
//! first), or 2 + *n* for the *n*-th new text of this column in this block. Lists of numbers are bytes in the order of
//! the recording host.
//!
//! **End**, as JSON: [`Totals`]. A file without it was cut: the writer was killed, or had no more room. Everything up to the last
//! complete block can be read.
//!
//! # Limits
//!
//! A file is untrusted. What a reader allocates is bounded by `limits.rs`, and the writer keeps within the same limits.

#![forbid(unsafe_code)]

mod bytes;
mod column;
mod error;
mod frame;
mod header;
mod limits;
mod packer;
mod reader;
mod schema;
mod unpack;
mod writer;

pub use error::{Damage, Error};
pub use frame::Block;
pub use header::{Header, Host, Totals};
pub use packer::Packer;
pub use reader::Recording;
pub use unpack::Packets;
pub use writer::Writer;
