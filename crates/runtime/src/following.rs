//! Containers as a run follows them: the kernel's eyes and the runtimes' words become news for the run's main loop.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use gizmo_containers::{
    Collection, CollectionOptions, ContainerEvent, RuntimeKind, RuntimeOptions, Selector,
};
use gizmo_ebpf::{Seen, Start, StartEvents, Starts};
use gizmo_model::container::Container;
use gizmo_model::map::BpfMap;
use rustix::event::{EventfdFlags, eventfd};
use tracing::{debug, warn};

use crate::Error;
use crate::roster::{Meant, News};
use crate::wait::{Event, spawn_joinable};

/// Events of the collection that may wait.
const QUEUE: usize = 16384;

/// Which containers a run follows.
#[derive(Debug, Clone, Default)]
pub struct ContainerOptions {
    /// The runtimes and how to reach them.
    pub runtimes: RuntimeOptions,
    /// Only containers of these, if a person has named any.
    pub only: Vec<RuntimeKind>,
    /// Names, images and labels.
    pub selector: Selector,
    /// Whether the host itself is meant, too; then nothing is filtered.
    pub host: bool,
}

/// Containers that are being followed. Dropping it ends that.
pub(crate) struct Following {
    collection: Arc<Collection>,
    starts: Option<Arc<Starts>>,
    quit: OwnedFd,
    eyes: Option<JoinHandle<()>>,
}

impl Following {
    /// Asks the runtimes for their containers.
    ///
    /// # Errors
    /// A runtime that was asked for has no socket.
    pub(crate) fn ask(options: &ContainerOptions) -> Result<Self, Error> {
        let collection = Collection::start(&CollectionOptions {
            runtimes: options.runtimes.clone(),
            ..CollectionOptions::default()
        })?;
        let quit = eventfd(0, EventfdFlags::CLOEXEC)
            .map_err(|error| Error::System("an eventfd cannot be made", error.into()))?;
        Ok(Self {
            collection: Arc::new(collection),
            starts: None,
            quit,
            eyes: None,
        })
    }

    /// Watches containers begin and end, and sends all news. New containers are put into the filter before their first
    /// instruction. Where the kernel cannot be watched, what the runtimes tell must do.
    ///
    /// # Errors
    /// Threads cannot be made.
    pub(crate) fn watch(
        &mut self,
        filter: Option<&dyn BpfMap>,
        events: &Sender<Event>,
    ) -> Result<(), Error> {
        match Starts::attach(filter) {
            Ok(starts) => {
                let starts = Arc::new(starts);
                if let Some(seen) = starts.take_events() {
                    self.look(seen, events.clone())?;
                }
                self.starts = Some(starts);
            }
            Err(error) => warn!(
                error = crate::error::chain(&error),
                "the kernel cannot be watched for new containers: their first calls are missed"
            ),
        }
        self.listen(events.clone())
    }

    fn look(&mut self, mut seen: StartEvents, events: Sender<Event>) -> Result<(), Error> {
        let collection = Arc::clone(&self.collection);
        let quit = self
            .quit
            .try_clone()
            .map_err(|error| Error::System("a descriptor cannot be copied", error))?;
        self.eyes = Some(spawn_joinable("container-starts", move || {
            let mut eyes = Eyes {
                collection,
                alive: HashMap::new(),
            };
            loop {
                let starts = match seen.wait(&quit) {
                    Ok(starts) if starts.is_empty() => return,
                    Ok(starts) => starts,
                    Err(error) => {
                        warn!(%error, "new containers cannot be seen any more");
                        return;
                    }
                };
                let news = starts.into_iter().flat_map(|start| eyes.news(start));
                for news in news {
                    if events.send(Event::News(news)).is_err() {
                        return;
                    }
                }
            }
        })?);
        Ok(())
    }

