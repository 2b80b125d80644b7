//! One runtime, followed for as long as the collection lives: connected, listed, watched, and connected again.
//!
//! Nothing here waits for another runtime. The event stream, the lists and the questions about single containers run side by
//! side, each with its own limit of time, so that a runtime that hangs costs nobody but its own containers' names.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::facts::Facts;
use crate::runtimes::SourceConfig;
use crate::runtimes::client::{Client, ClientError, EventId, Found, Signal, chain};

/// Waiting times between attempts to reach a runtime; it may be restarting, or not be installed at all.
const BACKOFF: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(200)..=Duration::from_secs(5);
/// A connection that held so long was a good one.
const STEADY: Duration = Duration::from_secs(10);
/// The event stream and the first list begin together; what fell between them shows in the second.
const SECOND_LIST: Duration = Duration::from_secs(1);
/// Events get lost when a runtime is overloaded.
const RESYNC: Duration = Duration::from_secs(30);
/// For runtimes without events.
const POLL: Duration = Duration::from_secs(1);
/// Signals that wait to be handled; the runtime waits when there are more.
const SIGNALS: usize = 1024;
/// Questions to one runtime at a time.
const CALLS: usize = 16;
/// Questions to one runtime that may wait; a hanging one must not gather more.
const WAITING_CALLS: usize = 1024;
/// Reading a bundle takes microseconds, unless its file system hangs.
const FACTS_TIMEOUT: Duration = Duration::from_secs(2);
/// After these pauses a runtime is asked again for the name of a container that the kernel has shown: Docker knows it
/// before the container starts, other runtimes may write it down later.
const NAME_PAUSES_MS: [u64; 7] = [0, 20, 50, 100, 300, 1000, 3000];

/// A runtime that is followed.
pub(super) struct Source {
    pub(super) config: SourceConfig,
    client: Mutex<Arc<Client>>,
    calls: Semaphore,
    waiting: AtomicUsize,
}

impl Source {
    pub(super) fn new(config: SourceConfig) -> Self {
        Self {
            client: Mutex::new(Arc::new(Client::new(&config))),
            config,
            calls: Semaphore::new(CALLS),
            waiting: AtomicUsize::new(0),
        }
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What may hang in the old connection stays there.
    fn renew_client(&self) -> Arc<Client> {
        let client = Arc::new(Client::new(&self.config));
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&client);
        client
    }

    /// Asks for one container, when it is its turn.
    pub(super) async fn get(
        &self,
        namespace: &str,
        id: &str,
    ) -> Result<Option<Found>, ClientError> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_CALLS {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(ClientError::Unsupported);
        }
        let permit = self.calls.acquire().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let found = self.client().get(namespace, id).await;
        drop(permit);
        found
    }

    /// Asks until the name of a container is known, or it will not be.
    pub(super) async fn name(&self, shared: &Arc<Shared>, namespace: &str, id: &str) {
        for pause in NAME_PAUSES_MS {
            sleep(Duration::from_millis(pause)).await;
            if shared.state().is_named(namespace, id) {
                return;
            }
            if let Ok(Some(found)) = self.get(namespace, id).await {
                learn(shared, vec![found]).await;
            }
        }
    }
}

/// Follows until the collection ends.
pub(super) async fn follow(shared: Arc<Shared>, index: usize, source: Arc<Source>) {
    let mut pause = *BACKOFF.start();
    let mut was_up = true;
    loop {
        let began = Instant::now();
        let mut session = Session::new(&shared, index, &source);
        let error = session.run().await;
        let was_listed = session.was_listed;
        shared.set_listed(index, Some(chain(&error)));
        report(&source.config, &error, was_up || was_listed);
        was_up = was_listed;
        if was_listed && began.elapsed() > STEADY {
            pause = *BACKOFF.start();
        }
        sleep(pause).await;
        pause = (pause * 2).min(*BACKOFF.end());
    }
}

/// A runtime that nobody asked for, or that has been reported, is not worth a second line.
fn report(config: &SourceConfig, error: &ClientError, is_news: bool) {
    let (runtime, socket, error) = (config.kind, config.socket.display(), chain(error));
    let is_expected = !config.is_explicit && !config.host.exists(&config.socket);
    if is_news && !is_expected {
        tracing::warn!(%runtime, %socket, error, "the container runtime does not answer");
    } else {
        tracing::debug!(%runtime, %socket, error, "no container runtime");
    }
}

/// What was asked, answered.
enum Answer {
    List(Result<Vec<Found>, ClientError>),
    One {
        event: EventId,
        has_started: bool,
        found: Box<Result<Option<Found>, ClientError>>,
    },
}

/// One connection's life.
struct Session<'a> {
    shared: &'a Arc<Shared>,
    index: usize,
    source: &'a Arc<Source>,
    client: Arc<Client>,
    answers: JoinSet<Answer>,
    next_list: Instant,
    is_listing: bool,
    lists: u32,
    resync: Duration,
    was_listed: bool,
}

impl<'a> Session<'a> {
    fn new(shared: &'a Arc<Shared>, index: usize, source: &'a Arc<Source>) -> Self {
        Self {
            shared,
            index,
            source,
            client: source.renew_client(),
            answers: JoinSet::new(),
            next_list: Instant::now(),
            is_listing: false,
            lists: 0,
            resync: RESYNC,
            was_listed: false,
        }
    }

