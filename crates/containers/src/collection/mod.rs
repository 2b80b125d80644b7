//! The collection: all containers of all runtimes, now and as they come and go.

mod facts;
mod follow;
mod merge;
mod state;

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gizmo_model::container::Container;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::follow::{Source, follow, learn};
use self::state::State;
use crate::cgroup_path::{CgroupContainer, identify_cgroup_in};
use crate::host::HostRoot;
use crate::process::ProcessFacts;
use crate::runtimes::{RuntimeError, RuntimeKind, RuntimeOptions};

pub use self::state::Memory;

/// How often the processes of containers are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// What happens to containers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContainerEvent {
    /// It runs. Its name may still be unknown.
    Added(Arc<Container>),
    /// More is known about one that was added: its name, or anything else.
    Named(Arc<Container>),
    /// It has ended; the record is the last one that was known.
    Removed(Arc<Container>),
    /// The subscriber was too slow and has missed so many events; [`Collection::containers`] has what runs.
    Lost(u64),
}

/// How to follow containers.
#[derive(Debug, Clone, Default)]
pub struct CollectionOptions {
    /// Which runtimes.
    pub runtimes: RuntimeOptions,
    /// How long to remember containers that do not run.
    pub memory: Memory,
}

/// How it stands with one runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// The runtime.
    pub kind: RuntimeKind,
    /// Whether it has told its containers, or failed to, at least once.
    pub is_asked: bool,
    /// Why it does not answer at present.
    pub error: Option<String>,
}

/// The containers of this host.
///
/// Everything that talks to runtimes happens on one thread of its own; no method but [`Collection::wait_listed`] and
/// [`Collection::resolve`] waits for a runtime, and those have a limit. Dropping the collection ends it.
pub struct Collection {
    shared: Arc<Shared>,
    commands: Option<mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("runtimes", &self.statuses())
            .finish_non_exhaustive()
    }
}

/// What both sides of the thread see.
struct Shared {
    state: Mutex<State>,
    statuses: Mutex<Vec<RuntimeStatus>>,
    listed: Condvar,
    host: HostRoot,
    containerd_namespaces: Vec<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statuses(&self) -> MutexGuard<'_, Vec<RuntimeStatus>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_listed(&self, index: usize, error: Option<String>) {
        if let Some(status) = self.statuses().get_mut(index) {
            status.is_asked = true;
            status.error = error;
        }
        self.listed.notify_all();
    }
}

enum Command {
    /// Find out the name of a container that the kernel has shown.
    Name {
        id: String,
        namespace: String,
        kind: Option<RuntimeKind>,
    },
    /// Find out whatever a runtime knows about an id.
    Resolve {
        id: String,
        reply: SyncSender<Option<Arc<Container>>>,
    },
}

