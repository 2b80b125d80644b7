//! Who is recorded where: containers get slots, slots have rings.

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{
    DataSource, Error, Map, Text, UpdateMode, debug, possible_cpus, set_constant,
    set_inner_max_entries, warn,
};
use gizmo_syscalls::Abi;
use gizmo_syscalls::capture;
use gizmo_syscalls::selection::abis_of_kernel;
use gizmo_syscalls::table;

use crate::event::Events;
use crate::filter::Filter;
use crate::ring::{self, Segments};
use crate::rules;

/// Segments of 64 KiB that each CPU has in a ring at most: 2 MiB, about 15 000 calls.
const MAX_SEGMENTS_PER_CPU: u32 = 32;

/// Segments of all CPUs: the host lets a guest make maps of 64 MiB.
const MAX_SEGMENTS: u32 = 1000;

/// At least two, since beginning a segment anew drops all of it.
fn segments_per_cpu(cpus: u32) -> u32 {
    (MAX_SEGMENTS / cpus.max(1)).clamp(2, MAX_SEGMENTS_PER_CPU)
}

const SELECTION_BYTES: usize = size_of::<abi::selection>();
const CURSOR_BYTES: usize = size_of::<abi::cursor>();

/// What a `containers` event says.
pub struct ContainerEvent {
    pub kind: String,
    pub name: String,
    pub cgroup_id: u64,
    pub mntns_id: u64,
    /// Its entry point has not been executed yet.
    pub is_starting: bool,
}

/// Sets what the programs must know before they are loaded.
pub fn size_programs(filter: &Filter) -> Result<(), Error> {
    set_constant("filter_on", u8::from(!filter.selected.is_empty()))?;
    let cpus = possible_cpus()?;
    set_constant("segments_per_cpu", segments_per_cpu(cpus))?;
    set_inner_max_entries("rings", cpus * segments_per_cpu(cpus))
}

/// Calls `note` for every container that comes or goes. Only the recorder's own events are to be seen, so the data source is
/// hidden from the output.
pub fn follow_containers(
    note: impl Fn(&ContainerEvent) -> Result<(), Error> + 'static,
) -> Result<(), Error> {
    let containers = DataSource::get("containers")?;
    let kind = containers.field::<Text>("event_type")?;
    let name = containers.field::<Text>("name")?;
    let cgroup_id = containers.field::<u64>("cgroup_id")?;
    let mntns_id = containers.field::<u64>("mntns_id")?;
    let starting = containers.find_field::<bool>("starting");
    containers.subscribe(0, move |_, data| {
        note(&ContainerEvent {
            kind: kind.get(data)?,
            name: name.get(data)?,
            cgroup_id: cgroup_id.get(data)?,
            mntns_id: mntns_id.get(data)?,
            is_starting: starting.is_some_and(|field| field.get(data).unwrap_or(false)),
        })
    })?;
    containers.unreference()
}

struct Recorded {
    name: String,
    cgroup_id: u64,
    mntns_id: u64,
    slot: u32,
}

/// The running recording.
pub struct Recorder {
    native: Abi,
    rings: Map,
    cgroups: Map,
    mntns: Map,
    control: Map,
    cpus: u32,
    generation: u32,
    /// Slots that have a ring and no container yet, filled ahead of need.
    next_slot: u32,
    recorded: Vec<Recorded>,
}

impl Recorder {
    /// Fills the maps and starts.
    pub fn start(filter: &Filter) -> Result<Self, Error> {
        rules::fill(filter)?;
        fill_selection(filter)?;
        let mut recorder = Self {
            native: filter.native,
            rings: Map::get("rings")?,
            cgroups: Map::get("recorded_cgroups")?,
            mntns: Map::get("recorded_mntns")?,
            control: Map::get(".data.control")?,
            cpus: possible_cpus()?,
            generation: 0,
            next_slot: 0,
            recorded: Vec::new(),
        };
        recorder.make_ring(0)?;
        recorder.change(true)?;
        Ok(recorder)
    }

    /// Begins or ends to record a container.
    pub fn take_note(&mut self, event: &ContainerEvent) -> Result<(), Error> {
        match event.kind.as_str() {
            "CREATED" => self.add(event),
            "DELETED" => self.remove(event),
            _ => Ok(()),
        }
    }

    fn add(&mut self, event: &ContainerEvent) -> Result<(), Error> {
        let slot = self.next_slot;
        let who = [slot, u32::from(event.is_starting)];
        // By mount namespace only where there is no cgroup: the kernel reuses the numbers of namespaces at once.
        if event.cgroup_id != 0 {
            self.cgroups
                .update(&event.cgroup_id, &who, UpdateMode::Any)?;
        } else {
            self.mntns.update(&event.mntns_id, &who, UpdateMode::Any)?;
        }
        self.change(true)?;
        debug!("recording `{}` in slot {slot}", event.name);
        self.recorded.push(Recorded {
            name: event.name.clone(),
            cgroup_id: event.cgroup_id,
            mntns_id: event.mntns_id,
            slot,
        });
        self.next_slot += 1;
        self.make_ring(self.next_slot)
    }

