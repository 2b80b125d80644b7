//! The rings and who owns them.
//!
//! A slot is a ring. The guest owns all of them and lends most to the kernel side, which gives one to each new container by
//! itself; a few are kept for containers that were there before or that the kernel side has missed. A slot that is taken
//! back gets another epoch, so that what its old owner is still doing is not written into it, and its next owner's records
//! begin behind those that are there.

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, Map, UpdateMode, possible_cpus, set_constant, set_max_entries};

use crate::options::Memory;
use crate::ring::{self, Cursor, Segments, Shown, Span, Totals};

/// Segments of 64 KiB that each CPU has in the ring of a command: 2 MiB, about 35 000 calls.
const SEGMENTS_OF_COMMAND: u32 = 32;

/// Segments that each CPU has in the ring of one container of many: 256 KiB, as upstream, and about 4 500 calls.
const SEGMENTS_OF_CONTAINER: u32 = 4;

/// A CPU has two segments at least, since beginning a segment anew drops all of it.
const FEWEST_SEGMENTS: u32 = 2;

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
    /// What fits the budget: one deep ring for a command, many for containers.
    pub fn new(cpus: u32, is_command: bool, memory: &Memory) -> Result<Self, Error> {
        let cpus = cpus.max(1);
        let per_cpu = |bytes: u64| {
            let segments = bytes / u64::from(abi::SEGMENT_BYTES) / u64::from(cpus);
            u32::try_from(segments).unwrap_or(u32::MAX)
        };
        let affordable = per_cpu(memory.budget);
        let segments_per_cpu = match memory.ring {
            Some(bytes) => per_cpu(bytes).max(FEWEST_SEGMENTS),
            None if is_command && memory.is_budget_given => affordable,
            None if is_command => affordable.min(SEGMENTS_OF_COMMAND),
            None => (affordable / FEWEST_SLOTS).clamp(FEWEST_SEGMENTS, SEGMENTS_OF_CONTAINER),
        };
        // Without wishes it works on every host, even where the smallest useful rings need more than the budget.
        if memory.is_budget_given || memory.ring.is_some() {
            memory.check(segments_per_cpu, affordable, cpus)?;
        }
        let segments_per_cpu = segments_per_cpu.max(FEWEST_SEGMENTS);
        let slots = match (is_command, memory.ring) {
            (true, _) => 1,
            (false, Some(_)) => (affordable / segments_per_cpu).clamp(1, MOST_SLOTS),
            (false, None) => (affordable / segments_per_cpu).clamp(FEWEST_SLOTS, MOST_SLOTS),
        };
        Ok(Self {
            cpus,
            slots,
            segments_per_cpu,
        })
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
        set_max_entries("cursors", self.slots * self.cpus)?;
        for map in ["slots", "free_slots"] {
            set_max_entries(map, self.slots)?;
        }
        Ok(())
    }
}

