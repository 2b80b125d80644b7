//! What a run waits for: the command's end, a timeout, a signal, or nobody who reads the output any more.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use gizmo_containers::{Command, Ended, wait_for_all};
use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use tracing::{debug, info};

use crate::Error;
use crate::live::{Call, Live};
use crate::roster::News;

/// A signal within this time after the end of the wait is the one that ended the command.
const SAME_SIGNAL: Duration = Duration::from_millis(300);

/// Something that ends a run, or that somebody must hear of.
#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody asks through the run's socket.
    Call(Call),
    /// What is held is to be shown.
    Snapshot,
    /// Something is heard of containers.
    News(News),
    /// The command itself has ended.
    CommandEnded(Ended),
    /// The command and all its descendants have ended.
    AllEnded,
    /// A signal for this process.
    Signal(i32),
    /// Nobody reads the output any more.
    OutputClosed,
}

/// Where events come in.
pub(crate) struct Waiter {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

/// Who hears the news of containers while a run waits.
pub(crate) trait Listener {
    /// Takes news.
    fn hear(&mut self, news: News);
    /// Lets time pass.
    fn tick(&mut self);
    /// When time must pass next.
    fn deadline(&self) -> Option<Instant>;
    /// Whether everything that was heard of is clear.
    fn is_settled(&self) -> bool;
}

/// How the wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waited {
    /// How the command ended, if it did.
    pub(crate) command: Option<Ended>,
}

impl Waiter {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// Handlers or threads cannot be made.
    pub(crate) fn new() -> Result<Self, Error> {
        let (sender, receiver) = mpsc::channel();
        // Whose children's ends are ignored never hears of them.
        signal_hook::flag::register(SIGCHLD, Arc::default())
            .map_err(|error| Error::System("the end of children cannot be noticed", error))?;
        let events = sender.clone();
        on_end_signal(move |signal| events.send(Event::Signal(signal)).is_ok())?;
        let events = sender.clone();
        on_signals("snapshot-signal", [SIGUSR1], move |_| {
            events.send(Event::Snapshot).is_ok()
        })?;
        Ok(Self { sender, receiver })
    }

    /// A way to report events.
    pub(crate) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Reports the end of a command and of its descendants from a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn watch(&self, pid: Pid) -> Result<(), Error> {
        let events = self.sender.clone();
        spawn("command", move || {
            wait_for_all(pid, |ended| {
                let _ = events.send(Event::CommandEnded(ended));
            });
            let _ = events.send(Event::AllEnded);
        })
    }

    /// A signal that came before there was a command it could have been meant for.
    pub(crate) fn early_signal(&self) -> Option<u8> {
        let signal = |event| match event {
            Event::Signal(signal) => u8::try_from(signal).ok(),
            _ => None,
        };
        self.receiver.try_iter().find_map(signal)
    }

    /// Waits for the end of the run.
    pub(crate) fn wait(
        &self,
        command: Option<&Command>,
        timeout: Option<Duration>,
        listener: &mut dyn Listener,
        live: &mut Live<'_>,
    ) -> Waited {
        // A timeout too large for the clock is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut waited = Waited { command: None };
        loop {
            // First, so that nothing that goes on for ever keeps followers waiting.
            live.tick();
            let others = [listener.deadline(), live.deadline()];
            let next = others.into_iter().flatten().chain(deadline).min();
            match self.receive(next) {
                Err(RecvTimeoutError::Timeout)
                    if deadline.is_none_or(|deadline| deadline > Instant::now()) =>
                {
                    tick(listener, live);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => debug!("timeout"),
                Ok(Event::News(news)) => {
                    live.catch_up();
                    listener.hear(news);
                    continue;
                }
                Ok(Event::Call(call)) => {
                    live.serve(call);
                    continue;
                }
                Ok(Event::Snapshot) => {
                    live.dump();
                    continue;
                }
                Ok(Event::CommandEnded(ended)) => {
                    waited.command = Some(ended);
                    continue;
                }
                // What is still to come is dropped; the command's end and exit code matter all the same.
                Ok(Event::OutputClosed) if command.is_some() && waited.command.is_none() => {
                    continue;
                }
                Ok(Event::Signal(signal)) if pass_on(signal, command, waited.command) => continue,
                Ok(Event::Signal(signal)) => debug!(signal, "signal"),
                Ok(Event::OutputClosed) => debug!("output closed"),
                Ok(Event::AllEnded) | Err(RecvTimeoutError::Disconnected) => {}
            }
            return waited;
        }
    }

    /// Hears what is still to be heard of containers that have begun, but not for longer than `limit`.
    pub(crate) fn settle(&self, limit: Duration, listener: &mut dyn Listener, live: &mut Live<'_>) {
        let deadline = Instant::now() + limit;
        loop {
            // What has arrived is heard in any case.
            let until = if listener.is_settled() {
                Instant::now()
            } else {
                deadline
            };
            let next = listener.deadline().map_or(until, |next| next.min(until));
            match self.receive(Some(next)) {
                Ok(Event::News(news)) => {
                    live.catch_up();
                    listener.hear(news);
                }
                Ok(Event::Signal(_)) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    live.catch_up();
                    listener.tick();
                    if listener.is_settled() || Instant::now() >= deadline {
                        return;
                    }
                }
            }
        }
    }

