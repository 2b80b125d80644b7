//! The rings and who owns them.
//!
//! A slot is a ring. The guest owns all of them and lends most to the kernel side, which gives one to each new container by
//! itself; a few are kept for containers that were there before or that the kernel side has missed. A slot that is taken
//! back gets another epoch, so that what its old owner is still doing is not written into it, and its next owner's records
//! begin behind those that are there.

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, Map, UpdateMode, possible_cpus, set_constant, set_max_entries};

use crate::ring::{self, Place, Segments, Totals};
use crate::segment::Record;

/// Memory of all rings.
const BUDGET_BYTES: u32 = 64 << 20;

/// Segments of 64 KiB that each CPU has in the ring of a command: 2 MiB, about 15 000 calls.
const SEGMENTS_OF_COMMAND: u32 = 32;

/// Segments that each CPU has in the ring of one container of many: 256 KiB, as upstream.
const SEGMENTS_OF_CONTAINER: u32 = 4;

/// Containers at most, and at least, however many CPUs share the budget.
const MOST_SLOTS: u32 = 1024;
const FEWEST_SLOTS: u32 = 16;

const SLOT_BYTES: usize = size_of::<abi::slot>();
const CURSOR_BYTES: usize = size_of::<abi::cursor>();

/// How many rings of which size there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub cpus: u32,
    pub slots: u32,
    pub segments_per_cpu: u32,
}

impl Layout {
    /// What fits the budget: one deep ring for a command, many for containers. A CPU has two segments at least, since
    /// beginning a segment anew drops all of it.
    pub fn new(cpus: u32, is_command: bool) -> Self {
        let cpus = cpus.max(1);
        let affordable = BUDGET_BYTES / abi::SEGMENT_BYTES / cpus;
        if is_command {
            return Self {
                cpus,
                slots: 1,
                segments_per_cpu: affordable.clamp(2, SEGMENTS_OF_COMMAND),
            };
        }
        let segments_per_cpu = (affordable / FEWEST_SLOTS).clamp(2, SEGMENTS_OF_CONTAINER);
        Self {
            cpus,
            slots: (affordable / segments_per_cpu).clamp(FEWEST_SLOTS, MOST_SLOTS),
            segments_per_cpu,
        }
    }

    /// Slots that the kernel side does not get: one in eight, at least one.
    fn kept(self) -> u32 {
        (self.slots / 8).max(1)
    }

    /// Sizes the maps, before they are created.
    pub fn apply(self) -> Result<(), Error> {
        set_constant("cpus", self.cpus)?;
        set_constant("segments_per_cpu", self.segments_per_cpu)?;
        set_max_entries("rings", self.slots * self.cpus * self.segments_per_cpu)?;
        for map in ["cursors", "slots", "free_slots"] {
            set_max_entries(map, self.slots)?;
        }
        Ok(())
    }
}

/// The layout for this host and this run.
pub fn layout() -> Result<Layout, Error> {
    Ok(Layout::new(
        possible_cpus()?,
        gizmo_guest::follows_command()?,
    ))
}

/// All slots.
pub struct Slots {
    layout: Layout,
    rings: Map,
    cursors: Map,
    owners: Map,
    free: Map,
    /// Slots that nobody has, not even the kernel side.
    kept: Vec<u32>,
    epochs: Vec<u32>,
    /// What each slot's cursors said when its owner got it.
    begins: Vec<Vec<Cursor>>,
}

impl Slots {
    /// Opens the maps and lends the kernel side its slots.
    pub fn open(layout: Layout) -> Result<Self, Error> {
        let count = layout.slots as usize;
        let mut slots = Self {
            layout,
            rings: Map::get("rings")?,
            cursors: Map::get("cursors")?,
            owners: Map::get("slots")?,
            free: Map::get("free_slots")?,
            kept: Vec::new(),
            epochs: vec![0; count],
            begins: vec![vec![Cursor::default(); layout.cpus as usize]; count],
        };
        for slot in 0..layout.slots {
            slots.lend_or_keep(slot)?;
        }
        Ok(slots)
    }

    /// A slot for a container that has not got one from the kernel side.
    pub fn take(&mut self) -> Option<u32> {
        self.kept.pop()
    }

    /// Which owner of a slot is the present one.
    pub fn epoch(&self, slot: u32) -> u32 {
        self.epochs.get(slot as usize).copied().unwrap_or(0)
    }

    /// How many slots there are.
    pub fn count(&self) -> u32 {
        self.layout.slots
    }

    /// Takes a slot back from its owner. Nothing is written into it any more.
    pub fn release(&mut self, slot: u32) -> Result<(), Error> {
        let index = slot as usize;
        let Some(epoch) = self.epochs.get_mut(index) else {
            return Ok(());
        };
        *epoch += 1;
        let mut owner = [0; SLOT_BYTES];
        owner[..4].copy_from_slice(&epoch.to_ne_bytes());
        self.owners.update(&slot, &owner, UpdateMode::Any)?;
        self.begins[index] = self.cursors(slot)?;
        self.lend_or_keep(slot)
    }

    fn lend_or_keep(&mut self, slot: u32) -> Result<(), Error> {
        if (self.kept.len() as u32) < self.layout.kept() {
            self.kept.push(slot);
            return Ok(());
        }
        // A queue has no keys.
        self.free.update(&[0u8; 0], &slot, UpdateMode::Any)
    }

