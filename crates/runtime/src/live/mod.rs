//! Looking at a run without stopping it: what its main loop does for those who ask, and for those who follow.
//!
//! Askers come from the run's socket, a signal or a clock. All are served on the thread of the main loop, one after the
//! other: guests answer one at a time, and what is recorded waits in the kernel meanwhile. `asker.rs` sees to it that nobody
//! holds the loop up for long. Without followers and `--every` nothing wakes up.

mod asker;
mod client;
mod protocol;
mod socket;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gizmo_containers::{Selector, SelectorTexts};
use gizmo_model::container::Container;
use gizmo_output::{Detour, Output, Settings, SharedWriter, View};
use gizmo_wasm::{Question, Recording, Selection};
use tracing::dispatcher::{self, Dispatch};
use tracing::{debug, warn};

use self::asker::{Asker, Readiness};
pub use self::client::{LookError, Piece, Run, choose, runs};
pub use self::protocol::{Answer, Ask, Form, LogForm, RecordingInfo, Request};
pub(crate) use self::socket::Call;
use self::socket::Socket;
pub use self::socket::default_folder;
use crate::Error;
use crate::enrich::Identities;
use crate::error::chain;
use crate::gadget::RunningGadget;
use crate::wait::Waiter;

/// Followers are shown what is new so often at first; twice as often after each time that there was something, and half as
/// often after each time that there was nothing.
const AT_FIRST: Duration = Duration::from_millis(16);

/// And no more often than this: the ring of a container on one CPU is full after some milliseconds at the worst.
const FASTEST: Duration = Duration::from_millis(1);

/// And no more rarely than this: what comes after a silence is seen at once by human standards.
const SLOWEST: Duration = Duration::from_millis(500);

/// How long a follower may take nothing before it is dropped. It costs little: what it misses is overwritten and counted.
const STUCK_LIMIT: Duration = Duration::from_secs(30);

/// What a log line is written with.
pub type LogSink = Box<dyn Fn(&str) + Send + Sync>;

/// Makes a logger for somebody who looks from outside.
pub type MakeLog = Arc<dyn Fn(LogForm, LogSink) -> Dispatch + Send + Sync>;

/// How a run can be looked at.
pub struct LiveOptions {
    /// The image, as it was named on the command line.
    pub image: String,
    /// How often everything that is held is shown.
    pub every: Option<Duration>,
    /// Whether what happens is shown as it happens.
    pub follow: bool,
    /// The folder for the socket, if there is one.
    pub folder: Option<PathBuf>,
    /// Log lines for those who ask.
    pub log: MakeLog,
}

impl LiveOptions {
    /// What the options need of a gadget.
    pub(crate) fn questions(&self) -> impl Iterator<Item = Question> {
        let every = self.every.map(|_| Question::Snapshot);
        let follow = self.follow.then_some(OWN);
        every.into_iter().chain(follow)
    }
}

/// The run's own output as a follower.
const OWN: Question = Question::Follow {
    follower: 0,
    is_new: true,
};

/// A run that can be looked at.
pub(crate) struct Live<'g> {
    gadget: &'g RunningGadget,
    output: &'g Output,
    detour: &'g Detour,
    identities: Arc<Identities>,
    log: MakeLog,
    about: Answer,
    every: Option<Every>,
    /// Whether what the rings hold was shown before.
    has_shown: bool,
    followers: Vec<Follower>,
    poll: Poll,
    _socket: Option<Socket>,
}

struct Every {
    interval: Duration,
    next: Instant,
}

/// When followers are shown what is new.
struct Poll {
    interval: Duration,
    next: Instant,
}

struct Follower {
    number: u32,
    is_new: bool,
    selection: Selection,
    /// `None` for the run's own output.
    guest: Option<Visitor>,
}

/// Somebody who looks from outside.
struct Visitor {
    asker: Asker,
    view: Arc<View>,
    log: Dispatch,
    stuck_since: Option<Instant>,
}

