//! Which containers there are: the one table that everything that becomes known goes into.
//!
//! Knowledge comes from several sides in any order: the kernel shows a cgroup, a runtime tells a name, a process ends. Each
//! side calls one method here; what that changes for others is decided here alone, and told to the subscribers before the
//! table is unlocked, so that all of them see one order of events.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use gizmo_model::container::Container;

use super::ContainerEvent;
use super::facts::Facts;
use super::merge::{is_same_container, merge};
use crate::clean::is_valid_id;
use crate::runtimes::client::{EventId, Found};

/// How long and how many containers that do not run are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// For how long.
    pub duration: Duration,
    /// How many at most; the oldest go first.
    pub entries: usize,
}

impl Default for Memory {
    /// Ten minutes: a recording of a container that crashed is read after it crashed. 4096 records of some 10 kB, most of it
    /// the OCI configuration, are 40 MB at the very most.
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(600),
            entries: 4096,
        }
    }
}

/// Where in its life a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A runtime knows it; it does not run as far as we know.
    Known,
    /// It runs, and everybody was told.
    Live,
    /// It ran.
    Gone,
    /// A pod's sandbox, which nobody is told about.
    Sandbox,
}

#[derive(Debug)]
struct Entry {
    container: Arc<Container>,
    phase: Phase,
    /// Identifies the first process together with its number; 0 when unknown.
    start_ticks: u64,
    /// A runtime said that it started, and nobody was told yet that it ended.
    has_started: bool,
    /// Of the last change of phase; tells whether an entry in the queue of memories is about it.
    stamp: u64,
}

#[derive(Debug)]
struct Subscriber {
    sender: SyncSender<ContainerEvent>,
    lost: u64,
}

#[derive(Debug)]
struct Memorised {
    since: Instant,
    id: String,
    stamp: u64,
}

/// The table of containers.
#[derive(Debug)]
pub(super) struct State {
    /// By id; ids that people choose may occur once per namespace of containerd.
    entries: HashMap<String, Vec<Entry>>,
    /// Who has a mount namespace: the id of the last one that got it.
    mntns: HashMap<u64, String>,
    subscribers: Vec<Subscriber>,
    memory: Memory,
    memorised: VecDeque<Memorised>,
    stamps: u64,
}

impl State {
    pub(super) fn new(memory: Memory) -> Self {
        Self {
            entries: HashMap::new(),
            mntns: HashMap::new(),
            subscribers: Vec::new(),
            memory,
            memorised: VecDeque::new(),
            stamps: 0,
        }
    }

