//! Which containers a run follows, from what the kernel sees and what the runtimes tell.
//!
//! The kernel sees a container begin and end; its runtime tells its name, sooner or later or never. A container is followed
//! as soon as it is clear that it is meant, and let go when it has ended and its name is known, or has not come in time.
//! Nothing here waits: news and the time go in, changes come out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gizmo_containers::{RuntimeKind, Selector};
use gizmo_model::container::Container;

/// How long a name is waited for: as long as a runtime may take for an answer.
pub(crate) const NAME_WAIT: Duration = Duration::from_secs(2);

/// How long the kernel's word is waited for when a runtime has told that a container is gone.
const END_WAIT: Duration = Duration::from_secs(1);

/// The namespace of containerd in which Kubernetes keeps its containers.
const K8S_NAMESPACE: &str = "k8s.io";

/// What is heard of containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// The kernel has seen a cgroup made for it.
    Made(Arc<Container>),
    /// The kernel has seen it begin. The name may be known or not.
    Begun(Arc<Container>),
    /// What the kernel has seen begin is no container, or is one that nobody records: a pod's sandbox.
    NoContainer(Arc<Container>),
    /// The kernel has seen its last process end.
    Ended(u64),
    /// A runtime has told of a container that runs, or told more of one.
    Told(Arc<Container>),
    /// A runtime has told that it is gone.
    Gone(Arc<Container>),
}

/// What a gadget has to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A container may be about to begin. Nobody knows yet whether it is meant.
    Announced(Arc<Container>),
    /// A container is followed from now on.
    Created(Arc<Container>),
    /// More is known about a followed one.
    Named(Arc<Container>),
    /// A followed one has ended.
    Deleted(Arc<Container>),
    /// Something that has begun is not meant.
    Ignored(Arc<Container>),
}

/// Which containers are meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meant {
    pub(crate) selector: Selector,
    /// Only those of these runtimes, if any are given.
    pub(crate) runtimes: Vec<RuntimeKind>,
}

impl Meant {
    /// Whether a container is meant; `None` while too little is known of it. When it is late, no more will be known.
    fn decide(&self, container: &Container, is_late: bool) -> Option<bool> {
        let is_named = !container.name.is_empty();
        if !is_named && !is_late && may_be_sandbox(container) {
            return None;
        }
        if !self.runtimes.is_empty() {
            match container.runtime_name.parse::<RuntimeKind>() {
                Ok(kind) if !self.runtimes.contains(&kind) => return Some(false),
                Err(_) if !is_named => return None,
                Err(_) => return Some(false),
                Ok(_) => {}
            }
        }
        if self.selector.is_empty() {
            return Some(true);
        }
        is_named.then(|| self.selector.matches(container))
    }
}

/// In pods, only the runtime can tell a container from the sandbox.
fn may_be_sandbox(container: &Container) -> bool {
    !container.k8s.pod_uid.is_empty()
        || container.runtime_namespace == K8S_NAMESPACE
        || container.runtime_name == RuntimeKind::CriO.name()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Undecided,
    Followed,
    Ignored,
}

#[derive(Debug)]
struct Entry {
    container: Arc<Container>,
    state: State,
    since: Instant,
    /// When it ended, or will be taken to have ended.
    ended: Option<Instant>,
}

/// The containers of a run.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    meant: Meant,
    /// By cgroup, or by mount namespace where there is none: the kernel gives each cgroup id once.
    entries: HashMap<(u64, u64), Entry>,
    /// Those that have ended. What is still told of them makes nobody follow them again.
    past: HashSet<(u64, u64)>,
    past_order: VecDeque<(u64, u64)>,
    /// Names that did not come in time.
    unnamed: u64,
}

/// Ends that are remembered.
const REMEMBERED: usize = 4096;

fn key(container: &Container) -> (u64, u64) {
    match container.cgroup_id {
        0 => (0, container.mntns_id),
        id => (id, 0),
    }
}

impl Roster {
    pub(crate) fn new(meant: Meant) -> Self {
        Self {
            meant,
            ..Self::default()
        }
    }