impl<'g> Live<'g> {
    /// Opens the socket. A run that cannot have one goes on without.
    pub(crate) fn new(
        gadget: &'g RunningGadget,
        output: &'g Output,
        detour: &'g Detour,
        identities: Arc<Identities>,
        options: &LiveOptions,
        waiter: &Waiter,
    ) -> Self {
        let pid = std::process::id();
        let now = Instant::now();
        let about = Answer {
            run: format!("{}-{pid}", file_name(gadget.name())),
            gadget: gadget.name().to_owned(),
            image: options.image.clone(),
            pid,
            since_unix_s: unix_seconds(),
            params: gadget.guest_params(),
            ..Answer::default()
        };
        let socket = options.folder.as_ref().and_then(|folder| {
            let opened = Socket::open(folder, &about.run, waiter.sender());
            opened
                .inspect_err(|error| {
                    let folder = folder.display().to_string();
                    warn!(%error, folder, "the run has no socket; it cannot be looked at from outside");
                })
                .ok()
        });
        let own = options.follow.then(|| Follower {
            number: 0,
            is_new: true,
            selection: Arc::new(|_, _, _| true),
            guest: None,
        });
        Self {
            gadget,
            output,
            detour,
            identities,
            log: Arc::clone(&options.log),
            about,
            every: options.every.and_then(|interval| {
                let next = now.checked_add(interval)?;
                Some(Every { interval, next })
            }),
            has_shown: false,
            followers: own.into_iter().collect(),
            poll: Poll {
                interval: AT_FIRST,
                next: now,
            },
            _socket: socket,
        }
    }

