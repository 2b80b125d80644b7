//! A recording that is looked at while it goes on.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gizmo_guest::{Error, Follower, Recording, boot_time_ns, is_wanted};

use super::{Recorded, Recorder, calls_in_flight, emit, tell_lost};
use crate::descriptors::{FOLLOWER_ROOM, Walk};
use crate::event::Events;
use crate::filter::Filter;
use crate::inflight::InFlight;
use crate::ring::{Cursor, Reason, Totals};
use crate::selection::Union;
use crate::{predicates, rules, selection};

/// The run's own output as a follower. It may be the only one to see how a recording ends.
const OWN: u32 = 0;

/// Followers' ways along rings that have room to know descriptors; those of more followers show numbers.
const MOST_WALKS: usize = 16;

/// What a follower has been told of a slot.
#[derive(Debug, Default)]
pub struct Told {
    position: Vec<Cursor>,
    walk: Option<Walk>,
    totals: Totals,
}

impl Recorder {
    /// Shows what the rings hold, and what has not returned.
    pub fn snapshot(&mut self, events: &mut Events) -> Result<(), Error> {
        self.tell_refused()?;
        self.tell_missed(events)?;
        // Before the rings are read: what returns meanwhile is in them.
        let in_flight = calls_in_flight(&self.filter);
        for (recorded, slot) in self.wanted()? {
            let mut calls = in_flight.of_slot(slot, recorded.since_boot_ns);
            let looked_at = |call: &InFlight<'_>| (call.tid, call.now_boot_ns);
            let mut waiting: BTreeMap<u32, u64> = calls.iter().map(looked_at).collect();
            // A thread is in one call at a time: when a later end of one is recorded, this one has ended.
            let walk = self.show(&recorded, slot, events, |record| {
                if let Entry::Occupied(call) = waiting.entry(record.tid)
                    && record.end_boot_ns() >= *call.get()
                {
                    call.remove();
                }
            })?;
            calls.retain(|call| waiting.contains_key(&call.tid));
            self.show_unfinished(&recorded, &walk, &calls, events)?;
        }
        Ok(())
    }

    /// Shows what a follower has not been shown yet.
    pub fn follow(&mut self, follower: Follower, events: &mut Events) -> Result<(), Error> {
        if !events.can_be_followed() {
            return Err(Error::new(
                "statistics are shown as a whole; `--every` does that again and again",
            ));
        }
        self.tell_refused()?;
        let told = self.followers.entry(follower.number).or_default();
        if follower.is_new {
            told.clear();
        }
        for (recorded, slot) in self.wanted()? {
            self.show_new(follower.number, &recorded, slot, events)?;
        }
        Ok(())
    }

    /// Drops what the rings hold.
    pub fn drop_history(&mut self) -> Result<(), Error> {
        for (wanted, slot) in self.wanted()? {
            // What was open then is not open any more, perhaps.
            for recorded in &mut self.recorded {
                recorded.open_files.take_if(|_| recorded.who == wanted.who);
            }
            self.slots.forget(slot)?;
            let epoch = self.slots.epoch(slot);
            if let Some(counted) = &mut self.counted {
                counted.forget(slot, epoch)?;
            }
        }
        Ok(())
    }

    /// Tells what is recorded.
    pub fn report(&mut self) -> Result<(), Error> {
        for (recorded, slot) in self.wanted()? {
            let totals = self.slots.read(slot, |_, _| Ok(()))?;
            let lost = |reason| totals.lost.get(&reason).copied().unwrap_or(0);
            Recording {
                name: &recorded.name,
                cgroup_id: recorded.who.cgroup_id,
                mntns_id: recorded.who.mntns_id,
                recorded: totals.records + lost(Reason::Overwritten),
                held: totals.records,
                lost: lost(Reason::Refused),
            }
            .report()?;
        }
        Ok(())
    }

    /// Selects other calls. What both filters select is recorded all the time.
    pub fn change_filter(&mut self, new: Filter, events: &mut Events) -> Result<(), Error> {
        // Whether there is a filter is a constant of the programs, and so is what they look at.
        if !self.has_filter {
            return Err(Error::new(
                "this run records all calls; only the filter of a run that was started with `--syscall-filters` can be changed",
            ));
        }
        let new = new.within(&self.loaded);
        if self.loaded.is_of_failures() && !new.plan.kernel.is_of_failures() {
            return Err(Error::new(
                "this run was started for failed calls and sees no others; the new filter must ask for failures, too",
            ));
        }
        self.attached.check(&new)?;
        let native = new.native;
        rules::fill(native, Union(&[&self.filter.selection, &new.selection]))?;
        predicates::fill(&self.filter.plan.kernel.or(&new.plan.kernel))?;
        selection::change(native, &self.filter.selection, &new.selection)?;
        predicates::fill(&new.plan.kernel)?;
        rules::fill(native, Union(&[&new.selection]))?;
        events.filter_by(&new, boot_time_ns()?);
        self.filter = new;
        Ok(())
    }

    /// What the run's own output has not been shown of a recording that ends.
    pub(super) fn show_rest(
        &mut self,
        recorded: &Recorded,
        slot: u32,
        events: &mut Events,
    ) -> Result<Walk, Error> {
        if !self.followers.contains_key(&OWN) {
            return self.show(recorded, slot, events, |_| ());
        }
        self.show_new(OWN, recorded, slot, events)?;
        let told = self.followers.entry(OWN).or_default();
        let told = told.remove(&slot).unwrap_or_default();
        // At its place each loss was marked; this is all of it.
        tell_lost(&recorded.name, &told.totals);
        self.show_statistics(recorded, slot, events)?;
        Ok(told.walk.unwrap_or_else(|| Walk::new(None, 0)))
    }

    /// The containers that somebody asks about, and their slots; those that have not begun have none.
    fn wanted(&self) -> Result<Vec<(Recorded, u32)>, Error> {
        let mut wanted = Vec::new();
        for recorded in &self.recorded {
            let who = recorded.who;
            if is_wanted(who.cgroup_id, who.mntns_id, &recorded.name)
                && let Some(slot) = self.slot_of(recorded)?
            {
                wanted.push((recorded.clone(), slot));
            }
        }
        Ok(wanted)
    }

    fn show_new(
        &mut self,
        follower: u32,
        recorded: &Recorded,
        slot: u32,
        events: &mut Events,
    ) -> Result<(), Error> {
        let walks = self.followers.values().flat_map(BTreeMap::values);
        let room = match walks.filter(|told| told.walk.is_some()).count() {
            ..MOST_WALKS => FOLLOWER_ROOM,
            _ => 0,
        };
        let told = self.followers.entry(follower).or_default();
        let told = told.entry(slot).or_default();
        let walk = told
            .walk
            .get_or_insert_with(|| Walk::new(recorded.open_files.clone(), room));
        walk.go_on(boot_time_ns()?);
        let (native, container) = (self.filter.native, recorded.container());
        let totals = self
            .slots
            .read_new(slot, &mut told.position, |cpu, shown| {
                emit(events, native, container, walk, cpu, shown)
            })?;
        events.flush()?;
        told.totals.records += totals.records;
        for (reason, count) in totals.lost {
            *told.totals.lost.entry(reason).or_default() += count;
        }
        Ok(())
    }
}