    fn receive(&self, deadline: Option<Instant>) -> Result<Event, RecvTimeoutError> {
        match deadline {
            None => self
                .receiver
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => self
                .receiver
                .recv_timeout(deadline.saturating_duration_since(Instant::now())),
        }
    }

    /// From now on a signal ends the process at once: the second Ctrl-C. The first may still be on its way, when the command
    /// has died of it before we have seen it.
    pub(crate) fn exit_on_signal(self) -> Result<(), Error> {
        let since = Instant::now();
        spawn("second-signal", move || {
            while let Ok(event) = self.receiver.recv() {
                if matches!(event, Event::Signal(_)) && since.elapsed() > SAME_SIGNAL {
                    info!("interrupted while stopping");
                    std::process::exit(1);
                }
            }
        })
    }
}

/// Calls a function for each signal that asks this process to end (SIGINT, SIGTERM, SIGHUP, SIGQUIT), on a thread of its own
/// and until the function returns `false`.
///
/// # Errors
/// Handlers or the thread cannot be made.
pub fn on_end_signal(hear: impl FnMut(i32) -> bool + Send + 'static) -> Result<(), Error> {
    // What was ignored when we were started stays so, for us and for the command: nohup, and jobs in the background.
    let ignored = ignored_signals(&fs::read_to_string("/proc/self/status").unwrap_or_default());
    let caught = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
        .into_iter()
        .filter(|signal| ignored & (1 << (signal - 1)) == 0);
    on_signals("signals", caught, hear)
}

fn on_signals(
    thread: &str,
    caught: impl IntoIterator<Item = i32>,
    mut hear: impl FnMut(i32) -> bool + Send + 'static,
) -> Result<(), Error> {
    let mut signals =
        Signals::new(caught).map_err(|error| Error::System("signals cannot be caught", error))?;
    spawn(thread, move || {
        for signal in &mut signals {
            if !hear(signal) {
                break;
            }
        }
    })
}

/// The mask of ignored signals in `/proc/self/status` (proc_pid_status(5)).
fn ignored_signals(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Whether a signal is the running command's affair. Ctrl-C and Ctrl-\ have reached it by way of the terminal, the others
/// were meant for it. When the command has ended and only descendants are left, signals end the recording.
fn pass_on(signal: i32, command: Option<&Command>, ended: Option<Ended>) -> bool {
    let (Some(command), None) = (command, ended) else {
        return false;
    };
    match signal {
        SIGTERM => command.signal(Signal::TERM),
        SIGHUP => command.signal(Signal::HUP),
        _ => {}
    }
    true
}

/// Lets time pass for who has waited for it. Followers see what containers did before these end.
fn tick(listener: &mut dyn Listener, live: &mut Live<'_>) {
    let now = Instant::now();
    if listener.deadline().is_some_and(|deadline| deadline <= now) {
        live.catch_up();
        listener.tick();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    spawn_joinable(name, work).map(drop)
}

/// A thread with a small stack.
pub(crate) fn spawn_joinable(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, Error> {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(128 * 1024)
        .spawn(work)
        .map_err(|error| Error::System("a thread cannot be made", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_bits() {
        let mask = ignored_signals("Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\t0\n");
        assert_eq!(mask & (1 << (SIGHUP - 1)), 1);
        assert_eq!(mask & (1 << (SIGINT - 1)), 0);
        assert_eq!(ignored_signals("nothing"), 0);
    }
}
