//! Packets become blocks.

use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field, Packet};

use crate::bytes::put_len;
use crate::column::{self, Encoder, Storage};
use crate::frame::Kind;
use crate::limits::{
    ELEMENT_COST, FIELD_COST, FULL_BYTES, FULL_COST, FULL_PACKETS, MAX_PACKET_COST,
    MAX_TEXT_BODY_BYTES,
};
use crate::schema::{Schema, SourceSchema};
use crate::{Block, Error, Totals};

/// Collects packets of some data sources and makes blocks of them.
#[derive(Debug)]
pub struct Packer {
    schema: Schema,
    /// The schema has changed since it was last made a block.
    schema_due: bool,
    sources: Vec<Columns>,
    /// Data sources and how many packets each has emitted in a row.
    runs: Vec<(usize, usize)>,
    packets: usize,
    bytes: usize,
    cost: usize,
    totals: Totals,
}

/// What waits of one data source.
#[derive(Debug, Default)]
struct Columns {
    /// Fields of the data source when this was made.
    field_count: usize,
    fields: Vec<(Arc<Field>, Encoder)>,
    /// Lengths of lists.
    lengths: Vec<u8>,
    packets: usize,
}

impl Columns {
    fn of(source: &DataSource) -> Self {
        let fields = source.fields();
        let column = |field: &Arc<Field>| {
            let nothing = field.is_empty() || field.meta().derived;
            let storage = Storage::of(field.kind(), field.is_array(), nothing)?;
            Some((Arc::clone(field), Encoder::new(storage)))
        };
        Self {
            field_count: fields.len(),
            fields: fields.iter().filter_map(column).collect(),
            ..Self::default()
        }
    }

    /// What the elements take in memory when they are read.
    fn cost(&self, elements: &[Element]) -> usize {
        let texts = |element: &Element| -> usize {
            let text = |(field, column): &(Arc<Field>, Encoder)| match column {
                Encoder::Text(_) => column::text_of(field, element).len(),
                Encoder::Scalar { .. } => 0,
            };
            self.fields.iter().map(text).sum()
        };
        elements
            .iter()
            .map(|element| element_cost(self.fields.len()) + texts(element))
            .sum()
    }

    /// Appends a packet and returns by how many bytes the columns grew.
    fn push(&mut self, packet: &Packet) -> usize {
        let elements = packet.elements();
        let before = self.lengths.len();
        if let Packet::Array(_) = packet {
            put_len(&mut self.lengths, elements.len());
        }
        self.packets += 1;
        let mut bytes = self.lengths.len() - before;
        for (field, column) in &mut self.fields {
            let grown = elements.iter().map(|element| column.push(field, element));
            bytes += grown.sum::<usize>();
        }
        bytes
    }

    /// Moves everything to the body of a block.
    fn drain(&mut self, body: &mut Vec<u8>) {
        body.append(&mut self.lengths);
        for (_, column) in &mut self.fields {
            put_len(body, column.bytes().len());
            body.extend_from_slice(column.bytes());
            column.clear();
        }
        self.packets = 0;
    }
}

/// What an element of so many values takes beside its texts.
pub(crate) fn element_cost(fields: usize) -> usize {
    ELEMENT_COST + FIELD_COST * fields
}