impl Collection {
    /// Starts following. Containers that run already are found a moment later, see [`Collection::wait_listed`].
    ///
    /// # Errors
    /// A runtime was asked for by name or by socket and has no socket, or no thread could be started.
    pub fn start(options: &CollectionOptions) -> Result<Self, RuntimeError> {
        let configs = options.runtimes.sources()?;
        let statuses = configs.iter().map(|it| RuntimeStatus {
            kind: it.kind,
            is_asked: false,
            error: None,
        });
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(options.memory)),
            statuses: Mutex::new(statuses.collect()),
            listed: Condvar::new(),
            host: options.runtimes.host.clone(),
            containerd_namespaces: options
                .runtimes
                .containerd_namespaces
                .clone()
                .unwrap_or_default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // One may hang in a file system; the others go on.
            .max_blocking_threads(8)
            .thread_name("container-facts")
            .build()
            .map_err(RuntimeError::Start)?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("containers".into())
            .spawn(move || {
                runtime.block_on(async {
                    // Connections belong to the thread's reactor, so they are prepared in here.
                    let sources = configs
                        .into_iter()
                        .map(|it| Arc::new(Source::new(it)))
                        .collect();
                    serve(&inner, sources, receiver).await;
                });
                runtime.shutdown_background();
            })
            .map_err(RuntimeError::Start)?;
        Ok(Self {
            shared,
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Events from now on, beginning with an [`ContainerEvent::Added`] for each container that runs. `queue` of them may
    /// wait; more are lost and counted, for nobody waits for a subscriber. A container makes three.
    #[must_use]
    pub fn subscribe(&self, queue: usize) -> Receiver<ContainerEvent> {
        let (sender, receiver) = sync_channel(queue);
        self.shared.state().subscribe(sender);
        receiver
    }

    /// Waits until every runtime has told its containers or has failed to, but not longer than `limit`.
    pub fn wait_listed(&self, limit: Duration) -> Vec<RuntimeStatus> {
        let end = Instant::now() + limit;
        let mut statuses = self.shared.statuses();
        while !statuses.iter().all(|it| it.is_asked) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.listed.wait_timeout(statuses, left);
            statuses = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        statuses.clone()
    }

    /// How it stands with each runtime now.
    #[must_use]
    pub fn statuses(&self) -> Vec<RuntimeStatus> {
        self.shared.statuses().clone()
    }

    /// All that run, by runtime and name.
    #[must_use]
    pub fn containers(&self) -> Vec<Arc<Container>> {
        let mut containers: Vec<_> = self.shared.state().live().cloned().collect();
        containers.sort_by(|one, other| {
            let key = |it: &Container| (it.runtime_name.clone(), it.name.clone(), it.id.clone());
            key(one).cmp(&key(other))
        });
        containers
    }

    /// A container by its full id: one that runs, else one that ran or that a runtime has mentioned.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<Arc<Container>> {
        self.shared.state().find("", id).cloned()
    }

    /// Whether this is a pod's sandbox: one that runs is told to be removed as soon as its runtime says what it is.
    #[must_use]
    pub fn is_sandbox(&self, container: &Container) -> bool {
        self.shared
            .state()
            .is_sandbox(&container.runtime_namespace, &container.id)
    }

    /// Who has or had a mount namespace.
    #[must_use]
    pub fn by_mntns(&self, mntns_id: u64) -> Option<Arc<Container>> {
        self.shared.state().find_mntns(mntns_id).cloned()
    }

    /// All that run in a network namespace.
    #[must_use]
    pub fn by_netns(&self, netns_id: u64) -> Vec<Arc<Container>> {
        self.shared
            .state()
            .live()
            .filter(|it| it.netns_id == netns_id)
            .cloned()
            .collect()
    }

    /// The container that a cgroup path belongs to, as `/proc/PID/cgroup` has it.
    #[must_use]
    pub fn by_cgroup_path(&self, path: &str) -> Option<Arc<Container>> {
        let told = self.identify(path)?;
        let namespace = told.namespace.as_deref().unwrap_or_default();
        self.shared.state().find(namespace, &told.id).cloned()
    }

    /// The container that a process of the host is in now.
    #[must_use]
    pub fn by_pid(&self, pid: u32) -> Option<Arc<Container>> {
        let cgroups = ProcessFacts::of(&self.shared.host, pid)
            .ok()?
            .cgroups()
            .ok()?;
        self.by_cgroup_path(cgroups.naming_path())
    }

    /// Tells the container from a cgroup path, with the namespaces of containerd that were asked for.
    #[must_use]
    pub fn identify(&self, path: &str) -> Option<CgroupContainer> {
        identify_cgroup_in(path, &self.shared.containerd_namespaces)
    }

    /// Takes a container that the kernel has shown: its id, and of the rest what is known, usually the mount namespace, the
    /// cgroup and the process. Subscribers hear of it at once; its name follows when its runtime tells it. Returns what is
    /// known, nothing if it is a pod's sandbox or the id is none.
    pub fn discover(&self, container: Container) -> Option<Arc<Container>> {
        let start_ticks = match container.pid {
            0 => 0,
            pid => ProcessFacts::of(&self.shared.host, pid).map_or(0, |it| it.start_ticks()),
        };
        let known = self.shared.state().discover(container, start_ticks)?;
        if known.name.is_empty() {
            self.send(Command::Name {
                id: known.id.clone(),
                namespace: known.runtime_namespace.clone(),
                kind: known.runtime_name.parse().ok(),
            });
        }
        Some(known)
    }

    /// Takes note of the end of a container that the kernel has shown.
    pub fn ended(&self, container: &Container) {
        self.shared
            .state()
            .ended(&container.runtime_namespace, &container.id);
    }

    /// What is known about an id, running or not; if that is no name, all runtimes are asked, but not longer than `limit`.
    #[must_use]
    pub fn resolve(&self, id: &str, limit: Duration) -> Option<Arc<Container>> {
        if !crate::clean::is_valid_id(id) {
            return None;
        }
        if let Some(known) = self.by_id(id).filter(|it| !it.name.is_empty()) {
            return Some(known);
        }
        let (reply, answer) = sync_channel(1);
        self.send(Command::Resolve {
            id: id.to_owned(),
            reply,
        });
        answer
            .recv_timeout(limit)
            .ok()
            .flatten()
            .or_else(|| self.by_id(id))
    }

    fn send(&self, command: Command) {
        // The other side ends only when we do.
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has been reported.
            let _ = thread.join();
        }
    }
}