    /// When there is something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let poll = (!self.followers.is_empty()).then_some(self.poll.next);
        let every = self.every.as_ref().map(|every| every.next);
        poll.into_iter().chain(every).min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) {
        let now = Instant::now();
        if !self.followers.is_empty() && self.poll.next <= now {
            self.poll();
        }
        let due = self.every.as_mut().filter(|every| every.next <= now);
        if let Some(every) = due {
            // Dumps that would have come while one was made are left out.
            while every.next <= now {
                every.next += every.interval.max(Duration::from_millis(1));
            }
            self.dump();
        }
    }

    /// Shows everything that is held on the run's own output.
    pub(crate) fn dump(&mut self) {
        if let Err(error) = self.require(Question::Snapshot) {
            warn!("{error}");
            return;
        }
        if std::mem::replace(&mut self.has_shown, true) {
            self.output.start_again();
        }
        let all: Selection = Arc::new(|_, _, _| true);
        if let Err(error) = self.gadget.ask(Question::Snapshot, &all) {
            warn!(error = chain(&error), "what is recorded cannot be shown");
        }
    }

    /// Shows followers what is new, before containers end and take their recordings with them.
    pub(crate) fn catch_up(&mut self) {
        self.followers.retain_mut(|follower| {
            let is_there = follower.readiness() != Readiness::Gone;
            is_there && follower.show(self.gadget, self.detour)
        });
    }

    /// The end: followers have seen everything.
    pub(crate) fn finish(mut self) {
        self.catch_up();
        for follower in &self.followers {
            if let Some(guest) = &follower.guest {
                guest.asker.done(&self.about);
            }
        }
    }

    fn poll(&mut self) {
        let before = self.detour.emitted();
        self.followers
            .retain_mut(|follower| match follower.readiness() {
                Readiness::Ready => follower.show(self.gadget, self.detour),
                Readiness::Full => !follower.is_stuck(),
                Readiness::Gone => false,
            });
        self.poll.interval = if self.detour.emitted() != before {
            FASTEST.max(self.poll.interval / 2)
        } else {
            SLOWEST.min(self.poll.interval * 2)
        };
        self.poll.next = Instant::now() + self.poll.interval;
    }

    /// Answers somebody.
    pub(crate) fn serve(&mut self, call: Call) {
        let Call { request, asker } = call;
        debug!(?request, "somebody looks at the run");
        let sink = asker.clone();
        let log = (self.log)(request.form.log, Box::new(move |line| sink.log(line)));
        let served = dispatcher::with_default(&log, || self.answer(&request, &asker, &log));
        match served {
            Ok(Some(answer)) => asker.done(&answer),
            // A follower stays.
            Ok(None) => {}
            Err(error) => asker.failed(&chain(&error)),
        }
    }

    fn answer(
        &mut self,
        request: &Request,
        asker: &Asker,
        log: &Dispatch,
    ) -> Result<Option<Answer>, Error> {
        let mut answer = self.about.clone();
        match &request.ask {
            Ask::Snapshot => {
                self.require(Question::Snapshot)?;
                let view = self.view(&request.form, asker)?;
                view.start(self.detour);
                let before = self.detour.emitted();
                let ask = || self.about_containers(Question::Snapshot, request);
                let asked = self.detour.through(&view, ask);
                view.finish();
                if asked.is_err() && self.detour.emitted() == before {
                    // A header without anything below it is no snapshot.
                    asker.discard();
                }
                answer.containers = asked?.0;
            }
            Ask::Forget => {
                answer.containers = self.about_containers(Question::Forget, request)?.0;
            }
            Ask::Recordings => {
                if self.gadget.answers(Question::Recordings) {
                    let (containers, found) =
                        self.about_containers(Question::Recordings, request)?;
                    answer.containers = containers;
                    answer.recordings = Some(self.describe(found));
                }
            }
            Ask::SetParams(values) => {
                self.gadget.set_params(values)?;
                self.about.params.extend(values.clone());
                answer = self.about.clone();
            }
            Ask::Follow => {
                self.follow(request, asker, log)?;
                return Ok(None);
            }
        }
        Ok(Some(answer))
    }

    fn require(&self, question: Question) -> Result<(), Error> {
        self.gadget.require(question)
    }

    /// Asks the gadget about some containers; how many they are comes first.
    fn about_containers(
        &self,
        question: Question,
        request: &Request,
    ) -> Result<(u64, Vec<Recording>), Error> {
        self.require(question)?;
        let seen = Arc::new(AtomicU64::new(0));
        let selection = self.selection(&request.containers, Arc::clone(&seen))?;
        let found = self.gadget.ask(question, &selection)?;
        let seen = seen.load(Ordering::Relaxed);
        if seen == 0 && !request.containers.is_empty() {
            return Err(Error::NoContainer(request.containers.clone()));
        }
        Ok((seen, found))
    }

    /// The containers of these names; `seen` counts those that are asked for.
    fn selection(&self, names: &str, seen: Arc<AtomicU64>) -> Result<Selection, Error> {
        let selector = Selector::parse(&SelectorTexts {
            container: names.to_owned(),
            ..SelectorTexts::default()
        })?;
        let identities = Arc::clone(&self.identities);
        Ok(Arc::new(move |cgroup, mntns, name| {
            let is_wanted = selector.is_empty() || {
                let known = identities.find(cgroup, mntns);
                let known = known.filter(|known| !known.name.is_empty());
                let unknown = || {
                    Arc::new(Container {
                        name: name.to_owned(),
                        ..Container::default()
                    })
                };
                selector.matches(&known.unwrap_or_else(unknown))
            };
            seen.fetch_add(u64::from(is_wanted), Ordering::Relaxed);
            is_wanted
        }))
    }

    fn describe(&self, found: Vec<Recording>) -> Vec<RecordingInfo> {
        let describe = |recording: Recording| {
            let known = self
                .identities
                .find(recording.cgroup_id, recording.mntns_id);
            let known = known.as_deref();
            let name = known.map_or("", |known| &known.name);
            RecordingInfo {
                name: if name.is_empty() {
                    recording.name
                } else {
                    name.to_owned()
                },
                id: known.map(|known| known.id.clone()).unwrap_or_default(),
                runtime: known
                    .map(|known| known.runtime_name.clone())
                    .unwrap_or_default(),
                cgroup_id: recording.cgroup_id,
                mntns_id: recording.mntns_id,
                recorded: recording.recorded,
                held: recording.held,
                lost: recording.lost,
            }
        };
        found.into_iter().map(describe).collect()
    }

    fn view(&self, form: &Form, asker: &Asker) -> Result<Arc<View>, Error> {
        let settings = Settings {
            output: form.output.clone(),
            fields: form.fields.clone(),
            terminal_width: form.terminal_width,
        };
        let writer = SharedWriter::new(asker.clone());
        let view = self.detour.view(&settings, &form.filters, writer)?;
        for warning in view.warnings() {
            warn!("{warning}");
        }
        Ok(Arc::new(view))
    }

    fn follow(&mut self, request: &Request, asker: &Asker, log: &Dispatch) -> Result<(), Error> {
        self.require(OWN)?;
        let view = self.view(&request.form, asker)?;
        view.start(self.detour);
        asker.flush();
        let is_free = |number: &u32| self.followers.iter().all(|other| other.number != *number);
        let number = (1..).find(is_free).unwrap_or(u32::MAX);
        self.followers.push(Follower {
            number,
            is_new: true,
            selection: self.selection(&request.containers, Arc::default())?,
            guest: Some(Visitor {
                asker: asker.clone(),
                view,
                log: log.clone(),
                stuck_since: None,
            }),
        });
        self.poll.next = Instant::now();
        Ok(())
    }
}