    /// A new subscriber is first told what runs.
    pub(super) fn subscribe(&mut self, sender: SyncSender<ContainerEvent>) {
        let mut subscriber = Subscriber { sender, lost: 0 };
        let live: Vec<_> = self.live().cloned().collect();
        for container in live {
            tell(&mut subscriber, ContainerEvent::Added(container));
        }
        self.subscribers.push(subscriber);
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Arc<Container>> {
        let entries = self.entries.values().flatten();
        entries
            .filter(|it| it.phase == Phase::Live)
            .map(|it| &it.container)
    }

    /// The one that runs, else the one remembered; sandboxes are nobody's business.
    pub(super) fn find(&self, namespace: &str, id: &str) -> Option<&Arc<Container>> {
        let entries = self.entries.get(id)?.iter();
        let mut fitting: Vec<_> = entries
            .filter(|it| it.phase != Phase::Sandbox && fits(&it.container, namespace))
            .collect();
        fitting.sort_by_key(|it| it.phase != Phase::Live);
        fitting.first().map(|it| &it.container)
    }

    pub(super) fn find_mntns(&self, mntns_id: u64) -> Option<&Arc<Container>> {
        let entries = self.entries.get(self.mntns.get(&mntns_id)?)?;
        entries
            .iter()
            .map(|it| &it.container)
            .find(|it| it.mntns_id == mntns_id)
    }

    pub(super) fn is_named(&self, namespace: &str, id: &str) -> bool {
        let entries = self.entries.get(id).map(Vec::as_slice).unwrap_or_default();
        let named = |it: &&Entry| !it.container.name.is_empty() || it.phase == Phase::Sandbox;
        entries
            .iter()
            .filter(|it| fits(&it.container, namespace))
            .any(|it| named(&it))
    }

    pub(super) fn is_sandbox(&self, namespace: &str, id: &str) -> bool {
        self.position(namespace, id, |it| it.phase == Phase::Sandbox)
            .is_some()
    }

    /// The kernel has shown a container. Returns what is known about it, nothing for a sandbox.
    pub(super) fn discover(
        &mut self,
        container: Container,
        start_ticks: u64,
    ) -> Option<Arc<Container>> {
        if !is_valid_id(&container.id) {
            return None;
        }
        let (index, id) = self.entry_of(&container);
        let entry = self.entries.get_mut(&id)?.get_mut(index)?;
        if entry.phase == Phase::Sandbox {
            return None;
        }
        let is_another = entry.phase == Phase::Live
            && entry.start_ticks != 0
            && start_ticks != 0
            && entry.start_ticks != start_ticks;
        if is_another {
            self.end(&id, index);
        }
        let entry = self.entries.get_mut(&id)?.get_mut(index)?;
        let was_live = entry.phase == Phase::Live;
        if !was_live {
            forget_process(Arc::make_mut(&mut entry.container));
            entry.start_ticks = 0;
        }
        let is_changed = merge(Arc::make_mut(&mut entry.container), container);
        if start_ticks != 0 {
            entry.start_ticks = start_ticks;
        }
        let known = Arc::clone(&entry.container);
        if !was_live {
            self.begin(&id, index);
        } else if is_changed {
            self.index_mntns(&known);
            self.tell_all(&ContainerEvent::Named(Arc::clone(&known)));
        }
        Some(known)
    }

    /// An event has named a container, and perhaps said that it started.
    pub(super) fn note(&mut self, runtime_name: &str, event: &EventId, has_started: bool) {
        let container = Container {
            id: event.id.clone(),
            runtime_name: runtime_name.to_owned(),
            runtime_namespace: event.namespace.clone(),
            name: event.name.clone(),
            image_name: event.image_name.clone(),
            ..Default::default()
        };
        self.learn(
            Found {
                container,
                is_sandbox: false,
            },
            None,
        );
        let entries = self
            .entries
            .get_mut(&event.id)
            .map(Vec::as_mut_slice)
            .unwrap_or_default();
        for entry in entries
            .iter_mut()
            .filter(|it| fits(&it.container, &event.namespace))
        {
            entry.has_started |= has_started;
        }
    }

    /// A runtime has described a container; `facts` are those of its first process, if that exists.
    pub(super) fn learn(&mut self, found: Found, facts: Option<Facts>) {
        let Found {
            mut container,
            is_sandbox,
        } = found;
        if !is_valid_id(&container.id) {
            return;
        }
        // Only what was seen in /proc counts.
        container.pid = 0;
        let (index, id) = self.entry_of(&container);
        if is_sandbox || facts.as_ref().is_some_and(|it| it.is_sandbox) {
            return self.set_sandbox(&id, index);
        }
        let Some(entry) = self.entries.get_mut(&id).and_then(|it| it.get_mut(index)) else {
            return;
        };
        if entry.phase == Phase::Sandbox {
            return;
        }
        let mut is_changed = merge(Arc::make_mut(&mut entry.container), container);
        let Some(facts) = facts else {
            if is_changed && entry.phase == Phase::Live {
                let event = ContainerEvent::Named(Arc::clone(&entry.container));
                self.tell_all(&event);
            }
            return;
        };
        let is_same = entry.start_ticks == facts.start_ticks && entry.container.pid == facts.pid;
        match entry.phase {
            // The end was told first; the process only waits for its parent to take note.
            Phase::Gone if is_same => {}
            Phase::Live if is_same || entry.start_ticks == 0 => {
                entry.start_ticks = facts.start_ticks;
                is_changed |= facts.apply(Arc::make_mut(&mut entry.container));
                if is_changed {
                    let known = Arc::clone(&entry.container);
                    self.index_mntns(&known);
                    self.tell_all(&ContainerEvent::Named(known));
                }
            }
            phase => {
                if phase == Phase::Live {
                    self.end(&id, index);
                }
                if let Some(entry) = self.entries.get_mut(&id).and_then(|it| it.get_mut(index)) {
                    let container = Arc::make_mut(&mut entry.container);
                    forget_process(container);
                    entry.start_ticks = facts.start_ticks;
                    facts.apply(container);
                }
                self.begin(&id, index);
            }
        }
    }

    /// A container that started does not run any more: nobody saw it, but everybody hears of it.
    pub(super) fn passed(&mut self, namespace: &str, id: &str) {
        let unseen = |it: &Entry| it.has_started && matches!(it.phase, Phase::Known | Phase::Gone);
        if let Some(index) = self.position(namespace, id, unseen) {
            self.begin(id, index);
            self.end(id, index);
        }
    }

    /// The first process of a container has ended.
    pub(super) fn ended(&mut self, namespace: &str, id: &str) {
        match self.position(namespace, id, |it| it.phase == Phase::Live) {
            Some(index) => self.end(id, index),
            None => self.passed(namespace, id),
        }
    }

    fn position(&self, namespace: &str, id: &str, is_it: impl Fn(&Entry) -> bool) -> Option<usize> {
        let mut entries = self.entries.get(id)?.iter();
        entries.position(|it| fits(&it.container, namespace) && is_it(it))
    }

    /// Ends what runs no more, by its process.
    pub(super) fn sweep(&mut self, is_alive: impl Fn(u32, u64) -> bool) {
        let live = self.entries.iter().flat_map(|(id, entries)| {
            entries
                .iter()
                .enumerate()
                .filter(|(_, it)| it.phase == Phase::Live)
                .map(move |(index, it)| (id, index, it))
        });
        let dead: Vec<(String, usize)> = live
            .filter(|(_, _, it)| {
                it.container.pid != 0 && !is_alive(it.container.pid, it.start_ticks)
            })
            .map(|(id, index, _)| (id.clone(), index))
            .collect();
        for (id, index) in dead {
            self.end(&id, index);
        }
        self.prune(Instant::now());
    }

    /// A runtime has listed all its containers: those without a process that it does not know any more have ended.
    pub(super) fn reconcile(&mut self, runtime_name: &str, listed: &HashSet<String>) {
        let ended: Vec<_> = self
            .live()
            .filter(|it| it.runtime_name == runtime_name && it.pid == 0 && !listed.contains(&it.id))
            .map(|it| (it.runtime_namespace.clone(), it.id.clone()))
            .collect();
        for (namespace, id) in ended {
            self.ended(&namespace, &id);
        }
    }

    /// The place of a container in the table, made if need be.
    fn entry_of(&mut self, container: &Container) -> (usize, String) {
        let id = container.id.clone();
        let entries = self.entries.entry(id.clone()).or_default();
        if let Some(index) = entries
            .iter()
            .position(|it| is_same_container(&it.container, container))
        {
            return (index, id);
        }
        entries.push(Entry {
            container: Arc::new(Container {
                id: id.clone(),
                runtime_name: container.runtime_name.clone(),
                runtime_namespace: container.runtime_namespace.clone(),
                ..Default::default()
            }),
            phase: Phase::Known,
            start_ticks: 0,
            has_started: false,
            stamp: 0,
        });
        let index = entries.len() - 1;
        self.set_phase(&id, index, Phase::Known);
        (index, id)
    }

    fn begin(&mut self, id: &str, index: usize) {
        if let Some(container) = self.set_phase(id, index, Phase::Live) {
            self.index_mntns(&container);
            self.tell_all(&ContainerEvent::Added(container));
        }
    }

    fn end(&mut self, id: &str, index: usize) {
        if let Some(entry) = self.entries.get_mut(id).and_then(|it| it.get_mut(index)) {
            entry.has_started = false;
        }
        if let Some(container) = self.set_phase(id, index, Phase::Gone) {
            self.tell_all(&ContainerEvent::Removed(container));
        }
    }

    /// Who was told of it as a container hears that it is none any more.
    fn set_sandbox(&mut self, id: &str, index: usize) {
        let phase = self
            .entries
            .get(id)
            .and_then(|it| it.get(index))
            .map(|it| it.phase);
        if phase == Some(Phase::Sandbox) {
            return;
        }
        let container = self.set_phase(id, index, Phase::Sandbox);
        if matches!(phase, Some(Phase::Live | Phase::Gone))
            && let Some(container) = container
        {
            self.tell_all(&ContainerEvent::Removed(container));
        }
    }

    fn set_phase(&mut self, id: &str, index: usize, phase: Phase) -> Option<Arc<Container>> {
        self.stamps += 1;
        let stamp = self.stamps;
        let entry = self.entries.get_mut(id)?.get_mut(index)?;
        entry.phase = phase;
        entry.stamp = stamp;
        let container = Arc::clone(&entry.container);
        if phase != Phase::Live {
            let since = Instant::now();
            self.memorised.push_back(Memorised {
                since,
                id: id.to_owned(),
                stamp,
            });
            if self.memorised.len() > self.memory.entries.saturating_mul(2).max(16) {
                self.memorised.retain(|it| is_current(&self.entries, it));
            }
        }
        Some(container)
    }

    /// Forgets what was remembered long enough, or is too much.
    pub(super) fn prune(&mut self, now: Instant) {
        self.memorised.retain(|it| is_current(&self.entries, it));
        while let Some(oldest) = self.memorised.front() {
            let is_old = now.duration_since(oldest.since) > self.memory.duration;
            if !is_old && self.memorised.len() <= self.memory.entries {
                break;
            }
            if let Some(oldest) = self.memorised.pop_front() {
                self.forget(&oldest);
            }
        }
    }

    fn forget(&mut self, memorised: &Memorised) {
        let Some(entries) = self.entries.get_mut(&memorised.id) else {
            return;
        };
        for gone in entries.extract_if(.., |it| it.stamp == memorised.stamp) {
            if self.mntns.get(&gone.container.mntns_id) == Some(&memorised.id) {
                self.mntns.remove(&gone.container.mntns_id);
            }
        }
        if entries.is_empty() {
            self.entries.remove(&memorised.id);
        }
    }

    fn index_mntns(&mut self, container: &Container) {
        if container.mntns_id != 0 {
            self.mntns.insert(container.mntns_id, container.id.clone());
        }
    }

    fn tell_all(&mut self, event: &ContainerEvent) {
        self.subscribers.retain_mut(|it| tell(it, event.clone()));
    }
}

fn is_current(entries: &HashMap<String, Vec<Entry>>, memorised: &Memorised) -> bool {
    let entries = entries
        .get(&memorised.id)
        .map(Vec::as_slice)
        .unwrap_or_default();
    entries.iter().any(|it| it.stamp == memorised.stamp)
}

fn fits(container: &Container, namespace: &str) -> bool {
    namespace.is_empty()
        || container.runtime_namespace.is_empty()
        || container.runtime_namespace == namespace
}

/// What was true of an earlier first process.
fn forget_process(container: &mut Container) {
    container.pid = 0;
    container.mntns_id = 0;
    container.netns_id = 0;
    container.host_network = false;
    container.started_at_ns = 0;
    container.cgroup_id = 0;
    container.cgroup_path.clear();
    container.cgroup_v1.clear();
    container.cgroup_v2.clear();
}

/// Sends without waiting; whether the subscriber is still there. What does not fit is counted, and the count is sent first
/// when there is room again.
fn tell(subscriber: &mut Subscriber, event: ContainerEvent) -> bool {
    if subscriber.lost > 0 {
        match subscriber
            .sender
            .try_send(ContainerEvent::Lost(subscriber.lost))
        {
            Ok(()) => subscriber.lost = 0,
            Err(TrySendError::Full(_)) => {
                subscriber.lost += 1;
                return true;
            }
            Err(TrySendError::Disconnected(_)) => return false,
        }
    }
    match subscriber.sender.try_send(event) {
        Ok(()) => true,
        Err(TrySendError::Full(_)) => {
            subscriber.lost += 1;
            true
        }
        Err(TrySendError::Disconnected(_)) => false,
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
