//! Who is recorded: containers come, get a ring or have one already, and are shown when they go.

mod look;

use std::collections::BTreeMap;
use std::rc::Rc;

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{
    DataSource, Error, Map, Text, UpdateMode, boot_time_ns, debug, set_constant, warn,
};
use gizmo_syscalls::Abi;
use gizmo_syscalls::expression::KernelTests;

use crate::attach::Attached;
use crate::counted::Counted;
use crate::descriptors::{self, OpenFiles, Walk};
use crate::event::{Container, Events, loss_text};
use crate::filter::Filter;
use crate::inflight::{CallsInFlight, InFlight};
use crate::recorder::look::Told;
use crate::ring::{Loss, Reason, Shown, Totals};
use crate::segment::Record;
use crate::selection::Union;
use crate::slots::{self, Slots};
use crate::statistics::Summary;
use crate::{options, predicates, rules, selection, statistics};

const CLAIMS_BYTES: usize = size_of::<abi::claims>();

/// What a `containers` event says.
pub struct ContainerEvent {
    pub kind: String,
    pub name: String,
    pub cgroup_id: u64,
    pub mntns_id: u64,
    /// Its entry point has not been executed yet.
    pub is_starting: bool,
    /// What its processes have open.
    pub open_files: Option<Rc<OpenFiles>>,
}

/// Sets what the programs must know before they are loaded.
pub fn size_programs(filter: &Filter) -> Result<(), Error> {
    set_constant("filter_on", u8::from(filter.is_given))?;
    predicates::apply(&filter.plan.kernel)?;
    options::apply()?;
    statistics::apply()?;
    slots::layout()?.apply()
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
    let id = containers.field::<Text>("container_id")?;
    let starting = containers.find_field::<bool>("starting");
    let open_files = containers.find_field::<Text>("open_files");
    containers.subscribe(0, move |_, data| {
        let mut name = name.get(data)?;
        if name.is_empty() {
            // What docker and crictl show of it.
            name = id.get(data)?.chars().take(12).collect();
        }
        note(&ContainerEvent {
            kind: kind.get(data)?,
            name,
            cgroup_id: cgroup_id.get(data)?,
            mntns_id: mntns_id.get(data)?,
            is_starting: starting.is_some_and(|field| field.get(data).unwrap_or(false)),
            open_files: open_files.and_then(|field| OpenFiles::parse(field.get(data).ok()?)),
        })
    })?;
    containers.unreference()
}

/// A container that is recorded.
#[derive(Debug, Clone)]
struct Recorded {
    name: String,
    who: Who,
    /// None as long as it has not begun: the kernel side gives it one then.
    slot: Option<u32>,
    /// Since when all calls that begin are seen, at the latest.
    since_boot_ns: u64,
    /// What its processes had open when it was found.
    open_files: Option<Rc<OpenFiles>>,
}

impl Recorded {
    fn container(&self) -> Container<'_> {
        Container {
            name: &self.name,
            cgroup_id: self.who.cgroup_id,
            mntns_id: self.who.mntns_id,
        }
    }
}

fn emit(
    events: &mut Events,
    native: Abi,
    container: Container<'_>,
    walk: &mut Walk,
    cpu: u32,
    shown: Shown<'_>,
) -> Result<(), Error> {
    match shown {
        Shown::Record(record, thread, is_behind_loss) => {
            if is_behind_loss {
                walk.forget(record);
            }
            events.emit(native, container, walk, cpu, record, thread)
        }
        Shown::Loss(loss) => events.emit_loss(container, Some(cpu), &loss),
    }
}

/// Returns when every program that was running has ended: one that has found the recording going on may still be writing what it
/// saw, and have been preempted in the middle. Before it answers a change of a map of maps the kernel waits for them
/// (`maybe_wait_bpf_programs` in kernel/bpf/syscall.c).
fn wait_for_programs() -> Result<(), Error> {
    let map = Map::new_inner("programs_end", "programs_end")?;
    Map::get("programs_end")?.update_map(&0u32, &map, UpdateMode::Any)
}

/// What the threads of all containers are in.
fn calls_in_flight(filter: &Filter) -> CallsInFlight {
    // None of them has a result.
    if filter.plan.kernel.result.is_some() {
        return CallsInFlight::default();
    }
    CallsInFlight::take().unwrap_or_else(|error| {
        warn!("calls that have not returned are not shown: {error}");
        CallsInFlight::default()
    })
}

