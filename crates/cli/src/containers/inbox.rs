//! What a watch waits for: containers, a signal, the end of its time, or nobody who reads the output any more.

use std::io;
use std::process;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use gizmo_containers::ContainerEvent;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Events wait where they are lost and counted, not here.
const QUEUE: usize = 16;

enum Item {
    Happened(ContainerEvent),
    End,
}

/// One receiver for all of them.
pub(super) struct Inbox {
    items: Receiver<Item>,
    deadline: Option<Instant>,
}

impl Inbox {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// Handlers or threads cannot be made.
    pub(super) fn new(
        events: Receiver<ContainerEvent>,
        deadline: Option<Instant>,
    ) -> anyhow::Result<Self> {
        let (sender, items) = mpsc::sync_channel(QUEUE);
        let ends = sender.clone();
        let mut is_first = true;
        gizmo_runtime::on_end_signal(move |_| {
            // When nobody takes it, the output is stuck; neither that nor a second signal is worth waiting.
            if ends.try_send(Item::End).is_err() || !is_first {
                process::exit(i32::from(!is_first));
            }
            is_first = false;
            true
        })?;
        let ends = sender.clone();
        spawn("reader", move || {
            wait_for_reader_to_go();
            let _ = ends.send(Item::End);
        })?;
        spawn("container-events", move || forward(&events, &sender))?;
        Ok(Self { items, deadline })
    }

    /// The next event; nothing when it is time to end.
    pub(super) fn next(&self) -> Option<ContainerEvent> {
        let item = match self.deadline {
            None => self.items.recv().map_err(RecvTimeoutError::from),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                self.items.recv_timeout(left)
            }
        };
        match item {
            Ok(Item::Happened(event)) => Some(event),
            Ok(Item::End) | Err(_) => None,
        }
    }
}

fn forward(events: &Receiver<ContainerEvent>, items: &SyncSender<Item>) {
    for event in events {
        if items.send(Item::Happened(event)).is_err() {
            return;
        }
    }
    let _ = items.send(Item::End);
}

/// Returns when stdout is a pipe that nobody reads or a terminal that is gone; never for a file.
fn wait_for_reader_to_go() {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    while poll(&mut fds, None) == Err(Errno::INTR) {}
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).context("a thread cannot be made")
}