    /// Takes news; what follows from it is appended.
    pub(crate) fn hear(&mut self, news: News, now: Instant, changes: &mut Vec<Change>) {
        let key = match news {
            News::Made(container) => {
                changes.push(Change::Announced(container));
                return;
            }
            News::NoContainer(container) => {
                self.drop_out(container, changes);
                return;
            }
            News::Begun(container) | News::Told(container) => {
                let key = key(&container);
                // Neither cgroup nor mount namespace: nothing to follow it by yet.
                if key == (0, 0) {
                    return;
                }
                if self.past.contains(&key) {
                    changes.push(Change::Named(container));
                    return;
                }
                self.learn(key, container, now, changes);
                key
            }
            News::Ended(cgroup_id) => {
                let key = (cgroup_id, 0);
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.ended = Some(entry.ended.map_or(now, |ended| ended.min(now)));
                }
                key
            }
            News::Gone(container) => {
                let key = key(&container);
                if let Some(entry) = self.entries.get_mut(&key) {
                    let wait = if key.0 == 0 { Duration::ZERO } else { END_WAIT };
                    entry.ended.get_or_insert(now + wait);
                }
                key
            }
        };
        self.advance(key, now, changes);
    }

    /// Who has been followed ends; others were never there.
    fn drop_out(&mut self, container: Arc<Container>, changes: &mut Vec<Change>) {
        let entry = self.entries.remove(&key(&container));
        match entry.map(|entry| entry.state) {
            Some(State::Followed) => changes.push(Change::Deleted(container)),
            Some(State::Ignored) => {}
            Some(State::Undecided) | None => changes.push(Change::Ignored(container)),
        }
    }

    fn learn(
        &mut self,
        key: (u64, u64),
        mut container: Arc<Container>,
        now: Instant,
        changes: &mut Vec<Change>,
    ) {
        // The collection forgets the namespace with the process; the filter needs it to the end.
        let known = self.entries.get(&key).map(|it| it.container.mntns_id);
        if let Some(mntns_id @ 1..) = known
            && container.mntns_id != mntns_id
        {
            Arc::make_mut(&mut container).mntns_id = mntns_id;
        }
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            container: Arc::clone(&container),
            state: State::Undecided,
            since: now,
            ended: None,
        });
        if entry.state == State::Followed && entry.container != container {
            changes.push(Change::Named(Arc::clone(&container)));
        }
        entry.container = container;
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: Instant, changes: &mut Vec<Change>) {
        let due: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| deadline(entry).is_some_and(|deadline| deadline <= now))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            self.advance(key, now, changes);
        }
    }

    /// When [`Roster::tick`] is needed next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.entries.values().filter_map(deadline).min()
    }

    /// Whether no name is waited for any more. One that has not come in time may come later, but nobody waits for it.
    pub(crate) fn is_settled(&self, now: Instant) -> bool {
        let is_late = |entry: &Entry| now.saturating_duration_since(entry.since) >= NAME_WAIT;
        let is_settled = |entry: &Entry| match entry.state {
            State::Undecided => false,
            State::Followed => !entry.container.name.is_empty() || is_late(entry),
            State::Ignored => true,
        };
        self.entries.values().all(is_settled)
    }

    /// How many containers could not be told to be meant or not, since their names did not come.
    pub(crate) fn unnamed(&self) -> u64 {
        self.unnamed
    }

    fn advance(&mut self, key: (u64, u64), now: Instant, changes: &mut Vec<Change>) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        if entry.state == State::Undecided {
            let is_late = now.saturating_duration_since(entry.since) >= NAME_WAIT;
            let decided = self.meant.decide(&entry.container, is_late);
            if decided.is_none() && is_late {
                self.unnamed += 1;
            }
            match decided.or(is_late.then_some(false)) {
                Some(true) => {
                    entry.state = State::Followed;
                    changes.push(Change::Created(Arc::clone(&entry.container)));
                }
                Some(false) => {
                    entry.state = State::Ignored;
                    changes.push(Change::Ignored(Arc::clone(&entry.container)));
                }
                None => {}
            }
        }
        let has_ended = entry.ended.is_some_and(|ended| ended <= now);
        let is_over = match entry.state {
            State::Undecided => false,
            State::Ignored => has_ended,
            State::Followed => {
                has_ended
                    && (!entry.container.name.is_empty()
                        || deadline(entry).is_none_or(|deadline| deadline <= now))
            }
        };
        if is_over && let Some(entry) = self.entries.remove(&key) {
            // A mount namespace's number is used again.
            if key.0 != 0 && self.past.insert(key) {
                self.past_order.push_back(key);
            }
            if self.past_order.len() > REMEMBERED
                && let Some(oldest) = self.past_order.pop_front()
            {
                self.past.remove(&oldest);
            }
            if entry.state == State::Followed {
                changes.push(Change::Deleted(entry.container));
            }
        }
    }
}

