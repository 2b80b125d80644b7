//! A block becomes packets again.

use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field, Packet, Shape};

use crate::bytes::Cursor;
use crate::column::{Decoder, Storage};
use crate::limits::{ELEMENT_COST, MAX_BLOCK_COST, MAX_BLOCK_PACKETS};
use crate::packer::element_cost;
use crate::{Damage, Error};

/// A data source of a file, made anew, and which of its fields have values.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) source: Arc<DataSource>,
    /// Fields by their positions in the file; derived ones have none.
    pub(crate) fields: Vec<Option<Arc<Field>>>,
    pub(crate) stored: Vec<(Arc<Field>, Storage)>,
}

/// The packets of one block, in the order in which they were emitted.
#[derive(Debug)]
pub struct Packets<'b> {
    /// Where the block begins in the file.
    at: u64,
    sources: &'b [Restored],
    runs: std::vec::IntoIter<(usize, usize)>,
    /// The run that is being read: the data source, and what is left of it.
    run: (usize, usize),
    columns: Vec<Option<Columns<'b>>>,
    cost: usize,
}

#[derive(Debug)]
struct Columns<'b> {
    lengths: std::vec::IntoIter<usize>,
    fields: Vec<Decoder<'b>>,
}

/// What makes no sense.
type Reason = &'static str;

impl<'b> Packets<'b> {
    pub(crate) fn new(at: u64, body: &'b [u8], sources: &'b [Restored]) -> Result<Self, Error> {
        let damaged = |reason: Reason| content(at, reason);
        let mut cursor = Cursor::new(body);
        let runs = read_runs(&mut cursor, sources.len()).map_err(damaged)?;
        let mut columns = Vec::with_capacity(sources.len());
        for (position, restored) in sources.iter().enumerate() {
            let own = runs.iter().filter(|(source, _)| *source == position);
            let packets: usize = own.map(|(_, count)| count).sum();
            let read = (packets > 0).then(|| Columns::read(&mut cursor, restored, packets));
            columns.push(read.transpose().map_err(damaged)?);
        }
        if !cursor.is_empty() {
            return Err(damaged("a block is longer than its columns"));
        }
        Ok(Self {
            at,
            sources,
            runs: runs.into_iter(),
            run: (0, 0),
            columns,
            cost: 0,
        })
    }

    fn read(&mut self) -> Result<Option<(&'b Arc<DataSource>, Packet)>, Reason> {
        while self.run.1 == 0 {
            let Some(run) = self.runs.next() else {
                return self.check_end().map(|()| None);
            };
            self.run = run;
        }
        self.run.1 -= 1;
        let position = self.run.0;
        let (Some(restored), Some(Some(columns))) =
            (self.sources.get(position), self.columns.get_mut(position))
        else {
            return Err("a packet is of no data source");
        };
        self.cost += ELEMENT_COST;
        let packet = match restored.source.shape() {
            Shape::Single => Packet::Single(columns.element(restored, &mut self.cost)?),
            Shape::Array => {
                let len = columns.lengths.next().ok_or("a list has no length")?;
                // No capacity ahead of what is there: the length is only what the file says.
                let mut elements = Vec::new();
                for _ in 0..len {
                    elements.push(columns.element(restored, &mut self.cost)?);
                }
                Packet::Array(elements)
            }
        };
        Ok(Some((&restored.source, packet)))
    }

    fn check_end(&self) -> Result<(), Reason> {
        let mut all = self.columns.iter().flatten().flat_map(|own| &own.fields);
        if all.all(Decoder::is_empty) {
            Ok(())
        } else {
            Err("a column is longer than its packets")
        }
    }
}

impl<'b> Iterator for Packets<'b> {
    type Item = Result<(&'b Arc<DataSource>, Packet), Error>;

    /// The next packet; an error is the last item.
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let read = self.read();
        if read.is_err() {
            self.run = (0, 0);
            self.runs = Vec::new().into_iter();
            self.columns.clear();
        }
        read.map_err(|reason| content(at, reason)).transpose()
    }
}

impl<'b> Columns<'b> {
    fn read(cursor: &mut Cursor<'b>, restored: &Restored, packets: usize) -> Result<Self, Reason> {
        const SHORT: Reason = "a block ends within its columns";
        let mut lengths = Vec::new();
        if restored.source.shape() == Shape::Array {
            for _ in 0..packets {
                lengths.push(cursor.len().ok_or(SHORT)?);
            }
        }
        let mut fields = Vec::with_capacity(restored.stored.len());
        for (_, storage) in &restored.stored {
            let column = cursor.len().and_then(|len| cursor.take(len)).ok_or(SHORT)?;
            fields.push(Decoder::new(*storage, column));
        }
        Ok(Self {
            lengths: lengths.into_iter(),
            fields,
        })
    }

    fn element(&mut self, restored: &Restored, cost: &mut usize) -> Result<Element, Reason> {
        *cost += element_cost(restored.stored.len());
        if *cost > MAX_BLOCK_COST {
            return Err("the packets of a block are larger than allowed");
        }
        let mut element = restored.source.new_element();
        for ((field, _), column) in restored.stored.iter().zip(&mut self.fields) {
            let text = column.pull(field, &mut element);
            *cost += text.ok_or("a column makes no sense")?;
            if *cost > MAX_BLOCK_COST {
                return Err("the packets of a block are larger than allowed");
            }
        }
        Ok(element)
    }
}

fn read_runs(cursor: &mut Cursor<'_>, sources: usize) -> Result<Vec<(usize, usize)>, Reason> {
    let mut read = || {
        cursor
            .len()
            .ok_or("a block ends within its list of packets")
    };
    let mut left = MAX_BLOCK_PACKETS;
    let mut runs = Vec::new();
    for _ in 0..read()? {
        let (source, packets) = (read()?, read()?);
        if source >= sources {
            return Err("a packet is of no data source");
        }
        if packets == 0 {
            return Err("a run has no packets");
        }
        left = left
            .checked_sub(packets)
            .ok_or("a block has too many packets")?;
        runs.push((source, packets));
    }
    Ok(runs)
}

pub(crate) fn content(at: u64, reason: impl Into<String>) -> Error {
    Error::Damaged {
        at,
        damage: Damage::Content(reason.into()),
    }
}
