//! A running instance of a module: its phases, its lock and its end.
//!
//! Every entry into a guest goes through [`Shared::enter`]: one thread at a time, except that the thread that is inside
//! may call back in (`reentry.rs`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::{AsContextMut, Store, StoreContextMut};

use crate::context::{Deadlines, HostContext};
use crate::engine::{Module, WasmEngine};
use crate::error::{Cause, Error, trap_text};
use crate::exports::{self, Exports};
use crate::reentry::{self, Borrowed};
use crate::state::State;

/// The version of the API that this host speaks.
pub(crate) const API_VERSION: i64 = 1;

/// How long a thread that is inside one guest waits for another: two guests that call each other from two threads
/// would wait for ever.
const CROSS_WAIT: Duration = Duration::from_secs(10);

/// A phase of a gadget's run that comes after instantiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the eBPF object is loaded.
    PreStart,
    /// After it is loaded and attached.
    Start,
    /// Before it is detached; an addition to upstream's phases.
    PreStop,
    /// After it is detached; the last time that callbacks run.
    Stop,
    /// After everything has stopped.
    PostStop,
}

impl Phase {
    fn export(self) -> &'static str {
        match self {
            Phase::PreStart => "gadgetPreStart",
            Phase::Start => "gadgetStart",
            Phase::PreStop => "gadgetPreStop",
            Phase::Stop => "gadgetStop",
            Phase::PostStop => "gadgetPostStop",
        }
    }

    fn deadline(self, deadlines: &Deadlines) -> Duration {
        match self {
            Phase::PreStart => deadlines.pre_start,
            Phase::Start => deadlines.start,
            Phase::PreStop => deadlines.pre_stop,
            Phase::Stop => deadlines.stop,
            Phase::PostStop => deadlines.post_stop,
        }
    }
}

/// A running guest. Dropping it closes it: handles vanish, and its subscriptions do nothing any more.
pub struct Guest {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}

pub(crate) struct Shared {
    id: u64,
    pub(crate) deadlines: Deadlines,
    engine: WasmEngine,
    slot: Mutex<Slot>,
    freed: Condvar,
}

enum Slot {
    Idle(Box<Store<State>>),
    Busy,
    Closed,
}

/// Why a guest could not be entered.
pub(crate) enum Refused {
    /// The thread is inside it, in a place from which it cannot be called.
    Inside,
    /// The thread is inside another guest, and this one was busy for too long.
    Crossed,
    Closed,
}

impl Guest {
    /// Instantiates a module and runs `gadgetInit`.
    ///
    /// # Errors
    /// The module does not fit the host or its limits, or `gadgetInit` failed.
    pub fn instantiate(module: &Module, host: HostContext) -> Result<Self, Error> {
        let guest = Self::prepare(module, host)?;
        let cause = guest.shared.run("gadgetInit", None);
        match cause {
            None => Ok(guest),
            Some(cause) => Err(Error::Phase {
                export: "gadgetInit",
                cause,
            }),
        }
    }

