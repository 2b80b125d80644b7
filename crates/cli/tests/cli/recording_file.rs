//! A recording that a test writes with the library.

use std::fs::File;
use std::path::PathBuf;

use gizmo_model::{DataSource, Packet};
use gizmo_recording::{Block, Header, Packer, Writer};

/// A recording that is being written.
pub struct RecordingFile {
    path: PathBuf,
    writer: Writer<File>,
    /// Names of the data sources, in their order in the file.
    names: Vec<String>,
    packer: Packer,
    blocks: Vec<Block>,
}

impl RecordingFile {
    #[track_caller]
    pub fn begin(path: PathBuf, header: &Header, sources: &[&DataSource]) -> Self {
        let file = File::create(&path).expect("creatable");
        Self {
            path,
            writer: Writer::begin(file, header).expect("writable"),
            names: sources.iter().map(|one| one.name().to_owned()).collect(),
            packer: Packer::new(sources.iter().copied()).expect("few fields"),
            blocks: Vec::new(),
        }
    }

    #[track_caller]
    pub fn push(&mut self, source: &DataSource, packet: &Packet) {
        let place = self.names.iter().position(|name| name == source.name());
        let place = place.expect("a data source of the file");
        let pushed = self.packer.push(place, source, packet, &mut self.blocks);
        pushed.expect("few fields");
    }

    pub fn end_block(&mut self) {
        self.packer.flush(&mut self.blocks);
    }

    /// Writes everything, and returns where.
    #[track_caller]
    pub fn end(mut self, ended_unix_ns: u64) -> PathBuf {
        self.packer.flush(&mut self.blocks);
        self.blocks.extend(self.packer.end(ended_unix_ns));
        for block in &self.blocks {
            self.writer.write(block).expect("writable");
        }
        self.path
    }
}