    fn listen(&self, events: Sender<Event>) -> Result<(), Error> {
        let told = self.collection.subscribe(QUEUE);
        let starts = self.starts.clone();
        let collection = Arc::downgrade(&self.collection);
        // Ends with the collection.
        spawn_joinable("container-names", move || {
            for event in told {
                let collection = collection.upgrade();
                let news = match event {
                    ContainerEvent::Added(container) => {
                        if let Some(starts) = starts.as_ref().filter(|_| container.cgroup_id != 0)
                            && let Err(error) = starts.follow(container.cgroup_id)
                        {
                            debug!(%error, id = container.id, "the container's end will be noticed late");
                        }
                        News::Told(container)
                    }
                    ContainerEvent::Named(container) => News::Told(container),
                    ContainerEvent::Removed(container) => {
                        if collection.is_some_and(|it| it.is_sandbox(&container)) {
                            News::NoContainer(container)
                        } else {
                            News::Gone(container)
                        }
                    }
                    ContainerEvent::Lost(count) => {
                        warn!(count, "news of containers were lost; asking who is there");
                        let there = collection.map(|it| it.containers()).unwrap_or_default();
                        for container in there {
                            let _ = events.send(Event::News(News::Told(container)));
                        }
                        continue;
                    }
                    _ => continue,
                };
                if events.send(Event::News(news)).is_err() {
                    return;
                }
            }
        })?;
        Ok(())
    }

    /// Which runtimes do not answer, and why.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let statuses = self.collection.statuses();
        let complaint =
            |status: &gizmo_containers::RuntimeStatus| match (&status.error, status.is_asked) {
                (Some(error), _) => Some(format!("{}: {error}", status.kind)),
                (None, false) => Some(format!("{} does not answer", status.kind)),
                (None, true) => None,
            };
        statuses.iter().filter_map(complaint).collect()
    }

    /// Beginnings and ends that were lost in the kernel.
    pub(crate) fn lost(&self) -> u64 {
        self.starts.as_ref().map_or(0, |starts| starts.lost())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // The counter's value is of no matter, only that there is one.
        let _ = rustix::io::write(&self.quit, &1u64.to_ne_bytes());
        if let Some(eyes) = self.eyes.take() {
            // A panic in there has been reported.
            let _ = eyes.join();
        }
    }
}

/// Tells which container the kernel has seen.
struct Eyes {
    collection: Arc<Collection>,
    /// By cgroup.
    alive: HashMap<u64, Arc<Container>>,
}

impl Eyes {
    fn news(&mut self, start: Start) -> Vec<News> {
        match start {
            Start::Made(seen) => self
                .identify(&seen)
                .map(|container| News::Made(Arc::new(container)))
                .into_iter()
                .collect(),
            Start::Begun(seen) => vec![self.begun(&seen)],
            Start::NeverBegan(seen) => {
                let begun = self.begun(&seen);
                match begun {
                    News::Begun(_) => vec![begun, self.ended(seen.cgroup_id)],
                    other => vec![other],
                }
            }
            Start::Ended { cgroup_id } => vec![self.ended(cgroup_id)],
        }
    }

    /// What a cgroup tells about the container in it, if it is one's own.
    fn identify(&self, seen: &Seen) -> Option<Container> {
        // What begins below a container's own cgroup is a part of it, or a container inside.
        let told = self
            .collection
            .identify(&seen.cgroup_path)
            .filter(|told| !told.is_below(&seen.cgroup_path))?;
        let mut container = anonymous(seen);
        container.id = told.id;
        container.runtime_name = told
            .runtime
            .map_or_else(String::new, |kind| kind.name().to_owned());
        container.runtime_namespace = told.namespace.unwrap_or_default();
        container.k8s.pod_uid = told.pod_uid.unwrap_or_default();
        Some(container)
    }

    fn begun(&mut self, seen: &Seen) -> News {
        let Some(container) = self.identify(seen) else {
            return News::NoContainer(Arc::new(anonymous(seen)));
        };
        match self.collection.discover(container.clone()) {
            Some(known) => {
                self.alive.insert(seen.cgroup_id, Arc::clone(&known));
                News::Begun(known)
            }
            None => News::NoContainer(Arc::new(container)),
        }
    }

    fn ended(&mut self, cgroup_id: u64) -> News {
        if let Some(container) = self.alive.remove(&cgroup_id) {
            self.collection.ended(&container);
        }
        News::Ended(cgroup_id)
    }
}

/// What the kernel knows.
fn anonymous(seen: &Seen) -> Container {
    Container {
        cgroup_id: seen.cgroup_id,
        mntns_id: seen.mntns_id,
        pid: seen.pid,
        cgroup_v2: seen.cgroup_path.clone(),
        ..Container::default()
    }
}

impl ContainerOptions {
    pub(crate) fn meant(&self) -> Meant {
        Meant {
            selector: self.selector.clone(),
            runtimes: self.only.clone(),
        }
    }
}