    /// Lets the history of a slot begin now.
    pub fn forget(&mut self, slot: u32) -> Result<(), Error> {
        self.begins[slot as usize] = self.cursors(slot)?;
        Ok(())
    }

    /// Reads what somebody has not been shown yet. The overwritten records are those that he has missed.
    pub fn read_new(
        &self,
        slot: u32,
        position: &mut Position,
        show: impl FnMut(u32, &Record<'_>) -> Result<(), Error>,
    ) -> Result<(Totals, u64), Error> {
        let cursors = self.cursors(slot)?;
        let begins = &self.begins[slot as usize];
        position.0.resize(cursors.len(), 0);
        let places: Vec<Place> = cursors
            .iter()
            .zip(begins)
            .zip(&position.0)
            .map(|((cursor, begin), shown)| Place {
                from: begin.sequence.max(*shown),
                until: cursor.sequence,
                newest: cursor.segment,
            })
            .collect();
        let read = self.read_places(slot, &cursors, &places, show)?;
        for (shown, cursor) in position.0.iter_mut().zip(&cursors) {
            *shown = cursor.sequence;
        }
        Ok(read)
    }

    /// Reads what the present owner of a slot has recorded; the second number is that of calls that could not be.
    pub fn read(
        &self,
        slot: u32,
        show: impl FnMut(u32, &Record<'_>) -> Result<(), Error>,
    ) -> Result<(Totals, u64), Error> {
        let cursors = self.cursors(slot)?;
        let begins = &self.begins[slot as usize];
        let places: Vec<Place> = cursors
            .iter()
            .zip(begins)
            .map(|(cursor, begin)| Place {
                from: begin.sequence,
                until: cursor.sequence,
                newest: cursor.segment,
            })
            .collect();
        self.read_places(slot, &cursors, &places, show)
    }

    fn read_places(
        &self,
        slot: u32,
        cursors: &[Cursor],
        places: &[Place],
        show: impl FnMut(u32, &Record<'_>) -> Result<(), Error>,
    ) -> Result<(Totals, u64), Error> {
        let begins = &self.begins[slot as usize];
        let per_slot = self.layout.cpus * self.layout.segments_per_cpu;
        let totals = ring::read(
            &RingMap(&self.rings),
            slot * per_slot,
            places,
            self.layout.segments_per_cpu,
            show,
        )?;
        let refused = cursors
            .iter()
            .zip(begins)
            .map(|(cursor, begin)| cursor.refused.saturating_sub(begin.refused))
            .sum();
        Ok((totals, refused))
    }

    fn cursors(&self, slot: u32) -> Result<Vec<Cursor>, Error> {
        let mut bytes = vec![0u8; self.layout.cpus as usize * CURSOR_BYTES];
        if !self.cursors.lookup(&slot, bytes.as_mut_slice())? {
            return Err(Error::new("the cursors of a ring cannot be read"));
        }
        Ok(bytes
            .chunks_exact(CURSOR_BYTES)
            .map(Cursor::parse)
            .collect())
    }
}

/// How far somebody has been shown a slot, CPU by CPU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position(Vec<u64>);

/// What a CPU has written into a slot, all owners together.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    sequence: u64,
    segment: u32,
    refused: u64,
}

impl Cursor {
    fn parse(bytes: &[u8]) -> Self {
        let word = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let wide = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        Self {
            sequence: wide(0),
            segment: word(8),
            refused: wide(16),
        }
    }
}

struct RingMap<'a>(&'a Map);

impl Segments for RingMap<'_> {
    fn copy(&self, index: u32, into: &mut [u8]) -> bool {
        self.0.lookup(&index, into).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn cursors_and_slots_lie_as_in_the_header_file() {
        assert_eq!(offset_of!(abi::cursor, sequence), 0);
        assert_eq!(offset_of!(abi::cursor, segment), 8);
        assert_eq!(offset_of!(abi::cursor, refused), 16);
        assert_eq!(CURSOR_BYTES, 24);
        assert_eq!(offset_of!(abi::slot, epoch), 0);
        assert_eq!(offset_of!(abi::slot, claimed), 4);
        assert_eq!(SLOT_BYTES, 32);
    }

    #[test]
    fn the_budget_is_shared_among_cpus_and_containers() {
        let bytes = |layout: Layout| {
            layout.slots * layout.cpus * layout.segments_per_cpu * abi::SEGMENT_BYTES
        };
        let two = Layout::new(2, false);
        assert_eq!((two.slots, two.segments_per_cpu), (128, 4));
        assert_eq!(bytes(two), BUDGET_BYTES);
        let command = Layout::new(2, true);
        assert_eq!((command.slots, command.segments_per_cpu), (1, 32));
        let sixteen = Layout::new(16, false);
        assert_eq!((sixteen.slots, sixteen.segments_per_cpu), (16, 4));
        // Beyond 32 CPUs the smallest useful rings need more.
        let many = Layout::new(128, false);
        assert_eq!((many.slots, many.segments_per_cpu), (16, 2));
        assert_eq!(Layout::new(0, true).cpus, 1);
    }
}