    /// The ring stays, for the end.
    fn remove(&mut self, event: &ContainerEvent) -> Result<(), Error> {
        let Some(recorded) = self.recorded.iter().find(|recorded| {
            recorded.cgroup_id == event.cgroup_id && recorded.mntns_id == event.mntns_id
        }) else {
            return Ok(());
        };
        if recorded.cgroup_id != 0 {
            self.cgroups.delete(&recorded.cgroup_id)?;
        } else {
            self.mntns.delete(&recorded.mntns_id)?;
        }
        self.change(true)
    }

    /// Stops recording and shows everything.
    pub fn finish(mut self, events: &mut Events) -> Result<(), Error> {
        self.change(false)?;
        for recorded in &self.recorded {
            self.show(recorded, events)?;
        }
        Ok(())
    }

    fn show(&self, recorded: &Recorded, events: &mut Events) -> Result<(), Error> {
        let Some(ring) = self.rings.lookup_map(&recorded.slot)? else {
            return Err(Error::new(format!(
                "the ring of `{}` is gone",
                recorded.name
            )));
        };
        let cursors = self.cursors(recorded.slot)?;
        let newest: Vec<u32> = cursors.iter().map(|cursor| cursor.segment).collect();
        let totals = ring::read(
            &RingMap(&ring),
            &newest,
            segments_per_cpu(self.cpus),
            |cpu, record| events.emit(self.native, recorded.mntns_id, cpu, record),
        )?;
        let refused: u64 = cursors.iter().map(|cursor| cursor.refused).sum();
        let name = &recorded.name;
        debug!("{} calls of `{name}` recorded", totals.records);
        if totals.overwritten > 0 {
            warn!(
                "{} older calls of `{name}` were overwritten by newer ones",
                totals.overwritten
            );
        }
        if refused > 0 {
            warn!("{refused} calls of `{name}` could not be recorded");
        }
        if totals.damaged > 0 {
            warn!(
                "{} segments of `{name}` were damaged; the rest of each is not shown",
                totals.damaged
            );
        }
        Ok(())
    }

    fn cursors(&self, slot: u32) -> Result<Vec<Cursor>, Error> {
        let mut bytes = vec![0u8; self.cpus as usize * CURSOR_BYTES];
        if !Map::get("cursors")?.lookup(&slot, bytes.as_mut_slice())? {
            return Err(Error::new("the cursors of the ring cannot be read"));
        }
        Ok(bytes
            .chunks_exact(CURSOR_BYTES)
            .map(Cursor::parse)
            .collect())
    }

    fn make_ring(&self, slot: u32) -> Result<(), Error> {
        let ring = Map::new_inner("rings", &format!("ring_{slot}"))?;
        self.rings.update_map(&slot, &ring, UpdateMode::Any)
    }

    /// Makes tasks ask anew whether they are recorded.
    fn change(&mut self, is_recording: bool) -> Result<(), Error> {
        self.generation += 1;
        self.control.update(
            &0u32,
            &[self.generation, u32::from(is_recording)],
            UpdateMode::Any,
        )
    }
}

struct Cursor {
    segment: u32,
    refused: u64,
}

impl Cursor {
    fn parse(bytes: &[u8]) -> Self {
        let word = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            segment: word(8),
            refused: u64::from(word(16)) | u64::from(word(20)) << 32,
        }
    }
}

struct RingMap<'a>(&'a Map);

impl Segments for RingMap<'_> {
    fn copy(&self, index: u32, into: &mut [u8]) -> bool {
        self.0.lookup(&index, into).unwrap_or(false)
    }
}

/// The selected calls: the hash that says it all, and the bits that the programs test first.
fn fill_selection(filter: &Filter) -> Result<(), Error> {
    if filter.selected.is_empty() {
        return Ok(());
    }
    let hash = Map::get("syscall_filters")?;
    for call in &filter.selected {
        let key = (call.abi as u64) << 32 | u64::from(call.number);
        hash.update(&key, &1u8, UpdateMode::Any)?;
    }
    Map::get(".data.selection")?.update(&0u32, &selection_bits(filter), UpdateMode::Any)
}

/// Bytes of the bits of one ABI, and of all ABIs.
const ABI_BYTES: usize = abi::NUMBERS_PER_ABI as usize / 8;
const ALL_BYTES: usize = ABI_BYTES * abi::ABI_COUNT as usize;