async fn serve(
    shared: &Arc<Shared>,
    sources: Vec<Arc<Source>>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    // Dropped at the end, and all tasks with it.
    let mut tasks = JoinSet::new();
    for (index, source) in sources.iter().enumerate() {
        tasks.spawn(follow(Arc::clone(shared), index, Arc::clone(source)));
    }
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => obey(shared, &sources, command, &mut tasks),
                None => return,
            },
            Some(_) = tasks.join_next() => {}
            _ = sweep.tick() => shared.state().sweep(|pid, ticks| is_alive(&shared.host, pid, ticks)),
        }
    }
}

fn is_alive(host: &HostRoot, pid: u32, start_ticks: u64) -> bool {
    match ProcessFacts::of(host, pid) {
        Ok(process) => {
            !process.has_ended() && (start_ticks == 0 || start_ticks == process.start_ticks())
        }
        // Anything but "there is none" is no proof.
        Err(error) => {
            !matches!(error.kind(), io::ErrorKind::NotFound) && error.raw_os_error() != Some(ESRCH)
        }
    }
}

/// `/proc` says this when a process ends between opening and reading.
const ESRCH: i32 = rustix::io::Errno::SRCH.raw_os_error();

fn obey(shared: &Arc<Shared>, sources: &[Arc<Source>], command: Command, tasks: &mut JoinSet<()>) {
    match command {
        Command::Name {
            id,
            namespace,
            kind,
        } => {
            let fits = |it: &&Arc<Source>| kind.is_none_or(|kind| kind == it.config.kind);
            for source in sources.iter().filter(fits) {
                let (shared, source) = (Arc::clone(shared), Arc::clone(source));
                let (id, namespace) = (id.clone(), namespace.clone());
                tasks.spawn(async move { source.name(&shared, &namespace, &id).await });
            }
        }
        Command::Resolve { id, reply } => {
            let (shared, sources) = (Arc::clone(shared), sources.to_vec());
            tasks.spawn(async move {
                let found = resolve(&shared, &sources, &id).await;
                let _ = reply.try_send(found);
            });
        }
    }
}

/// The first runtime that knows the id answers for all.
async fn resolve(
    shared: &Arc<Shared>,
    sources: &[Arc<Source>],
    id: &str,
) -> Option<Arc<Container>> {
    let mut calls = JoinSet::new();
    for source in sources {
        let (source, id) = (Arc::clone(source), id.to_owned());
        calls.spawn(async move { source.get("", &id).await });
    }
    while let Some(answer) = calls.join_next().await {
        if let Ok(Ok(Some(found))) = answer {
            learn(shared, vec![found]).await;
            break;
        }
    }
    shared.state().find("", id).cloned()
}
