//! Packets on their way to somebody who looks at a run from outside: in a form of their own, on a writer of their own, and
//! not on that of the run.
//!
//! A [`Detour`] stands just before the run's own writers. While a call goes [`through`](Detour::through) a [`View`], what its
//! thread emits is printed there and ends there; other threads' packets go on as ever. Everything before the writers, the
//! run's filter included, has seen the packets by then.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use gizmo_model::{DataSource, Flow, Packet, Payload, Subscription};

use crate::filter::{self, Rules};
use crate::printer::Printer;
use crate::sink::{self, Settings};
use crate::{Error, SharedWriter};

/// Before the writers of the run, behind everything else.
const PRIORITY: i32 = sink::PRIORITY - 1;

/// Before everything, to count what nobody may see in the end.
const COUNTING_PRIORITY: i32 = i32::MIN;

/// A way around the writers of a run.
#[derive(Debug)]
pub struct Detour {
    sources: Vec<Arc<DataSource>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether there is an active view; spares most packets the lock.
    is_active: AtomicBool,
    active: Mutex<Option<Active>>,
    emitted: AtomicU64,
}

#[derive(Debug, Clone)]
struct Active {
    thread: ThreadId,
    view: Arc<View>,
}

/// What somebody sees of a run, and how.
#[derive(Debug)]
pub struct View {
    printers: BTreeMap<String, Mutex<Viewer>>,
    warnings: Vec<String>,
    writer: SharedWriter,
}

#[derive(Debug)]
struct Viewer {
    printer: Printer,
    rules: Rules,
}

impl Detour {
    /// Subscribes to the data sources.
    ///
    /// # Errors
    /// A data source cannot be subscribed to.
    pub fn attach(sources: &[Arc<DataSource>]) -> Result<Self, Error> {
        let detour = Self {
            sources: sources.to_vec(),
            shared: Arc::default(),
        };
        for source in sources {
            let name = Error::data_source(source.name());
            let shared = Arc::clone(&detour.shared);
            let count = move |_: &DataSource, _: Payload<'_>| {
                shared.emitted.fetch_add(1, Ordering::Relaxed);
                Flow::Continue
            };
            let shared = Arc::clone(&detour.shared);
            let turn =
                move |source: &DataSource, payload: Payload<'_>| shared.turn(source, payload);
            source
                .subscribe(Subscription::Packet, COUNTING_PRIORITY, count)
                .and_then(|()| source.subscribe(Subscription::Packet, PRIORITY, turn))
                .map_err(name)?;
        }
        Ok(detour)
    }

    /// A view with settings of its own. `rules` are those of its filter, by name of data source; they are tested after those
    /// of the run.
    ///
    /// # Errors
    /// The settings or rules cannot be read, or name what is not there.
    pub fn view(
        &self,
        settings: &Settings,
        rules: &BTreeMap<String, String>,
        writer: SharedWriter,
    ) -> Result<View, Error> {
        let plan = sink::plan(&self.sources, settings)?;
        let rules = filter::rules_of(&self.sources, rules)?;
        let by_name = self.sources.iter().map(|source| source.name().to_owned());
        let mut rules: BTreeMap<String, Rules> = by_name.zip(rules).collect();
        let viewer = |(source, printer): (Arc<DataSource>, Printer)| {
            let rules = rules.remove(source.name())?;
            Some((
                source.name().to_owned(),
                Mutex::new(Viewer { printer, rules }),
            ))
        };
        Ok(View {
            printers: plan.printers.into_iter().filter_map(viewer).collect(),
            warnings: plan.warnings,
            writer,
        })
    }

    /// Calls `emit`, and prints what it emits on this thread in the view instead of the run's output.
    pub fn through<R>(&self, view: &Arc<View>, emit: impl FnOnce() -> R) -> R {
        let active = Active {
            thread: thread::current().id(),
            view: Arc::clone(view),
        };
        let before = self.shared.change(Some(active));
        let _back = Back(&self.shared, before);
        emit()
    }

    /// Tells whether what the calling thread emits now is printed in a view, and not on the run's own output.
    pub fn watch(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.view_of_this_thread().is_some()
    }

    /// Packets that were emitted so far, those that nobody saw too.
    pub fn emitted(&self) -> u64 {
        self.shared.emitted.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, to: Option<Active>) -> Option<Active> {
        let mut active = self.lock();
        self.is_active.store(to.is_some(), Ordering::Release);
        std::mem::replace(&mut *active, to)
    }

    fn turn(&self, source: &DataSource, payload: Payload<'_>) -> Flow {
        match (self.view_of_this_thread(), payload) {
            (Some(view), Payload::Packet(packet)) => {
                view.print(source, packet);
                Flow::Discard
            }
            _ => Flow::Continue,
        }
    }

    fn view_of_this_thread(&self) -> Option<Arc<View>> {
        if !self.is_active.load(Ordering::Acquire) {
            return None;
        }
        let active = self.lock().clone();
        active
            .filter(|active| active.thread == thread::current().id())
            .map(|active| active.view)
    }
}

/// Ends a detour, also when what was called panics.
struct Back<'s>(&'s Shared, Option<Active>);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.change(self.1.take());
    }
}

impl View {
    /// Prints what comes before the first packet.
    pub fn start(&self, detour: &Detour) {
        for source in &detour.sources {
            if let Some(viewer) = self.printers.get(source.name()) {
                lock(viewer).printer.start(source, &self.writer);
            }
        }
    }

    /// Prints what comes behind the last.
    pub fn finish(&self) {
        for viewer in self.printers.values() {
            lock(viewer).printer.finish(&self.writer);
        }
    }

    /// What is left out, to be told.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn print(&self, source: &DataSource, packet: &mut Packet) {
        let Some(viewer) = self.printers.get(source.name()) else {
            return;
        };
        if self.writer.is_closed() {
            self.writer.count_dropped();
            return;
        }
        let mut viewer = lock(viewer);
        let Viewer { printer, rules } = &mut *viewer;
        match packet {
            Packet::Single(element) if !rules.hold(element) => return,
            Packet::Single(_) => {}
            Packet::Array(elements) => elements.retain(|element| rules.hold(element)),
        }
        printer.print(source, packet, &self.writer);
    }
}

fn lock(viewer: &Mutex<Viewer>) -> MutexGuard<'_, Viewer> {
    viewer.lock().unwrap_or_else(PoisonError::into_inner)
}