impl Packer {
    /// For these data sources, whose positions are what [`Packer::push`] is told.
    ///
    /// # Errors
    /// A data source is beyond what a file can hold.
    pub fn new<'s>(sources: impl IntoIterator<Item = &'s DataSource>) -> Result<Self, Error> {
        let mut packer = Self {
            schema: Schema::default(),
            schema_due: true,
            sources: Vec::new(),
            runs: Vec::new(),
            packets: 0,
            bytes: 0,
            cost: 0,
            totals: Totals::default(),
        };
        for source in sources {
            packer.schema.sources.push(SourceSchema::of(source));
            packer.sources.push(Columns::of(source));
            packer.totals.packets.insert(source.name().to_owned(), 0);
        }
        packer.check()?;
        Ok(packer)
    }

    /// Takes a packet of the data source at a position. Blocks that are complete now are appended to `ready`.
    ///
    /// # Errors
    /// The data source has got fields beyond what a file can hold; nothing more can be taken then.
    pub fn push(
        &mut self,
        position: usize,
        source: &DataSource,
        packet: &Packet,
        ready: &mut Vec<Block>,
    ) -> Result<(), Error> {
        let field_count = source.field_count();
        let columns = self.sources.get(position);
        if columns.is_some_and(|columns| columns.field_count != field_count) {
            self.change(position, source, ready)?;
        }
        let Some(columns) = self.sources.get_mut(position) else {
            return Ok(());
        };
        let cost = columns.cost(packet.elements());
        if cost > MAX_PACKET_COST {
            self.totals.left_out += 1;
            return Ok(());
        }
        self.bytes += columns.push(packet);
        self.cost += cost + ELEMENT_COST;
        self.packets += 1;
        match self.runs.last_mut() {
            Some((last, count)) if *last == position => *count += 1,
            _ => self.runs.push((position, 1)),
        }
        if self.bytes >= FULL_BYTES || self.cost >= FULL_COST || self.packets >= FULL_PACKETS {
            self.flush(ready);
        }
        Ok(())
    }

    /// Whether packets wait for their block to be complete.
    pub fn is_empty(&self) -> bool {
        self.packets == 0
    }

    /// How many packets were too large to be taken.
    pub fn left_out(&self) -> u64 {
        self.totals.left_out
    }

    /// Makes a block of what waits; and one of the schema if it is new.
    pub fn flush(&mut self, ready: &mut Vec<Block>) {
        if std::mem::take(&mut self.schema_due) {
            ready.push(json_block(Kind::Schema, &self.schema));
        }
        if self.packets == 0 {
            return;
        }
        let mut body = Vec::with_capacity(self.bytes + self.bytes / 8);
        put_len(&mut body, self.runs.len());
        for (position, count) in self.runs.drain(..) {
            put_len(&mut body, position);
            put_len(&mut body, count);
        }
        let all = self.schema.sources.iter().zip(&mut self.sources);
        for (schema, columns) in all.filter(|(_, columns)| columns.packets > 0) {
            if let Some(total) = self.totals.packets.get_mut(&schema.name) {
                *total += columns.packets as u64;
            }
            columns.drain(&mut body);
        }
        (self.packets, self.bytes, self.cost) = (0, 0, 0);
        ready.push(Block {
            kind: Kind::Packets,
            body,
        });
    }

    /// The last blocks: what waits, and how much there was.
    pub fn end(mut self, ended_unix_ns: u64) -> Vec<Block> {
        let mut ready = Vec::new();
        self.flush(&mut ready);
        self.totals.ended_unix_ns = ended_unix_ns;
        ready.push(json_block(Kind::End, &self.totals));
        ready
    }

    /// A data source has got fields: what waits does not have them.
    fn change(
        &mut self,
        position: usize,
        source: &DataSource,
        ready: &mut Vec<Block>,
    ) -> Result<(), Error> {
        self.flush(ready);
        if let Some(columns) = self.sources.get_mut(position) {
            *columns = Columns::of(source);
        }
        if let Some(schema) = self.schema.sources.get_mut(position) {
            *schema = SourceSchema::of(source);
        }
        self.schema_due = true;
        self.check()
    }

    fn check(&self) -> Result<(), Error> {
        let unfit = |(source_name, reason)| Error::Unfit {
            source_name,
            reason,
        };
        self.schema.check().map_err(unfit)?;
        if json_block(Kind::Schema, &self.schema).size() > MAX_TEXT_BODY_BYTES {
            let name = self
                .schema
                .sources
                .first()
                .map(|source| source.name.clone());
            let reason = "too much is said about the fields".to_owned();
            return Err(unfit((name.unwrap_or_default(), reason)));
        }
        Ok(())
    }
}

/// A block whose body is JSON.
pub(crate) fn json_block(kind: Kind, value: &impl serde::Serialize) -> Block {
    // Texts and numbers: nothing here can fail to be JSON.
    let body = serde_json::to_vec(value).unwrap_or_default();
    Block { kind, body }
}
