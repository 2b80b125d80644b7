//! The clock of deadlines: a thread that advances the engine's epoch while a guest runs, and sleeps otherwise.
//!
//! With no guest running there are no wake-ups: the thread waits on a condition variable until the next entry.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often running guests are looked at, and so how exact deadlines are.
pub(crate) const TICK: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Signals {
    running: AtomicUsize,
    parked: AtomicBool,
    stop: Mutex<bool>,
    wake: Condvar,
}

/// Owns the thread; dropping it ends the thread.
pub(crate) struct Ticker {
    signals: Arc<Signals>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let signals = Arc::new(Signals::default());
        let own = Arc::clone(&signals);
        let thread = std::thread::Builder::new()
            .name("gizmo-wasm-tick".into())
            .spawn(move || run(&own, &engine))?;
        Ok(Self {
            signals,
            thread: Some(thread),
        })
    }

    /// Ticks until the result is dropped.
    pub(crate) fn enter(&self) -> Running<'_> {
        self.signals.running.fetch_add(1, Ordering::SeqCst);
        // Either this load sees that the thread is parked, or the thread, which looks again after saying so, sees the
        // count above.
        if self.signals.parked.load(Ordering::SeqCst) {
            let _stop = self.signals.stop.lock();
            self.signals.wake.notify_one();
        }
        Running(&self.signals)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        *self
            .signals
            .stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.signals.wake.notify_one();
        // The last owner may be a guest that is dropped by any thread, but never by the ticker itself.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A guest is running.
pub(crate) struct Running<'t>(&'t Signals);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn run(signals: &Signals, engine: &wasmtime::Engine) {
    let mut stop = signals.stop.lock().unwrap_or_else(PoisonError::into_inner);
    while !*stop {
        signals.parked.store(true, Ordering::SeqCst);
        if signals.running.load(Ordering::SeqCst) == 0 {
            stop = signals
                .wake
                .wait(stop)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        signals.parked.store(false, Ordering::SeqCst);
        stop = signals
            .wake
            .wait_timeout(stop, TICK)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        engine.increment_epoch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the only ticker of this process has gone to sleep.
    fn sleeps() -> u64 {
        for task in std::fs::read_dir("/proc/self/task").unwrap() {
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            if status.contains("gizmo-wasm-tick") {
                let line = status
                    .lines()
                    .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
                return line.unwrap().trim().parse().unwrap();
            }
        }
        panic!("the ticker does not run")
    }

    #[test]
    fn the_thread_sleeps_unless_a_guest_runs() {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let engine = wasmtime::Engine::new(&config).unwrap();
        let ticker = Ticker::start(engine).unwrap();
        std::thread::sleep(TICK * 3);
        let before = sleeps();
        std::thread::sleep(TICK * 10);
        assert_eq!(sleeps(), before);
        let running = ticker.enter();
        std::thread::sleep(TICK * 10);
        drop(running);
        std::thread::sleep(TICK * 3);
        let after = sleeps();
        assert!(after > before + 3, "{before} {after}");
        std::thread::sleep(TICK * 10);
        assert_eq!(sleeps(), after);
    }
}