/// Says what is missing in all.
fn tell_lost(name: &str, totals: &Totals) {
    for (&reason, &count) in &totals.lost {
        let text = loss_text(reason, count, name);
        match reason {
            // Programs pass wrong addresses for many reasons; each is marked at its call.
            Reason::Failed => debug!("{text}"),
            _ => warn!("{text}"),
        }
    }
}

/// How the programs find a container: by its cgroup, and by its mount namespace only where it has none, since the kernel
/// reuses the numbers of namespaces at once.
#[derive(Debug, Clone, Copy)]
struct Who {
    cgroup_id: u64,
    mntns_id: u64,
}

impl PartialEq for Who {
    /// The mount namespace may become known later, or be forgotten with the process.
    fn eq(&self, other: &Self) -> bool {
        match (self.cgroup_id, other.cgroup_id) {
            (0, 0) => self.mntns_id == other.mntns_id,
            (one, other) => one == other,
        }
    }
}

/// The running recording.
pub struct Recorder {
    filter: Filter,
    /// The programs were loaded for a filter, and can be given others.
    has_filter: bool,
    /// The tests that are in the programs.
    loaded: KernelTests,
    attached: Attached,
    /// Calls that the programs did not see, and which have been told of.
    missed: u64,
    slots: Slots,
    /// If the programs count.
    counted: Option<Counted>,
    cgroups: Map,
    new_cgroups: Map,
    mntns: Map,
    control: Map,
    claims: Map,
    generation: u32,
    /// Somebody is or was recorded by the mount namespace.
    by_mntns: bool,
    recorded: Vec<Recorded>,
    /// When the recording has ended: what had not returned then.
    in_flight: CallsInFlight,
    /// Containers for which there was no ring, and which have been told of.
    refused: u64,
    /// What followers have been shown of each slot, by their numbers.
    followers: BTreeMap<u32, BTreeMap<u32, Told>>,
}

impl Recorder {
    /// Fills the maps and starts. New containers get rings at once; who they are is learned later.
    pub fn start(filter: Filter, attached: Attached, events: &mut Events) -> Result<Self, Error> {
        let selected = [&filter.selection];
        rules::fill(filter.native, Union(&selected))?;
        selection::fill(filter.native, Union(&selected))?;
        predicates::fill(&filter.plan.kernel)?;
        events.filter_by(&filter, 0);
        let mut recorder = Self {
            has_filter: filter.is_given,
            loaded: filter.plan.kernel.clone(),
            filter,
            attached,
            missed: 0,
            slots: Slots::open(slots::layout()?)?,
            counted: (statistics::summary()? == Some(Summary::Container))
                .then(Counted::open)
                .transpose()?,
            cgroups: Map::get("recorded_cgroups")?,
            new_cgroups: Map::get("new_cgroups")?,
            mntns: Map::get("recorded_mntns")?,
            control: Map::get(".data.control")?,
            claims: Map::get(".data.claims")?,
            generation: 0,
            by_mntns: false,
            recorded: Vec::new(),
            in_flight: CallsInFlight::default(),
            refused: 0,
            followers: BTreeMap::new(),
        };
        recorder.change(true)?;
        Ok(recorder)
    }

    /// Begins or ends to record a container.
    pub fn take_note(&mut self, event: &ContainerEvent, events: &mut Events) -> Result<(), Error> {
        let who = Who {
            cgroup_id: event.cgroup_id,
            mntns_id: event.mntns_id,
        };
        match event.kind.as_str() {
            "CREATED" => self.add(event, who),
            "DELETED" => self.remove(who, events),
            "IGNORED" => self.forget(who),
            _ => Ok(()),
        }
    }

    fn add(&mut self, event: &ContainerEvent, who: Who) -> Result<(), Error> {
        if self.recorded.iter().any(|recorded| recorded.who == who) {
            return Ok(());
        }
        let name = event.name.clone();
        // A runtime may tell of a container that it has not let go yet. Until then its process is the runtime's.
        let slot = if !event.is_starting && self.is_new(who)? {
            None
        } else if let Some(slot) = self.claimed(who)? {
            Some(slot)
        } else {
            let Some(slot) = self.give_slot(event, who)? else {
                return Ok(());
            };
            Some(slot)
        };
        debug!("recording `{name}` in slot {slot:?}");
        self.recorded.push(Recorded {
            name,
            who,
            slot,
            since_boot_ns: boot_time_ns()?,
            open_files: event.open_files.clone(),
        });
        Ok(())
    }