/// The layout for this host and this run.
pub fn layout() -> Result<Layout, Error> {
    Layout::new(
        possible_cpus()?,
        gizmo_guest::follows_command()?,
        &Memory::from_params()?,
    )
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

    /// Reads what the present owner of a slot has recorded until now. The programs may go on meanwhile.
    pub fn read(
        &self,
        slot: u32,
        show: impl FnMut(u32, Shown<'_>) -> Result<(), Error>,
    ) -> Result<Totals, Error> {
        let begins = self.begins.get(slot as usize).cloned().unwrap_or_default();
        self.read_between(slot, &begins, &self.cursors(slot)?, show)
    }

    /// Lets the history of a slot begin now.
    pub fn forget(&mut self, slot: u32) -> Result<(), Error> {
        let now = self.cursors(slot)?;
        if let Some(begin) = self.begins.get_mut(slot as usize) {
            *begin = now;
        }
        Ok(())
    }

    /// Reads what was recorded since `position`, which goes on to the present. A new position is empty, and stands for the
    /// beginning.
    pub fn read_new(
        &self,
        slot: u32,
        position: &mut Vec<Cursor>,
        show: impl FnMut(u32, Shown<'_>) -> Result<(), Error>,
    ) -> Result<Totals, Error> {
        if position.is_empty()
            && let Some(begin) = self.begins.get(slot as usize)
        {
            position.clone_from(begin);
        }
        let now = self.cursors(slot)?;
        let totals = self.read_between(slot, position, &now, show)?;
        *position = now;
        Ok(totals)
    }

    fn read_between(
        &self,
        slot: u32,
        from: &[Cursor],
        until: &[Cursor],
        show: impl FnMut(u32, Shown<'_>) -> Result<(), Error>,
    ) -> Result<Totals, Error> {
        let spans: Vec<Span> = from
            .iter()
            .zip(until)
            .map(|(&from, &until)| Span { from, until })
            .collect();
        let per_slot = self.layout.cpus * self.layout.segments_per_cpu;
        let ring = Ring { slots: self, slot };
        ring::read(
            &ring,
            slot * per_slot,
            &spans,
            self.layout.segments_per_cpu,
            show,
        )
    }

    fn cursors(&self, slot: u32) -> Result<Vec<Cursor>, Error> {
        (0..self.layout.cpus)
            .map(|cpu| self.cursor(slot, cpu))
            .collect()
    }

    fn cursor(&self, slot: u32, cpu: u32) -> Result<Cursor, Error> {
        let mut bytes = [0u8; CURSOR_BYTES];
        let index = slot * self.layout.cpus + cpu;
        if !self.cursors.lookup(&index, &mut bytes)? {
            return Err(Error::new("the cursors of a ring cannot be read"));
        }
        Ok(parse_cursor(&bytes))
    }
}

fn parse_cursor(bytes: &[u8; CURSOR_BYTES]) -> Cursor {
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_ne_bytes(word)
    };
    Cursor {
        sequence: word(0),
        turn: word(8),
        refused: word(24),
        truncated: word(40),
        failed: word(48),
    }
}

struct Ring<'a> {
    slots: &'a Slots,
    slot: u32,
}

impl Segments for Ring<'_> {
    fn copy(&self, index: u32, into: &mut [u8]) -> bool {
        self.slots.rings.lookup(&index, into).unwrap_or(false)
    }

    fn turn(&self, cpu: u32) -> u64 {
        // What cannot be known is as good as overwritten.
        self.slots
            .cursor(self.slot, cpu)
            .map_or(u64::MAX, |cursor| cursor.turn)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn cursors_and_slots_lie_as_in_the_header_file() {
        assert_eq!(offset_of!(abi::cursor, sequence), 0);
        assert_eq!(offset_of!(abi::cursor, turn), 8);
        assert_eq!(offset_of!(abi::cursor, refused), 24);
        assert_eq!(offset_of!(abi::cursor, truncated), 40);
        assert_eq!(offset_of!(abi::cursor, failed), 48);
        assert_eq!(CURSOR_BYTES, 64);
        assert_eq!(offset_of!(abi::slot, epoch), 0);
        assert_eq!(offset_of!(abi::slot, claimed), 4);
        assert_eq!(SLOT_BYTES, 32);
    }

    fn bytes(layout: Layout) -> u64 {
        let segments = layout.slots * layout.cpus * layout.segments_per_cpu;
        u64::from(segments) * u64::from(abi::SEGMENT_BYTES)
    }

    #[test]
    fn the_budget_is_shared_among_cpus_and_containers() {
        let usual = Memory::default();
        let layout = |cpus, is_command| Layout::new(cpus, is_command, &usual).unwrap();
        let two = layout(2, false);
        assert_eq!((two.slots, two.segments_per_cpu), (128, 4));
        assert_eq!(bytes(two), usual.budget);
        let command = layout(2, true);
        assert_eq!((command.slots, command.segments_per_cpu), (1, 32));
        let sixteen = layout(16, false);
        assert_eq!((sixteen.slots, sixteen.segments_per_cpu), (16, 4));
        // Beyond 32 CPUs the smallest useful rings need more.
        let many = layout(128, false);
        assert_eq!((many.slots, many.segments_per_cpu), (16, 2));
        assert_eq!(layout(0, true).cpus, 1);
    }

    #[test]
    fn wishes_are_met_or_refused() {
        let memory = |budget: u64, ring: Option<u64>| Memory {
            budget: budget << 20,
            is_budget_given: budget != 64,
            ring: ring.map(|bytes| bytes << 20),
        };
        let layout = |is_command, memory: Memory| Layout::new(2, is_command, &memory);
        let deep = layout(true, memory(1024, None)).unwrap();
        assert_eq!(bytes(deep), 1 << 30);
        let large = layout(false, memory(64, Some(16))).unwrap();
        assert_eq!((large.slots, large.segments_per_cpu), (4, 128));
        let error = layout(false, memory(64, Some(65))).unwrap_err();
        assert!(error.to_string().contains("--memory-budget"), "{error}");
        assert!(layout(true, memory(0, None)).is_err());
    }
}