    async fn run(&mut self) -> ClientError {
        let (sender, mut signals) = mpsc::channel(SIGNALS);
        let client = Arc::clone(&self.client);
        let mut watch = std::pin::pin!(async move { client.watch(&sender).await });
        let mut is_watching = true;
        loop {
            tokio::select! {
                ended = &mut watch, if is_watching => match ended {
                    Err(ClientError::Unsupported) => {
                        is_watching = false;
                        self.resync = POLL;
                        self.next_list = self.next_list.min(Instant::now() + POLL);
                    }
                    Err(error) => return error,
                    Ok(()) => return ClientError::Ended,
                },
                Some(signal) = signals.recv() => self.handle(signal),
                Some(answer) = self.answers.join_next() => {
                    // A task that failed has been reported by the panic hook; its container is found by the next list.
                    if let Ok(answer) = answer
                        && let Err(error) = self.take(answer).await
                    {
                        return error;
                    }
                }
                () = sleep_until(self.next_list), if !self.is_listing => self.list(),
            }
        }
    }

    fn list(&mut self) {
        self.is_listing = true;
        let client = Arc::clone(&self.client);
        self.answers
            .spawn(async move { Answer::List(client.list().await) });
    }

    fn handle(&mut self, signal: Signal) {
        let runtime = self.source.config.kind.name();
        tracing::trace!(runtime, ?signal, "runtime event");
        match signal {
            Signal::Watching => self.next_list = self.next_list.min(Instant::now()),
            Signal::Created(event) | Signal::Started(event) if event.id.is_empty() => {}
            Signal::Created(event) => {
                self.shared.state().note(runtime, &event, false);
                self.ask(event, false);
            }
            Signal::Started(event) => {
                self.shared.state().note(runtime, &event, true);
                self.ask(event, true);
            }
            Signal::Ended(event) => self.shared.state().ended(&event.namespace, &event.id),
        }
    }

    fn ask(&mut self, event: EventId, has_started: bool) {
        let source = Arc::clone(self.source);
        self.answers.spawn(async move {
            let found = Box::new(source.get(&event.namespace, &event.id).await);
            Answer::One {
                event,
                has_started,
                found,
            }
        });
    }

    async fn take(&mut self, answer: Answer) -> Result<(), ClientError> {
        match answer {
            Answer::List(found) => self.take_list(found?).await,
            Answer::One {
                event,
                has_started,
                found,
            } => {
                let is_certain = match *found {
                    Ok(Some(found)) => learn(self.shared, vec![found]).await,
                    Ok(None) => true,
                    Err(error) => {
                        tracing::debug!(
                            container = event.id,
                            error = chain(&error),
                            "the runtime does not describe it"
                        );
                        false
                    }
                };
                if has_started && is_certain {
                    self.shared.state().passed(&event.namespace, &event.id);
                }
            }
        }
        Ok(())
    }

    async fn take_list(&mut self, found: Vec<Found>) {
        self.is_listing = false;
        self.lists += 1;
        let pause = if self.lists == 1 {
            SECOND_LIST.min(self.resync)
        } else {
            self.resync
        };
        self.next_list = Instant::now() + pause;
        let listed: HashSet<String> = found.iter().map(|it| it.container.id.clone()).collect();
        learn(self.shared, found).await;
        let runtime = self.source.config.kind;
        self.shared.state().reconcile(runtime.name(), &listed);
        if !self.was_listed {
            tracing::debug!(%runtime, containers = listed.len(), "following the container runtime");
        }
        self.was_listed = true;
        self.shared.set_listed(self.index, None);
    }
}

/// Looks at the processes of containers and puts all that is known into the table; whether it could look.
pub(super) async fn learn(shared: &Arc<Shared>, found: Vec<Found>) -> bool {
    // What was looked at before and still runs needs no second look.
    let news: Vec<(u32, String)> = {
        let state = shared.state();
        let is_known = |it: &Found| {
            let container = &it.container;
            let known = state.find(&container.runtime_namespace, &container.id);
            known.is_some_and(|known| known.pid == container.pid && known.mntns_id != 0)
        };
        found
            .iter()
            .filter(|it| it.container.pid != 0 && !it.is_sandbox && !is_known(it))
            .map(|it| (it.container.pid, it.container.id.clone()))
            .collect()
    };
    let mut looked = Vec::new();
    if !news.is_empty() {
        let host = shared.host.clone();
        let look = move || -> Vec<(String, Option<Facts>)> {
            news.into_iter()
                .map(|(pid, id)| (id.clone(), Facts::gather(&host, pid, &id)))
                .collect()
        };
        let answer = tokio::time::timeout(FACTS_TIMEOUT, tokio::task::spawn_blocking(look)).await;
        let Ok(Ok(answer)) = answer else {
            tracing::warn!("reading what the host tells about containers takes too long");
            return false;
        };
        looked = answer;
    }
    let mut facts: std::collections::HashMap<String, Option<Facts>> = looked.into_iter().collect();
    let mut state = shared.state();
    for found in found {
        let facts = facts.remove(&found.container.id).flatten();
        state.learn(found, facts);
    }
    true
}