    /// Gives one of the kept slots to a container that runs already, or that waits to be let go.
    fn give_slot(&mut self, event: &ContainerEvent, who: Who) -> Result<Option<u32>, Error> {
        self.tell_refused()?;
        let Some(slot) = self.slots.take() else {
            warn!(
                "container `{}` is not recorded: all {} rings are in use",
                event.name,
                self.slots.count()
            );
            return Ok(None);
        };
        let entry = [
            slot,
            self.slots.epoch(slot),
            u32::from(event.is_starting),
            0,
        ];
        let added = match who.cgroup_id {
            0 => {
                self.by_mntns = true;
                self.mntns.update(&who.mntns_id, &entry, UpdateMode::Any)
            }
            id => self.cgroups.update(&id, &entry, UpdateMode::NoExist),
        };
        if let Err(error) = added {
            self.slots.release(slot)?;
            // The kernel side was faster.
            return match self.claimed(who)? {
                Some(claimed) => Ok(Some(claimed)),
                None => Err(error),
            };
        }
        self.change(true)?;
        Ok(Some(slot))
    }

    /// Whether nothing has begun in its cgroup yet.
    fn is_new(&self, who: Who) -> Result<bool, Error> {
        let mut maker = [0u32; 2];
        Ok(who.cgroup_id != 0 && self.new_cgroups.lookup(&who.cgroup_id, &mut maker)?)
    }

    /// The slot that the kernel side has given to a new container.
    fn claimed(&self, who: Who) -> Result<Option<u32>, Error> {
        let mut entry = [0u32; 4];
        let found = who.cgroup_id != 0 && self.cgroups.lookup(&who.cgroup_id, &mut entry)?;
        Ok(found.then_some(entry[0]))
    }

    /// A container has ended: its recording is shown, and its ring is free for the next.
    fn remove(&mut self, who: Who, events: &mut Events) -> Result<(), Error> {
        let position = self
            .recorded
            .iter()
            .position(|recorded| recorded.who == who);
        let Some(position) = position else {
            return self.forget(who);
        };
        let mut recorded = self.recorded.remove(position);
        if recorded.who.mntns_id == 0 {
            recorded.who = who;
        }
        let Some(slot) = self.slot_of(&recorded)? else {
            return Ok(());
        };
        self.end(who)?;
        self.show_rest(&recorded, slot, events)?;
        self.release(slot)
    }

    /// Takes a slot back.
    fn release(&mut self, slot: u32) -> Result<(), Error> {
        for shown in self.followers.values_mut() {
            shown.remove(&slot);
        }
        let epoch = self.slots.epoch(slot);
        self.slots.release(slot)?;
        match &mut self.counted {
            Some(counted) => counted.forget(slot, epoch),
            None => Ok(()),
        }
    }

    /// What has begun like a container is none, or none that was asked for.
    fn forget(&mut self, who: Who) -> Result<(), Error> {
        let Some(slot) = self.claimed(who)? else {
            return Ok(());
        };
        self.end(who)?;
        self.release(slot)
    }

    fn end(&mut self, who: Who) -> Result<(), Error> {
        match who.cgroup_id {
            0 => self.mntns.delete(&who.mntns_id)?,
            id => self.cgroups.delete(&id)?,
        };
        self.change(true)
    }

    /// Stops recording, and looks at what is still in flight. The programs are attached, so that a thread which goes on is
    /// noticed.
    pub fn end_recording(&mut self) -> Result<(), Error> {
        self.change(false)?;
        let waited = wait_for_programs();
        // Whatever became of that, what is in flight is to be shown.
        self.in_flight = calls_in_flight(&self.filter);
        waited
    }

    /// Shows everything.
    pub fn finish(mut self, events: &mut Events) -> Result<(), Error> {
        self.tell_refused()?;
        self.tell_missed(events)?;
        for recorded in std::mem::take(&mut self.recorded) {
            if let Some(slot) = self.slot_of(&recorded)? {
                let walk = self.show_rest(&recorded, slot, events)?;
                let calls = self.in_flight.of_slot(slot, recorded.since_boot_ns);
                self.show_unfinished(&recorded, &walk, &calls, events)?;
            }
        }
        Ok(())
    }