/// When something happens to an entry even if nothing is heard.
fn deadline(entry: &Entry) -> Option<Instant> {
    match (entry.state, entry.ended) {
        (State::Undecided, _) => Some(entry.since + NAME_WAIT),
        (State::Followed, Some(ended)) if entry.container.name.is_empty() => {
            Some(ended + NAME_WAIT)
        }
        (_, Some(ended)) => Some(ended),
        (_, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use gizmo_containers::SelectorTexts;

    use super::*;

    fn container(cgroup_id: u64, name: &str) -> Arc<Container> {
        Arc::new(Container {
            id: format!("id{cgroup_id}"),
            name: name.to_owned(),
            cgroup_id,
            mntns_id: 77,
            runtime_name: "docker".to_owned(),
            ..Container::default()
        })
    }

    fn named(names: &str) -> Roster {
        let selector = Selector::parse(&SelectorTexts {
            container: names.to_owned(),
            ..SelectorTexts::default()
        });
        Roster::new(Meant {
            selector: selector.unwrap(),
            runtimes: Vec::new(),
        })
    }

    fn hear(roster: &mut Roster, news: News, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        roster.hear(news, now, &mut changes);
        changes
    }

    fn tick(roster: &mut Roster, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        roster.tick(now, &mut changes);
        changes
    }

    #[test]
    fn without_a_selector_everything_is_followed_at_once_and_named_later() {
        let (mut roster, now) = (Roster::default(), Instant::now());
        let begun = hear(&mut roster, News::Begun(container(1, "")), now);
        assert_eq!(begun, [Change::Created(container(1, ""))]);
        assert!(!roster.is_settled(now));
        assert!(roster.is_settled(now + NAME_WAIT));
        let told = hear(&mut roster, News::Told(container(1, "a")), now);
        assert_eq!(told, [Change::Named(container(1, "a"))]);
        assert!(roster.is_settled(now) && roster.deadline().is_none());
        assert_eq!(hear(&mut roster, News::Told(container(1, "a")), now), []);
        assert_eq!(
            hear(&mut roster, News::Ended(1), now),
            [Change::Deleted(container(1, "a"))]
        );
        assert_eq!(hear(&mut roster, News::Ended(1), now), []);
    }

    #[test]
    fn one_that_ends_before_it_has_a_name_waits_for_it() {
        let (mut roster, now) = (Roster::default(), Instant::now());
        hear(&mut roster, News::Begun(container(1, "")), now);
        assert_eq!(hear(&mut roster, News::Ended(1), now), []);
        let told = hear(&mut roster, News::Told(container(1, "a")), now);
        assert_eq!(
            told,
            [
                Change::Named(container(1, "a")),
                Change::Deleted(container(1, "a"))
            ]
        );
        hear(&mut roster, News::Begun(container(2, "")), now);
        hear(&mut roster, News::Ended(2), now);
        assert_eq!(roster.deadline(), Some(now + NAME_WAIT));
        assert_eq!(tick(&mut roster, now + NAME_WAIT / 2), []);
        assert_eq!(
            tick(&mut roster, now + NAME_WAIT),
            [Change::Deleted(container(2, ""))]
        );
        // A name that comes too late is no reason to begin again.
        assert_eq!(
            hear(&mut roster, News::Told(container(2, "b")), now),
            [Change::Named(container(2, "b"))]
        );
    }

    #[test]
    fn a_selector_waits_for_the_name() {
        let (mut roster, now) = (named("a,!b"), Instant::now());
        assert_eq!(hear(&mut roster, News::Begun(container(1, "")), now), []);
        assert_eq!(
            hear(&mut roster, News::Told(container(1, "a")), now),
            [Change::Created(container(1, "a"))]
        );
        hear(&mut roster, News::Begun(container(2, "")), now);
        assert_eq!(
            hear(&mut roster, News::Told(container(2, "b")), now),
            [Change::Ignored(container(2, "b"))]
        );
        // The whole life before the name.
        hear(&mut roster, News::Begun(container(3, "")), now);
        assert_eq!(hear(&mut roster, News::Ended(3), now), []);
        let told = hear(&mut roster, News::Told(container(3, "a")), now);
        assert_eq!(
            told,
            [
                Change::Created(container(3, "a")),
                Change::Deleted(container(3, "a"))
            ]
        );
    }

    #[test]
    fn a_name_that_never_comes_is_counted() {
        let (mut roster, now) = (named("a"), Instant::now());
        hear(&mut roster, News::Begun(container(1, "")), now);
        assert_eq!(
            tick(&mut roster, now + NAME_WAIT),
            [Change::Ignored(container(1, ""))]
        );
        assert_eq!(roster.unnamed(), 1);
        assert!(roster.is_settled(now));
        assert_eq!(hear(&mut roster, News::Ended(1), now), []);
        assert_eq!(roster.deadline(), None);
    }

    #[test]
    fn a_runtimes_word_counts_when_the_kernel_is_silent() {
        let (mut roster, now) = (Roster::default(), Instant::now());
        hear(&mut roster, News::Told(container(1, "a")), now);
        assert_eq!(hear(&mut roster, News::Gone(container(1, "a")), now), []);
        assert_eq!(
            tick(&mut roster, now + END_WAIT),
            [Change::Deleted(container(1, "a"))]
        );
        // Without a cgroup nobody else tells.
        let bare = container(0, "b");
        hear(&mut roster, News::Told(Arc::clone(&bare)), now);
        assert_eq!(
            hear(&mut roster, News::Gone(Arc::clone(&bare)), now),
            [Change::Deleted(bare)]
        );
    }

    #[test]
    fn the_namespace_that_was_seen_first_stays() {
        let (mut roster, now) = (Roster::default(), Instant::now());
        hear(&mut roster, News::Begun(container(1, "")), now);
        let mut told = (*container(1, "a")).clone();
        told.mntns_id = 0;
        hear(&mut roster, News::Told(Arc::new(told)), now);
        assert_eq!(
            hear(&mut roster, News::Ended(1), now),
            [Change::Deleted(container(1, "a"))]
        );
    }

    #[test]
    fn names_may_be_used_again_and_namespaces_too() {
        let (mut roster, now) = (named("a"), Instant::now());
        for cgroup_id in 1..4 {
            let changes = hear(&mut roster, News::Begun(container(cgroup_id, "a")), now);
            assert_eq!(changes, [Change::Created(container(cgroup_id, "a"))]);
        }
        assert_eq!(
            hear(&mut roster, News::Ended(2), now),
            [Change::Deleted(container(2, "a"))]
        );
    }

    #[test]
    fn other_runtimes_are_not_meant() {
        let mut roster = Roster::new(Meant {
            selector: Selector::default(),
            runtimes: vec![RuntimeKind::Containerd],
        });
        let now = Instant::now();
        assert_eq!(
            hear(&mut roster, News::Begun(container(1, "")), now),
            [Change::Ignored(container(1, ""))]
        );
        let unknown = Arc::new(Container {
            runtime_name: String::new(),
            ..(*container(2, "")).clone()
        });
        assert_eq!(
            hear(&mut roster, News::Begun(Arc::clone(&unknown)), now),
            []
        );
        let known = Arc::new(Container {
            runtime_name: "containerd".into(),
            ..(*container(2, "x")).clone()
        });
        assert_eq!(
            hear(&mut roster, News::Told(Arc::clone(&known)), now),
            [Change::Created(known)]
        );
    }

    #[test]
    fn in_a_pod_the_name_is_waited_for_since_it_may_be_a_sandbox() {
        let (mut roster, now) = (Roster::default(), Instant::now());
        let in_pod = |cgroup_id, name| {
            let mut container = (*container(cgroup_id, name)).clone();
            container.runtime_namespace = K8S_NAMESPACE.to_owned();
            Arc::new(container)
        };
        for cgroup_id in 1..4 {
            let begun = News::Begun(in_pod(cgroup_id, ""));
            assert_eq!(hear(&mut roster, begun, now), []);
        }
        let sandbox = News::NoContainer(in_pod(1, ""));
        assert_eq!(
            hear(&mut roster, sandbox, now),
            [Change::Ignored(in_pod(1, ""))]
        );
        assert_eq!(
            hear(&mut roster, News::Told(in_pod(2, "a")), now),
            [Change::Created(in_pod(2, "a"))]
        );
        // No answer: rather an unnamed container than none.
        assert_eq!(
            tick(&mut roster, now + NAME_WAIT),
            [Change::Created(in_pod(3, ""))]
        );
        assert_eq!(
            hear(&mut roster, News::NoContainer(in_pod(3, "")), now),
            [Change::Deleted(in_pod(3, ""))]
        );
    }

    #[test]
    fn what_is_no_container_is_ignored_at_once() {
        let (mut roster, now) = (named("a"), Instant::now());
        // Whoever it will be is announced, and nothing follows from that.
        assert_eq!(
            hear(&mut roster, News::Made(container(8, "")), now),
            [Change::Announced(container(8, ""))]
        );
        assert!(roster.is_settled(now));
        let service = container(9, "");
        assert_eq!(
            hear(&mut roster, News::NoContainer(Arc::clone(&service)), now),
            [Change::Ignored(service)]
        );
        assert_eq!(
            hear(&mut roster, News::Told(Arc::new(Container::default())), now),
            []
        );
    }
}
