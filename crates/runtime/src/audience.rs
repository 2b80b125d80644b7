//! What a running gadget is told of containers, and its container filter.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use gizmo_model::container::Container;
use gizmo_model::map::BpfMap;
use tracing::{debug, warn};

use crate::enrich::Identities;
use crate::gadget::RunningGadget;
use crate::roster::{Change, News, Roster};
use crate::wait::Listener;

/// A gadget that hears of containers.
pub(crate) struct Audience<'g> {
    gadget: &'g RunningGadget,
    roster: Roster,
    identities: Arc<Identities>,
    filter: Option<Arc<dyn BpfMap>>,
    /// How many followed containers share a mount namespace.
    selected: HashMap<u64, u32>,
    /// Whether it was said that the filter is full.
    is_full: bool,
}

impl<'g> Audience<'g> {
    pub(crate) fn new(
        gadget: &'g RunningGadget,
        roster: Roster,
        identities: Arc<Identities>,
        filter: Option<Arc<dyn BpfMap>>,
    ) -> Self {
        Self {
            gadget,
            roster,
            identities,
            filter,
            selected: HashMap::new(),
            is_full: false,
        }
    }

    /// Tells of one that is there from the beginning to the end, whatever is selected.
    pub(crate) fn include(&mut self, container: Container) {
        self.apply(vec![Change::Created(Arc::new(container))]);
    }

    /// How many containers were left out since their names did not come.
    pub(crate) fn unnamed(&self) -> u64 {
        self.roster.unnamed()
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            let (event, container) = match &change {
                Change::Announced(container) => ("PRECREATE", container),
                Change::Created(container) => ("CREATED", container),
                Change::Named(container) => {
                    self.identities.learn(container);
                    continue;
                }
                Change::Deleted(container) => ("DELETED", container),
                Change::Ignored(container) => ("IGNORED", container),
            };
            debug!(
                event,
                name = container.name,
                id = container.id,
                cgroup = container.cgroup_id,
                "container"
            );
            if !matches!(event, "IGNORED" | "PRECREATE") {
                self.identities.learn(container);
            }
            if event == "DELETED" {
                self.identities.end(container);
            }
            if event != "PRECREATE" {
                self.filter(event, container);
            }
            if let Err(error) = self.gadget.publish(event, container) {
                warn!(
                    error = crate::error::chain(&error),
                    name = container.name,
                    "the gadget could not be told of a container"
                );
            }
        }
    }

    /// The kernel side has put new containers into the filter already; what is not meant, or has ended, is taken out.
    fn filter(&mut self, event: &str, container: &Container) {
        let (Some(filter), mntns) = (&self.filter, container.mntns_id) else {
            return;
        };
        if mntns == 0 {
            return;
        }
        let users = self.selected.entry(mntns).or_default();
        let key = mntns.to_ne_bytes();
        match event {
            "CREATED" => {
                *users += 1;
                if let Err(error) = filter.update(&key, &1u32.to_ne_bytes(), 0)
                    && !std::mem::replace(&mut self.is_full, true)
                {
                    warn!(%error, name = container.name, "the container filter takes no more containers");
                }
            }
            "DELETED" => *users = users.saturating_sub(1),
            _ => {}
        }
        if *users == 0 {
            self.selected.remove(&mntns);
            if let Err(error) = filter.delete(&key) {
                debug!(%error, "the container filter keeps a container");
            }
        }
    }
}

impl Listener for Audience<'_> {
    fn hear(&mut self, news: News) {
        let mut changes = Vec::new();
        self.roster.hear(news, Instant::now(), &mut changes);
        self.apply(changes);
    }

    fn tick(&mut self) {
        let mut changes = Vec::new();
        self.roster.tick(Instant::now(), &mut changes);
        self.apply(changes);
    }

    fn deadline(&self) -> Option<Instant> {
        self.roster.deadline()
    }

    fn is_settled(&self) -> bool {
        self.roster.is_settled(Instant::now())
    }
}

/// Of a run that follows no containers.
pub(crate) struct Nobody;

impl Listener for Nobody {
    fn hear(&mut self, _: News) {}

    fn tick(&mut self) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_settled(&self) -> bool {
        true
    }
}