impl Follower {
    fn readiness(&self) -> Readiness {
        let guest = self.guest.as_ref();
        guest.map_or(Readiness::Ready, |guest| guest.asker.readiness())
    }

    /// Whether nothing has been taken for too long; the follower is dropped then.
    fn is_stuck(&mut self) -> bool {
        let Some(guest) = &mut self.guest else {
            return false;
        };
        let since = *guest.stuck_since.get_or_insert_with(Instant::now);
        let is_stuck = since.elapsed() > STUCK_LIMIT;
        if is_stuck {
            guest.asker.leave();
        }
        is_stuck
    }

    /// Shows what is new; whether the follower stays.
    fn show(&mut self, gadget: &RunningGadget, detour: &Detour) -> bool {
        let question = Question::Follow {
            follower: self.number,
            is_new: std::mem::take(&mut self.is_new),
        };
        let Some(guest) = &mut self.guest else {
            let asked = gadget.ask(question, &self.selection);
            return asked
                .inspect_err(|error| {
                    warn!(error = chain(error), "what is recorded cannot be followed")
                })
                .is_ok();
        };
        guest.stuck_since = None;
        let ask = || gadget.ask(question, &self.selection);
        let asked = dispatcher::with_default(&guest.log, || detour.through(&guest.view, ask));
        match asked {
            Ok(_) => guest.asker.flush(),
            Err(ref error) => guest.asker.failed(&chain(error)),
        }
        asked.is_ok()
    }
}

/// A gadget's name as a part of a file name.
fn file_name(name: &str) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() || "_.".contains(character) {
            character
        } else {
            '-'
        }
    };
    let name: String = name.chars().take(32).map(plain).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() {
        "gadget".to_owned()
    } else {
        name.to_owned()
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Parameters of a guest by their keys.
pub(crate) type GuestParams = BTreeMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_gadgets_are_safe_in_file_names() {
        for (name, expected) in [
            ("traceloop", "traceloop"),
            ("trace open", "trace-open"),
            ("../../etc/x", "etc-x"),
            ("…", "gadget"),
            ("", "gadget"),
        ] {
            assert_eq!(file_name(name), expected);
        }
    }
}