    /// Everything up to `gadgetInit`.
    pub(crate) fn prepare(module: &Module, host: HostContext) -> Result<Self, Error> {
        let engine = module.engine.clone();
        exports::check(&module.module)?;
        check_memory(module)?;
        let linked = engine.link(&module.module)?;
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let shared = Arc::new(Shared {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            deadlines: host.deadlines,
            engine,
            slot: Mutex::new(Slot::Busy),
            freed: Condvar::new(),
        });
        let state = State::new(host, Arc::downgrade(&shared), shared.id, &shared.engine);
        let mut store = Store::new(shared.engine.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_callback(|mut context| context.data_mut().budget.tick());
        *shared.lock() = Slot::Idle(Box::new(store));
        let guest = Self { shared };
        let started = guest
            .shared
            .enter(guest.shared.deadlines.init, |mut context| {
                let instance = linked
                    .instantiate(&mut context)
                    .map_err(|error| Error::Instantiate(error.into_boxed_dyn_error()))?;
                initialize(&instance, &mut context)
            });
        match started {
            Ok(outcome) => outcome.map(|()| guest),
            Err(refused) => Err(Error::Instantiate(Box::new(refused.cause()))),
        }
    }

    /// Runs a phase; a guest without the export has nothing to do in it.
    ///
    /// # Errors
    /// [`Error::Phase`] with what the guest says, or how it ended.
    pub fn call(&self, phase: Phase) -> Result<(), Error> {
        let export = phase.export();
        match self.shared.run(export, Some(phase)) {
            None => Ok(()),
            Some(cause) => Err(Error::Phase { export, cause }),
        }
    }

    /// Why the guest is dead, if it has trapped, exited or run too long. Waits while the guest runs.
    pub fn death(&self) -> Option<String> {
        self.shared
            .enter(Duration::ZERO, |context| context.data().dead.clone())
            .unwrap_or_default()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A thread that is inside finds the slot closed when it leaves, and drops the store then.
        let closed = std::mem::replace(&mut *self.shared.lock(), Slot::Closed);
        self.shared.freed.notify_all();
        drop(closed);
    }
}

impl Refused {
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Refused::Inside | Refused::Crossed => Cause::Busy,
            Refused::Closed => Cause::Closed,
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` with the guest's store: at once when this thread is inside the guest and it waits in a host function,
    /// else when no other thread is inside. `allowed` is the time for an entry from outside.
    pub(crate) fn enter<R>(
        &self,
        allowed: Duration,
        f: impl FnOnce(StoreContextMut<'_, State>) -> R,
    ) -> Result<R, Refused> {
        let mut once = Some(f);
        let nested = reentry::borrow(self.id, |context| once.take().map(|f| f(context)));
        match nested {
            Borrowed::Ran(Some(result)) => return Ok(result),
            Borrowed::Outside => {}
            Borrowed::Ran(None) | Borrowed::Unavailable => return Err(Refused::Inside),
        }
        let Some(f) = once else {
            return Err(Refused::Inside);
        };
        let mut held = self.acquire()?;
        let _inside = reentry::mark(self.id);
        let _ticks = self.engine.ticker().enter();
        let Some(store) = held.store.as_mut() else {
            return Err(Refused::Closed);
        };
        store.set_epoch_deadline(1);
        let state = store.data_mut();
        state.budget.start(allowed);
        state.report = Default::default();
        Ok(f(store.as_context_mut()))
    }

    fn acquire(&self) -> Result<Held<'_>, Refused> {
        let limit = reentry::inside_any().then(|| Instant::now() + CROSS_WAIT);
        let mut slot = self.lock();
        loop {
            match std::mem::replace(&mut *slot, Slot::Busy) {
                Slot::Idle(store) => {
                    return Ok(Held {
                        shared: self,
                        store: Some(store),
                    });
                }
                Slot::Closed => {
                    *slot = Slot::Closed;
                    return Err(Refused::Closed);
                }
                Slot::Busy => {}
            }
            slot = match limit {
                None => self
                    .freed
                    .wait(slot)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(limit) => {
                    let left = limit.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Refused::Crossed);
                    }
                    let waited = self.freed.wait_timeout(slot, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Calls a lifecycle export, if there is one; `None` when that went well. `phase` is `None` for `gadgetInit`.
    fn run(&self, export: &'static str, phase: Option<Phase>) -> Option<Cause> {
        let allowed = phase.map_or(self.deadlines.init, |phase| phase.deadline(&self.deadlines));
        let outcome = self.enter(allowed, |mut context| {
            let cause = run_export(&mut context, export);
            if phase == Some(Phase::Stop) {
                context.data_mut().stopped = true;
            }
            cause
        });
        outcome.unwrap_or_else(|refused| Some(refused.cause()))
    }
}

fn run_export(context: &mut StoreContextMut<'_, State>, export: &'static str) -> Option<Cause> {
    let function = context.data().exports.phase(export)?;
    call_export(context, |context| function.call(context))
}

/// Calls an export unless the guest is dead, and finds the words for what came of it.
pub(crate) fn call_export(
    context: &mut StoreContextMut<'_, State>,
    call: impl FnOnce(&mut StoreContextMut<'_, State>) -> wasmtime::Result<i64>,
) -> Option<Cause> {
    if let Some(text) = &context.data().dead {
        return Some(Cause::Dead(text.clone()));
    }
    let outcome = call(context);
    let state = context.data_mut();
    state.flush_output();
    let said = state.report.fail.take().or(state.report.last_error.take());
    match outcome {
        Ok(0) => None,
        Ok(value) => Some(said.map_or(Cause::Returned(value), Cause::Said)),
        Err(error) => {
            let text = bury(state, &error);
            tracing::debug!(gadget = state.host.gadget.as_str(), "{error:?}");
            Some(Cause::Trap(match said {
                Some(said) => format!("{said} ({text})"),
                None => text,
            }))
        }
    }
}

/// Marks the guest dead after a trap, and says what it wrote before; the trap's text.
pub(crate) fn bury(state: &mut State, error: &wasmtime::Error) -> String {
    let text = trap_text(error);
    state.flush_output();
    let gadget = state.host.gadget.as_str();
    for line in state.report.stderr.drain(..) {
        tracing::warn!(
            gadget,
            "standard error of the guest before it ended: {line}"
        );
    }
    state.dead.get_or_insert_with(|| text.clone());
    text
}

/// The store while a thread is inside; goes back when dropped.
struct Held<'s> {
    shared: &'s Shared,
    store: Option<Box<Store<State>>>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut slot = self.shared.lock();
        if matches!(*slot, Slot::Busy)
            && let Some(store) = self.store.take()
        {
            *slot = Slot::Idle(store);
            self.shared.freed.notify_one();
        }
        // A store of a closed guest is dropped after the lock.
        drop(slot);
        drop(self.store.take());
    }
}

/// `_initialize`, then the version, then the other exports.
fn initialize(
    instance: &wasmtime::Instance,
    context: &mut StoreContextMut<'_, State>,
) -> Result<(), Error> {
    let trapped = |export, error: wasmtime::Error| Error::Phase {
        export,
        cause: Cause::Trap(trap_text(&error)),
    };
    context.data_mut().memory = instance.get_memory(&mut *context, "memory");
    let exports = Exports::find(instance, context);
    context.data_mut().exports = exports;
    if let Ok(function) = instance.get_typed_func::<(), ()>(&mut *context, "_initialize") {
        function
            .call(&mut *context, ())
            .map_err(|error| trapped("_initialize", error))?;
    }
    let version =
        exports::lifecycle(instance, context, "gadgetAPIVersion").ok_or(Error::NoVersion)?;
    let found = version
        .call(context)
        .map_err(|error| trapped("gadgetAPIVersion", error))?;
    if found != API_VERSION {
        return Err(Error::Version {
            found,
            expected: API_VERSION,
        });
    }
    Ok(())
}

fn check_memory(module: &Module) -> Result<(), Error> {
    let pages = module.module.resources_required().max_initial_memory_size;
    let needed = pages.unwrap_or(0).saturating_mul(1 << 16);
    let allowed = module.engine.max_memory_bytes();
    if needed > allowed {
        return Err(Error::Memory { needed, allowed });
    }
    Ok(())
}