    /// Shows what has not returned; `walk` has been told what has.
    fn show_unfinished(
        &self,
        recorded: &Recorded,
        walk: &Walk,
        calls: &[InFlight<'_>],
        events: &mut Events,
    ) -> Result<(), Error> {
        let since = recorded.since_boot_ns;
        debug!("{} calls of `{}` in flight", calls.len(), recorded.name);
        for call in calls {
            let container = recorded.container();
            events.emit_unfinished(self.filter.native, container, walk, since, call)?;
        }
        events.flush()
    }

    fn slot_of(&self, recorded: &Recorded) -> Result<Option<u32>, Error> {
        match recorded.slot {
            Some(slot) => Ok(Some(slot)),
            None => self.claimed(recorded.who),
        }
    }

    /// Shows all that a ring holds, and the statistics; each record is `seen`, too. Returns the way along them.
    fn show(
        &mut self,
        recorded: &Recorded,
        slot: u32,
        events: &mut Events,
        mut seen: impl FnMut(&Record<'_>),
    ) -> Result<Walk, Error> {
        let (native, container) = (self.filter.native, recorded.container());
        let mut walk = Walk::new(recorded.open_files.clone(), descriptors::ROOM);
        walk.go_on(boot_time_ns()?);
        let totals = self.slots.read(slot, |cpu, shown| {
            if let Shown::Record(record, ..) = shown {
                seen(record);
            }
            emit(events, native, container, &mut walk, cpu, shown)
        })?;
        events.flush()?;
        debug!(
            "{} calls of `{}` recorded in {} bytes",
            totals.records, container.name, totals.bytes
        );
        tell_lost(container.name, &totals);
        self.show_statistics(recorded, slot, events)?;
        Ok(walk)
    }

    fn show_statistics(
        &mut self,
        recorded: &Recorded,
        slot: u32,
        events: &mut Events,
    ) -> Result<(), Error> {
        let epoch = self.slots.epoch(slot);
        let counted = match &mut self.counted {
            Some(counted) => counted.of(slot, epoch)?,
            None => Vec::new(),
        };
        events.emit_statistics(self.filter.native, recorded.container(), counted)
    }

    /// Says how many containers have begun while no ring was free.
    fn tell_refused(&mut self) -> Result<(), Error> {
        let mut bytes = [0u8; CLAIMS_BYTES];
        if !self.claims.lookup(&0u32, &mut bytes)? {
            return Ok(());
        }
        let mut refused = [0; 8];
        refused.copy_from_slice(&bytes[8..16]);
        let refused = u64::from_ne_bytes(refused);
        if refused > self.refused {
            warn!(
                "all {} rings were in use when containers began: {}, whose first calls are not recorded",
                self.slots.count(),
                refused - self.refused
            );
            self.refused = refused;
        }
        Ok(())
    }

    /// Says how many calls the programs did not see.
    fn tell_missed(&mut self, events: &mut Events) -> Result<(), Error> {
        let missed = self.attached.misses()?;
        let count = missed.saturating_sub(self.missed);
        if count == 0 {
            return Ok(());
        }
        self.missed = missed;
        let reason = Reason::Missed;
        warn!("{}", loss_text(reason, count, ""));
        let everybody = Container {
            name: "",
            cgroup_id: 0,
            mntns_id: 0,
        };
        let boot_ns = boot_time_ns()?;
        events.emit_loss(
            everybody,
            None,
            &Loss {
                reason,
                count,
                boot_ns,
            },
        )
    }

    /// Makes tasks ask anew whether they are recorded.
    fn change(&mut self, is_recording: bool) -> Result<(), Error> {
        self.generation += 1;
        let is_recording = u32::from(is_recording);
        let claims = u32::from(!gizmo_guest::follows_command()?);
        let by_mntns = u32::from(self.by_mntns);
        self.control.update(
            &0u32,
            &[
                self.generation,
                is_recording,
                is_recording & claims,
                by_mntns,
            ],
            UpdateMode::Any,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn a_container_is_told_by_its_cgroup() {
        let who = |cgroup_id, mntns_id| Who {
            cgroup_id,
            mntns_id,
        };
        assert_eq!(who(1, 2), who(1, 0));
        assert_ne!(who(1, 2), who(3, 2));
        assert_ne!(who(0, 2), who(3, 2));
        assert_eq!(who(0, 2), who(0, 2));
        assert_ne!(who(0, 2), who(0, 4));
    }

    #[test]
    fn control_and_claims_lie_as_in_the_header_file() {
        assert_eq!(offset_of!(abi::control, recording), 4);
        assert_eq!(offset_of!(abi::control, claiming), 8);
        assert_eq!(offset_of!(abi::control, by_mntns), 12);
        assert_eq!(size_of::<abi::control>(), 16);
        assert_eq!(offset_of!(abi::claims, refused), 8);
        assert_eq!(offset_of!(abi::recorded, epoch), 4);
        assert_eq!(offset_of!(abi::recorded, armed), 8);
        assert_eq!(size_of::<abi::recorded>(), 16);
    }
}