/// The bytes of a `struct selection`.
fn selection_bits(filter: &Filter) -> [u8; SELECTION_BYTES] {
    let mut bits = [0; SELECTION_BYTES];
    let (any, both) = bits.split_at_mut(ABI_BYTES);
    let (enter, exit) = both.split_at_mut(ALL_BYTES);
    for call in &filter.selected {
        set_bit(enter, call.abi, call.number);
        set_bit(exit, call.abi, call.number);
    }
    // An exec may return in another ABI than it was called in. Some kernels keep the number it was called with; x86 puts
    // that of the new ABI's execve in its place, for an execveat, too (arch/x86/kernel/process_64.c).
    let is_exec = |call: &&gizmo_syscalls::selection::Selected| {
        table::name(call.abi, call.number).is_some_and(|name| capture::behaviour(name).execs)
    };
    for call in filter.selected.iter().filter(is_exec) {
        for &abi in abis_of_kernel(filter.native) {
            set_bit(exit, abi, call.number);
            if let Some(execve) = table::number(abi, "execve") {
                set_bit(exit, abi, execve);
            }
        }
    }
    for of_one_abi in exit.chunks_exact(ABI_BYTES) {
        any.iter_mut()
            .zip(of_one_abi)
            .for_each(|(any, one)| *any |= one);
    }
    bits
}

/// Numbers without a bit are left to the hash. The programs know fewer ABIs than the tables; the others have no bits.
fn set_bit(bits: &mut [u8], call_abi: Abi, number: u32) {
    if (call_abi as u32) < abi::ABI_COUNT && number < abi::NUMBERS_PER_ABI {
        let bit = call_abi as usize * abi::NUMBERS_PER_ABI as usize + number as usize;
        bits[bit / 8] |= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use gizmo_syscalls::selection::Selected;

    use super::*;

    const PER_ABI: usize = abi::NUMBERS_PER_ABI as usize;

    fn filter(calls: &[(Abi, u32)]) -> Filter {
        let selected = |&(abi, number): &(Abi, u32)| Selected {
            abi,
            number,
            name: String::new(),
        };
        Filter {
            native: Abi::X86_64,
            selected: calls.iter().map(selected).collect(),
        }
    }

    fn is_set(bits: &[u8], at: usize) -> bool {
        bits[at / 8] & (1 << (at % 8)) != 0
    }

    #[test]
    fn bits_are_numbers_by_abi() {
        let bits = selection_bits(&filter(&[
            (Abi::X86_64, 257),
            (Abi::I386, 295),
            (Abi::X86_64, 9999),
        ]));
        let set: Vec<usize> = (0..SELECTION_BYTES * 8)
            .filter(|&at| is_set(&bits, at))
            .collect();
        let (enter, exit) = (PER_ABI, PER_ABI + ALL_BYTES * 8);
        let i386 = PER_ABI + 295;
        assert_eq!(
            set,
            [257, 295, enter + 257, enter + i386, exit + 257, exit + i386]
        );
    }

    #[test]
    fn abis_that_the_programs_do_not_know_have_no_bits() {
        for native in Abi::ALL {
            let execve = table::number(native, "execve").unwrap();
            let filter = Filter {
                native,
                ..filter(&[(native, execve)])
            };
            let is_known = (native as u32) < abi::ABI_COUNT;
            let has_bits = selection_bits(&filter).iter().any(|byte| *byte != 0);
            assert_eq!(has_bits, is_known, "{native}");
        }
    }

    #[test]
    fn an_exec_may_return_as_the_execve_of_any_abi() {
        let bits = selection_bits(&filter(&[(Abi::X86_64, 322)]));
        let (enter, exit) = (PER_ABI, PER_ABI + ALL_BYTES * 8);
        assert!(is_set(&bits, enter + 322) && !is_set(&bits, enter + 59));
        for (abi, number) in [
            (Abi::X86_64, 322),
            (Abi::X86_64, 59),
            (Abi::I386, 11),
            (Abi::X32, 520),
        ] {
            assert!(is_set(&bits, exit + abi as usize * PER_ABI + number));
            assert!(is_set(&bits, number));
        }
    }

    #[test]
    fn cursors_and_selections_lie_as_in_the_header_file() {
        assert_eq!(offset_of!(abi::selection, enter), ABI_BYTES);
        assert_eq!(offset_of!(abi::selection, exit), ABI_BYTES + ALL_BYTES);
        assert_eq!(offset_of!(abi::cursor, segment), 8);
        assert_eq!(offset_of!(abi::cursor, refused), 16);
        assert_eq!(CURSOR_BYTES, 24);
    }
}
