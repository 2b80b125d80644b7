//! A recording that is looked at while it goes on.

use gizmo_guest::{Error, Follower, Recording, is_wanted, warn};

use super::{Recorded, Recorder};
use crate::event::Events;
use crate::filter::Filter;
use crate::ring::Totals;
use crate::slots::Position;
use crate::{rules, selection};

/// The run's own output as a follower. It may be the only one to see how a recording ends.
const OWN: u32 = 0;

/// What a follower has been shown of a slot.
#[derive(Debug, Default)]
pub struct Shown {
    position: Position,
    /// Calls that could not be recorded, and that it has been told of.
    refused: u64,
}

impl Recorder {
    /// Shows what the rings hold.
    pub fn snapshot(&mut self, events: &mut Events) -> Result<(), Error> {
        self.tell_refused()?;
        for (recorded, slot) in self.wanted()? {
            self.show(&recorded, slot, events)?;
        }
        Ok(())
    }

    /// Shows what a follower has not been shown yet.
    pub fn follow(&mut self, follower: Follower, events: &mut Events) -> Result<(), Error> {
        self.tell_refused()?;
        let shown = self.followers.entry(follower.number).or_default();
        if follower.is_new {
            shown.clear();
        }
        for (recorded, slot) in self.wanted()? {
            self.show_new(follower.number, &recorded, slot, events)?;
        }
        Ok(())
    }

    /// Drops what the rings hold.
    pub fn drop_history(&mut self) -> Result<(), Error> {
        for (_, slot) in self.wanted()? {
            self.slots.forget(slot)?;
        }
        Ok(())
    }

    /// Tells what is recorded.
    pub fn report(&mut self) -> Result<(), Error> {
        for (recorded, slot) in self.wanted()? {
            let (totals, lost) = self.slots.read(slot, |_, _| Ok(()))?;
            Recording {
                name: &recorded.name,
                cgroup_id: recorded.who.cgroup_id,
                mntns_id: recorded.who.mntns_id,
                recorded: totals.records + totals.overwritten,
                held: totals.records,
                lost,
            }
            .report()?;
        }
        Ok(())
    }

    /// Selects other calls. What both filters select is recorded all the time.
    pub fn change_filter(&mut self, new: Filter) -> Result<(), Error> {
        // Whether there is a filter is a constant of the programs.
        if self.filter.selected.is_empty() {
            return Err(Error::new(
                "this run records all calls; only the filter of a run that was started with `--syscall-filters` can be changed",
            ));
        }
        if new.selected.is_empty() {
            return Err(Error::new(
                "an empty filter selects all calls, which only a new run can record",
            ));
        }
        let both = self.filter.or(&new);
        rules::fill(&both)?;
        selection::fill(&both)?;
        selection::change(&self.filter, &new)?;
        rules::fill(&new)?;
        self.filter = new;
        Ok(())
    }

    /// What the run's own output has not been shown of a recording that ends.
    pub(super) fn show_rest(
        &mut self,
        recorded: &Recorded,
        slot: u32,
        events: &mut Events,
    ) -> Result<(), Error> {
        if self.followers.contains_key(&OWN) {
            self.show_new(OWN, recorded, slot, events)
        } else {
            self.show(recorded, slot, events)
        }
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
        let shown = self.followers.entry(follower).or_default();
        let shown = shown.entry(slot).or_default();
        let (native, who) = (self.filter.native, recorded.who);
        let read = self
            .slots
            .read_new(slot, &mut shown.position, |cpu, record| {
                events.emit(native, who.cgroup_id, who.mntns_id, cpu, record)
            });
        let (totals, refused) = read?;
        let new_refused = refused.saturating_sub(shown.refused);
        shown.refused = refused;
        tell_missed(&recorded.name, totals, new_refused);
        Ok(())
    }
}

fn tell_missed(name: &str, totals: Totals, refused: u64) {
    if totals.overwritten > 0 {
        warn!(
            "{} calls of `{name}` were overwritten before they could be shown",
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
}
